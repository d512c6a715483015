"""Debian binary packages, read without unpacking them onto the disk.

A .deb is an ar archive of three members: `debian-binary` (format 2.0), a
compressed tar of control files, and a compressed tar of what is installed.
The decompressed data tars go into scratch files, one a package, so that the memory a
reader needs depends neither on how many packages there are nor on their size.

Source: deb(5), deb-control(5).
"""

import contextlib
import io
import lzma
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import zstandard

from sysimage.debian.control import parse_paragraph
from sysimage.errors import UserError
from sysimage.extents import Extent, FileSlice, Sources
from sysimage.tar_reader import Member, members
from sysimage.tree import NodeType, decode

AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60  # name 16, mtime 12, uid 6, gid 6, mode 8, size 10, end 2
CONTROL_MAX = 64 << 20  # bytes of a control archive, unpacked; real ones have at most a few
PIECE = 1 << 20  # bytes read and decompressed at a time
XZ_MEMORY = 256 << 20  # more than `xz -9 --extreme` asks for
THREADS = 2

_DAMAGES = (lzma.LZMAError, zlib.error, zstandard.ZstdError)


class Spool:
    """Scratch files for decompressed archives; they vanish when the spool closes.

    Args:
        directory: where the files go; it must have room for all packages unpacked.
    """

    def __init__(self, directory: Path | str) -> None:
        self.sources = Sources({})
        self._directory = Path(directory)
        self._files: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes the files. Views into them must be gone by then."""
        self.sources.close()
        for path in self._files:
            path.unlink(missing_ok=True)

    def new(self, count: int) -> list[tuple[str, Path]]:
        """More scratch files: for each the key of its source, and its path."""
        first = len(self._files)
        targets = [(f"deb/{number}", self._directory / f"deb.{number}") for number in range(first, first + count)]
        for key, path in targets:
            self._files.append(path)
            self.sources.add(key, path)
        return targets


@dataclass(frozen=True, slots=True)
class Deb:
    """A binary package.

    fields: the paragraph of the control file, values as they stand there (continuation lines included);
    scripts: all members of the control archive but `control`; entries: the data archive, in its order.
    """

    fields: Mapping[str, str]
    scripts: Mapping[str, bytes]
    entries: Sequence[Member] = field(repr=False)
    origin: str = ""

    @property
    def name(self) -> str:
        """The package's name."""
        return self.fields["Package"]

    @property
    def version(self) -> str:
        """Its version."""
        return self.fields["Version"]

    @property
    def architecture(self) -> str:
        """Its architecture; `all` for every one."""
        return self.fields["Architecture"]


def read_debs(paths: Sequence[Path | str], spool: Spool) -> list[Deb]:
    """Reads packages, in the order given.

    Raises:
        UserError: a file is missing, is not a .deb, is damaged or cut short; says which and what is wrong.
    """
    targets = spool.new(len(paths))
    # The largest first: none of the threads then is left alone with a large one.
    order = sorted(range(len(paths)), key=lambda index: (-_size(paths[index]), index))
    with ThreadPoolExecutor(THREADS) as pool:
        futures = {index: pool.submit(read_deb, paths[index], *targets[index]) for index in order}
        try:
            return [futures[index].result() for index in range(len(paths))]
        finally:
            pool.shutdown(cancel_futures=True)


def read_deb(path: Path | str, key: str, scratch: Path) -> Deb:
    """Reads one package; its data archive goes to the file `scratch`, known to the entries as `key`.

    Raises:
        UserError: as `read_debs`.
    """
    with _explaining(path), open(path, "rb") as file:
        name, size = _members_until(file, "control.tar")
        fields, scripts = _control(file, name, size, str(path))
        name, size = _next_member(file)
        if not name.startswith("data.tar"):
            raise ValueError(f"its third member is {name!r}, expected data.tar.*")
        with _naming(name):
            length = _unpack(_decompressed(_pieces(file, size), name), scratch, f"{path}: {name}")
        with Sources({key: scratch}) as sources:
            view = sources.view(Extent(0, length, FileSlice(key, 0)))
            try:
                entries = list(members(view, key, f"{path}: {name}"))
            finally:
                view.release()
        return Deb(fields, scripts, entries, str(path))


def _unpack(pieces: Iterator[bytes], scratch: Path, origin: str) -> int:
    """Writes pieces to a scratch file, and returns how many bytes they are.

    Raises:
        UserError: the scratch file cannot be written.
    """
    length = 0
    try:
        with open(scratch, "wb", buffering=0) as out:
            for piece in pieces:
                view = memoryview(piece)
                length += len(view)
                while view:
                    view = view[out.write(view) :]
    except OSError as error:
        if error.filename not in (None, str(scratch)):
            raise
        hint = "the disk of temporary files must have room for all packages unpacked"
        raise UserError(f"{origin} cannot be unpacked to {scratch}: {error.strerror}", hint) from error
    return length


def read_control(path: Path | str) -> Deb:
    """Reads a package without its data archive: `entries` is empty. Errors: as `read_debs`."""
    with _explaining(path), open(path, "rb") as file:
        name, size = _members_until(file, "control.tar")
        fields, scripts = _control(file, name, size, str(path))
        return Deb(fields, scripts, (), str(path))


@contextlib.contextmanager
def _explaining(path: Path | str) -> Iterator[None]:
    """Turns what can be wrong with a package file into an error that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, EOFError, *_DAMAGES) as error:
        raise UserError(f"{path}: not a sound .deb: {error}", hint="fetch it again") from error


@contextlib.contextmanager
def _naming(member: str) -> Iterator[None]:
    """Puts the member's name before what is wrong in it."""
    try:
        yield
    except (ValueError, *_DAMAGES) as error:
        raise ValueError(f"{member}: {error}") from error


def _size(path: Path | str) -> int:
    with _explaining(path):
        return Path(path).stat().st_size


def _members_until(file: BinaryIO, wanted: str) -> tuple[str, int]:
    """Checks magic and format version; leaves the file at the content of the wanted second member."""
    magic = file.read(len(AR_MAGIC))
    if magic != AR_MAGIC:
        raise ValueError("it does not begin as an ar archive" if magic else "it is empty")
    name, size = _next_member(file)
    version = b"".join(_pieces(file, size)) if size <= PIECE else b""
    if name != "debian-binary" or not version.startswith(b"2."):
        raise ValueError(f"its first member is {name!r} with {version[:16]!r}, expected 'debian-binary' with 2.0")
    name, size = _next_member(file)
    if not name.startswith(wanted):
        raise ValueError(f"its second member is {name!r}, expected {wanted}.*")
    return name, size


def _next_member(file: BinaryIO) -> tuple[str, int]:
    """Name and size of the next member whose name dpkg does not ignore (those with `_` it does)."""
    while True:
        if file.tell() % 2:
            file.read(1)
        header = file.read(AR_HEADER)
        if len(header) < AR_HEADER:
            raise ValueError(f"it is cut short at byte {file.tell()}, where a member should begin")
        digits = header[48:58].strip()
        if header[58:] != b"`\n" or not digits.isdigit():
            raise ValueError(f"the header of the member at byte {file.tell() - AR_HEADER} is damaged")
        name = decode(header[:16]).strip().removesuffix("/")
        size = int(digits)
        if not name.startswith("_"):
            return name, size
        file.seek(size, io.SEEK_CUR)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        piece = file.read(min(size, PIECE))
        if not piece:
            raise EOFError(f"it is cut short at byte {file.tell()}, {size} bytes before the end of a member")
        size -= len(piece)
        yield piece


def _control(file: BinaryIO, name: str, size: int, path: str) -> tuple[dict[str, str], dict[str, bytes]]:
    data = bytearray()
    with _naming(name):
        for piece in _decompressed(_pieces(file, size), name):
            data += piece
            if len(data) > CONTROL_MAX:
                raise ValueError(f"it has more than {CONTROL_MAX} bytes")
    contents = {
        member.path: b"".join(extent.source for extent in member.node.data.extents if isinstance(extent.source, bytes))
        for member in members(memoryview(data), None, f"{path}: {name}")
        if member.node is not None and member.node.type is NodeType.FILE
    }
    if "control" not in contents:
        raise ValueError("its control archive has no file 'control'")
    fields = parse_paragraph(decode(contents.pop("control")))
    for wanted in ("Package", "Version", "Architecture"):
        if wanted not in fields:
            raise ValueError(f"its control file has no field {wanted}")
    return fields, contents


def _decompressed(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The plain bytes of a member, by the ending of its name, in pieces of bounded size."""
    ending = name.rpartition(".")[2]
    if ending == "tar":
        return pieces
    if ending == "xz":
        return _unxz(pieces)
    if ending == "gz":
        return _gunzip(pieces)
    if ending == "zst":
        return _unzstd(pieces)
    raise ValueError(f"compression .{ending} is not known (known: xz, zst, gz, none)")


def _unxz(pieces: Iterator[bytes]) -> Iterator[bytes]:
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
    for piece in pieces:
        if decompressor.eof:
            # Streams may follow one another; dpkg's own are single.
            decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        data = decompressor.decompress(piece, PIECE)
        while data:
            yield data
            data = b"" if decompressor.needs_input or decompressor.eof else decompressor.decompress(b"", PIECE)
    if not decompressor.eof:
        raise ValueError("the compressed data is cut short")


def _gunzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(wbits=31)
    for piece in pieces:
        while piece:
            yield decompressor.decompress(piece, PIECE)
            piece = decompressor.unconsumed_tail
    yield decompressor.flush()
    if not decompressor.eof:
        raise ValueError("the compressed data is cut short")


def _unzstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    # A stream that is cut short ends without a word here; the tar in it then lacks its end.
    with zstandard.ZstdDecompressor().stream_reader(_Reader(pieces), read_across_frames=True) as reader:  # type: ignore[arg-type]
        while data := reader.read(PIECE):
            yield data


class _Reader:
    """Pieces as something that can be read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int) -> bytes:
        """The next piece, of whatever size."""
        return next(self._pieces, b"")
