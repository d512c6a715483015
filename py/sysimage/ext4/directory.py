"""Directory blocks: linear for one block, hash-indexed (htree) for more.

Source: directory.rst; the hash is the kernel's fs/ext4/hash.c, half MD4 over
unsigned bytes.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from sysimage.errors import UserError
from sysimage.ext4.checksum import crc32c
from sysimage.ext4.layout import (
    DIRENT,
    DIRENT_HEADER,
    DIRENT_TAIL,
    DIRENT_TAIL_TYPE,
    DX_COUNT_LIMIT,
    DX_ENTRY,
    DX_ENTRY_STRUCT,
    DX_NODE_ENTRIES,
    DX_ROOT_ENTRIES,
    DX_ROOT_INFO,
    DX_TAIL,
    FILE_TYPES,
    HASH_EOF,
    HASH_HALF_MD4,
)

_MASK = 0xFFFFFFFF
_MD4_INIT = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)  # when the seed is zero
_WORDS_LITTLE = struct.Struct("<4I")
_WORDS_BIG = struct.Struct(">8I")
_CHUNK = 32  # bytes of a name in one round
_K2, _K3 = 0x5A827999, 0x6ED9EBA1


class Entry(NamedTuple):
    """A name in a directory. `type` is a value of FILE_TYPES."""

    name: bytes
    inode: int
    type: int


class DirectoryBlocks(NamedTuple):
    """The blocks of a directory, their checksums still zero: leaves and, if `indexed`, index blocks.

    `index_used` has for each index block its number and the bytes that its checksum covers.
    """

    blocks: list[bytes]
    indexed: bool
    index_used: dict[int, int]


def name_hash(seed: Sequence[int], name: bytes) -> int:
    """The half-MD4 hash of a name (ext4fs_dirhash, DX_HASH_HALF_MD4_UNSIGNED): even, and never HASH_EOF.

    Args:
        seed: four words of 32 bits, not all zero (see `hash_words`).
        name: the name's bytes.
    """
    a, b, c, d = seed
    left = len(name)
    while left > 0:
        chunk = name[-left:][:_CHUNK]
        if left < _CHUNK:
            # What is missing is the length; a word is its bytes pushed in from the right over four of them.
            whole = left & ~3
            pad = bytes((left,))
            chunk = (chunk[:whole] + pad * (whole + 4 - left) + chunk[whole:] if left & 3 else chunk).ljust(_CHUNK, pad)
        a, b, c, d = _half_md4(a, b, c, d, _WORDS_BIG.unpack(chunk))
        left -= _CHUNK
    value = b & ~1
    return value if value != HASH_EOF else HASH_EOF - 2


def _half_md4(a: int, b: int, c: int, d: int, words: Sequence[int]) -> tuple[int, int, int, int]:
    """half_md4_transform: three rounds of MD4 over eight words, written out: it is what large directories cost."""
    w0, w1, w2, w3, w4, w5, w6, w7 = words
    a0, b0, c0, d0 = a, b, c, d
    a = ((t := a + (d ^ b & (c ^ d)) + w0 & _MASK) << 3 | t >> 29) & _MASK
    d = ((t := d + (c ^ a & (b ^ c)) + w1 & _MASK) << 7 | t >> 25) & _MASK
    c = ((t := c + (b ^ d & (a ^ b)) + w2 & _MASK) << 11 | t >> 21) & _MASK
    b = ((t := b + (a ^ c & (d ^ a)) + w3 & _MASK) << 19 | t >> 13) & _MASK
    a = ((t := a + (d ^ b & (c ^ d)) + w4 & _MASK) << 3 | t >> 29) & _MASK
    d = ((t := d + (c ^ a & (b ^ c)) + w5 & _MASK) << 7 | t >> 25) & _MASK
    c = ((t := c + (b ^ d & (a ^ b)) + w6 & _MASK) << 11 | t >> 21) & _MASK
    b = ((t := b + (a ^ c & (d ^ a)) + w7 & _MASK) << 19 | t >> 13) & _MASK
    a = ((t := a + (b & c) + ((b ^ c) & d) + w1 + _K2 & _MASK) << 3 | t >> 29) & _MASK
    d = ((t := d + (a & b) + ((a ^ b) & c) + w3 + _K2 & _MASK) << 5 | t >> 27) & _MASK
    c = ((t := c + (d & a) + ((d ^ a) & b) + w5 + _K2 & _MASK) << 9 | t >> 23) & _MASK
    b = ((t := b + (c & d) + ((c ^ d) & a) + w7 + _K2 & _MASK) << 13 | t >> 19) & _MASK
    a = ((t := a + (b & c) + ((b ^ c) & d) + w0 + _K2 & _MASK) << 3 | t >> 29) & _MASK
    d = ((t := d + (a & b) + ((a ^ b) & c) + w2 + _K2 & _MASK) << 5 | t >> 27) & _MASK
    c = ((t := c + (d & a) + ((d ^ a) & b) + w4 + _K2 & _MASK) << 9 | t >> 23) & _MASK
    b = ((t := b + (c & d) + ((c ^ d) & a) + w6 + _K2 & _MASK) << 13 | t >> 19) & _MASK
    a = ((t := a + (b ^ c ^ d) + w3 + _K3 & _MASK) << 3 | t >> 29) & _MASK
    d = ((t := d + (a ^ b ^ c) + w7 + _K3 & _MASK) << 9 | t >> 23) & _MASK
    c = ((t := c + (d ^ a ^ b) + w2 + _K3 & _MASK) << 11 | t >> 21) & _MASK
    b = ((t := b + (c ^ d ^ a) + w6 + _K3 & _MASK) << 15 | t >> 17) & _MASK
    a = ((t := a + (b ^ c ^ d) + w1 + _K3 & _MASK) << 3 | t >> 29) & _MASK
    d = ((t := d + (a ^ b ^ c) + w5 + _K3 & _MASK) << 9 | t >> 23) & _MASK
    c = ((t := c + (d ^ a ^ b) + w0 + _K3 & _MASK) << 11 | t >> 21) & _MASK
    b = ((t := b + (c ^ d ^ a) + w4 + _K3 & _MASK) << 15 | t >> 17) & _MASK
    return (a0 + a) & _MASK, (b0 + b) & _MASK, (c0 + c) & _MASK, (d0 + d) & _MASK


def hash_words(seed: bytes) -> tuple[int, ...]:
    """s_hash_seed as words; a seed of zeros stands for MD4's own start."""
    words = _WORDS_LITTLE.unpack(seed)
    return words if any(words) else _MD4_INIT


def build(
    own: int, parent: int, entries: Sequence[Entry], seed: Sequence[int], block_size: int, least: int = 1
) -> DirectoryBlocks:
    """The blocks of a directory.

    Args:
        own, parent: inode numbers of the directory and of what holds it.
        entries: what is in it, `.` and `..` not among them.
        seed: for the hash of the names (`hash_words`).
        block_size: bytes.
        least: blocks to have at least; empty ones are added (a linear directory only).

    Raises:
        UserError: more entries than a two-level index can hold.
    """
    room = block_size - DIRENT_TAIL
    dots = [Entry(b".", own, FILE_TYPES["dir"]), Entry(b"..", parent, FILE_TYPES["dir"])]
    if sum(_space(entry) for entry in entries) + 24 <= room:
        blocks = [_leaf([*dots, *entries], block_size)]
        blocks += [_leaf([], block_size)] * (least - 1)
        return DirectoryBlocks(blocks, False, {})
    hashed = sorted((name_hash(seed, entry.name), entry) for entry in entries)
    leaves: list[bytes] = []
    hashes: list[int] = []
    group: list[Entry] = []
    used, last = 0, -1
    for value, entry in hashed:
        space = _space(entry)
        if used + space > room:
            leaves.append(_leaf(group, block_size))
            group, used = [], 0
        if not group:
            # The low bit says that names with this hash began in the block before.
            hashes.append(value | (value == last))
        group.append(entry)
        used += space
        last = value
    leaves.append(_leaf(group, block_size))
    return _index(dots, leaves, hashes, block_size)


def _space(entry: Entry) -> int:
    return DIRENT_HEADER + (len(entry.name) + 3 & ~3)


def _leaf(entries: Sequence[Entry], block_size: int) -> bytes:
    """A block of entries; the last one reaches to the checksum."""
    room = block_size - DIRENT_TAIL
    parts: list[bytes] = []
    pack = DIRENT.pack
    position = 0
    for name, inode, kind in entries[:-1]:
        size = len(name)
        space = DIRENT_HEADER + (size + 3 & ~3)
        parts.append(pack(inode, space, size, kind))
        parts.append(name.ljust(space - DIRENT_HEADER, b"\0"))
        position += space
    name, inode, kind = entries[-1] if entries else (b"", 0, 0)
    parts.append(pack(inode, room - position, len(name), kind))
    parts.append(name.ljust(room - position - DIRENT_HEADER, b"\0"))
    parts.append(DIRENT.pack(0, DIRENT_TAIL, 0, DIRENT_TAIL_TYPE) + bytes(4))
    return b"".join(parts)


def _index(dots: Sequence[Entry], leaves: list[bytes], hashes: list[int], block_size: int) -> DirectoryBlocks:
    """Root, inner blocks if the root cannot name all leaves, leaves; in this order in the file."""
    root_limit = (block_size - DX_ROOT_ENTRIES - DX_TAIL) // DX_ENTRY
    node_limit = (block_size - DX_NODE_ENTRIES - DX_TAIL) // DX_ENTRY
    count = -(-len(leaves) // node_limit) if len(leaves) > root_limit else 0
    if count > root_limit:
        raise UserError(
            f"a directory with {len(leaves)} blocks of names is too large for a two-level index",
            hint="spread its files over several directories",
        )
    first_leaf = 1 + count
    places = [(value, first_leaf + number) for number, value in enumerate(hashes)]
    nodes = [places[at : at + node_limit] for at in range(0, len(places), node_limit)] if count else []
    top = [(node[0][0], 1 + number) for number, node in enumerate(nodes)] if count else places
    head = DIRENT.pack(dots[0].inode, 12, 1, dots[0].type) + b".\0\0\0"
    head += DIRENT.pack(dots[1].inode, block_size - 12, 2, dots[1].type) + b"..\0\0"
    head += DX_ROOT_INFO.pack(0, HASH_HALF_MD4, DX_ROOT_INFO.size, 1 if count else 0, 0)
    blocks = [_index_block(head, top, root_limit, block_size)]
    empty = DIRENT.pack(0, block_size, 0, 0)
    blocks += [_index_block(empty, node, node_limit, block_size) for node in nodes]
    used = {0: DX_ROOT_ENTRIES + DX_ENTRY * len(top)}
    used |= {1 + number: DX_NODE_ENTRIES + DX_ENTRY * len(node) for number, node in enumerate(nodes)}
    return DirectoryBlocks(blocks + leaves, True, used)


def _index_block(head: bytes, places: Sequence[tuple[int, int]], limit: int, block_size: int) -> bytes:
    parts = [head, DX_COUNT_LIMIT.pack(limit, len(places), places[0][1])]
    parts += [DX_ENTRY_STRUCT.pack(value, block) for value, block in places[1:]]
    return b"".join(parts).ljust(block_size, b"\0")


def seal_index(block: bytes, used: int, seed: int) -> bytes:
    """An index block with its checksum: over the entries in use, then the tail with a checksum of 0 (ext4_dx_csum).

    Args:
        block: as `build` made it.
        used: bytes up to the end of the last entry.
        seed: crc32c of the file system's UUID, the directory's inode number and generation.
    """
    value = crc32c(block[:used] + bytes(DX_TAIL), seed)
    is_root = DIRENT.unpack_from(block)[0] != 0
    entries = DX_ROOT_ENTRIES if is_root else DX_NODE_ENTRIES
    tail = entries + DX_COUNT_LIMIT.unpack_from(block, entries)[0] * DX_ENTRY
    return block[: tail + 4] + value.to_bytes(4, "little") + block[tail + 8 :]
