"""Moves an image from its archive to a device, and proves that it lies there.

Only what is stored is written; that the rest is zero is the caller's business (`clear`). Hashing, reading and writing
go on at the same time: hashlib and the system calls leave the interpreter to each other.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from setupos.archive import Image, read_end, read_head
from setupos.failure import Failure
from setupos.machine import Machine

BUFFER: Final = 4 << 20
_BUFFERS: Final = 3
# What is written goes to the device before there is more of it than this, so that progress is that of the device.
_FLUSH: Final = 64 << 20
# A filesystem of an image is as large as its content, so no hole in one is larger than this. Larger ones are what a
# system makes something of at its first boot; nothing there counts but what could be taken for a signature.
LARGE_HOLE: Final = 1 << 30
EDGE: Final = 16 << 20
_BLKFLSBUF: Final = 0x1261  # linux/fs.h: what the kernel keeps of a device is dropped

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the sha256 of all pieces one after the other, and what was withheld."""

    digest: str
    withheld: bytes


def hash_file(path: Path, advance: Advance) -> str:
    """The sha256 of a file, in hex."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BUFFER))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            advance(count)
    return digest.hexdigest()


def clear(machine: Machine, device: str, image: Image) -> None:
    """Makes the holes of an image zero, where it matters: all of the small ones, the edges of the large ones.

    Raises:
        Failure: it cannot be done.
    """
    for start, length in image.holes():
        if length <= LARGE_HOLE:
            clear_range(machine, device, start, length)
        else:
            clear_edges(machine, device, start, length)


def clear_edges(machine: Machine, device: str, start: int, length: int) -> None:
    """Makes both ends of a range zero. Errors: as `clear`."""
    edge = min(EDGE, length)
    clear_range(machine, device, start, edge)
    clear_range(machine, device, start + length - edge, edge)


def clear_range(machine: Machine, device: str, start: int, length: int) -> None:
    """Makes a range zero: by the device itself where it can, and else the kernel writes zeros. Errors: as `clear`."""
    place = ("--offset", str(start), "--length", str(length), machine.path(device))
    if machine.run("fallocate", "--punch-hole", *place).status:
        words = ("fallocate", "--zero-range", "--keep-size", *place)
        machine.must(f"{device} cannot be cleared", "replace this disk", *words)


def write(machine: Machine, archive: str, device: str, image: Image, withhold: range, advance: Advance) -> Written:
    """Writes the pieces. In the place of those bytes that are in `withhold` zeros are written.

    Raises:
        Failure: the archive is not what it was, or the device takes no more.
    """
    with machine.unpacked(archive) as stream, _opened(machine, device, os.O_WRONLY) as file:
        with contextlib.suppress(OSError, ValueError):
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
        if read_head(stream, archive) != image:
            raise Failure(f"{archive} has changed since it was checked; the stick is broken, use another")
        written = _write_pieces(stream, archive, device, file, image, withhold, advance)
        read_end(stream, archive)
        _to_device(device, file)
    return written


def _write_pieces(
    stream: BinaryIO, archive: str, device: str, file: int, image: Image, withhold: range, advance: Advance
) -> Written:
    digest = hashlib.sha256()
    withheld = bytearray(len(withhold))
    buffers = [memoryview(bytearray(BUFFER)) for _ in range(_BUFFERS)]
    hashed: list[Future[None]] = []
    unflushed = 0
    with ThreadPoolExecutor(1) as pool:
        for number, (offset, length, padding) in enumerate(_pieces(image)):
            if number >= _BUFFERS:
                hashed[number - _BUFFERS].result()  # the buffer is free again
            data = buffers[number % _BUFFERS][:length]
            _fill(stream, archive, data)
            _fill(stream, archive, memoryview(bytearray(padding)))
            first, last = max(offset, withhold.start), min(offset + length, withhold.stop)
            if first < last:
                kept = bytes(data[first - offset : last - offset])
                withheld[first - withhold.start : last - withhold.start] = kept
                # The hash is that of the image; what goes to the device is a copy.
                hashed.append(pool.submit(digest.update, bytes(data)))
                data[first - offset : last - offset] = bytes(last - first)
            else:
                hashed.append(pool.submit(digest.update, data))
            _put(device, file, data, offset)
            unflushed += length
            if unflushed >= _FLUSH:
                _to_device(device, file)
                unflushed = 0
            advance(length)
        for future in hashed[-_BUFFERS:]:
            future.result()
    return Written(digest.hexdigest(), bytes(withheld))


def read_back(machine: Machine, device: str, image: Image, withhold: range, written: Written, advance: Advance) -> None:
    """Reads all pieces from the device itself, and compares them with what was written.

    Raises:
        Failure: it gives something else back.
    """
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BUFFER))
    with _opened(machine, device, os.O_RDONLY) as file:
        drop_cache(file)
        for offset, length, _ in _pieces(image):
            data = buffer[:length]
            _get(device, file, data, offset)
            first, last = max(offset, withhold.start), min(offset + length, withhold.stop)
            if first < last:
                data[first - offset : last - offset] = written.withheld[first - withhold.start : last - withhold.start]
            digest.update(data)
            advance(length)
    if digest.hexdigest() != written.digest:
        raise Failure(f"{device} gives back other bytes than were written to it; replace this disk")


def put_withheld(machine: Machine, device: str, withhold: range, written: Written) -> None:
    """Writes what was withheld, and reads it back.

    Raises:
        Failure: the device does not take it, or gives something else back.
    """
    with _opened(machine, device, os.O_RDWR) as file:
        _put(device, file, memoryview(written.withheld), withhold.start)
        _to_device(device, file)
        drop_cache(file)
        found = memoryview(bytearray(len(withhold)))
        _get(device, file, found, withhold.start)
    if found != written.withheld:
        raise Failure(f"{device} gives back other bytes than were written to it; replace this disk")


def drop_cache(file: int) -> None:
    """Has what is read next come from the device itself."""
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    with contextlib.suppress(OSError):  # a file has no such request
        fcntl.ioctl(file, _BLKFLSBUF, 0)


def _pieces(image: Image) -> Iterator[tuple[int, int, int]]:
    """Offset, length, and bytes of padding behind it in the archive.

    No piece is longer than a buffer; buffers end at multiples of their size.
    """
    for start, total in image.segments:
        offset, end = start, start + total
        while offset < end:
            length = min(end, (offset // BUFFER + 1) * BUFFER) - offset
            offset += length
            yield offset - length, length, -total % 512 if offset == end else 0


@contextlib.contextmanager
def _opened(machine: Machine, device: str, flags: int) -> Iterator[int]:
    try:
        file = os.open(machine.path(device), flags)
    except OSError as error:
        raise Failure(f"{device} cannot be opened ({error.strerror}); look at this disk") from error
    try:
        yield file
    finally:
        os.close(file)


def _fill(stream: BinaryIO, archive: str, data: memoryview) -> None:
    """Reads exactly so much."""
    done = 0
    while done < len(data):
        count: int = stream.readinto(data[done:])  # type: ignore[attr-defined]
        if not count:
            raise Failure(f"{archive} is cut off; write the stick anew")
        done += count


def _put(device: str, file: int, data: memoryview, offset: int) -> None:
    done = 0
    try:
        while done < len(data):
            done += os.pwrite(file, data[done:], offset + done)
    except OSError as error:
        raise Failure(
            f"{device} cannot be written at byte {offset + done} ({error.strerror}); replace this disk"
        ) from error


def _get(device: str, file: int, data: memoryview, offset: int) -> None:
    done = 0
    try:
        while done < len(data):
            count = os.preadv(file, [data[done:]], offset + done)
            if not count:
                raise Failure(f"{device} ends at byte {offset + done}; replace this disk")
            done += count
    except OSError as error:
        raise Failure(
            f"{device} cannot be read at byte {offset + done} ({error.strerror}); replace this disk"
        ) from error


def _to_device(device: str, file: int) -> None:
    try:
        os.fsync(file)
    except OSError as error:
        raise Failure(f"{device} does not keep what is written ({error.strerror}); replace this disk") from error
