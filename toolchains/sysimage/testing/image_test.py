"""What every image must stand up to: its reviewed properties, our verifiers, and foreign judges.

Where the image and the goldens are, the rule says through the environment.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from sysimage import materialise
from sysimage.extents import ImageReader
from sysimage.inspection import Image, Volume, look, open_image
from sysimage.properties import properties
from sysimage.tree import NodeType, Tree

IMAGE = Path(os.environ["IMAGE"])
# Where programs leave what differs between machines and moments; "*" matches "/" as well.
MACHINE_STATE = (
    "etc/ssh/ssh_host_*",
    "etc/.pwd.lock",
    "etc/hostid",
    "etc/adjtime",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/urandom/random-seed",
    "*.pyc",
    "etc/*-",
    "var/lib/dpkg/*-old",
    "var/cache/*",
    "var/lib/apt/lists/*_*",
    "root/.*history",
)
# dpkg's own record says this much of every package.
DPKG_MISSING_IS_FINE = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with open_image(IMAGE) as reader:
        yield look(reader, verify=True)


@pytest.fixture(scope="module")
def root(image: Image) -> Volume:
    found = [volume for volume in image.volumes if volume.tree is not None and "etc/passwd" in volume.tree]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def tree(root: Volume) -> Tree:
    assert root.tree is not None
    return root.tree


def raw(image: Image, folder: Path, offset: int = 0, length: int = 0) -> Path:
    """The image, or a range of it, as a sparse file."""
    path = folder / "raw.img"
    reader = image.reader
    part = reader.map.slice(offset, length or reader.size)
    materialise.write_raw(part, reader.sources, path)
    return path


def judge(*command: str | Path) -> str:
    """Runs a foreign tool, which must be content; what it says."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} is not content:\n{done.stdout}"
    return done.stdout


def test_checksum_file() -> None:
    expected, _, name = Path(os.environ["CHECKSUM"]).read_text().strip().partition("  ")
    assert name == IMAGE.name
    with IMAGE.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == expected


def test_properties_are_the_reviewed_ones(image: Image) -> None:
    golden = Path(os.environ["GOLDEN"])
    found, reviewed = properties(image), golden.read_text().splitlines()
    gone = [f"- {line}" for line in reviewed if line not in found]
    new = [f"+ {line}" for line in found if line not in reviewed]
    assert found == reviewed, "\n".join(
        [
            "the image promises something else than was reviewed:",
            *gone,
            *new,
            f"If so it shall be: {os.environ['UPDATE']}",
        ]
    )


def test_our_verifiers_find_nothing(image: Image) -> None:
    assert image.all_findings() == []


def test_partition_table_is_judged(image: Image, tmp_path: Path) -> None:
    disk = raw(image, tmp_path)
    assert "No problems found" in judge("sgdisk", "--verify", disk)
    judge("sfdisk", "--verify", disk)


def test_file_systems_are_judged(image: Image, tmp_path: Path) -> None:
    judged = 0
    for volume in image.volumes:
        if volume.content == "ext4":
            judge("e2fsck", "-fn", raw(image, tmp_path, volume.offset, volume.length))
        elif volume.content.startswith("FAT"):
            judge("fsck.fat", "-n", raw(image, tmp_path, volume.offset, volume.length))
        else:
            assert volume.content == "empty", volume.name
            continue
        judged += 1
    assert judged


def test_hash_tree_is_judged(image: Image, root: Volume, tmp_path: Path) -> None:
    assert root.verity is not None, "the root has no hash tree"
    path = raw(image, tmp_path, root.offset, root.length)
    offset = f"--hash-offset={root.verity['hash_offset']}"
    judge("veritysetup", "verify", path, path, root.verity["root_hash"], offset)


def test_the_command_line_names_the_root_hash(image: Image, root: Volume) -> None:
    assert root.verity is not None
    named = [
        volume.name
        for volume in image.volumes
        if volume.tree is not None
        and "boot_args" in volume.tree
        and f"root_hash={root.verity['root_hash']}" in image.read(f"{volume.name}:boot_args").decode()
    ]
    assert named


def test_every_owner_has_a_name(image: Image, root: Volume, tree: Tree) -> None:
    def ids(path: str) -> set[int]:
        return {int(line.split(":")[2]) for line in image.read(f"{root.name}:{path}").decode().splitlines()}

    users, groups = ids("etc/passwd"), ids("etc/group")
    strangers = [path for path, node in tree.walk() if node.uid not in users or node.gid not in groups]
    assert strangers == []


def test_nothing_of_a_machine_is_in_it(image: Image, root: Volume, tree: Tree) -> None:
    # A link to a place that is filled at run time says nothing.
    files = [path for path, node in tree.walk() if node.type not in (NodeType.DIRECTORY, NodeType.SYMLINK)]
    found = [path for path in files if any(fnmatchcase(path, each) for each in MACHINE_STATE)]
    assert found == []
    assert tree["etc/machine-id"].size == 0
    keys = [
        path
        for path, node in tree.walk()
        if node.content is not None
        and b"PRIVATE KEY-----" in ImageReader(node.content, image.reader.sources).read(0, 64)
    ]
    assert keys == []


def test_logs_are_empty(tree: Tree) -> None:
    assert [path for path, node in tree.walk("var/log") if node.type is NodeType.FILE and node.size] == []


def test_secrets_are_closed(tree: Tree) -> None:
    for path in ("etc/shadow", "etc/gshadow"):
        node = tree[path]
        assert (node.mode, node.uid, node.gid) == (0o640, 0, 42), path


def test_dpkg_knows_its_packages(image: Image, tree: Tree, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    unpack(image, tree, folder)
    options = [f"--root={folder}", "--force-not-root"]
    assert judge("dpkg", *options, "--audit") == ""
    listed = [line for line in judge("dpkg", *options, "--list").splitlines() if line.startswith("ii ")]
    names = [line for line in properties(image) if line.startswith("package ")]
    assert len(listed) == len(names) > 0
    done = subprocess.run(["dpkg", *options, "--verify"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    reviewed = Path(os.environ["DPKG_VERIFY"]).read_text().splitlines()
    changed = [
        line
        for line in done.stdout.splitlines()
        if not (line.startswith("missing") and any(part in line for part in DPKG_MISSING_IS_FINE))
    ]
    expected = [line for line in reviewed if not line.startswith("#")]
    assert changed == expected, "\n".join(["dpkg --verify says:", *changed])


def unpack(image: Image, tree: Tree, folder: Path) -> None:
    """Directories, files and symbolic links, as the user who runs the test: dpkg looks at contents only."""
    for path, node in tree.walk():
        target = folder / path
        if node.type is NodeType.DIRECTORY:
            target.mkdir()
        elif node.type is NodeType.SYMLINK:
            target.symlink_to(node.target)
        elif node.content is not None:
            with target.open("wb") as file:
                for piece in materialise.pieces(node.content, image.reader.sources, 0, node.size):
                    file.write(piece)
