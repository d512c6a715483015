"""Damage of every kind: the verifier names it, the reader refuses it or reads on, and neither breaks down."""

import contextlib
import struct
import zlib
from random import Random
from typing import Any

import pytest

from sysimage import tree as trees
from sysimage.errors import UserError
from sysimage.ext4 import find, inspect, plan, read, verify
from sysimage.ext4.checksum import crc32c
from sysimage.ext4.read import names
from sysimage.ext4.read_inode import stretches, xattr_block_of
from sysimage.ext4.testing import options
from sysimage.ext4.volume import Volume
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources
from sysimage.tree import Node, NodeType, Tree

NO_SOURCES = Sources({})
PER_INODE = 256


def sample() -> Tree:
    tree = Tree()
    tree.add("dir", trees.directory())
    for number in range(400):
        tree.add(f"dir/entry-number-{number:04d}", Node(NodeType.FIFO, 0o600))
    tree.add("file", trees.file(b"content" * 1000))
    pieces = [Extent(number * 8192, 100, b"p" * 100) for number in range(6)]
    tree.add("pieces", trees.file(ExtentMap(50_000, pieces)))
    tree.add("long", trees.symlink("t" * 100))
    tree.add("tagged", Node(NodeType.FIFO, 0o600, xattrs={"user.a": b"1", "user.long": b"2" * 500}))
    tree.add("tagged-too", Node(NodeType.FIFO, 0o600, xattrs={"user.a": b"1", "user.long": b"2" * 500}))
    return tree


IMAGE = plan(sample(), options())
DATA = ImageReader(IMAGE, NO_SOURCES).read(0, IMAGE.size)


def reader_of(data: bytes) -> ImageReader:
    return ImageReader(ExtentMap.of_bytes(data), NO_SOURCES)


def changed(at: int, new: bytes) -> ImageReader:
    return reader_of(DATA[:at] + new + DATA[at + len(new) :])


def number_of(path: str) -> int:
    """The inode of a path in the sample."""
    volume = Volume(reader_of(DATA))
    number = 2
    for part in path.split("/") if path else []:
        number = dict(names(volume, volume.inode(number, part)))[part.encode()]
    return number


def inode_at(path: str) -> int:
    """Where the inode of a path lies; the sample's table begins in block 4."""
    return 4 * 4096 + (number_of(path) - 1) * PER_INODE


def block_of(path: str, index: int = 0) -> int:
    """Where a block of a file or directory lies."""
    volume = Volume(reader_of(DATA))
    for stretch in stretches(volume, volume.inode(number_of(path), path)):
        if stretch.logical <= index < stretch.logical + stretch.length:
            return (stretch.physical + index - stretch.logical) * 4096
    raise AssertionError(path)


def xattr_block() -> int:
    return xattr_block_of(Volume(reader_of(DATA)).inode(number_of("tagged"), "tagged")) * 4096


def test_sound() -> None:
    assert verify(reader_of(DATA)) == []


def test_find() -> None:
    assert find(reader_of(DATA))
    assert not find(reader_of(bytes(4096)))
    assert not find(reader_of(b""))


DAMAGE: list[tuple[str, Any, bytes, str]] = [
    ("label", lambda: 1024 + 0x78, b"x", "superblock: wrong checksum"),
    ("state", lambda: 1024 + 0x3A, b"\2", "superblock: state 2, expected 1 (clean)"),
    ("free blocks", lambda: 1024 + 0x0C, b"\7", "superblock: 7 free blocks, 0 by the groups"),
    ("free inodes", lambda: 1024 + 0x10, b"\x63", "superblock: 99 free inodes, "),
    ("descriptor", lambda: 4096 + 0x0C, b"\5", "group 0: wrong checksum of its descriptor"),
    ("free count of a group", lambda: 4096 + 0x0C, b"\5", "group 0: 5 free blocks, 0 have no owner"),
    ("directories of a group", lambda: 4096 + 0x10, b"\x09", "group 0: 9 directories, 3 by its inodes"),
    ("place of a bitmap", lambda: 4096, b"\xff\xff\xff", "group 0: block bitmap at block 16777215, outside of"),
    ("place of a table", lambda: 4096 + 8, b"\5", "inode 2: "),
    ("block bitmap", lambda: 2 * 4096, b"\0", "group 0: block bitmap differs from use in 8 bits, the first is block 0"),
    ("block bitmap", lambda: 2 * 4096, b"\0", "group 0: wrong checksum of its block bitmap"),
    ("inode bitmap", lambda: 3 * 4096 + 1, b"\0", "group 0: wrong checksum of its inode bitmap"),
    ("inode bitmap end", lambda: 4 * 4096 - 1, b"\0", "group 0: inode bitmap is not filled up behind the last inode"),
    ("mode", lambda: inode_at("file"), b"\0\1", ": wrong checksum"),
    ("type", lambda: inode_at("file") + 1, b"\0", "is of no known type"),
    ("links", lambda: inode_at("file") + 0x1A, b"\2", "2 links, expected 1"),
    ("no links", lambda: inode_at("file") + 0x1A, b"\0", "in use, but without links"),
    ("block count", lambda: inode_at("file") + 0x1C, b"\1", "i_blocks is 1, expected 16"),
    ("size", lambda: inode_at("file") + 4, bytes(4), "has block 1, its size is 0 bytes"),
    ("directory size", lambda: inode_at("dir") + 4, b"\1", "a directory of "),
    ("extent magic", lambda: inode_at("file") + 0x28, b"\0", "extent tree node 0: magic 0xf300"),
    ("extent depth", lambda: inode_at("file") + 0x28 + 6, b"\6", "extent tree node 0: depth 6"),
    ("extent entries", lambda: inode_at("file") + 0x28 + 2, b"\5", "extent tree node 0: 5 entries"),
    ("extent place", lambda: inode_at("file") + 0x28 + 20, b"\0\0\0\1", "an extent of inode"),
    ("two owners", lambda: inode_at("file") + 0x28 + 20, b"\5", "belongs to inode table of group 0, and to inode"),
    ("extent node", lambda: len(DATA) - 4096, b"\0", f"extent tree node {len(DATA) // 4096 - 1}: magic 0xf300"),
    ("extent node", lambda: len(DATA) - 2048, b"\1", f"wrong checksum of extent tree node {len(DATA) // 4096 - 1}"),
    ("attribute hash", lambda: inode_at("tagged") + 160 + 4 + 12, b"\0\1", "wrong hash of extended attribute"),
    ("attribute block", lambda: xattr_block() + 4090, b"\0", ": wrong checksum"),
    ("attribute references", lambda: xattr_block() + 4, b"\3", "3 references, 2 inodes have it"),
    ("attribute block hash", lambda: xattr_block() + 12, b"\0", ": wrong hash"),
    ("attribute magic", lambda: xattr_block() + 3, b"\0", "has magic 0x20000"),
    ("entry's name", lambda: block_of("", 0) + 24 + 8, b"D", "block 0: wrong checksum"),
    ("entry's type", lambda: block_of("", 0) + 24 + 7, b"\1", "'dir' has type 1, its inode has mode 40755"),
    ("entry's inode", lambda: block_of("", 0) + 24, b"\xff\xff", "names inode 65535, which is not in use"),
    ("entry's length", lambda: block_of("", 0) + 24 + 4, b"\3", "an entry of 3 bytes for a name of 3"),
    ("dot", lambda: block_of("", 0) + 8, b"x", "'.' and '..' are not its first entries"),
    ("dot dot", lambda: block_of("dir", 0) + 12, b"\x0b", "'..' is 11, expected 2"),
    ("no checksum", lambda: block_of("", 0) + 4096 - 5, b"\0", "block 0: has no checksum"),
    ("index hash", lambda: block_of("dir", 0) + 40, b"\xff\xff\xff\xff", "is in the wrong block"),
    ("index checksum", lambda: block_of("dir", 0) + 40, b"\xff", "wrong checksum of index block 0"),
    ("index block", lambda: block_of("dir", 0) + 44, b"\x77", "index names block 119 wrongly, or twice"),
    ("index twice", lambda: block_of("dir", 0) + 44, b"\1", "1 blocks are not in the index"),
    ("index limit", lambda: block_of("dir", 0) + 32, b"\1", "room for 507"),
    ("index levels", lambda: block_of("dir", 0) + 30, b"\7", "index of 7 levels, head of 8 bytes"),
]


@pytest.mark.parametrize(("what", "place", "new", "finding"), DAMAGE, ids=[f"{row[0]}: {row[3]}" for row in DAMAGE])
def test_damage_is_found(what: str, place: Any, new: bytes, finding: str) -> None:
    at = place()
    assert DATA[at : at + len(new)] != new
    found = verify(changed(at, new))
    assert any(finding in each for each in found), found


def test_backups() -> None:
    image = plan(Tree(), options(size=200 << 20))
    group_1 = 32768 * 4096
    parts = [*image.extents]
    index = next(index for index, extent in enumerate(parts) if extent.offset == group_1)
    assert isinstance(parts[index].source, bytes)

    def with_change(at: int, new: bytes) -> ImageReader:
        data = parts[index].source
        assert isinstance(data, bytes)
        other = data[:at] + new + data[at + len(new) :]
        extents = [*parts[:index], Extent(group_1, len(other), other), *parts[index + 1 :]]
        return ImageReader(ExtentMap(image.size, extents), NO_SOURCES)

    assert "backup superblock in group 1: wrong checksum" in verify(with_change(0x78, b"L"))
    assert "backup superblock in group 1: says it is in group 9" in verify(with_change(0x5A, b"\x09"))
    assert "backup superblock in group 1: s_inodes_count is 1, expected 12832" in verify(
        with_change(0, struct.pack("<I", 1))
    )
    assert "backup descriptors in group 1: have bitmaps or inode tables elsewhere" in verify(with_change(4096, b"\7"))


def superblock_with(at: int, new: bytes) -> ImageReader:
    """The sample with a change in its superblock whose checksum is right."""
    block = bytearray(DATA[1024:2048])
    block[at : at + len(new)] = new
    block[1020:] = crc32c(bytes(block[:1020])).to_bytes(4, "little")
    return changed(1024, bytes(block))


REFUSED = [
    (0x38, b"\0\0", "not an ext4 file system: magic 0x0000, expected 0xef53"),
    (
        0x60,
        struct.pack("<I", 0x8242),
        "this ext4 file system has features that cannot be read here: inline_data "
        "(hint: what can be read: filetype, extents, 64bit, flex_bg, metadata_csum_seed, large_dir, casefold, mmp)",
    ),
    (
        0x60,
        struct.pack("<I", 0x80000242),
        "this ext4 file system has features that cannot be read here: 0x80000000 "
        "(hint: what can be read: filetype, extents, 64bit, flex_bg, metadata_csum_seed, large_dir, casefold, mmp)",
    ),
    (
        0x60,
        struct.pack("<I", 0x246),
        "the ext4 file system is damaged: the journal holds changes that are not in place "
        "(hint: let e2fsck or a mount replay it first)",
    ),
    (0x18, b"\6", "the ext4 file system is damaged: block size 1024 << 6"),
    (0x58, b"\0\3", "the ext4 file system is damaged: inode size 768"),
    (0x58, b"\0\x20", "the ext4 file system is damaged: inode size 8192 with blocks of 4096"),
    (0xFE, b"\x20\0", "the ext4 file system is damaged: group descriptors of 32 bytes"),
    (0x28, bytes(4), "the ext4 file system is damaged: 0 inodes in a group"),
    (0x20, bytes(4), "the ext4 file system is damaged: 0 blocks in a group"),
    (0x14, b"\1", "the ext4 file system is damaged: first data block 1"),
    (0x04, bytes(4), "the ext4 file system is damaged: 0 blocks"),
    (0x00, struct.pack("<I", 7), "the ext4 file system is damaged: 7 inodes in 1 groups of 432"),
]


@pytest.mark.parametrize(("at", "new", "message"), REFUSED, ids=[row[2][:50] for row in REFUSED])
def test_refused(at: int, new: bytes, message: str) -> None:
    for look in (read, inspect):
        with pytest.raises(UserError) as caught:
            look(superblock_with(at, new))
        assert str(caught.value) == message
    assert verify(superblock_with(at, new)) == [caught.value.message]


def test_cut() -> None:
    with pytest.raises(UserError) as caught:
        read(reader_of(DATA[:-4096]))
    assert str(caught.value) == (
        f"the ext4 file system is cut: it says {len(DATA)} bytes, the image has {len(DATA) - 4096}"
    )
    with pytest.raises(UserError, match="not an ext4 file system: 1500 bytes have no room for a superblock"):
        read(reader_of(DATA[:1500]))


def test_loop_of_directories() -> None:
    # The entry "dir" in the root names the root.
    with pytest.raises(UserError, match="/dir is a hard link to /, which is a directory"):
        read(changed(block_of("") + 24, struct.pack("<I", 2)))


def test_extent_tree_that_names_itself() -> None:
    node = block_of("pieces") // 4096
    at = inode_at("pieces") + 0x28
    looped = struct.pack("<HHHHI", 0xF30A, 1, 4, 1, 0) + struct.pack("<IIHH", 0, node, 0, 0)
    body = struct.pack("<HHHHI", 0xF30A, 340, 340, 1, 0) + struct.pack("<IIHH", 0, node, 0, 0) * 340
    image = bytearray(DATA)
    image[at : at + len(looped)] = looped
    image[node * 4096 : node * 4096 + 4092] = body[:4092]
    with pytest.raises(UserError, match="extent tree node"):
        read(reader_of(bytes(image)))


def test_any_damage_is_survived() -> None:
    """Bytes changed at random where metadata lies: a tree or a UserError, and findings or none, but no breakdown."""
    random = Random(zlib.crc32(b"ext4"))
    metadata = [extent for extent in IMAGE.extents if extent.length >= 4096]
    for _ in range(120):
        image = bytearray(DATA)
        for _ in range(random.choice((1, 1, 3, 30))):
            extent = random.choice(metadata)
            at = random.randrange(extent.offset, extent.end)
            image[at] = random.choice((0, 1, 255, image[at] ^ 1 << random.randrange(8)))
        reader = reader_of(bytes(image))
        with contextlib.suppress(UserError):
            read(reader)
        verify(reader)
