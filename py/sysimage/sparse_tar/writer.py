"""Writes archives.

What is stored follows from the extent map alone:

* A stored segment begins and ends at a multiple of 4096 bytes (the last one may
  end with the image), so any usual file system can keep the hole behind it.
* A hole shorter than 64 KiB is stored as zeros: an entry of the sparse map costs
  a reader a seek, and zeros cost next to nothing after compression.
* If no hole is left, the member is an ordinary one.

Members belong to 0:0 and have no owner names; times are those given (0).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, Sources
from sysimage.materialise import Progress, write_range, zeros
from sysimage.sparse_tar import format as tar
from sysimage.sparse_tar.format import BLOCK, RECORD
from sysimage.zstd import Sink

ALIGNMENT = 4096  # segments begin and end at multiples of this
MIN_HOLE = 64 * 1024  # shorter holes are stored as zeros
NAME_MAX = 99  # bytes; longer ones would need another header


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive.

    sparse: whether holes may be left out; otherwise they are stored as zeros, so that
    the member can be unpacked into a pipe.
    mtime: in seconds since 1970.
    """

    name: str
    content: ExtentMap
    sparse: bool = True
    mode: int = 0o644
    mtime: int = 0

    def __post_init__(self) -> None:
        size = len(self.name.encode())
        if not 1 <= size <= NAME_MAX:
            raise UserError(f"tar member {self.name!r}: the name has {size} bytes, 1 to {NAME_MAX} are possible")

    @property
    def segments(self) -> list[tuple[int, int]]:
        """What is stored: (offset, length) in bytes, in order."""
        if not self.sparse:
            return [(0, self.content.size)] if self.content.size else []
        return list(_segments(self.content))

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return sum(length for _, length in self.segments) == self.content.size


def _segments(image: ExtentMap) -> Iterator[tuple[int, int]]:
    start = end = 0
    for extent in image.extents:
        begin = extent.offset - extent.offset % ALIGNMENT
        if begin - end >= MIN_HOLE:
            if end > start:
                yield start, end - start
            start = begin
        end = min(extent.end + -extent.end % ALIGNMENT, image.size)
    # A short hole at the end is stored too.
    if 0 < image.size - end < MIN_HOLE:
        end = image.size
    if end > start:
        yield start, end - start


def headers(member: Member) -> bytes:
    """The header of a member, and the extension blocks that its sparse map needs."""
    segments = member.segments
    stored = sum(length for _, length in segments)
    if member.is_whole:
        return _header(member, tar.TYPE_FILE, stored, b"", False, 0)
    if not segments or sum(segments[-1]) < member.content.size:
        # An empty segment at the end says where the last hole ends.
        segments = [*segments, (member.content.size, 0)]
    first, rest = segments[: tar.HEADER_ENTRIES], segments[tar.HEADER_ENTRIES :]
    blocks = [_header(member, tar.TYPE_SPARSE, stored, _pack(first), bool(rest), member.content.size)]
    while rest:
        entries, rest = rest[: tar.EXTENSION_ENTRIES], rest[tar.EXTENSION_ENTRIES :]
        blocks.append(tar.EXTENSION.pack(_pack(entries), bool(rest)))
    return b"".join(blocks)


def _pack(segments: Sequence[tuple[int, int]]) -> bytes:
    return b"".join(tar.SEGMENT.pack(_number(offset, 12), _number(length, 12)) for offset, length in segments)


def _number(value: int, width: int) -> bytes:
    """A number in octal, or in base 256 (first byte 0x80) where octal digits do not suffice."""
    if value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return bytes([tar.BASE_256]) + value.to_bytes(width - 1, "big")


def _header(member: Member, kind: bytes, stored: int, segments: bytes, extended: bool, real_size: int) -> bytes:
    def pack(checksum: bytes) -> bytes:
        return tar.HEADER.pack(
            member.name.encode(),
            _number(member.mode, 8),
            _number(0, 8),  # uid
            _number(0, 8),  # gid
            _number(stored, 12),
            _number(member.mtime, 12),
            checksum,
            kind,
            b"",  # link name
            tar.MAGIC,
            b"",  # user name
            b"",  # group name
            b"",  # device major
            b"",  # device minor
            b"",  # atime
            b"",  # ctime
            b"",  # offset
            b"",  # long names
            segments,
            extended,
            _number(real_size, 12) if kind == tar.TYPE_SPARSE else b"",
        )

    # The checksum is the sum of all bytes, with its own field as blanks.
    return pack(b"%06o\0 " % sum(pack(b" " * 8)))


def archive_size(members: Sequence[Member]) -> int:
    """Bytes of the whole archive, before compression."""
    size = 2 * BLOCK
    for member in members:
        size += len(headers(member))
        size += sum(length + -length % BLOCK for _, length in member.segments)
    return size + -size % RECORD


def plan(members: Sequence[Member]) -> ExtentMap:
    """The archive that `write` writes, as a map: for who has the bytes of another archive with most of it.

    Names must differ.
    """
    extents = []
    position = 0
    for member in members:
        head = headers(member)
        extents.append(Extent(position, len(head), head))
        position += len(head)
        for offset, length in member.segments:
            for extent in member.content.overlapping(offset, length):
                extents.append(Extent(position + extent.offset - offset, extent.length, extent.source))
            position += length + -length % BLOCK
    return ExtentMap(archive_size(members), extents)


def write(members: Sequence[Member], sources: Sources, sink: Sink) -> None:
    """Writes an archive of the members, in the order given.

    Raises:
        UserError: two members have one name; a source is missing or too short.
    """
    names = [member.name for member in members]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"tar member {name!r} is given {names.count(name)} times")
    total = archive_size(members)
    progress = Progress("writing " + ", ".join(names), total)
    written = 0
    for member in members:
        head = headers(member)
        sink.write(head)
        written += len(head)
        for offset, length in member.segments:
            write_range(member.content, sources, offset, length, sink, progress)
            sink.write(bytes(-length % BLOCK))
            written += length + -length % BLOCK
    for padding in zeros(total - written):
        sink.write(padding)
    progress.finish()
