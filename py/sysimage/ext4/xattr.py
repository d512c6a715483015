"""Extended attributes: in the inode while they fit, the rest in one block that equal sets share.

Source: attributes.rst; ACLs as in the kernel's fs/ext4/acl.h on disk, and as in
posix_acl_xattr.h in the tree.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sysimage.errors import UserError
from sysimage.ext4.layout import (
    XATTR_BLOCK_HEADER,
    XATTR_CHECKSUM,
    XATTR_ENTRY,
    XATTR_ENTRY_STRUCT,
    XATTR_HEADER,
    XATTR_MAGIC,
    XATTR_PREFIXES,
    XattrBlockHeader,
)
from sysimage.tree import encode

ACL_ACCESS = "system.posix_acl_access"
ACL_DEFAULT = "system.posix_acl_default"
_ACL_NAMES = (ACL_ACCESS, ACL_DEFAULT)
_ACL_VERSION_LINUX = 2  # as getxattr returns it
_ACL_VERSION_DISK = 1
_ACL_LINUX = struct.Struct("<HHI")  # tag, permissions, id
_ACL_SHORT = struct.Struct("<HH")
_ACL_WITH_ID = (0x02, 0x08)  # ACL_USER, ACL_GROUP
_ACL_WITHOUT_ID = (0x01, 0x04, 0x10, 0x20)  # ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER
_MAGIC = struct.Struct("<I")
_TERMINATOR = 4  # bytes of zero behind the last entry
_WORDS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute as it lies on disk."""

    index: int
    name: bytes
    value: bytes
    hash: int

    @property
    def key(self) -> tuple[int, int, bytes]:
        """The order of entries in a block."""
        return self.index, len(self.name), self.name

    @property
    def size(self) -> int:
        """Bytes that entry and value take."""
        return XATTR_ENTRY + _padded(len(self.name)) + _padded(len(self.value))


@dataclass(frozen=True, slots=True)
class PackedXattrs:
    """The attributes of an inode: what goes behind its fields, and the block's content (its own header still bare)."""

    inline: bytes
    block: bytes


NOTHING = PackedXattrs(b"", b"")


def pack(xattrs: Mapping[str, bytes], room: int, block_size: int, path: str, is_directory: bool) -> PackedXattrs:
    """Attributes as they lie on disk.

    Args:
        xattrs: names as Linux has them, values as getxattr returns them.
        room: bytes in the inode behind its fields.
        block_size: bytes.
        path: for messages.
        is_directory: only directories have a default ACL.

    Raises:
        UserError: a name of an unknown class, an ACL that is none, or more than a block holds.
    """
    if not xattrs:
        return NOTHING
    if ACL_DEFAULT in xattrs and not is_directory:
        raise UserError(f"/{path} has {ACL_DEFAULT}, which only directories have")
    attributes = [_attribute(name, value, path) for name, value in xattrs.items()]
    # The largest first: it leaves the least for the block.
    attributes.sort(key=lambda attribute: (-attribute.size, attribute.key))
    inside: list[Attribute] = []
    outside: list[Attribute] = []
    left = room - len(_MAGIC.pack(0)) - _TERMINATOR
    for attribute in attributes:
        if attribute.size <= left:
            inside.append(attribute)
            left -= attribute.size
        else:
            outside.append(attribute)
    too_much = sum(attribute.size for attribute in outside) - (block_size - XATTR_HEADER - _TERMINATOR)
    if too_much > 0 and outside:
        largest = outside[0]
        name = XATTR_PREFIXES[largest.index] + largest.name.decode("utf-8", "surrogateescape")
        raise UserError(
            f"/{path}: extended attributes are {too_much} bytes too large for ext4 (largest: {name!r}, "
            f"{len(largest.value)} bytes)",
            hint=f"the inode and one block of {block_size} bytes hold them; a larger inode size or block size helps",
        )
    return PackedXattrs(_inline(inside, room) if inside else b"", _block(outside, block_size) if outside else b"")


def _attribute(name: str, value: bytes, path: str) -> Attribute:
    for index, prefix in XATTR_PREFIXES.items():
        whole = not prefix.endswith(".")
        if (name == prefix) if whole else name.startswith(prefix):
            rest = encode(name[len(prefix) :])
            if len(rest) > 255 or b"\0" in rest or not (rest or whole):
                break
            if name in _ACL_NAMES:
                value = acl_to_disk(value, f"/{path}: {name}")
            return Attribute(index, rest, value, entry_hash(rest, value))
    raise UserError(
        f"/{path}: ext4 cannot hold an extended attribute named {name!r}",
        hint="user., trusted., security. or system. and 1 to 255 more bytes",
    )


def _padded(size: int) -> int:
    return size + 3 & ~3


def entry_hash(name: bytes, value: bytes) -> int:
    """e_hash (ext4_xattr_hash_entry)."""
    result = 0
    for byte in name:
        result = (result << 5 ^ result >> 27 ^ byte) & _WORDS
    padded = value.ljust(_padded(len(value)), b"\0")
    for word in struct.unpack(f"<{len(padded) // 4}I", padded):
        result = (result << 16 & _WORDS) ^ result >> 16 ^ word
    return result


def block_hash(hashes: Sequence[int]) -> int:
    """h_hash (ext4_xattr_rehash): over the entries in their order; 0 if one has no hash."""
    result = 0
    for value in hashes:
        if not value:
            return 0
        result = (result << 16 & _WORDS) ^ result >> 16 ^ value
    return result


def _inline(attributes: Sequence[Attribute], room: int) -> bytes:
    head = _MAGIC.pack(XATTR_MAGIC)
    return head + _entries(attributes, room - len(head), 0)


def _block(attributes: Sequence[Attribute], block_size: int) -> bytes:
    ordered = sorted(attributes, key=lambda attribute: attribute.key)
    header = XattrBlockHeader(XATTR_MAGIC, 0, 1, block_hash([attribute.hash for attribute in ordered]), 0)
    return XATTR_BLOCK_HEADER.pack(*header) + _entries(ordered, block_size - XATTR_HEADER, XATTR_HEADER)


def _entries(attributes: Sequence[Attribute], room: int, base: int) -> bytes:
    """Entries from the front, values from the back of `room` bytes; offsets count from `base` bytes before it."""
    area = bytearray(room)
    front, back = 0, room
    for attribute in sorted(attributes, key=lambda attribute: attribute.key):
        name, value = attribute.name, attribute.value
        back -= _padded(len(value))
        # An empty value has no place.
        offset = base + back if value else 0
        XATTR_ENTRY_STRUCT.pack_into(area, front, len(name), attribute.index, offset, 0, len(value), attribute.hash)
        area[front + XATTR_ENTRY : front + XATTR_ENTRY + len(name)] = name
        area[back : back + len(value)] = value
        front += XATTR_ENTRY + _padded(len(name))
    return bytes(area)


def finish_block(block: bytes, references: int) -> bytes:
    """A block of `pack` with the number of inodes that share it; its checksum is still zero."""
    return block[:4] + references.to_bytes(4, "little") + block[8:]


def seal_block(block: bytes, checksum: int) -> bytes:
    """The block with its checksum: crc32c over the block's number (64 bits) and the block."""
    return block[:XATTR_CHECKSUM] + checksum.to_bytes(4, "little") + block[XATTR_CHECKSUM + 4 :]


def acl_to_disk(value: bytes, what: str) -> bytes:
    """A POSIX ACL from the form of getxattr to ext4's.

    Raises:
        UserError: it is no ACL.
    """
    count, rest = divmod(len(value) - 4, _ACL_LINUX.size)
    if count < 0 or rest or _MAGIC.unpack_from(value)[0] != _ACL_VERSION_LINUX:
        raise UserError(f"{what} is not an access control list: {value[:16].hex()} ({len(value)} bytes)")
    parts = [_MAGIC.pack(_ACL_VERSION_DISK)]
    for tag, permissions, number in _ACL_LINUX.iter_unpack(value[4:]):
        if tag not in (*_ACL_WITH_ID, *_ACL_WITHOUT_ID) or permissions > 7:
            raise UserError(f"{what} has an impossible entry: tag {tag:#x}, permissions {permissions:#o}")
        with_id = tag in _ACL_WITH_ID
        parts.append(_ACL_LINUX.pack(tag, permissions, number) if with_id else _ACL_SHORT.pack(tag, permissions))
    return b"".join(parts)
