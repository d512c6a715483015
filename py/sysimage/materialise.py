"""The last step: an extent map turned into bytes, once.

An image leaves as a raw sparse file, as a stream, or as a tar (see `sparse_tar`),
each through zstd if wanted. What is written follows from the map alone: holes are
the map's holes, never those that some file system found. Source pages are let go
as they have been used, so memory stays flat however large the image is.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from sysimage import zstd
from sysimage.extents import COMPRESSED, Extent, ExtentMap, FileSlice, Sources
from sysimage.files import atomic_output, write_text
from sysimage.zstd import Sink

CHUNK = 1 << 20  # bytes in one piece of a stream, at most
STORED_MIN = (
    1 << 20
)  # bytes of an archive's piece: frames that end early for smaller ones would cost more than they save
_ZEROS = memoryview(bytes(CHUNK))


class Progress:
    """Percentages on standard error while it is a terminal; silent otherwise."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._shown = -1
        self._visible = sys.stderr.isatty()

    def add(self, count: int) -> None:
        """Counts bytes that are done."""
        self._done += count
        percent = 100 * self._done // max(self._total, 1)
        if self._visible and percent != self._shown:
            self._shown = percent
            print(f"\r{self._what}: {percent} %", end="", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Ends the line."""
        if self._visible:
            print(file=sys.stderr)


def pieces(image: ExtentMap, sources: Sources, offset: int, length: int) -> Iterator[memoryview]:
    """The bytes [offset, offset + length) in order, holes as zeros; each piece is used up before the next is asked for.

    Raises:
        UserError: a source is missing, or shorter than the map says.
    """
    position = offset
    for extent in image.overlapping(offset, length):
        yield from zeros(extent.offset - position)
        for start in range(extent.offset, extent.end, CHUNK):
            piece = sources.view(extent.cut(start, min(start + CHUNK, extent.end)))
            yield piece
            sources.mark_read(len(piece))
        position = extent.end
    yield from zeros(offset + length - position)


def zeros(length: int) -> Iterator[memoryview]:
    """That many zero bytes, in pieces."""
    while length > 0:
        yield _ZEROS[:length]
        length -= CHUNK


def write_raw(image: ExtentMap, sources: Sources, path: Path | str) -> None:
    """Writes a raw image file: extents at their places, holes never written.

    Raises:
        UserError: a source is missing or too short, or the file cannot be written.
    """
    progress = Progress(f"writing {path}", image.mapped)
    with atomic_output(path) as file:
        descriptor = file.fileno()
        os.ftruncate(descriptor, image.size)
        for extent in image.extents:
            position = extent.offset
            for piece in pieces(image, sources, extent.offset, extent.length):
                position += _write_all(descriptor, piece, position)
                progress.add(len(piece))
    progress.finish()


def _write_all(descriptor: int, data: memoryview, offset: int) -> int:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)
    return done


def write_range(image: ExtentMap, sources: Sources, offset: int, length: int, sink: Sink, progress: Progress) -> None:
    """Writes the bytes [offset, offset + length) in order, holes as zeros.

    What is under zstd already, in a source, goes under zstd in a sink as it is: frames of a layer are frames of the
    sink, and pieces of a source that is an archive are stored in it.

    Raises:
        UserError: a source is missing, or shorter than the map says.
    """
    if not isinstance(sink, zstd.Frames):
        for piece in pieces(image, sources, offset, length):
            sink.write(piece)
            progress.add(len(piece))
        return
    position = offset
    for extent in image.overlapping(offset, length):
        for piece in zeros(extent.offset - position):
            sink.write(piece)
        for part, frame in sources.stored(extent):
            if frame is not None:
                sink.take(frame)
            elif _is_packed(part, sources):
                _write_part(part, sources, sink.store, zstd.FRAME)
            else:
                _write_part(part, sources, sink.write, CHUNK)
            progress.add(part.length)
        position = extent.end
    for piece in zeros(offset + length - position):
        sink.write(piece)


def _is_packed(part: Extent, sources: Sources) -> bool:
    """Whether it is a piece of an archive under zstd that is worth being stored."""
    source = part.source
    if part.length < STORED_MIN or isinstance(source, bytes) or source.source.startswith(COMPRESSED):
        return False
    size = len(zstd.MAGIC)
    return (
        sources.size(source.source) >= size and sources.view(Extent(0, size, FileSlice(source.source, 0))) == zstd.MAGIC
    )


def _write_part(part: Extent, sources: Sources, take: Callable[[memoryview], object], size: int) -> None:
    for start in range(part.offset, part.end, size):
        piece = sources.view(part.cut(start, min(start + size, part.end)))
        take(piece)
        sources.mark_read(len(piece))


def write_stream(image: ExtentMap, sources: Sources, sink: Sink) -> None:
    """Writes the whole image in order, holes as zeros."""
    progress = Progress("streaming", image.size)
    write_range(image, sources, 0, image.size, sink, progress)
    progress.finish()


class _Digest:
    """Passes bytes on to a file and hashes them on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes | memoryview, /) -> int:
        self.sha256.update(data)
        return self._file.write(data)


@contextlib.contextmanager
def open_output(path: Path | str, compress: bool = False, sha256_path: Path | str | None = None) -> Iterator[Sink]:
    """A file to stream into; it takes its name when the block ends well.

    Args:
        path: the file.
        compress: whether to write it as zstd.
        sha256_path: where a line for `sha256sum --check` goes; it names the file without a folder.

    Raises:
        UserError: the file cannot be written.
    """
    with atomic_output(path) as file:
        digest = _Digest(file)
        if compress:
            frames = zstd.Frames(digest)
            yield frames
            # Not after an error: a file that ends early would only hide it behind an error of its own.
            frames.close()
        else:
            yield digest
    if sha256_path is not None:
        write_text(sha256_path, f"{digest.sha256.hexdigest()}  {Path(path).name}\n")
