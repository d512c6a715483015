"""What a compressed image begins with: the tar header of disk.img, and which pieces of it are stored.

Source: GNU tar manual, appendix "Basic Tar Format" (struct oldgnu_header, sparse, sparse_header, numbers in base 256).
The images that are installed are written so (image_archive), and no other archive is taken.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from setupos.failure import Failure

BLOCK: Final = 512
MEMBER: Final = b"disk.img"
MAX_SEGMENTS: Final = 1 << 20
MAX_SIZE: Final = 1 << 50  # bytes; more is taken for damage

# name, mode, uid, gid, stored size, mtime, checksum, type, link name, magic and version, user, group, device, atime,
# ctime, offset, long names, unused; 4 segments; is_extended; real size.
_HEADER: Final = struct.Struct("<100s24x12s12s8sc100s8s121x96sB12s17x")
_EXTENSION: Final = struct.Struct("<504sB7x")  # 21 segments, is_extended
_SEGMENT: Final = struct.Struct("<12s12s")  # offset, bytes stored
_CHECKSUM: Final = slice(148, 156)  # counts as blanks in itself
_MAGIC: Final = b"ustar  \0"
_BASE_256: Final = 0x80


@dataclass(frozen=True, slots=True)
class Image:
    """A disk image in an archive.

    size: bytes of the disk. segments: for each piece that is stored its offset in the disk and its length, in order;
    all else is zero. In the archive each piece begins at a block of 512 bytes.
    """

    size: int
    segments: tuple[tuple[int, int], ...]

    @property
    def stored(self) -> int:
        """Bytes of all pieces."""
        return sum(length for _, length in self.segments)

    def holes(self) -> Iterator[tuple[int, int]]:
        """Offset and length of what is not stored."""
        end = 0
        for offset, length in (*self.segments, (self.size, 0)):
            if offset > end:
                yield end, offset - end
            end = offset + length


def read_head(stream: BinaryIO, name: str) -> Image:
    """Reads up to the first byte of the first piece. `name` says in sentences which archive it is.

    Raises:
        Failure: it is no such archive, or damaged.
    """

    def damaged(what: str) -> Failure:
        return Failure(f"{name} {what}; write the stick anew")

    header = _block(stream, damaged)
    fields = _HEADER.unpack(header)
    member, stored_field, _, checksum, kind, _, magic, first, extended, size_field = fields
    plain = header[: _CHECKSUM.start] + b" " * 8 + header[_CHECKSUM.stop :]
    if magic != _MAGIC or _number(checksum) != sum(plain):
        raise damaged("is not the archive of a disk image")
    if member.partition(b"\0")[0] != MEMBER:
        raise damaged(f"begins with another file than {MEMBER.decode()}")
    stored = _number(stored_field)
    if kind == b"S":
        size = _number(size_field)
        segments = list(_segments(stream, first, extended, damaged))
    elif kind in (b"0", b"\0"):
        size = stored
        segments = [(0, stored)]
    else:
        raise damaged(f"has no ordinary file {MEMBER.decode()}")
    if not 0 < size <= MAX_SIZE:
        raise damaged("says an impossible size of the disk")
    end = 0
    for offset, length in segments:
        if offset < end or length < 0 or offset + length > size:
            raise damaged("has a map of its pieces that overlaps itself, or leaves the disk")
        end = offset + length
    image = Image(size, tuple((offset, length) for offset, length in segments if length))
    if image.stored != stored:
        raise damaged("says two different sizes of what is stored")
    return image


def read_end(stream: BinaryIO, name: str) -> None:
    """Reads what follows the last piece, up to the end.

    Raises:
        Failure: it is not the end of an archive, but more files, or nothing.
    """
    rest = stream.read(BLOCK * 2)
    if len(rest) < BLOCK * 2 or any(rest):
        raise Failure(f"{name} does not end behind {MEMBER.decode()}; write the stick anew")
    while stream.read(1 << 20):
        pass


def _block(stream: BinaryIO, damaged: Callable[[str], Failure]) -> bytes:
    data = stream.read(BLOCK)
    if len(data) < BLOCK:
        raise damaged("is cut off")
    return data


def _segments(
    stream: BinaryIO, first: bytes, extended: int, damaged: Callable[[str], Failure]
) -> Iterator[tuple[int, int]]:
    count = 0
    block = first
    while True:
        for offset, length in _SEGMENT.iter_unpack(block):
            if any(offset):
                count += 1
                yield _number(offset), _number(length)
        if not extended:
            return
        if count > MAX_SEGMENTS:
            raise damaged(f"has more than {MAX_SEGMENTS} pieces")
        block, extended = _EXTENSION.unpack(_block(stream, damaged))


def _number(field: bytes) -> int:
    """A number in octal or base 256; of what is neither, -1 (which no checksum and no size is)."""
    if field[0] == _BASE_256:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if any(byte not in b"01234567" for byte in digits):
        return -1
    return int(digits or b"0", 8)
