"""zstd as this project uses it: one level, one mode, so the same bytes on every machine.

zstd's multi-threaded mode cuts the input into jobs whose size follows from the
level alone, so the bytes are the same for any number of threads from one up, and
for any way the input is cut into writes; its single-threaded mode gives others.
The number of threads is a constant all the same. What remains is the version of
the library, which the wheel lock pins and a golden digest in the tests guards.
"""

import contextlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import zstandard

from sysimage.errors import UserError

LEVEL = 3
THREADS = 2
SUFFIX = ".zst"
_WRITE_SIZE = 1 << 20  # bytes handed to the file in one piece
_READ_SIZE = 1 << 20
_HEADER_MAX = 18  # bytes in a frame's header, at most


class Sink(Protocol):
    """What takes bytes in order."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Takes these bytes."""


@contextlib.contextmanager
def compressing(sink: Sink, size: int) -> Iterator[Sink]:
    """A sink that compresses what it is given into `sink`, as one frame.

    Args:
        sink: takes the compressed bytes.
        size: bytes that will come; it stands in the frame's header.
    """
    compressor = zstandard.ZstdCompressor(
        level=LEVEL, threads=THREADS, write_checksum=True, write_content_size=True, write_dict_id=False
    )
    writer = compressor.stream_writer(sink, size=size, write_size=_WRITE_SIZE, closefd=False)  # type: ignore[arg-type]
    yield writer
    # Not after an error: a frame that ends early would only hide it behind an error of its own.
    writer.close()  # type: ignore[no-untyped-call]


def decompress(file: BinaryIO, sink: Sink, name: str) -> None:
    """Decompresses a file that can be sought in. `name` says in errors which it is.

    Raises:
        UserError: it is not zstd, is damaged, or ends early.
    """
    try:
        promised = zstandard.get_frame_parameters(file.read(_HEADER_MAX)).content_size
        file.seek(0)
        total = 0
        decompressor = zstandard.ZstdDecompressor()
        with decompressor.stream_reader(file, _READ_SIZE, read_across_frames=True, closefd=False) as reader:
            while data := reader.read(_READ_SIZE):
                total += sink.write(data)
    except zstandard.ZstdError as error:
        raise UserError(f"{name}: not a whole zstd file: {error}") from error
    if total < promised != zstandard.CONTENTSIZE_UNKNOWN:
        raise UserError(f"{name}: not a whole zstd file: it has {total} of {promised} bytes")


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
