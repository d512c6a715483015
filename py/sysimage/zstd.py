"""zstd as this project uses it: one level, one way to cut, so the same bytes on every machine.

What is written is cut into pieces, each compressed as a frame of its own; frames that somebody else made of the same
level (`framed`) are taken as they are, and what is compressed by itself is stored (`stored_frame`). Any zstd reads
frames behind each other as one stream. The bytes do not depend on the number of threads, nor on how the input is cut
into writes. What remains is the version of the library, which the wheel lock pins and a golden digest in the tests
guards.
"""

import struct
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Protocol

import zstandard

from sysimage.errors import UserError

LEVEL = 3
THREADS = 2
SUFFIX = ".zst"
MAGIC = b"\x28\xb5\x2f\xfd"  # first bytes of a frame, and so of a file
FRAME = 4 << 20  # bytes of content in a frame
_AHEAD = 16  # frames that wait for those before them
_READ_SIZE = 128 << 10  # what is behind a frame's end is copied for each frame

# RFC 8878, 3.1.1. Frame: magic, descriptor, size of the content (u32). A block: 24 bits, the last one is marked in bit
# 0, bits 1 and 2 are its type (0: stored), the others its size.
_FRAME_HEADER = struct.Struct("<4sBI")
_SINGLE_SEGMENT = 0xA0  # with the size in 4 bytes, without checksum and dictionary
_BLOCK = 128 << 10  # bytes of a block at most
_LAST_BLOCK = 1
_SIZE_SHIFT = 3


class Sink(Protocol):
    """What takes bytes in order."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Takes these bytes."""


class Frames:
    """A sink that compresses what it is given into `sink`, in frames."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._pool = ThreadPoolExecutor(THREADS)
        self._queue: deque[bytes | Future[bytes]] = deque()
        self._empty = True

    def write(self, data: bytes | memoryview, /) -> int:
        """Takes these bytes."""
        done = 0
        while done < len(data):
            step = min(len(data) - done, FRAME - len(self._buffer))
            self._buffer += data[done : done + step]
            done += step
            if len(self._buffer) == FRAME:
                self._cut()
        return done

    def take(self, frame: bytes) -> None:
        """Takes a frame as it is."""
        if self._buffer:
            self._cut()
        self._put(frame)

    def store(self, data: bytes | memoryview) -> None:
        """Takes these bytes, at least one, in frames of their own, without an attempt to compress them."""
        for start in range(0, len(data), FRAME):
            self.take(stored_frame(data[start : start + FRAME]))

    def close(self) -> None:
        """Writes what is left; a file of nothing has one frame of nothing."""
        if self._buffer or self._empty:
            self._cut()
        self._drain(0)
        self._pool.shutdown()

    def _cut(self) -> None:
        self._put(self._pool.submit(compress_frame, bytes(self._buffer)))
        self._buffer.clear()

    def _put(self, frame: bytes | Future[bytes]) -> None:
        self._empty = False
        self._queue.append(frame)
        self._drain(_AHEAD)

    def _drain(self, left: int) -> None:
        while len(self._queue) > left:
            frame = self._queue.popleft()
            self._sink.write(frame if isinstance(frame, bytes) else frame.result())


def compress_frame(data: bytes | memoryview) -> bytes:
    """One frame, with a checksum: it may travel. May be called by several threads at once."""
    compressor = zstandard.ZstdCompressor(
        level=LEVEL, write_checksum=True, write_content_size=True, write_dict_id=False
    )
    return compressor.compress(data)


def stored_frame(data: bytes | memoryview) -> bytes:
    """One frame of at least one byte, stored and not compressed.

    It has no checksum: what is stored is compressed by itself, and has its own.
    """
    parts: list[bytes | memoryview] = [_FRAME_HEADER.pack(MAGIC, _SINGLE_SEGMENT, len(data))]
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        last = _LAST_BLOCK if start + _BLOCK >= len(data) else 0
        parts += [(len(block) << _SIZE_SHIFT | last).to_bytes(3, "little"), block]
    return b"".join(parts)


def decompress(file: BinaryIO, sink: Sink, name: str) -> None:
    """Decompresses a file, frame by frame. `name` says in errors which it is.

    Raises:
        UserError: it is not zstd, is damaged, or ends early.
    """
    decompressor = zstandard.ZstdDecompressor()
    frame = None
    data = b""
    begun = False
    try:
        while data := data or file.read(_READ_SIZE):
            begun = True
            if frame is None:
                frame = decompressor.decompressobj()
            sink.write(frame.decompress(data))
            data = b""
            if frame.eof:
                data, frame = frame.unused_data, None
    except zstandard.ZstdError as error:
        raise UserError(f"{name}: not a whole zstd file: {error}") from error
    if frame is not None or not begun:
        raise UserError(
            f"{name}: not a whole zstd file: it ends {'within a frame' if begun else 'before the first frame'}"
        )


def decompressed(data: memoryview, name: str) -> Iterator[bytes]:
    """What frames decompress to, in pieces. `name` says in errors which it is.

    Raises:
        UserError: it is not zstd, or is damaged.
    """
    try:
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
            while piece := reader.read(_READ_SIZE):
                yield piece
    except zstandard.ZstdError as error:
        raise UserError(f"{name}: not a whole zstd file: {error}") from error
