"""Reads archives of ordinary and sparse members as maps of the archive: nothing is copied."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, FileSlice
from sysimage.sparse_tar import format as tar
from sysimage.sparse_tar.format import BLOCK

MAX_SEGMENTS = 1 << 20  # of one member; more are taken for damage


class Seekable(Protocol):
    """What an archive is read from: a file, or something that is read as one."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Goes to a place."""

    def tell(self) -> int:
        """Where it is."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, fewer at the end."""


@dataclass(frozen=True, slots=True)
class StoredMember:
    """A member as it lies in an archive.

    segments: for each piece that is stored its offset in the member and its length, in bytes.
    data_at: where the first of them lies in the archive; each begins at a block of 512 bytes.
    """

    name: str
    mode: int
    mtime: int
    size: int
    data_at: int
    segments: tuple[tuple[int, int], ...]

    def content(self, source: str) -> ExtentMap:
        """The member as a map of the archive, whose source key is given.

        Raises:
            UserError: the segments overlap or reach past the end.
        """
        position = self.data_at
        extents = []
        for offset, length in self.segments:
            if length:
                extents.append(Extent(offset, length, FileSlice(source, position)))
            position += length + -length % BLOCK
        try:
            return ExtentMap(self.size, extents)
        except ValueError as error:
            raise UserError(f"tar member {self.name!r} has an impossible sparse map: {error}") from error


def read(file: Seekable, name: str) -> Iterator[StoredMember]:
    """The members of an archive that can be sought in. `name` says in errors which it is.

    Raises:
        UserError: it is cut off, damaged, or has members that are neither ordinary nor sparse files.
    """
    end = file.seek(0, 2)
    position = 0
    while True:
        if position > end:
            raise UserError(f"{name}: the tar archive is cut off")
        file.seek(position)
        header = _block(file, name)
        if not any(header):
            return
        fields = tar.HEADER.unpack(header)
        plain = header[: tar.CHECKSUM.start] + b" " * 8 + header[tar.CHECKSUM.stop :]
        if _number(fields[6]) != sum(plain):
            raise UserError(f"{name}: the tar header at byte {position} has a wrong checksum")
        member_name = fields[0].partition(b"\0")[0].decode("utf-8", "surrogateescape")
        stored = size = _number(fields[4])
        if fields[7] not in (tar.TYPE_FILE, b"\0", tar.TYPE_SPARSE):
            raise UserError(f"{name}: tar member {member_name!r} has type {fields[7]!r}, only files are expected here")
        segments = [(0, size)]
        if fields[7] == tar.TYPE_SPARSE:
            segments = list(_segments(file, name, fields[18], fields[19]))
            size = _number(fields[20])
        member = StoredMember(member_name, _number(fields[1]), _number(fields[5]), size, file.tell(), tuple(segments))
        if sum(length for _, length in segments) != stored:
            raise UserError(f"{name}: tar member {member_name!r} stores {stored} bytes, its sparse map says otherwise")
        yield member
        position = member.data_at + sum(length + -length % BLOCK for _, length in segments)


def _block(file: Seekable, name: str) -> bytes:
    data = file.read(BLOCK)
    if len(data) < BLOCK:
        raise UserError(f"{name}: the tar archive is cut off")
    return data


def _segments(file: Seekable, name: str, first: bytes, extended: int) -> Iterator[tuple[int, int]]:
    count = 0
    block = first
    while True:
        for offset, length in tar.SEGMENT.iter_unpack(block):
            if any(offset):
                yield _number(offset), _number(length)
        count += tar.EXTENSION_ENTRIES
        if not extended:
            return
        if count > MAX_SEGMENTS:
            raise UserError(f"{name}: a sparse map has more than {MAX_SEGMENTS} segments")
        block, extended = tar.EXTENSION.unpack(_block(file, name))


def _number(field: bytes) -> int:
    """A number in octal or base 256; of what is neither, -1 (which no checksum and no size is)."""
    if field[0] == tar.BASE_256:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if any(byte not in b"01234567" for byte in digits):
        return -1
    return int(digits or b"0", 8)


def inspect(file: Seekable, name: str) -> list[dict[str, Any]]:
    """The members as data for JSON; sizes in bytes. Errors: as `read`."""
    return [
        {
            "name": member.name,
            "size": member.size,
            "stored": sum(length for _, length in member.segments),
            "segments": len(member.segments),
            "mode": f"{member.mode:04o}",
            "mtime": member.mtime,
        }
        for member in read(file, name)
    ]
