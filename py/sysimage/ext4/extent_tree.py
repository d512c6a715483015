"""Extent trees: where the blocks of a file lie. Source: ifork.rst, "Extent Tree"."""

from collections.abc import Sequence
from typing import NamedTuple

from sysimage.errors import UserError
from sysimage.ext4.layout import (
    EXTENT,
    EXTENT_HEADER,
    EXTENT_INDEX,
    EXTENT_MAGIC,
    EXTENT_MAX_LENGTH,
    EXTENT_ROOT_ENTRIES,
    EXTENT_SIZE,
    ExtentHeader,
)
from sysimage.extents import ExtentMap

_SMALL_ROOT_HEADERS = [
    EXTENT_HEADER.pack(*ExtentHeader(EXTENT_MAGIC, entries, EXTENT_ROOT_ENTRIES, 0, 0)) for entries in (0, 1)
]
MAX_BLOCKS = (1 << 32) - 1  # logical blocks in a file: ee_block has 32 bits, and the last one is not used


class Run(NamedTuple):
    """`length` blocks of a file from block `logical` on, at block `physical` of the file system."""

    logical: int
    physical: int
    length: int


def covered_blocks(content: ExtentMap, block_size: int, path: str) -> list[tuple[int, int]]:
    """The (block, count) stretches of a file that its content touches; the rest are holes.

    Raises:
        UserError: the file has more blocks than ext4 can count.
    """
    if -(-content.size // block_size) > MAX_BLOCKS:
        raise UserError(
            f"/{path} is too large for ext4: {content.size} bytes",
            hint=f"at most {MAX_BLOCKS * block_size} bytes with blocks of {block_size}",
        )
    stretches: list[tuple[int, int]] = []
    first = last = 0
    for extent in content.extents:
        start, end = extent.offset // block_size, -(-extent.end // block_size)
        if start > last or (not stretches and first == last):
            if last > first:
                stretches.append((first, last - first))
            first = start
        last = end
    if last > first:
        stretches.append((first, last - first))
    return stretches


def entries_needed(stretches: Sequence[tuple[int, int]]) -> int:
    """Extents for the stretches, if each lies in one piece."""
    return sum(-(-count // EXTENT_MAX_LENGTH) for _, count in stretches)


def entries_per_block(block_size: int) -> int:
    """Extents, or indexes, in a node of the tree; what is left holds the checksum."""
    return (block_size - EXTENT_HEADER.size) // EXTENT_SIZE


def tree_blocks(entries: int, block_size: int) -> int:
    """Blocks of the tree's nodes, the root in the inode not counted."""
    total = 0
    while entries > EXTENT_ROOT_ENTRIES:
        entries = -(-entries // entries_per_block(block_size))
        total += entries
    return total


def split(runs: Sequence[Run]) -> list[Run]:
    """The runs as extents: none longer than one can be."""
    if all(run.length <= EXTENT_MAX_LENGTH for run in runs):
        return list(runs)
    result: list[Run] = []
    for run in runs:
        logical, physical, length = run
        while length > EXTENT_MAX_LENGTH:
            result.append(Run(logical, physical, EXTENT_MAX_LENGTH))
            logical, physical, length = (
                logical + EXTENT_MAX_LENGTH,
                physical + EXTENT_MAX_LENGTH,
                length - EXTENT_MAX_LENGTH,
            )
        result.append(Run(logical, physical, length))
    return result


def build(extents: Sequence[Run], numbers: Sequence[int], block_size: int) -> tuple[bytes, list[bytes]]:
    """The tree of a file.

    Args:
        extents: as `split` makes them, sorted.
        numbers: the blocks for its nodes, as many as `tree_blocks` says.
        block_size: bytes.

    Returns:
        i_block, and the nodes for `numbers` without their checksums.
    """
    if len(extents) <= 1:
        return _small_root(extents), []
    rows = [
        (run.logical, EXTENT.pack(run.logical, run.length, run.physical >> 32, run.physical & 0xFFFFFFFF))
        for run in extents
    ]
    blocks: list[bytes] = []
    depth, limit = 0, entries_per_block(block_size)
    while len(rows) > EXTENT_ROOT_ENTRIES:
        above: list[tuple[int, bytes]] = []
        for start in range(0, len(rows), limit):
            part = rows[start : start + limit]
            number = numbers[len(blocks)]
            above.append((part[0][0], EXTENT_INDEX.pack(part[0][0], number & 0xFFFFFFFF, number >> 32, 0)))
            blocks.append(_node(part, limit, depth).ljust(block_size, b"\0"))
        rows = above
        depth += 1
    return _node(rows, EXTENT_ROOT_ENTRIES, depth).ljust(60, b"\0"), blocks


def _small_root(extents: Sequence[Run]) -> bytes:
    """i_block with one extent or none, which most files have."""
    rows = [EXTENT.pack(run.logical, run.length, run.physical >> 32, run.physical & 0xFFFFFFFF) for run in extents]
    return b"".join([_SMALL_ROOT_HEADERS[len(rows)], *rows]).ljust(60, b"\0")


def _node(rows: Sequence[tuple[int, bytes]], limit: int, depth: int) -> bytes:
    header = EXTENT_HEADER.pack(*ExtentHeader(EXTENT_MAGIC, len(rows), limit, depth, 0))
    return header + b"".join(row for _, row in rows)


def tail_offset(block_size: int) -> int:
    """Where the checksum of a node lies; it covers what is before."""
    return EXTENT_HEADER.size + EXTENT_SIZE * entries_per_block(block_size)
