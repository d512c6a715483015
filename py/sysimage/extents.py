"""The image map: where each byte of an image, or of a file, comes from.

A map is a size and a list of extents (offset, length, source). A source is a
literal (bytes that a writer made) or a slice of a named file; what no extent
covers is a hole and reads as zeros. Writers *plan*: they return maps and copy
nothing. Maps compose: shift one, join several, cut a piece out.

Between actions a map travels as a small JSON file with its literals beside it
in a file of their own, which is then just another source. A source is known by
a key, never by a path, so the bytes of a map do not depend on where it was built.
"""

import contextlib
import json
import mmap
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sysimage.errors import UserError
from sysimage.files import atomic_output
from sysimage.text import parse_json

if TYPE_CHECKING:
    from sysimage import framed

FORMAT = "extent-map/1"
# In front of the key of a compressed file (see `framed`): offsets count in what it decompresses to.
COMPRESSED = "zstd:"
RELEASE_AFTER = 4 << 20  # bytes read from sources after which their pages are let go


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Bytes of a source file, from `offset` on. `source` is the file's key, behind COMPRESSED if it is compressed."""

    source: str
    offset: int


@dataclass(frozen=True, slots=True)
class Extent:
    """`length` bytes at `offset` of the image, taken from `source`. All in bytes."""

    offset: int
    length: int
    source: bytes | FileSlice

    @property
    def end(self) -> int:
        """The offset behind its last byte."""
        return self.offset + self.length

    def cut(self, start: int, end: int) -> "Extent":
        """The part between `start` and `end` (offsets in the image), still at its place."""
        skip = start - self.offset
        if isinstance(self.source, bytes):
            source: bytes | FileSlice = self.source[skip : end - self.offset]
        else:
            source = FileSlice(self.source.source, self.source.offset + skip)
        return Extent(start, end - start, source)


class ExtentMap:
    """An immutable map of `size` bytes: sorted extents that do not overlap.

    Raises:
        ValueError: extents overlap, are empty, or reach past `size` (a bug of the writer).
    """

    __slots__ = ("_starts", "extents", "size")

    def __init__(self, size: int, extents: Iterable[Extent] = ()) -> None:
        self.size = size
        self.extents = tuple(_checked(size, sorted(extents, key=attrgetter("offset"))))
        self._starts = [extent.offset for extent in self.extents]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExtentMap) and (self.size, self.extents) == (other.size, other.extents)

    def __hash__(self) -> int:
        return hash((self.size, self.extents))

    def __repr__(self) -> str:
        return f"ExtentMap({self.size}, {len(self.extents)} extents)"

    @classmethod
    def of_bytes(cls, data: bytes) -> "ExtentMap":
        """The map of a literal."""
        return cls(len(data), [Extent(0, len(data), data)] if data else [])

    @classmethod
    def of_slice(cls, source: str, offset: int, length: int) -> "ExtentMap":
        """The map of `length` bytes of a source file."""
        return cls(length, [Extent(0, length, FileSlice(source, offset))] if length else [])

    @classmethod
    def union(cls, size: int, placed: Iterable[tuple[int, "ExtentMap"]]) -> "ExtentMap":
        """Several maps in one of `size` bytes, each at its offset; they must not overlap."""
        return cls(
            size,
            (Extent(at + e.offset, e.length, e.source) for at, part in placed for e in part.extents),
        )

    @property
    def mapped(self) -> int:
        """Bytes that come from somewhere: the size less the holes."""
        return sum(extent.length for extent in self.extents)

    def sources(self) -> list[str]:
        """Keys of the source files, sorted."""
        return sorted({e.source.source for e in self.extents if isinstance(e.source, FileSlice)})

    def overlapping(self, offset: int, length: int) -> Iterator[Extent]:
        """The extents, cut to the range, that lie in [offset, offset + length)."""
        end = offset + length
        index = max(bisect_right(self._starts, offset) - 1, 0)
        while index < len(self.extents) and self.extents[index].offset < end:
            extent = self.extents[index]
            start, stop = max(extent.offset, offset), min(extent.end, end)
            if start < stop:
                yield extent if (start, stop) == (extent.offset, extent.end) else extent.cut(start, stop)
            index += 1

    def slice(self, offset: int, length: int) -> "ExtentMap":
        """The range [offset, offset + length) as a map of its own."""
        return ExtentMap(
            length, (Extent(e.offset - offset, e.length, e.source) for e in self.overlapping(offset, length))
        )

    def resized(self, size: int) -> "ExtentMap":
        """The same content in an image of another size; a smaller one must not cut content."""
        return ExtentMap(size, self.extents)


def _checked(size: int, extents: list[Extent]) -> list[Extent]:
    """Checks sorted extents, and joins slices that continue each other; literals stay as they are.

    Every map of every step comes through here with all its rows, so this is written for speed.
    """
    checked: list[Extent] = []
    position = 0
    for extent in extents:
        offset, length, source = extent.offset, extent.length, extent.source
        end = offset + length
        if length <= 0 or offset < position or end > size:
            raise ValueError(f"bad extent at {offset}, {length} bytes, after {position}, size {size}")
        if isinstance(source, bytes):
            if len(source) != length:
                raise ValueError(f"literal of {len(source)} bytes for {length} at {offset}")
        elif checked and offset == position:
            last = checked[-1]
            before = last.source
            if (
                not isinstance(before, bytes)
                and before.offset + last.length == source.offset
                and before.source == source.source
            ):
                checked[-1] = Extent(last.offset, last.length + length, before)
                position = end
                continue
        checked.append(extent)
        position = end
    return checked


class Sources:
    """The files behind the keys, opened when first read and mapped into memory.

    Raises (from `view`):
        UserError: a key has no file, or a file is shorter than a map says.
    """

    def __init__(self, paths: Mapping[str, Path | str]) -> None:
        self._paths = {key: Path(path) for key, path in paths.items()}
        self._views: dict[str, tuple[mmap.mmap | None, memoryview]] = {}
        self._compressed: dict[str, framed.Reader] = {}
        self._unreleased = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the files. Those of which views are still held, by an error's traceback say, go with these."""
        for mapping, view in self._views.values():
            with contextlib.suppress(BufferError):
                view.release()
                if mapping is not None:
                    mapping.close()
        self._views.clear()
        for reader in self._compressed.values():
            reader.close()
        self._compressed.clear()

    def add(self, key: str, path: Path | str) -> None:
        """Names one more file."""
        self._paths[key] = Path(path)

    def add_compressed(self, key: str, path: Path | str, reader: "framed.Reader") -> str:
        """Names one more file, compressed and opened already; it is closed with the others. Returns the key in maps."""
        key = COMPRESSED + key
        self._paths[key] = Path(path)
        self._compressed[key] = reader
        return key

    @property
    def paths(self) -> Mapping[str, Path]:
        """The file behind each key."""
        return self._paths

    def view(self, extent: Extent) -> memoryview:
        """The bytes of an extent, without a copy where they lie in one piece."""
        if isinstance(extent.source, bytes):
            return memoryview(extent.source)
        key, start = extent.source.source, extent.source.offset
        end = start + extent.length
        if end > (size := self.size(key)):
            raise self._short(key, size, end)
        if key in self._compressed:
            return self._compressed[key].view(start, extent.length)
        return self._views[key][1][start:end]

    def stored(self, extent: Extent) -> Iterator[tuple[Extent, bytes | None]]:
        """The parts of an extent; with a part that is one whole frame of a compressed source, that frame.

        Raises:
            UserError: as `view`.
        """
        source = extent.source
        if isinstance(source, bytes) or not source.source.startswith(COMPRESSED):
            yield extent, None
            return
        end = source.offset + extent.length
        if end > (size := self.size(source.source)):
            raise self._short(source.source, size, end)
        position = extent.offset
        for length, frame in self._compressed[source.source].split(source.offset, extent.length):
            yield extent.cut(position, position + length), frame
            position += length

    def size(self, key: str) -> int:
        """Bytes of a source, of a compressed one those of its content."""
        if key in self._views:
            return len(self._views[key][1])
        if key.startswith(COMPRESSED):
            if key not in self._compressed:
                self._compressed[key] = self._open_compressed(key)
            return self._compressed[key].size
        return len(self._open(key))

    def mark_read(self, length: int) -> None:
        """Says that so many bytes of views are done with.

        Now and then the kernel is told that their pages need not stay in memory, so that
        streaming through large sources keeps it flat. Views stay valid.
        """
        self._unreleased += length
        if self._unreleased >= RELEASE_AFTER:
            self._unreleased = 0
            for mapping, _ in self._views.values():
                if mapping is not None:
                    mapping.madvise(mmap.MADV_DONTNEED)

    @staticmethod
    def _short(key: str, size: int, end: int) -> UserError:
        return UserError(
            f"source {key!r} has {size} bytes, but byte {end} of it is wanted",
            hint="it was changed or cut after the map was made; build it again",
        )

    def _path(self, key: str) -> Path:
        if key not in self._paths:
            raise UserError(f"no file is given for source {key!r}", hint=f"add --source {key}=FILE")
        return self._paths[key]

    def _open(self, key: str) -> memoryview:
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                # An empty file cannot be mapped.
                empty = os.fstat(file.fileno()).st_size == 0
                mapping = None if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise UserError(f"cannot read source {key!r}: {error.strerror}: {path}") from error
        view = memoryview(b"" if mapping is None else mapping)
        self._views[key] = (mapping, view)
        return view

    def _open_compressed(self, key: str) -> "framed.Reader":
        from sysimage import framed  # most programs meet no such source, and loading it takes time

        name = key.removeprefix(COMPRESSED)
        return framed.open_file(self._path(name), f"source {name!r}")


class ImageReader:
    """Random access to the bytes of a map; holes read as zeros."""

    __slots__ = ("map", "sources")

    def __init__(self, image: ExtentMap, sources: Sources) -> None:
        self.map = image
        self.sources = sources

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return self.map.size

    def read(self, offset: int, length: int) -> bytes:
        """The bytes [offset, offset + length), cut at the end of the image."""
        length = max(0, min(length, self.map.size - offset))
        parts: list[bytes | memoryview] = []
        position = offset
        for extent in self.map.overlapping(offset, length):
            if extent.offset > position:
                parts.append(bytes(extent.offset - position))
            parts.append(self.sources.view(extent))
            position = extent.end
        if position < offset + length:
            parts.append(bytes(offset + length - position))
        return b"".join(parts)


class ReaderFile:
    """The bytes behind a reader as a file that can be sought in."""

    def __init__(self, reader: ImageReader) -> None:
        self._reader = reader
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Goes to a place, which may lie behind the end."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._reader.size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Where it is."""
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, fewer at the end."""
        data = self._reader.read(self._position, self._reader.size if size < 0 else size)
        self._position += len(data)
        return data


def open_raw(path: Path | str) -> ImageReader:
    """A raw image file as a reader: for inspecting and verifying what lies on disk.

    Holes of a sparse file are found (SEEK_DATA), so reading costs what the content costs.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            extents = [
                Extent(start, end - start, FileSlice("raw", start)) for start, end in data_ranges(file.fileno(), size)
            ]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return ImageReader(ExtentMap(size, extents), Sources({"raw": path}))


def data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a sparse file of `size` bytes has content: beginnings and ends, in bytes. It moves the file's offset."""
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:  # ENXIO: a hole up to the end
            return
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, position


def save(image: ExtentMap, path: Path | str, literals: Path | str, literals_key: str) -> None:
    """Writes a map as JSON, and its literals one behind the other beside it, equal ones once.

    Args:
        image: the map.
        path: where the JSON goes.
        literals: where the literals go; the file may end up empty.
        literals_key: the key under which readers will be given the literals.
    """
    keys: dict[str, int] = {}
    rows: list[str] = []
    written: dict[bytes, int] = {}
    position = 0
    with atomic_output(literals) as file:
        for extent in image.extents:
            if isinstance(extent.source, bytes):
                # Equal literals (copies of a table or superblock) are written once.
                key, offset = literals_key, written.setdefault(extent.source, position)
                if offset == position:
                    file.write(extent.source)
                    position += extent.length
            else:
                key, offset = extent.source.source, extent.source.offset
            rows.append(f"[{extent.offset},{extent.length},{keys.setdefault(key, len(keys))},{offset}]")
    with atomic_output(path) as file:
        header = f'{{"format":"{FORMAT}","size":{image.size},"sources":{json.dumps(list(keys))},"extents":[\n'
        file.write((header + ",\n".join(rows) + "\n]}\n").encode())


def parse_map(size: Any, rows: Any, keys: Any) -> ExtentMap:
    """A map out of JSON: its size, rows of offset, length, number of a key and offset in that source, and the keys.

    Raises:
        ValueError: something is not of the type that it must be, or the map contradicts itself.
        TypeError, IndexError: rows of another form, numbers of keys that are not there.
    """
    extents = []
    for offset, length, key, start in rows:
        if not type(offset) is type(length) is type(key) is type(start) is int or key < 0 or start < 0:
            raise ValueError(f"bad extent {[offset, length, key, start]}")
        if type(keys[key]) is not str:
            raise ValueError(f"bad source {keys[key]!r}")
        extents.append(Extent(offset, length, FileSlice(keys[key], start)))
    if type(size) is not int or size < 0:
        raise ValueError(f"bad size {size!r}")
    return ExtentMap(size, extents)


def load(path: Path | str) -> ExtentMap:
    """Reads a map that `save` wrote; its literals are slices of their file now.

    Raises:
        UserError: not a map, or one that contradicts itself.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return parse(data, str(path))


def parse(text: bytes, name: str) -> ExtentMap:
    """A map out of what `save` wrote; `name` says in errors which it is. Errors: as `load`."""
    try:
        data = parse_json(text)
        if data["format"] != FORMAT:
            raise UserError(f"{name}: format is {data['format']!r}, expected {FORMAT!r}")
        keys = data["sources"]
        return parse_map(data["size"], data["extents"], keys)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{name}: not an extent map: {error}") from error
