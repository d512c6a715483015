"""What a machine wrote to a disk, in order, and the disks that a power cut at any moment would leave of it.

A disk has a cache: until the guest asks it to flush, a write may have reached the medium or not, wholly or in part, and
not in the order in which it was made. A sector is written wholly or not at all. So one run of a machine stands for as
many power cuts as one likes, and for worse ones than killing the emulator can make, which never loses a write.

QEMU writes the log (driver blklogwrites), in the format of the kernel's dm-log-writes.
Source: linux/Documentation/admin-guide/device-mapper/log-writes.rst; qemu/block/blklogwrites.c.
"""

import random
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sysimage.errors import UserError

SECTOR = 512
MAGIC = 0x6A736677736872
VERSION = 1
FLUSH, FUA, DISCARD = 1, 2, 4

# magic, version, entries, bytes of a sector; fills a sector.
_SUPERBLOCK = struct.Struct("<QQQI")
# first sector, sectors, flags, bytes of a mark's text; fills a sector, and the data follow.
_ENTRY = struct.Struct("<QQQQ")


@dataclass(frozen=True, slots=True)
class Entry:
    """A write, a flush or a discard.

    offset and length are bytes of the disk; position says where in the log the data begin.
    """

    offset: int
    length: int
    flags: int
    position: int

    @property
    def is_flush(self) -> bool:
        """Whether all that was written before it is on the medium from here on."""
        return bool(self.flags & FLUSH)

    @property
    def has_data(self) -> bool:
        """Whether it is a write."""
        return self.length > 0 and not self.flags & DISCARD

    def touches(self, offset: int, length: int) -> bool:
        """Whether it writes or discards anything of a region of the disk."""
        return self.offset < offset + length and offset < self.offset + self.length


def read(log: Path | str) -> list[Entry]:
    """The entries of a log, in order.

    Raises:
        UserError: not such a log, or it is cut short.
    """
    entries = []
    with open(log, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        magic, version, count, sector = _SUPERBLOCK.unpack(file.read(_SUPERBLOCK.size).ljust(_SUPERBLOCK.size, b"\0"))
        if (magic, version, sector) != (MAGIC, VERSION, SECTOR):
            raise UserError(
                f"{log} is no log of writes: magic {magic:#x}, version {version}, sectors of {sector} bytes"
            )
        position = SECTOR
        for number in range(count):
            file.seek(position)
            header = file.read(_ENTRY.size)
            if len(header) < _ENTRY.size:
                raise UserError(f"{log} is cut short: entry {number} of {count} is missing")
            first, sectors, flags, _ = _ENTRY.unpack(header)
            entry = Entry(first * SECTOR, sectors * SECTOR, flags, position + SECTOR)
            position = entry.position + (entry.length if entry.has_data else 0)
            if position > size:
                raise UserError(f"{log} is cut short: entry {number} of {count} has not all its data")
            entries.append(entry)
    return entries


class Replay:
    """A disk that is taken from power cut to power cut, forwards through a log. Use it as a context manager.

    Args:
        disk: a copy, which is changed, of the disk as it was when the log began.
        log: the log.
    """

    def __init__(self, disk: Path | str, log: Path | str) -> None:
        self.entries: Sequence[Entry] = read(log)
        self.applied = 0  # entries that are on the disk
        self._disk = open(disk, "r+b", buffering=0)  # noqa: SIM115
        self._log = open(log, "rb")  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._disk.close()
        self._log.close()

    def forward(self, count: int) -> None:
        """Makes the disk what it is after that many entries.

        Raises:
            ValueError: it is further already.
        """
        if count < self.applied:
            raise ValueError(f"{self.applied} entries are on the disk already; {count} were asked for")
        for entry in self.entries[self.applied : count]:
            if entry.has_data:  # What was discarded may keep its bytes.
                self._write(entry.offset, self._data(entry, 0, entry.length))
        self.applied = count

    def flushed(self, count: int) -> int:
        """How many of the first entries are on the medium for certain."""
        return next((number + 1 for number in range(count - 1, -1, -1) if self.entries[number].is_flush), 0)

    @contextmanager
    def power_cut(self, count: int, draw: random.Random) -> Iterator[None]:
        """The disk as a power cut after that many entries may leave it; after the block it goes on as if nothing was.

        Args:
            count: entries that were made; not fewer than at the power cut before.
            draw: decides for each write that was not flushed whether it, or which of its sectors, got to the medium.
        """
        self.forward(max(self.flushed(count), self.applied))
        saved = []
        for entry in self.entries[self.applied : count]:
            for offset, length in _survivors(entry, draw):
                saved.append((entry.offset + offset, self._read(entry.offset + offset, length)))
                self._write(entry.offset + offset, self._data(entry, offset, length))
        try:
            yield
        finally:
            for offset, data in reversed(saved):
                self._write(offset, data)

    def _data(self, entry: Entry, offset: int, length: int) -> bytes:
        self._log.seek(entry.position + offset)
        return self._log.read(length)

    def _read(self, offset: int, length: int) -> bytes:
        self._disk.seek(offset)
        return self._disk.read(length).ljust(length, b"\0")

    def _write(self, offset: int, data: bytes) -> None:
        self._disk.seek(offset)
        view = memoryview(data)
        while view:
            view = view[self._disk.write(view) :]


def _survivors(entry: Entry, draw: random.Random) -> Iterator[tuple[int, int]]:
    """Which parts of a write get to the medium: (offset, length) in bytes, whole sectors."""
    fate = draw.choice(("lost", "whole", "torn"))
    if not entry.has_data or fate == "lost":
        return
    if fate == "whole":
        yield 0, entry.length
        return
    for offset in range(0, entry.length, SECTOR):
        if draw.getrandbits(1):
            yield offset, SECTOR
