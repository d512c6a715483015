"""Inodes: from a node of the tree to its bytes. Source: inodes.rst."""

from functools import lru_cache
from typing import NamedTuple

from sysimage.errors import UserError
from sysimage.ext4.layout import (
    EXTRA_ISIZE,
    FLAG_HUGE_FILE,
    INODE,
    LINK_MAX,
    SECTOR,
)
from sysimage.tree import NANOSECONDS, Node, NodeType, encode

_TIME_MIN = -(1 << 31)  # seconds: 1901
_TIME_MAX = (1 << 34) - (1 << 31) - 1  # seconds: 2446
_ID_MAX = (1 << 32) - 2  # -1 means "none"
_MAJOR_MAX = 0xFFF
_MINOR_MAX = 0xFFFFF
_SIGN = 1 << 31


class InodeTime(NamedTuple):
    """A time as two fields: seconds modulo 2^32; their bits 32 and 33, and nanoseconds."""

    seconds: int
    extra: int


def check(node: Node, links: int, path: str) -> None:
    """Raises UserError for what an inode has no room for."""
    if not (0 <= node.uid <= _ID_MAX and 0 <= node.gid <= _ID_MAX):
        raise UserError(f"/{path}: owner {node.uid}:{node.gid} is not possible (0 to {_ID_MAX})")
    if node.mode & ~0o7777:
        raise UserError(f"/{path}: mode {node.mode:o} has more than permission bits")
    if not _TIME_MIN <= node.mtime // NANOSECONDS <= _TIME_MAX:
        raise UserError(
            f"/{path}: time {node.mtime // NANOSECONDS} s is out of the range of ext4",
            hint=f"{_TIME_MIN} to {_TIME_MAX}: from 1901 to 2446",
        )
    if links > LINK_MAX and node.type is not NodeType.DIRECTORY:
        raise UserError(f"/{path} has {links} hard links; ext4 counts up to {LINK_MAX}")
    if node.type is NodeType.SYMLINK and (not node.target or "\0" in node.target):
        raise UserError(f"/{path}: a symbolic link to {node.target!r} is not possible")
    if node.type in (NodeType.CHARACTER, NodeType.BLOCK):
        major, minor = node.device
        if not (0 <= major <= _MAJOR_MAX and 0 <= minor <= _MINOR_MAX):
            raise UserError(
                f"/{path}: device {major}:{minor} is out of range",
                hint=f"major 0 to {_MAJOR_MAX}, minor 0 to {_MINOR_MAX}",
            )


@lru_cache(maxsize=4096)
def encode_time(nanoseconds: int) -> InodeTime:
    """A time since 1970 as it lies on disk."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    low = seconds & 0xFFFFFFFF
    signed = (low ^ _SIGN) - _SIGN
    return InodeTime(low, (seconds - signed >> 32) & 3 | rest << 2)


def special_block(node: Node) -> bytes:
    """i_block of what has no extents: a short target, a device number (old form if it fits, else new), nothing."""
    if node.type is NodeType.SYMLINK:
        return encode(node.target).ljust(60, b"\0")
    if node.type in (NodeType.CHARACTER, NodeType.BLOCK):
        major, minor = node.device
        if major < 256 and minor < 256:
            return (major << 8 | minor).to_bytes(4, "little").ljust(60, b"\0")
        new = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
        return (bytes(4) + new.to_bytes(4, "little")).ljust(60, b"\0")
    return bytes(60)


def pack(
    node: Node, links: int, size: int, blocks: int, flags: int, block: bytes, xattr_block: int, per_block: int
) -> bytes:
    """The fields of an inode, its checksum still zero.

    Args:
        node: mode, owner and time.
        links: hard links.
        size: bytes.
        blocks: file system blocks in use, those of the tree and of the attributes among them.
        flags: i_flags.
        block: i_block.
        xattr_block: block of its attributes, or 0.
        per_block: sectors of 512 bytes in a block.
    """
    count = blocks * per_block
    if count >= 1 << 48:
        count, flags = blocks, flags | FLAG_HUGE_FILE
    seconds, extra = encode_time(node.mtime)
    # The fields in the order of layout.Inode; a table of thousands is worth doing without its names.
    return INODE.pack(
        node.type.format_bits | node.mode,
        node.uid & 0xFFFF,
        size & 0xFFFFFFFF,
        seconds,
        seconds,
        seconds,
        0,
        node.gid & 0xFFFF,
        links,
        count & 0xFFFFFFFF,
        flags,
        0,
        block,
        0,
        xattr_block & 0xFFFFFFFF,
        size >> 32,
        0,
        count >> 32,
        xattr_block >> 32,
        node.uid >> 16,
        node.gid >> 16,
        0,
        0,
        EXTRA_ISIZE,
        0,
        extra,
        extra,
        extra,
        seconds,
        extra,
        0,
        0,
    )


def sectors_per_block(block_size: int) -> int:
    """i_blocks counts these."""
    return block_size // SECTOR
