"""crc32c (Castagnoli), as metadata_csum has it: the caller's seed, no inversion at the end.

The standard library has no crc32c, and a loop over bytes makes some 15 MB/s. But
a file system has thousands of pieces of one length (inodes, directory blocks,
descriptors), and a checksum is linear over GF(2): it is the exclusive or of what
each byte at its place contributes. So `crc32c_rows` works on columns: all first
bytes of the pieces as one string, all second bytes, and so on. What a column
contributes to one byte of the checksums of *all* pieces is one
`bytes.translate` with a table of 256 bytes, and columns are summed as long
integers. The interpreter runs a handful of calls a column instead of one loop
step a byte, and columns of zeros, common in inodes, cost nothing: 100 MB/s and more.
"""

import struct
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


def crc32c_rows(data: bytes | bytearray, width: int, seed: int = CRC_SEED) -> list[int]:
    """The checksums of all pieces of `width` bytes that `data` consists of, each from the same seed."""
    count, rest = divmod(len(data), width)
    if rest:
        raise ValueError(f"{len(data)} bytes are not a multiple of {width}")
    if count <= _FEW:
        return [crc32c(bytes(data[at : at + width]), seed) for at in range(0, len(data), width)]
    # The seed's share is the same for all: that of a piece of zeros.
    share = _advance(seed, width)
    state = [0, 0, 0, 0]  # byte k of all checksums, as one integer each
    start = 0
    while start < width:
        # The first stretch takes what is left over, so that the others have one length.
        end = start + ((width - start) % _STRIDE or _STRIDE)
        if start:
            state = _shifted(state, count)
        _add_columns(state, data, width, start, end)
        start = end
    joined = bytearray(4 * count)
    for k in range(4):
        joined[k::4] = state[k].to_bytes(count, "little")
    return [value ^ share for value in struct.unpack(f"<{count}I", joined)]


def _add_columns(state: list[int], data: bytes | bytearray, width: int, start: int, end: int) -> None:
    """Adds what the columns from `start` to `end` contribute to checksums that end at `end`."""
    zeros = bytes(len(data) // width)
    tables = _column_tables()
    for column in range(start, end):
        plane = data[column::width]
        if plane == zeros:
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
