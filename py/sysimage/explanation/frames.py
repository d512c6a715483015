"""zstd frames: what their headers say, and where the compressed blocks part ways.

Source: RFC 8878, 3.1.1 (frame and block headers).
"""

import contextlib
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sysimage import zstd
from sysimage.errors import UserError
from sysimage.explanation import words
from sysimage.explanation.content import compare_bytes
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.explanation.trees import Compare
from sysimage.extents import ImageReader, open_raw

MAGIC = b"\x28\xb5\x2f\xfd"
_BLOCK_TYPES = ("raw", "repeated byte", "compressed", "reserved")
_SKIPPABLE = 0x184D2A50  # to ...5F
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: what its header says, its blocks as (type, bytes of content as stored)."""

    fields: dict[str, str]
    blocks: tuple[tuple[str, int], ...]


def frames(reader: ImageReader) -> Iterator[Frame]:
    """The frames of a file.

    Raises:
        UserError: what should be a frame is none, or the file ends early.
    """
    position = 0
    while position < reader.size:
        head = reader.read(position, 18)
        if len(head) >= 8 and (struct.unpack_from("<I", head)[0] & ~0xF) == _SKIPPABLE:
            size = struct.unpack_from("<I", head, 4)[0]
            yield Frame({"kind": "skippable", "size": str(size)}, ())
            position += 8 + size
            continue
        if not head.startswith(MAGIC) or len(head) < 6:
            raise UserError(f"there is no zstd frame at byte {position}")
        fields, length, checksum = _header(head)
        blocks = []
        position += length
        last = 0
        while not last:
            block = reader.read(position, 3)
            if len(block) < 3:
                raise UserError(f"the zstd frame is cut off at byte {reader.size}")
            value = int.from_bytes(block, "little")
            last, kind, size = value & 1, value >> 1 & 3, value >> 3
            stored = 1 if kind == 1 else size
            blocks.append((_BLOCK_TYPES[kind], size))
            position += 3 + stored
        position += 4 if checksum else 0
        yield Frame(fields, tuple(blocks))


def _header(head: bytes) -> tuple[dict[str, str], int, bool]:
    """Fields in words, bytes of the header, whether a checksum follows the blocks."""
    descriptor = head[4]
    single, checksum, dictionary = descriptor >> 5 & 1, descriptor >> 2 & 1, (0, 1, 2, 4)[descriptor & 3]
    content = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    head = head.ljust(18, b"\0")
    at = 5
    fields = {"kind": "compressed"}
    if not single:
        base = 1 << (10 + (head[at] >> 3))
        fields["window size"] = str(base + base // 8 * (head[at] & 7))
        at += 1
    else:
        fields["window size"] = "that of the content"
    fields["dictionary"] = str(int.from_bytes(head[at : at + dictionary], "little")) if dictionary else "none"
    at += dictionary
    size = int.from_bytes(head[at : at + content], "little") + (256 if content == 2 else 0)
    fields["content size"] = str(size) if content else "not written"
    fields["checksum"] = "written" if checksum else "not written"
    return fields, at + content, bool(checksum)


def compare_compressed(pair: Pair, place: Place, findings: Findings, inner: Compare) -> None:
    """What two compressed files hold; and, if that is the same, how they are compressed.

    Raises:
        UserError: a side is damaged.
    """
    before = findings.count
    with tempfile.TemporaryDirectory(prefix="difference-") as folder, contextlib.ExitStack() as stack:
        unpacked: list[ImageReader] = []
        for reader, name in zip((pair.ours, pair.theirs), findings.names, strict=True):
            path = Path(folder, str(len(unpacked)))
            _unpack(reader, path, name)
            plain = open_raw(path)
            stack.enter_context(plain.sources)
            unpacked.append(plain)
        inner(Pair(*unpacked), Place(place.words), findings)
    _compare_frames(pair, place, findings, same=findings.count == before)


class _Holes:
    """A file whose zeros are not written, so that an unpacked image costs what it stores."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes | memoryview, /) -> int:
        if bytes(data).count(0) == len(data):
            self._file.seek(len(data), os.SEEK_CUR)
        else:
            self._file.write(data)
        return len(data)


def _unpack(reader: ImageReader, path: Path, name: str) -> None:
    with tempfile.TemporaryFile(dir=path.parent) as packed, path.open("wb") as plain:
        for start in range(0, reader.size, _CHUNK):
            packed.write(reader.read(start, _CHUNK))
        packed.seek(0)
        try:
            zstd.decompress(packed, _Holes(plain), name)
            plain.truncate(plain.tell())
        except OSError as error:
            raise UserError(f"{name}: it cannot be unpacked in {path.parent}: {error.strerror}") from error


def _compare_frames(pair: Pair, place: Place, findings: Findings, same: bool) -> None:
    before = findings.count
    here = place.within("zstd")
    lists = findings.both(pair, lambda reader: list(frames(reader)))
    if len(lists[0]) != len(lists[1]):
        sentence = f"{words.count(len(lists[0]), 'frame')} against {len(lists[1])}"
        findings.add(Rank.PACKING, "zstd", here, sentence)
        return
    for number, (mine, other) in enumerate(zip(*lists, strict=True), 1):
        where = here.within("frame header" if len(lists[0]) == 1 else f"frame {number} header")
        rows = [dict(frame.fields) for frame in (mine, other)]
        if not same:
            for row in rows:  # these follow from the content
                row.pop("content size", None)
                row.pop("window size", None)
        findings.fields(Rank.PACKING, "zstd", where, *rows)
        if not same:
            continue
        if mine.blocks != other.blocks:
            at = next(
                (i for i, (a, b) in enumerate(zip(mine.blocks, other.blocks, strict=False)) if a != b),
                min(len(mine.blocks), len(other.blocks)),
            )
            shown = [
                f"{each.blocks[at][0]} ({each.blocks[at][1]} bytes)" if at < len(each.blocks) else "none"
                for each in (mine, other)
            ]
            sentence = (
                "the same content, compressed with other settings or by another version: "
                f"{pair.ours.size} bytes against {pair.theirs.size}; block {at + 1} is {shown[0]} against {shown[1]}"
            )
            findings.add(Rank.PACKING, "zstd", here, sentence)
    if same and findings.count == before:
        compare_bytes(pair, here, findings, "the same content is compressed differently: it")
