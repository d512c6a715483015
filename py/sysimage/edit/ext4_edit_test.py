"""Edits of an ext4: what is read afterwards, what e2fsck says of it, what stays where it was, what is refused."""

import os
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysimage import ext4
from sysimage.edit.changes import Change, overlay
from sysimage.edit.ext4 import edit
from sysimage.errors import UserError
from sysimage.ext4.testing import options, write_sparse
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.tree import NANOSECONDS, NodeType, Tree, directory, file, symlink

NONE = Sources({})
MIB = 1 << 20
TIME = 1_700_000_000 * NANOSECONDS


def volume(files: dict[str, bytes], **changes: Any) -> ImageReader:
    tree = Tree(directory(mtime=TIME))
    for path, content in files.items():
        tree.put(path, file(content, mtime=TIME))
    return ImageReader(ext4.plan(tree, options(**({"size": 16 * MIB} | changes))), NONE)


def edited(image: ImageReader, *changes: Change) -> ImageReader:
    return ImageReader(overlay(image.map, edit(image, changes)), image.sources)


def contents(image: ImageReader) -> dict[str, bytes]:
    tree = ext4.read(image)
    return {path: tree.read(path, NONE) for path, node in tree.walk() if node.type is NodeType.FILE}


def run(*words: str | Path) -> str:
    environment = {"LC_ALL": "C.UTF-8", "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "TZ": "UTC"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def judge(image: ImageReader, path: Path) -> Path:
    """Our verifier and e2fsck have nothing to say."""
    assert ext4.verify(image) == []
    write_sparse(image.map, path, image.sources)
    lines = run("e2fsck", "-f", "-n", path).splitlines()
    assert len([line for line in lines if not line.startswith("Pass ")]) == 1, lines
    return path


@pytest.mark.parametrize(
    "shape",
    [{}, {"block_size": 1024}, {"journal": True}, {"inode_size": 512, "reserve": 0}, {"size": 300 * MIB}],
    ids=["4096", "1024", "journal", "inodes of 512", "several groups"],
)
def test_replaced_added_removed(tmp_path: Path, shape: dict[str, Any]) -> None:
    image = volume({"deployment.json": b"old", "gone": b"secret" * 9000, "guest": b"g" * 50_000}, **shape)
    result = edited(
        image,
        Change("deployment.json", b"new" * 3000, mtime=TIME + NANOSECONDS),
        Change("gone", None),
        Change("keys/nns_public_key.pem", b"key\n", 0o640, 3, 4, mtime=TIME),
    )
    path = judge(result, tmp_path / "image")
    wanted = {"deployment.json": b"new" * 3000, "guest": b"g" * 50_000, "keys/nns_public_key.pem": b"key\n"}
    assert contents(result) == wanted
    tree = ext4.read(result)
    node = tree["keys/nns_public_key.pem"]
    assert (node.mode, node.uid, node.gid, node.mtime) == (0o640, 3, 4, TIME)
    assert tree["deployment.json"].mtime == TIME + NANOSECONDS
    assert run("debugfs", "-R", "cat /keys/nns_public_key.pem", path) == "key\n"
    assert run("debugfs", "-R", "cat /deployment.json", path) == "new" * 3000
    assert b"secret" not in path.read_bytes()


def test_what_does_not_change_is_not_read_and_stays(tmp_path: Path) -> None:
    child = tmp_path / "child"
    child.write_bytes(b"")  # too short for whoever reads it
    tree = Tree(directory(mtime=TIME))
    tree.add("child.tar.zst", file(ExtentMap.of_slice("child", 0, 600 * MIB), mtime=TIME))
    tree.add("deployment.json", file(b"old", mtime=TIME))
    with Sources({"child": child}) as sources:
        image = ImageReader(ext4.plan(tree, options(size=1700 * MIB)), sources)
        patches = edit(image, [Change("deployment.json", b"new"), Change("nns_public_key.pem", b"key")])
        result = ImageReader(overlay(image.map, patches), sources)
        assert sum(map(len, patches.values())) < 100_000
        assert ext4.verify(result) == []
        assert ext4.read(result)["child.tar.zst"] == tree["child.tar.zst"]


def test_nothing_to_change_changes_nothing() -> None:
    image = volume({"a": b"old"})
    assert edit(image, [Change("a", b"old"), Change("absent", None), Change("b/absent", None)]) == {}


def test_history_leaves_no_trace() -> None:
    image = volume({"guest": b"g" * 50_000})
    first = [Change("deployment.json", b"1" * 9000, mtime=TIME), Change("keys/a", b"1", mtime=TIME)]
    second = [Change("deployment.json", b"2", mtime=TIME), Change("keys/a", b"2" * 5000, mtime=TIME)]
    twice, once = edited(edited(image, *first), *second), edited(image, *second)
    assert twice.read(0, twice.size) == once.read(0, once.size)


def test_attributes_stay_with_a_replaced_file() -> None:
    tree = Tree(directory(mtime=TIME))
    node = file(b"old", 0o600, 5, 6, mtime=TIME)
    tree.add("a", node)
    tree.change("a", xattrs={"security.selinux": b"label\0"})
    image = ImageReader(ext4.plan(tree, options(size=16 * MIB)), NONE)
    result = ext4.read(edited(image, Change("a", b"new", 0o777, mtime=TIME)))["a"]
    assert (result.mode, result.uid, result.gid) == (0o600, 5, 6)
    assert result.xattrs == {"security.selinux": b"label\0"}


def test_large_directory(tmp_path: Path) -> None:
    files = {f"many/{number:04}-{'x' * 40}": b"" for number in range(900)}
    image = volume(files, block_size=1024, reserve=0)
    result = edited(image, Change("many/new", b"n"), Change(next(iter(files)), None))
    judge(result, tmp_path / "image")
    assert len(contents(result)) == 900
    small = edited(result, *(Change(path, None) for path in list(files)[2:]))
    judge(small, tmp_path / "image")
    assert len(contents(small)) == 2


def test_groups_without_bitmaps_get_them(tmp_path: Path) -> None:
    image = volume({"a": b""}, block_size=1024, size=40 * MIB)
    data = Random(1).randbytes(20 * MIB)
    result = edited(image, Change("large", data))
    judge(result, tmp_path / "image")
    assert contents(result)["large"] == data


def test_content_in_many_pieces_has_a_tree(tmp_path: Path) -> None:
    image = volume({f"{number:03}": b"x" for number in range(200)}, size=3 * MIB)
    gaps = edited(image, *(Change(f"{number:03}", None) for number in range(0, 200, 2)))
    result = edited(gaps, Change("large", b"y" * 390_000))
    path = judge(result, tmp_path / "image")
    assert "ETB" in run("debugfs", "-R", "stat /large", path)
    again = edited(result, Change("large", None))
    judge(again, tmp_path / "image")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([Change("folder", b"")], "/folder is a directory; only files are changed"),
        ([Change("a/x", b"")], "/a/x cannot be placed: /a is not a directory"),
        ([Change("link", b"")], "/link is a link, has several names, or is no ordinary file"),
        ([Change("hard", None)], "/hard is a link, has several names, or is no ordinary file"),
        ([Change("lost+found/x", b"")], "/lost+found/x: lost+found is e2fsck's"),
        ([Change("x" * 256, b"")], f"/{'x' * 256}: a name of 256 bytes is too long for ext4"),
        ([Change("big", bytes(17 * MIB))], "bytes more are needed than the ext4 file system has free"),
        ([Change("b", b"", uid=-1)], "/b: owner -1:0 is not possible"),
        ([Change("acl", None)], "/acl has extended attributes in a block of their own, and stays"),
    ],
)
def test_refused(changes: list[Change], message: str) -> None:
    tree = Tree()
    tree.put("a", file(b"old"))
    tree.put("folder/file", file(b""))
    tree.put("link", symlink("a"))
    tree.put("other", file(b"x"))
    tree.link("hard", "other")
    tree.put("acl", file(b"x"))
    tree.change("acl", xattrs={"user.long": b"x" * 900})
    image = ImageReader(ext4.plan(tree, options(size=16 * MIB)), NONE)
    with pytest.raises(UserError) as error:
        edit(image, changes)
    assert message in error.value.message


def test_inodes_run_out() -> None:
    image = volume({}, size=None, inodes=16)
    with pytest.raises(UserError, match="has no inode free"):
        edit(image, [Change(f"{number}", b"") for number in range(100)])


@pytest.mark.parametrize(
    ("offset", "data", "message"),
    [
        (0x60, b"\xc2\x42\x00\x00", "features that are not changed here: large_dir"),
        (0x64, b"\x6b\x14\x00\x00", "features that are not changed here: read-only"),
        (0xE8, b"\x0c\x00\x00\x00", "has files that were removed but in use"),
        (0x160, b"\x01\x00\x00\x00", "hashes names as signed bytes"),
        (0x3A, b"\x00\x00", "the ext4 file system is damaged: superblock: wrong checksum"),
    ],
)
def test_what_is_not_understood_is_refused(offset: int, data: bytes, message: str) -> None:
    image = volume({"a": b"old"})
    other = ImageReader(overlay(image.map, {1024 + offset: data}), NONE)
    with pytest.raises(UserError) as error:
        edit(other, [Change("a", b"new")])
    assert message in error.value.message


def test_journal_with_content_is_refused() -> None:
    image = volume({"a": b"old"}, journal=True)
    data = image.read(0, image.size)
    place = data.index(b"\xc0\x3b\x39\x98") + 0x1C
    other = ImageReader(overlay(image.map, {place: b"\0\0\0\1"}), NONE)
    with pytest.raises(UserError, match="the journal of the ext4 file system is not empty"):
        edit(other, [Change("a", b"new")])


PATHS = ("a", "b.txt", "d/x", "d/y", "e/f/g", "h" * 255)
FILES = st.dictionaries(st.sampled_from(PATHS), st.binary(max_size=9000))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES, FILES)
def test_any_edit_gives_what_is_wanted(tmp_path: Path, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    image = volume(before, size=4 * MIB, block_size=1024)
    changes = [Change(path, after.get(path), mtime=TIME) for path in PATHS]
    result = edited(image, *changes)
    judge(result, tmp_path / "image")
    assert contents(result) == after
    assert edit(result, changes) == {}


def test_any_damage_is_survived() -> None:
    image = volume({"config.ini": b"old", "folder/a": b"x" * 3000}, size=2 * MIB, block_size=1024)
    used = max(extent.end for extent in image.map.extents)
    random = Random(1)
    for _ in range(100):
        limit = random.choice((2048, used))
        damage = {random.randrange(limit): random.randbytes(1) for _ in range(random.choice((1, 3, 20)))}
        try:
            result = edited(ImageReader(overlay(image.map, damage), NONE), Change("config.ini", b"new"))
        except UserError:
            continue
        assert ext4.verify(result) == []
