"""Edits of a FAT: what is read afterwards, what stays, what is refused, damage survived."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import fat
from sysimage.edit.changes import Change, overlay
from sysimage.edit.fat import edit
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.fat import FatReader, FatType, Options
from sysimage.tree import NANOSECONDS, NodeType, Tree, directory, file

NONE = Sources({})
MIB = 1 << 20
TIME = 1_700_000_000 * NANOSECONDS
OPTIONS = Options(50 * MIB, FatType.FAT32, label="CONFIG", volume_id=0xC0FFEE, hidden_sectors=2048)


def volume(files: dict[str, bytes], options: Options = OPTIONS) -> ImageReader:
    tree = Tree(directory(mtime=TIME))
    for path, content in files.items():
        tree.put(path, file(content, mtime=TIME))
    return ImageReader(fat.plan(tree, options), NONE)


def edited(image: ImageReader, *changes: Change) -> ImageReader:
    return ImageReader(overlay(image.map, edit(image, changes)), image.sources)


def contents(image: ImageReader) -> dict[str, bytes]:
    tree = FatReader(image).tree()
    return {path: tree.read(path, NONE) for path, node in tree.walk() if node.type is NodeType.FILE}


def same(one: ImageReader, other: ImageReader) -> bool:
    return one.read(0, one.size) == other.read(0, other.size)


@pytest.mark.parametrize("kind", [FatType.FAT16, FatType.FAT32])
def test_replaced_added_removed(kind: FatType) -> None:
    options = Options(50 * MIB, kind, label="CONFIG", volume_id=7)
    image = volume({"config.ini": b"old", "gone": b"secret" * 9000, "stays": b"s" * 5000}, options)
    result = edited(
        image,
        Change("config.ini", b"new" * 3000, mtime=TIME),
        Change("gone", None),
        Change("ssh_authorized_keys/admin", b"ssh-ed25519 A\n", mtime=TIME),
    )
    wanted = {"config.ini": b"new" * 3000, "stays": b"s" * 5000, "ssh_authorized_keys/admin": b"ssh-ed25519 A\n"}
    assert contents(result) == wanted
    assert fat.verify(result) == []
    assert FatReader(result).label() == "CONFIG"
    # Nothing is left of what was: the volume is the one that a build with these files makes.
    assert same(result, volume(wanted, options))


def test_nothing_to_change_changes_nothing() -> None:
    image = volume({"config.ini": b"old"})
    assert edit(image, [Change("config.ini", b"old"), Change("absent", None)]) == {}


def test_partition_larger_than_its_file_system() -> None:
    image = volume({"config.ini": b"old"})
    larger = ImageReader(image.map.resized(60 * MIB), NONE)
    assert contents(edited(larger, Change("config.ini", b"new"))) == {"config.ini": b"new"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([Change("folder", b"")], "/folder is a directory; only files are changed"),
        ([Change("folder", None)], "/folder is a directory; only files are changed"),
        ([Change("config.ini/x", b"")], "/config.ini/x cannot be placed: /config.ini is not a directory"),
        ([Change("a", b""), Change("a", None)], "/a is changed twice"),
        ([Change("a", b""), Change("a/b", b"")], "/a/b lies below /a, which is changed as a file"),
        ([Change("CONFIG.INI", b"")], "/: 'CONFIG.INI' and 'config.ini' are one name to FAT, which does not tell"),
        ([Change("a?", b"")], "/: FAT cannot hold the name 'a?': it has '?'"),
        ([Change("big", bytes(51 * MIB))], "the content needs "),
    ],
)
def test_refused(changes: list[Change], message: str) -> None:
    image = volume({"config.ini": b"old", "folder/file": b""})
    with pytest.raises(UserError) as error:
        edit(image, changes)
    assert error.value.message.startswith(message)


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/./b", "a\0b"])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(UserError, match="is no path of a file in a file system"):
        Change(path, b"")


def test_too_much_to_hold() -> None:
    with pytest.raises(UserError, match="are too many for an edit"):
        Change("a", bytes((64 << 20) + 1))


def test_attributes_that_would_be_lost() -> None:
    image = volume({"CONFIG.INI": b"old"})
    data = bytearray(image.read(0, image.size))
    data[data.index(b"CONFIG  INI") + 11] |= 0x02
    with pytest.raises(UserError, match=r"/CONFIG.INI is read-only, hidden or the system's \(attributes 0x02\)"):
        edit(ImageReader(ExtentMap.of_bytes(bytes(data)), NONE), [Change("x", b"")])


def test_damage_is_not_built_upon() -> None:
    image = volume({"CONFIG.INI": b"old"})
    data = bytearray(image.read(0, image.size))
    data[data.index(b"CONFIG  INI") + 28] = 0xFF  # the size
    data[data.index(b"CONFIG  INI") + 29] = 0xFF
    with pytest.raises(UserError, match="the FAT is damaged: "):
        edit(ImageReader(ExtentMap.of_bytes(bytes(data)), NONE), [Change("x", b"")])


PATHS = ("a", "b.txt", "d/x", "d/a long name", "e/f/g", "E5")
FILES = st.dictionaries(st.sampled_from(PATHS), st.binary(max_size=3000))


@settings(max_examples=25, deadline=None)
@given(FILES, FILES)
def test_any_edit_gives_what_is_wanted(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    image = volume(before, Options(type=FatType.FAT16, size=5 * MIB))
    changes = [Change(path, after.get(path), mtime=TIME) for path in PATHS]
    result = edited(image, *changes)
    assert contents(result) == after
    assert fat.verify(result) == []
    assert edit(result, changes) == {}


def test_any_damage_is_survived() -> None:
    image = volume({"config.ini": b"old", "folder/a long name of a file": b"x" * 3000}, Options(type=FatType.FAT16))
    used = max(extent.end for extent in image.map.extents)
    random = Random(1)
    for _ in range(100):
        limit = random.choice((512, used))
        bytes_changed = {random.randrange(limit): random.randbytes(1) for _ in range(random.choice((1, 3, 20)))}
        damaged = ImageReader(overlay(image.map, bytes_changed), NONE)
        try:
            result = edited(damaged, Change("config.ini", b"new"))
        except UserError:
            continue
        assert fat.verify(result) == []
