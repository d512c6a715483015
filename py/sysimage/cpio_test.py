import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import cpio, tree
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, decode

NOTHING = Sources({})
NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")
)


def example() -> Tree:
    content = Tree()
    content.put("bin/busybox", tree.file(b"program", 0o4755, 1, 2, 3 * NANOSECONDS))
    content.link("bin/cat", "bin/busybox")
    content.put("bin/sh", tree.symlink("busybox"))
    content.put("dev/console", Node(NodeType.CHARACTER, 0o600, device=(5, 1)))
    content.put("dev/disk", Node(NodeType.BLOCK, 0o660, gid=6, device=(8, 257)))
    content.put("run/pipe", Node(NodeType.FIFO, 0o622))
    content.put("empty", tree.file(b""))
    content.put("tmp", tree.directory(0o1777))
    return content


def same(left: Tree, right: Tree) -> None:
    assert [path for path, _ in left.walk()] == [path for path, _ in right.walk()]
    for path, node in left.walk():
        if path:  # the root is not in an archive
            assert right[path] == node, path
            assert right.links(path) == left.links(path)


def test_golden_bytes() -> None:
    content = Tree()
    content.add("a", tree.file(b"hello", 0o644, mtime=NANOSECONDS))
    numbers = (1, 0o100644, 0, 0, 1, 1, 5, 0, 0, 0, 0, 2, 0)
    entry = b"070701" + b"".join(b"%08X" % number for number in numbers) + b"a\0" + b"hello\0\0\0"
    numbers = (0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0)
    trailer = b"070701" + b"".join(b"%08X" % number for number in numbers) + b"TRAILER!!!\0" + b"\0\0\0"
    assert cpio.make(content, NOTHING) == entry + trailer


def test_what_is_written_is_read() -> None:
    same(example(), cpio.read(cpio.make(example(), NOTHING)))


@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=8))
def test_any_names_and_contents(files: dict[bytes, bytes]) -> None:
    content = Tree()
    for name, data in files.items():
        content.add(decode(name), tree.file(data))
    same(content, cpio.read(cpio.make(content, NOTHING)))


def test_hard_links_to_other_things_than_files() -> None:
    content = Tree()
    content.add("a", tree.symlink("target"))
    content.link("b", "a")
    content.add("c", Node(NodeType.FIFO, 0o600))
    content.link("d", "c")
    same(content, cpio.read(cpio.make(content, NOTHING)))


def test_content_of_hard_links_comes_with_the_last() -> None:
    entries = {entry.path: entry for entry in cpio.entries(cpio.make(example(), NOTHING))}
    assert (entries["bin/busybox"].data, entries["bin/cat"].data) == (b"", b"program")
    assert entries["bin/busybox"].inode == entries["bin/cat"].inode
    assert entries["bin/cat"].links == 2


def test_inodes_count_from_one_in_order() -> None:
    found = [entry.inode for entry in cpio.entries(cpio.make(example(), NOTHING))]
    assert list(dict.fromkeys(found)) == list(range(1, len(set(found)) + 1))


def listing(command: list[str], archive: bytes) -> str:
    assert shutil.which(command[0]), f"{command[0]} is in the container"
    done = subprocess.run(command, input=archive, capture_output=True, check=True)
    return done.stdout.decode()


def test_foreign_readers_agree() -> None:
    """GNU cpio lists the entries; bsdtar gives back the content of every one."""
    archive = cpio.make(example(), NOTHING)
    paths = [path for path, _ in example().walk() if path]
    assert listing(["cpio", "-t", "--quiet"], archive).splitlines() == paths
    lines = listing(["bsdtar", "-tvf", "-"], archive).splitlines()
    assert [line.split()[-1] if " -> " not in line else line.split()[-3] for line in lines if " link to " not in line]
    assert any(line.startswith("-rwsr-xr-x") and "busybox" in line for line in lines)
    assert any(line.startswith("crw-------") and "5,1" in line for line in lines)
    assert any(line.startswith("drwxrwxrwt") for line in lines)


def test_bsdtar_extracts_the_contents(tmp_path: Path) -> None:
    content = Tree()
    content.put("folder/file", tree.file(b"x" * 5000))
    content.link("folder/again", "folder/file")
    subprocess.run(["bsdtar", "-xf", "-", "-C", str(tmp_path)], input=cpio.make(content, NOTHING), check=True)
    assert (tmp_path / "folder/file").read_bytes() == b"x" * 5000
    assert (tmp_path / "folder/file").stat().st_ino == (tmp_path / "folder/again").stat().st_ino


def test_what_the_format_cannot_hold() -> None:
    cases = {
        "/a has the extended attribute 'user.x'; a cpio archive cannot hold it": Node(
            NodeType.FILE, 0o644, xattrs={"user.x": b""}, content=tree.file(b"").content
        ),
        "/a has the uid 4294967296; a cpio archive holds 0 to 4294967295": tree.file(b"", uid=1 << 32),
        "/a has the time -1; a cpio archive holds 0 to 4294967295": tree.file(b"", mtime=-NANOSECONDS),
    }
    for message, node in cases.items():
        content = Tree()
        content.add("a", node)
        with pytest.raises(UserError) as caught:
            cpio.make(content, NOTHING)
        assert str(caught.value) == message


def test_damage_is_found() -> None:
    archive = cpio.make(example(), NOTHING)
    with pytest.raises(UserError, match=r"^no cpio \(newc\) header at byte 0; the archive is damaged or cut short$"):
        cpio.read(b"nothing of the kind" * 20)
    with pytest.raises(UserError, match=r"inside an entry$"):
        cpio.read(archive[:-1])
    for number in (b"-0000001", b"+0000001", b" 0000001", b"0000_001"):
        # A negative size would lead back to the same header for ever.
        with pytest.raises(UserError, match=r"^the cpio header at byte 0 has a number that is none"):
            cpio.read(archive[:54] + number + archive[62:])
    with pytest.raises(UserError, match=r"has a number that is none"):
        cpio.read(archive[:6] + b"zzzzzzzz" + archive[14:])
    for length in range(0, len(archive) - 1, 7):
        with pytest.raises(UserError):
            cpio.read(archive[:length])
