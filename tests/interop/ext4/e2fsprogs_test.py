"""Foreign judges: e2fsck, dumpe2fs and debugfs on our images, our reader and verifier on those of mke2fs."""

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sysimage import tree as trees
from sysimage.ext4 import inspect, plan, read, verify
from sysimage.ext4.testing import differences, options, write_over, write_sparse
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources, open_raw
from sysimage.tree import Node, NodeType, Tree, encode
from tests.interop.ext4 import hostile_tree

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "TZ": "UTC"}


def run(*words: str | Path, allowed: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, check=False)
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode in allowed, f"{words}: {done.returncode}\n{output}"
    return output


def check(image: Path) -> str:
    """e2fsck has nothing to say, and gives nothing to do."""
    output = run("e2fsck", "-f", "-n", image)
    passes = [line for line in output.splitlines() if not line.startswith("e2fsck ")]
    assert [line[:6] for line in passes[:5]] == [f"Pass {number}" for number in range(1, 6)], output
    assert len(passes) == 6, output
    return output


def debugfs(image: Path, *commands: str) -> str:
    return run("debugfs", "-R", " ".join(commands), image)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    path = tmp_path_factory.mktemp("pattern") / "pattern"
    hostile_tree.write_pattern(path)
    return Sources({hostile_tree.PATTERN_KEY: path})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": 400 << 20, "journal": True, "label": "hostile"},
        {"reserve": 50 << 20, "inode_size": 512},
        {"size": 1 << 40},
    ],
    ids=["compact", "journal", "reserve", "1 TiB"],
)
def test_hostile_tree(tmp_path: Path, pattern: Sources, changes: dict[str, Any]) -> None:
    tree = hostile_tree.build()
    plan_options = options(**changes)
    image = plan(tree, plan_options)
    path = tmp_path / "image"
    if image.size < 1 << 30:
        write_over(image, path, pattern, bytes(range(1, 256)) * 256)
    else:
        write_sparse(image, path, pattern)
    check(path)
    reader = open_raw(path)
    assert differences(tree, read(reader), pattern, reader.sources) == []
    assert verify(reader) == []


def test_contents_as_debugfs_reads_them(tmp_path: Path, pattern: Sources) -> None:
    """Another reader than ours finds the same bytes behind extent trees of every depth."""
    tree = hostile_tree.build()
    path = tmp_path / "image"
    write_sparse(plan(tree, options()), path, pattern)
    for name in ("unaligned", "five-extents", "depth-1", "depth-2", "hole-last", f"size-{hostile_tree.PATTERN_SIZE}"):
        content = tree[f"contents/{name}"].data
        out = tmp_path / "out"
        debugfs(path, "dump", f"/contents/{name}", str(out))
        wanted = ImageReader(content, pattern).read(0, content.size)
        assert hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256(wanted).digest(), name
    assert "(ETB1)" in debugfs(path, "stat", "/contents/depth-2")


def test_attributes_as_debugfs_reads_them(tmp_path: Path, pattern: Sources) -> None:
    path = tmp_path / "image"
    write_sparse(plan(hostile_tree.build(), options()), path, pattern)
    listed = debugfs(path, "ea_list", "/attributes/both")
    assert 'security.selinux (27) = "system_u:object_r:bin_t:s0\\000"' in listed
    assert "user.long (3000)" in listed
    assert "01 00 06 00 02 00 07 00 70 11 01 00 " in debugfs(path, "ea_list", "/attributes/acl")
    out = tmp_path / "value"
    debugfs(path, "ea_get", "-f", str(out), "/attributes/largest", "user.full")
    assert out.read_bytes() == b"x" * 4040


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/specials/char-4095-1048575", ["Type: character special", "Device major/minor number: 4095:1048575"]),
        ("/specials/block-8-256", ["Type: block special", "Device major/minor number: 08:256"]),
        ("/owners/uid-100000", ["User: 100000 "]),
        ("/owners/file-7777", ["Mode:  07777"]),
        ("/links/00-first", ["Links: 1000"]),
        ("/symlinks/to-59", ["Type: symlink", "Fast link dest:"]),
        ("/symlinks/to-60", ["Type: symlink", "Blockcount: 8"]),
        ("/times/4294967296.000000001", ["mtime: 0x00000000:00000005"]),
        ("/times/-1.999999999", ["mtime: 0xffffffff:ee6b27fc"]),
        ("/big_directory", ["Type: directory", "Flags: 0x81000"]),
    ],
)
def test_inodes_as_debugfs_reads_them(image_of_hostile_tree: Path, path: str, lines: list[str]) -> None:
    output = debugfs(image_of_hostile_tree, "stat", path)
    for line in lines:
        assert line in output, output


@pytest.fixture(scope="module")
def image_of_hostile_tree(tmp_path_factory: pytest.TempPathFactory, pattern: Sources) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "image"
    write_sparse(plan(hostile_tree.build(), options()), path, pattern)
    return path


def test_superblock_as_dumpe2fs_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "image"
    write_sparse(plan(Tree(), options(size=300 << 20, label="config", journal=True)), path, Sources({}))
    lines = dict(
        re.split(r":\s+", line, maxsplit=1) for line in run("dumpe2fs", "-h", path).splitlines() if ": " in line
    )
    info = inspect(open_raw(path))
    assert lines["Filesystem volume name"] == info.label == "config"
    assert lines["Filesystem UUID"] == info.uuid
    assert lines["Directory Hash Seed"] == info.hash_seed
    assert lines["Filesystem state"] == "clean"
    assert lines["Filesystem flags"] == "unsigned_directory_hash "
    assert int(lines["Block count"]) == info.blocks == 76800
    assert int(lines["Free blocks"]) == info.free_blocks
    assert int(lines["Free inodes"]) == info.free_inodes
    assert int(lines["Inode count"]) == info.inodes
    assert int(lines["Total journal blocks"]) * 4096 == info.journal_size
    # dumpe2fs calls one feature by its older name.
    wanted = {"extent" if feature == "extents" else feature for feature in info.features}
    assert set(lines["Filesystem features"].split()) == wanted
    # All that is not free and no file's is overhead: here that is all but the root and lost+found.
    assert info.blocks - info.free_blocks - int(lines["Overhead clusters"]) == 5
    check(path)


def test_backup_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "image"
    write_sparse(plan(Tree(), options(size=300 << 20)), path, Sources({}))
    with open(path, "r+b") as file:
        file.write(bytes(8192))
    run("e2fsck", "-f", "-y", "-b", "32768", "-B", "4096", path, allowed=(1,))
    check(path)


@pytest.mark.parametrize("block_size", [1024, 2048, 4096])
@pytest.mark.parametrize("journal", [False, True])
def test_block_sizes(tmp_path: Path, block_size: int, journal: bool) -> None:
    tree = Tree()
    for number in range(5000):
        tree.add(f"name-{number}", trees.file(b"x" * (number % 3000)))
    for size in (None, 33 << 20, 260 << 20):
        path = tmp_path / "image"
        write_over(
            plan(tree, options(block_size=block_size, journal=journal, size=size)), path, Sources({}), b"\xa5" * 4096
        )
        check(path)


def test_dense_files_over_groups_and_4_gib(tmp_path: Path) -> None:
    """The blocks of a file of 5 GiB go around the backup in group 1; only the map is dense, the image stays sparse."""
    tree = Tree()
    content = ExtentMap(5 << 30, [Extent(0, 5 << 30, FileSlice("zeros", 0))])
    tree.add("large", trees.file(content))
    tree.add("after", trees.file(b"after"))
    image = plan(tree, options())
    path = tmp_path / "image"
    literals = ExtentMap(image.size, [each for each in image.extents if isinstance(each.source, bytes)])
    write_sparse(literals, path, Sources({}))
    check(path)
    assert read(ImageReader(image, Sources({})))["large"].content == content


def test_directory_of_100_000(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("d", trees.directory())
    for number in range(100_000):
        tree.add(f"d/{number:060d}", Node(NodeType.FIFO, 0o600))
    path = tmp_path / "image"
    write_sparse(plan(tree, options()), path, Sources({}))
    check(path)
    shown = debugfs(path, "htree_dump", "/d")
    assert "Indirect levels: 1" in shown
    assert "Number of entries (count): 4" in shown
    assert verify(open_raw(path)) == []


def test_directory_with_more_than_65000_directories(tmp_path: Path) -> None:
    """Its links are no longer counted (dir_nlink)."""
    tree = Tree()
    for number in range(65_100):
        tree.add(f"{number}", trees.directory())
    path = tmp_path / "image"
    write_sparse(plan(tree, options(block_size=1024)), path, Sources({}))
    check(path)
    assert "Links: 1 " in debugfs(path, "stat", "/")


@pytest.mark.parametrize("count", range(248, 262))
def test_directories_around_one_block(tmp_path: Path, count: int) -> None:
    tree = Tree()
    for number in range(count):
        tree.add(f"name{number:03d}", Node(NodeType.FIFO, 0o600))
    path = tmp_path / "image"
    write_sparse(plan(tree, options()), path, Sources({}))
    check(path)


def write_out(tree: Tree, folder: Path, sources: Sources) -> None:
    """Makes the files of a tree in a folder, as far as an ordinary user can."""
    for path, node in tree.walk():
        target = os.path.join(os.fsencode(folder), encode(path))
        if node.type is NodeType.DIRECTORY:
            os.makedirs(target, exist_ok=True)
        elif node.type is NodeType.SYMLINK:
            os.symlink(encode(node.target), target)
        elif tree.links(path)[0] != path:
            os.link(os.path.join(os.fsencode(folder), encode(tree.links(path)[0])), target)
        elif node.type is NodeType.FILE:
            with open(target, "wb") as file:
                file.truncate(node.size)
                for extent in node.data.extents:
                    file.seek(extent.offset)
                    file.write(sources.view(extent))


def without_owners(tree: Tree) -> Tree:
    for path, _ in list(tree.walk()):
        tree.change(path, uid=0, gid=0, mtime=0, mode=0o700, xattrs={})
    return tree


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-b", "1024"],
        ["-O", "^metadata_csum"],
        ["-O", "^64bit,^flex_bg"],
        ["-O", "^has_journal,^resize_inode"],
        ["-O", "metadata_csum_seed"],
        ["-I", "512"],
    ],
    ids=lambda words: " ".join(words) or "defaults",
)
def test_images_of_mke2fs(tmp_path: Path, pattern: Sources, words: list[str]) -> None:
    """Our reader finds what mke2fs put in, and our verifier nothing to say; e2fsck -D makes the directories hashed."""
    hostile = hostile_tree.build()
    for name in hostile.children("big_directory")[1000:]:
        hostile.remove(f"big_directory/{name}")
    tree = Tree()
    for path, node in hostile.walk():
        keep = node.type in (NodeType.FILE, NodeType.DIRECTORY, NodeType.SYMLINK) and node.size < 1 << 30
        if not path or not keep or path.startswith(("deep", "times", "owners", "attributes", "symlinks")):
            continue
        first = hostile.links(path)[0]
        if first == path:
            tree.add(path, node)
        elif node.type is NodeType.FILE:  # mke2fs makes links to one symbolic link two of them
            tree.link(path, first)
    folder = tmp_path / "folder"
    folder.mkdir()
    write_out(tree, folder, pattern)
    image = tmp_path / "image"
    run("mke2fs", "-q", "-t", "ext4", *words, "-d", folder, image, "200M")
    run("e2fsck", "-f", "-y", "-D", image, allowed=(0, 1))
    assert "Hash Version:" in debugfs(image, "htree_dump", "/big_directory")
    reader = open_raw(image)
    wanted = tree.copy()
    wanted.add("lost+found", trees.directory())
    assert differences(without_owners(wanted), without_owners(read(reader)), pattern, reader.sources) == []
    assert verify(reader) == []
