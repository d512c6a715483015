"""Compressed files with random access: zstd's seekable format.

The content is cut into pieces, each compressed as a frame of its own; behind them a skippable frame
holds the table of their sizes. So any zstd decompresses the file as a stream, and a reader of one
place decompresses one piece. A writer cuts where large contents begin and end (`Writer.cut`): then who writes
such a content into another file under zstd copies its frames (`Reader.split`), and compresses nothing.
Source: zstd, contrib/seekable_format/zstd_seekable_compression_format.md.

    skippable frame   magic 0x184D2A5E, size of what follows (u32 each)
    one entry a frame size compressed, size of the content (u32 each)
    footer            number of frames (u32), flags (u8, 0: no checksums in the table), magic 0x8F92EAB1 (u32)
"""

import contextlib
import io
import itertools
import mmap
import os
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import zstandard

from sysimage import zstd
from sysimage.errors import UserError

SUFFIX = ".zst"
FRAME = 1 << 20  # bytes of content in a frame
FRAME_MAX = 64 << 20  # bytes of content in a frame of others; what a damaged table claims must not take all memory
_BATCH = 8  # frames that are compressed side by side
_KEPT = 16  # decompressed frames that a reader holds on to

_SKIPPABLE = struct.Struct("<II")
_ENTRY = struct.Struct("<II")
_FOOTER = struct.Struct("<IBI")
_SKIPPABLE_MAGIC = 0x184D2A5E
_SEEKABLE_MAGIC = 0x8F92EAB1

# Of any zstd frame, RFC 8878, 3.1.1 and 3.1.2.
_SKIPPABLE_MAGICS = 0x184D2A50  # the lowest of 16
_HEAD_MAX = 18  # bytes of the magic number and the frame header
_BLOCK_HEADER = 3
_BLOCK_RLE = 1  # the type of a block of one byte, repeated
_CHECKSUM = 4


class Writer:
    """Compresses into a file; the bytes depend on the content and where it is cut, not on the writes it comes in."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer = bytearray()
        self._cuts: list[int] = []  # in the buffer
        self._table: list[bytes] = []

    def write_all(self, buffers: Iterable[bytes | memoryview]) -> None:
        """Takes these bytes, one buffer behind the other."""
        for data in buffers:
            self._buffer += data
        if len(self._buffer) >= _BATCH * FRAME:
            self._compress(end=False)

    def cut(self) -> None:
        """What comes next begins a frame."""
        if len(self._buffer) > (self._cuts[-1] if self._cuts else 0):
            self._cuts.append(len(self._buffer))

    def close(self) -> None:
        """Writes what is left, and the table."""
        self._compress(end=True)
        table = b"".join(self._table) + _FOOTER.pack(len(self._table), 0, _SEEKABLE_MAGIC)
        self._file.write(_SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(table)) + table)

    def _compress(self, end: bool) -> None:
        """Writes all frames that are complete, at the end the last one too."""
        places = []
        start = 0
        for stop in self._cuts:
            places += [(at, min(at + FRAME, stop)) for at in range(start, stop, FRAME)]
            start = stop
        length = len(self._buffer)
        stop = length if end else length - (length - start) % FRAME
        places += [(at, min(at + FRAME, stop)) for at in range(start, stop, FRAME)]
        view = memoryview(self._buffer)
        pieces = [view[at:to] for at, to in places]
        with ThreadPoolExecutor(zstd.THREADS) as pool:
            for piece, frame in zip(pieces, pool.map(zstd.compress_frame, pieces), strict=True):
                self._table.append(_ENTRY.pack(len(frame), len(piece)))
                self._file.write(frame)
        for each in [*pieces, view]:
            each.release()
        del self._buffer[:stop]
        self._cuts = []


class Reader:
    """Random access to the content of such a file.

    size: bytes of the content.

    Raises (from `view` too):
        UserError: it is none, or is damaged.
    """

    def __init__(self, file: io.FileIO, name: str, sizes: Sequence[tuple[int, int]] | None = None) -> None:
        """`sizes`, where the file has no table: (size compressed, size of the content) of each frame."""
        self._name = name
        self._file = file
        sizes = self._table() if sizes is None else sizes
        self._places = list(itertools.accumulate((size for size, _ in sizes), initial=0))
        self._starts = list(itertools.accumulate((size for _, size in sizes), initial=0))
        self.size = self._starts[-1]
        self._frame = lru_cache(_KEPT)(self._decompressed)

    def close(self) -> None:
        """Lets go of the file. Views stay valid."""
        self._frame.cache_clear()
        self._file.close()

    def view(self, offset: int, length: int) -> memoryview:
        """The bytes [offset, offset + length), which must be there; without a copy inside one frame."""
        parts = list(self._parts(offset, length))
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))

    def split(self, offset: int, length: int) -> Iterator[tuple[int, bytes | None]]:
        """The range in parts: bytes of each; for a part that is one whole frame also the frame, as it is stored."""
        end = offset + length
        index = max(bisect_right(self._starts, offset) - 1, 0)
        rest = 0
        while offset < end:
            start, stop = self._starts[index], self._starts[index + 1]
            if start == stop:  # a skippable frame, or an empty one
                index += 1
                continue
            if start == offset and stop <= end:
                if rest:
                    yield rest, None
                rest = 0
                yield stop - start, self._read(self._places[index], self._places[index + 1])
            else:
                rest += min(stop, end) - offset
            offset = min(stop, end)
            index += 1
        if rest:
            yield rest, None

    def _parts(self, offset: int, length: int) -> Iterator[memoryview]:
        end = offset + length
        index = max(bisect_right(self._starts, offset) - 1, 0)
        while offset < end:
            start = self._starts[index]
            if start < self._starts[index + 1]:  # no skippable frame, and no empty one
                part = memoryview(self._frame(index))[offset - start : end - start]
                yield part
                offset += len(part)
            index += 1

    def _decompressed(self, index: int) -> bytes:
        frame = self._read(self._places[index], self._places[index + 1])
        size = self._starts[index + 1] - self._starts[index]
        try:
            # A frame says itself how much it makes, and that much memory is taken before the first byte is there.
            claimed = zstandard.frame_content_size(frame)
            if claimed not in (size, -1):
                raise self._damaged(f"frame {index} has {claimed} bytes of content, not {size}")
            content = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)
        except zstandard.ZstdError as error:
            raise self._damaged(f"frame {index} does not decompress") from error
        if len(content) != size:
            raise self._damaged(f"frame {index} has {len(content)} bytes of content, not {size}")
        return content

    def _table(self) -> Sequence[tuple[int, int]]:
        """(size compressed, size of the content) of each frame."""
        size = os.fstat(self._file.fileno()).st_size
        end = size - _FOOTER.size
        if end < _SKIPPABLE.size:
            raise self._damaged("it is too short")
        count, flags, magic = _FOOTER.unpack(self._read(end, size))
        start = end - count * _ENTRY.size
        if magic != _SEEKABLE_MAGIC or flags:
            raise self._damaged("it has no table of frames at its end")
        if start < _SKIPPABLE.size:
            raise self._damaged(f"it has no room for a table of {count} frames")
        sizes = list(_ENTRY.iter_unpack(self._read(start, end)))
        if sum(size for size, _ in sizes) != start - _SKIPPABLE.size or any(not size for _, size in sizes):
            raise self._damaged("its table does not fit its frames")
        if (largest := max((size for _, size in sizes), default=0)) > FRAME_MAX:
            raise self._damaged(f"it has a frame of {largest} bytes of content, and {FRAME_MAX} are the most")
        return sizes

    def _read(self, start: int, end: int) -> bytes:
        # Not mapped: pages that were read need not stay in memory. Not by the file's position: processes share that.
        return os.pread(self._file.fileno(), end - start, start)

    def _damaged(self, what: str) -> UserError:
        return UserError(f"{self._name}: not a compressed file with random access: {what}", hint="build it again")


def open_file(path: Path | str, name: str) -> Reader:
    """Opens a file. `name` says in errors which it is.

    Raises:
        UserError: it cannot be read, or is no such file.
    """
    with _opened(path, name) as file:
        return Reader(file, name)


def open_stream(path: Path | str, name: str) -> Reader | None:
    """Opens any file of frames, whose sizes are found by going from block to block; nothing is decompressed for that.

    Returns:
        None, if a frame does not say how much its content is, or that is more than FRAME_MAX: only a stream is of use.

    Raises:
        UserError: it cannot be read, is no zstd, or is cut off.
    """
    with _opened(path, name) as file:
        sizes = _walk(file, name)
        if sizes is not None:
            return Reader(file, name, sizes)
    file.close()
    return None


@contextlib.contextmanager
def _opened(path: Path | str, name: str) -> Iterator[io.FileIO]:
    """A file that stays open, but after an error."""
    try:
        file = io.FileIO(path)
    except OSError as error:
        raise UserError(f"cannot read {name}: {error.strerror}: {path}") from error
    try:
        yield file
    except UserError:
        file.close()
        raise


def _walk(file: io.FileIO, name: str) -> list[tuple[int, int]] | None:
    """(size compressed, size of the content) of each frame, RFC 8878, 3.1.1; None as with `open_stream`."""
    size = os.fstat(file.fileno()).st_size
    sizes = []
    position = 0
    if not size:
        raise UserError(f"{name}: not a whole zstd file: it ends before the first frame")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while position < size:
            length, content = _frame(data, position, name)
            if not 0 <= content <= FRAME_MAX:
                return None
            sizes.append((length, content))
            position += length
    return sizes


def _frame(data: mmap.mmap, position: int, name: str) -> tuple[int, int]:
    """Bytes of the frame that begins here, and of its content; -1 if it does not say."""
    head = bytes(data[position : position + _HEAD_MAX])
    if len(head) >= _SKIPPABLE.size:
        magic, following = _SKIPPABLE.unpack_from(head)
        if magic & ~0xF == _SKIPPABLE_MAGICS:
            return _within(data, position, _SKIPPABLE.size + following, name), 0
    try:
        parameters = zstandard.get_frame_parameters(head)
        end = position + zstandard.frame_header_size(head)
    except zstandard.ZstdError as error:
        raise UserError(f"{name}: not a whole zstd file: {error} at byte {position}") from error
    last = 0
    while not last:
        header = int.from_bytes(data[end : end + _BLOCK_HEADER], "little")
        last, kind, length = header & 1, header >> 1 & 3, header >> 3
        end += _BLOCK_HEADER + (1 if kind == _BLOCK_RLE else length)
        _within(data, position, end - position, name)
    end += _CHECKSUM if parameters.has_checksum else 0
    content = parameters.content_size
    return _within(data, position, end - position, name), -1 if content == zstandard.CONTENTSIZE_UNKNOWN else content


def _within(data: mmap.mmap, position: int, length: int, name: str) -> int:
    if position + length > len(data):
        raise UserError(f"{name}: not a whole zstd file: it ends within a frame")
    return length
