"""crc32c (Castagnoli), as metadata_csum has it: the caller's seed, no inversion at the end.

The standard library has no crc32c, and a loop over bytes makes some 15 MB/s. But
a file system has thousands of pieces of one length (inodes, directory blocks,
descriptors), and a checksum is linear over GF(2): it is the exclusive or of what
each byte at its place contributes. So `crc32c_rows` works on columns: all first
bytes of the pieces as one string, all second bytes, and so on. What a column
contributes to one byte of the checksums of *all* pieces is one
`bytes.translate` with a table of 256 bytes, and columns are summed as long
integers. The interpreter runs a handful of calls a column instead of one loop
step a byte. Zeros contribute nothing: pieces are sorted by where their zeros at the
end begin, so that a column has only those that reach it (most directory blocks are
nearly empty), and columns of zeros, common in inodes, are left out. That makes 100 MB/s
of dense bytes, and some GB/s of what file systems are made of.
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache

from sysimage.ext4.layout import CRC_SEED

POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_STRIDE = 256  # columns that have tables of their own; longer pieces are cut and joined
_FEW = 4  # pieces up to which the plain loop is faster

Planes = tuple[bytes, bytes, bytes, bytes]


def _byte_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _byte_table()


def crc32c(data: bytes, seed: int = CRC_SEED) -> int:
    """The checksum of one piece, continuing from `seed`."""
    table = _TABLE
    for byte in data:
        seed = seed >> 8 ^ table[(seed ^ byte) & 0xFF]
    return seed


def crc32c_rows(rows: Sequence[bytes], seed: int = CRC_SEED) -> list[int]:
    """The checksums of pieces of one length, each from the same seed."""
    if len(rows) <= _FEW:
        return [crc32c(row, seed) for row in rows]
    width, count = len(rows[0]), len(rows)
    reach = [len(row.rstrip(b"\0")) for row in rows]
    order = sorted(range(count), key=reach.__getitem__, reverse=True)
    data = b"".join([rows[index] for index in order])
    if len(data) != count * width:
        raise ValueError(f"pieces of different lengths: {sorted({len(row) for row in rows})}")
    reaching = _counts(sorted(reach), width)
    state = [0, 0, 0, 0]  # byte k of all checksums, as one integer each
    start = 0
    while start < width:
        # The first stretch takes what is left over, so that the others have one length.
        end = start + ((width - start) % _STRIDE or _STRIDE)
        if start:
            state = _shifted(state, count)
        _add_columns(state, data, reaching, start, end)
        start = end
    joined = bytearray(4 * count)
    for k in range(4):
        joined[k::4] = state[k].to_bytes(count, "little")
    # The seed's share is the same for all: that of a piece of zeros.
    share = _advance(seed, width)
    sums = [0] * count
    for index, value in zip(order, struct.unpack(f"<{count}I", joined), strict=True):
        sums[index] = value ^ share
    return sums


def _counts(reach: Sequence[int], width: int) -> list[int]:
    """For each column how many pieces have more than zeros from there on; `reach` is sorted."""
    return [len(reach) - bisect_right(reach, column) for column in range(width)]


def _add_columns(state: list[int], data: bytes, reaching: Sequence[int], start: int, end: int) -> None:
    """Adds what the columns from `start` to `end` contribute to checksums that end at `end`."""
    width = len(reaching)
    tables = _column_tables()
    for column in range(start, end):
        plane = data[column : reaching[column] * width : width]
        if not plane.strip(b"\0"):
            continue
        table = tables[end - column - 1]
        for k in range(4):
            state[k] ^= int.from_bytes(plane.translate(table[k]), "little")


def _shifted(state: list[int], count: int) -> list[int]:
    """The checksums after _STRIDE more bytes of zeros."""
    tables = _column_tables()[_STRIDE - 4 : _STRIDE]  # a state is four bytes that follow in the data
    result = [0, 0, 0, 0]
    for index in range(4):
        plane = state[index].to_bytes(count, "little")
        for k in range(4):
            result[k] ^= int.from_bytes(plane.translate(tables[3 - index][k]), "little")
    return result


@cache
def _column_tables() -> tuple[Planes, ...]:
    """For n below _STRIDE: what a byte contributes when n more follow, split into the four bytes of a checksum."""
    packed = b"".join(value.to_bytes(4, "little") for value in _TABLE)
    first: Planes = (packed[0::4], packed[1::4], packed[2::4], packed[3::4])
    tables = [first]
    for _ in range(1, _STRIDE):
        low, *high = tables[-1]
        tables.append(
            (
                _xor(high[0], low.translate(first[0])),
                _xor(high[1], low.translate(first[1])),
                _xor(high[2], low.translate(first[2])),
                low.translate(first[3]),
            )
        )
    return tuple(tables)


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "little") ^ int.from_bytes(right, "little")).to_bytes(len(left), "little")


@cache
def _advance(seed: int, length: int) -> int:
    """The checksum of `length` zeros."""
    return crc32c(bytes(length), seed)
