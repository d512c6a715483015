"""What an inode says: times, device, runs of blocks, extended attributes. Checked like everything read."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sysimage.errors import UserError
from sysimage.ext4.layout import (
    EXTENT,
    EXTENT_HEADER,
    EXTENT_INDEX,
    EXTENT_MAGIC,
    EXTENT_MAX_DEPTH,
    EXTENT_MAX_LENGTH,
    EXTENT_SIZE,
    FLAG_EA_INODE,
    FLAG_EXTENTS,
    FLAG_INLINE_DATA,
    GOOD_OLD_INODE_SIZE,
    XATTR_BLOCK_HEADER,
    XATTR_ENTRY_STRUCT,
    XATTR_MAGIC,
    XATTR_PREFIXES,
    ExtentHeader,
    XattrBlockHeader,
    XattrEntry,
)
from sysimage.ext4.volume import RawInode, Volume, damaged
from sysimage.tree import NANOSECONDS, decode

_SIGN = 1 << 31
_ACL_INDEXES = (2, 3)
_ACL_ENTRIES = {0x01: 4, 0x02: 8, 0x04: 4, 0x08: 8, 0x10: 4, 0x20: 4}  # tag: bytes of the entry on disk
_ACL_NO_ID = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Stretch:
    """`length` blocks of a file from block `logical` on; unwritten ones read as zeros."""

    logical: int
    physical: int
    length: int
    unwritten: bool


@dataclass(frozen=True, slots=True)
class StoredXattr:
    """An extended attribute as it lies on disk."""

    index: int
    name: bytes
    value: bytes
    hash: int

    @property
    def full_name(self) -> str:
        """The name that Linux knows it by."""
        prefix = XATTR_PREFIXES.get(self.index)
        if prefix is None:
            raise damaged(f"an extended attribute has the unknown class {self.index}")
        return prefix + decode(self.name)


def size_of(inode: RawInode) -> int:
    """i_size in bytes."""
    return inode.fields.i_size_lo | inode.fields.i_size_high << 32


def xattr_block_of(inode: RawInode) -> int:
    """The block of extended attributes, or 0."""
    return inode.fields.i_file_acl_lo | inode.fields.i_file_acl_high << 32


def extra_size(inode: RawInode) -> int:
    """Bytes of fields behind the first 128.

    Raises:
        UserError: more than the inode has.
    """
    if len(inode.data) <= GOOD_OLD_INODE_SIZE:
        return 0
    size = inode.fields.i_extra_isize
    if size % 4 or GOOD_OLD_INODE_SIZE + size > len(inode.data):
        raise damaged(f"inode {inode.number} has {size} extra bytes, its size is {len(inode.data)}")
    return size


def modification_time(inode: RawInode) -> int:
    """Nanoseconds since 1970."""
    # i_mtime_extra ends 12 bytes behind the first 128.
    return join_time(inode.fields.i_mtime, inode.fields.i_mtime_extra if extra_size(inode) >= 12 else 0)


def join_time(seconds: int, extra: int) -> int:
    """Nanoseconds since 1970 out of a time's two fields."""
    return ((seconds ^ _SIGN) - _SIGN + ((extra & 3) << 32)) * NANOSECONDS + (extra >> 2)


def device_of(inode: RawInode) -> tuple[int, int]:
    """(major, minor): the first word is the old form, the second the new one."""
    old, new = struct.unpack_from("<II", inode.fields.i_block)
    if old:
        return old >> 8 & 0xFF, old & 0xFF
    return new >> 8 & 0xFFF, new & 0xFF | new >> 12 & 0xFFF00


def stretches(volume: Volume, inode: RawInode) -> list[Stretch]:
    """Where the blocks of a file lie, in order.

    Raises:
        UserError: the extent tree is damaged, or there is none.
    """
    return [stretch for _, _, found in extent_nodes(volume, inode) for stretch in found]


def extent_nodes(volume: Volume, inode: RawInode) -> Iterator[tuple[int, bytes, list[Stretch]]]:
    """The nodes of an extent tree, in order: block number (0: the root), bytes, the extents in it.

    The logical blocks must rise all through the tree, and no node but the root may be
    empty: that alone keeps a damaged tree from being walked for ever.
    """
    if inode.fields.i_flags & FLAG_INLINE_DATA:
        raise UserError(f"inode {inode.number} keeps its content in the inode (inline_data), which cannot be read here")
    if not inode.fields.i_flags & FLAG_EXTENTS:
        raise UserError(
            f"inode {inode.number} maps its blocks as ext2 did, which cannot be read here",
            hint="make the file system with extents",
        )
    position = 0
    pending = [(0, inode.fields.i_block, -1, 0)]
    while pending:
        number, data, depth, least = pending.pop()
        header, rows = _node(inode, data, depth, number)
        if least < position:
            raise damaged(f"inode {inode.number}: extents out of order at block {least}")
        found: list[Stretch] = []
        below: list[tuple[int, bytes, int, int]] = []
        for row in rows:
            if header.eh_depth:
                logical, low, high, _ = EXTENT_INDEX.unpack(row)
                place = low | high << 32
                node = volume.block(place, f"a node of the extent tree of inode {inode.number}")
                below.append((place, node, header.eh_depth - 1, logical))
                if logical < position or (len(below) > 1 and logical <= below[-2][3]):
                    raise damaged(f"inode {inode.number}: extents out of order at block {logical}")
            else:
                stretch = _stretch(row)
                if stretch.logical < position or not stretch.length:
                    raise damaged(f"inode {inode.number}: extents out of order at block {stretch.logical}")
                volume.check_blocks(stretch.physical, stretch.length, f"an extent of inode {inode.number}")
                position = stretch.logical + stretch.length
                found.append(stretch)
        pending.extend(reversed(below))
        yield number, data, found


def _node(inode: RawInode, data: bytes, depth: int, number: int) -> tuple[ExtentHeader, list[bytes]]:
    header = ExtentHeader._make(EXTENT_HEADER.unpack_from(data))
    what = f"inode {inode.number}: extent tree node {number}"
    if header.eh_magic != EXTENT_MAGIC:
        raise damaged(f"{what}: magic {header.eh_magic:#06x}")
    if header.eh_depth > EXTENT_MAX_DEPTH or depth not in (-1, header.eh_depth):
        raise damaged(f"{what}: depth {header.eh_depth}")
    if header.eh_entries > min(header.eh_max, len(data) // EXTENT_SIZE - 1) or (number and not header.eh_entries):
        raise damaged(f"{what}: {header.eh_entries} entries")
    return header, [
        data[at : at + EXTENT_SIZE] for at in range(EXTENT_SIZE, EXTENT_SIZE * (1 + header.eh_entries), EXTENT_SIZE)
    ]


def _stretch(row: bytes) -> Stretch:
    logical, length, high, low = EXTENT.unpack(row)
    unwritten = length > EXTENT_MAX_LENGTH
    return Stretch(logical, low | high << 32, length - EXTENT_MAX_LENGTH if unwritten else length, unwritten)


def xattrs(volume: Volume, inode: RawInode) -> dict[str, bytes]:
    """Extended attributes as Linux returns them.

    Raises:
        UserError: damaged, or kept in inodes of their own.
    """
    found = [*inline_xattrs(inode), *block_xattrs(volume, inode)]
    return {each.full_name: _acl(each) if each.index in _ACL_INDEXES else each.value for each in found}


def inline_xattrs(inode: RawInode) -> list[StoredXattr]:
    """Those in the inode itself."""
    start = GOOD_OLD_INODE_SIZE + extra_size(inode)
    area = inode.data[start:]
    if extra_size(inode) == 0 or len(area) < 4 or int.from_bytes(area[:4], "little") != XATTR_MAGIC:
        return []
    return _entries(area[4:], 0, inode.number)


def block_xattrs(volume: Volume, inode: RawInode) -> list[StoredXattr]:
    """Those in the block that the inode names."""
    number = xattr_block_of(inode)
    if not number:
        return []
    data = volume.block(number, f"the attribute block of inode {inode.number}")
    header = XattrBlockHeader._make(XATTR_BLOCK_HEADER.unpack_from(data))
    if header.h_magic != XATTR_MAGIC or header.h_blocks != 1:
        raise damaged(f"inode {inode.number}: attribute block {number} has magic {header.h_magic:#x}")
    return _entries(data, XATTR_BLOCK_HEADER.size, inode.number)


def _entries(area: bytes, start: int, number: int) -> list[StoredXattr]:
    """Entries from `start` on up to the zeros that end them; offsets of values count from the area's start."""
    found: list[StoredXattr] = []
    position = start
    while int.from_bytes(area[position : position + 4], "little"):
        if position + XATTR_ENTRY_STRUCT.size > len(area):
            raise damaged(f"inode {number}: extended attributes run out of their place")
        entry = XattrEntry._make(XATTR_ENTRY_STRUCT.unpack_from(area, position))
        name_start = position + XATTR_ENTRY_STRUCT.size
        name_end = name_start + entry.e_name_len
        value_end = entry.e_value_offs + entry.e_value_size
        if entry.e_value_inum:
            raise UserError(f"inode {number} has an extended attribute in an inode of its own (ea_inode)")
        if name_end > len(area) or value_end > len(area):
            raise damaged(f"inode {number}: an extended attribute reaches out of its place")
        value = area[entry.e_value_offs : value_end] if entry.e_value_size else b""
        found.append(StoredXattr(entry.e_name_index, area[name_start:name_end], value, entry.e_hash))
        position = name_end + 3 & ~3
    return found


def _acl(xattr: StoredXattr) -> bytes:
    """A POSIX ACL in the form of getxattr: version 2, and an id in every entry."""
    bad = damaged(f"an access control list: {xattr.value[:16].hex()}")
    if xattr.value[:4] != b"\1\0\0\0":
        raise bad
    parts = [b"\2\0\0\0"]
    position = 4
    while position < len(xattr.value):
        entry = xattr.value[position : position + 8]
        size = _ACL_ENTRIES.get(int.from_bytes(entry[:2], "little"), 9)
        if len(entry) < size:
            raise bad
        parts.append(entry if size == 8 else entry[:4] + _ACL_NO_ID.to_bytes(4, "little"))
        position += size
    return b"".join(parts)


def is_special(inode: RawInode) -> bool:
    """Whether it is an inode that no directory may name: the value of an extended attribute."""
    return bool(inode.fields.i_flags & FLAG_EA_INODE)
