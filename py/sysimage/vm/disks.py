"""Disk images for machines: out of an archive, made larger, damaged on purpose."""

import os
import tarfile
from pathlib import Path

import zstandard

from sysimage.errors import UserError
from sysimage.extents import data_ranges

MEMBER = "disk.img"
_PIECE = 1 << 20


def unpack(archive: Path | str, folder: Path | str, member: str = MEMBER, size: int = 0) -> Path:
    """Takes a raw disk out of `disk-img.tar.zst`; its holes stay holes.

    Args:
        archive: a zstd-compressed tar.
        folder: where the disk goes, under the member's name.
        member: the member to take.
        size: bytes that the disk is to have at least; what is added is a hole.

    Returns:
        The path of the disk.

    Raises:
        UserError: not such an archive, or it has no such member.
    """
    target = Path(folder) / member
    try:
        with (
            open(archive, "rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            for entry in tar:
                if entry.name == member:
                    tar.extract(entry, folder, filter="data")
                    break
            else:
                raise UserError(f"{archive} has no member {member!r}")
    except (tarfile.TarError, zstandard.ZstdError) as error:
        raise UserError(f"{archive}: not a zstd-compressed tar: {error}") from error
    except OSError as error:
        raise UserError(f"cannot take {member!r} out of {archive}: {error.strerror}") from error
    with open(target, "r+b") as disk:
        if disk.seek(0, 2) < size:
            disk.truncate(size)
    return target


def copy(disk: Path | str, target: Path | str) -> None:
    """A copy of a raw disk whose holes stay holes."""
    # Without buffers, which know nothing of where lseek moves their file to.
    with open(disk, "rb", buffering=0) as source, open(target, "wb", buffering=0) as out:
        size = source.seek(0, os.SEEK_END)
        out.truncate(size)
        for start, end in data_ranges(source.fileno(), size):
            source.seek(start)
            out.seek(start)
            while start < end:
                start += out.write(source.read(min(_PIECE, end - start)))


def replace(disk: Path | str, offset: int, content: Path | str) -> None:
    """Puts the content of a file in the place of what is there; where both are a hole, nothing is read or written.

    Raises:
        ValueError: it reaches behind the end.
    """
    with open(content, "rb") as source, open(disk, "r+b") as out:
        size = source.seek(0, os.SEEK_END)
        if offset + size > out.seek(0, os.SEEK_END):
            raise ValueError(f"{size} bytes at {offset} of {disk} lie behind its end")
        there = [
            (max(start - offset, 0), min(end - offset, size))
            for start, end in data_ranges(out.fileno(), offset + size)
            if end > offset
        ]
        for start, end in [*data_ranges(source.fileno(), size), *there]:
            for position in range(start, end, _PIECE):
                source.seek(position)
                new = source.read(min(_PIECE, end - position))
                out.seek(offset + position)
                if out.read(len(new)) != new:
                    out.seek(offset + position)
                    out.write(new)


def overwrite(disk: Path | str, offset: int, data: bytes) -> None:
    """Puts bytes in the place of others.

    Raises:
        ValueError: they reach behind the end.
    """
    with open(disk, "r+b") as file:
        if offset + len(data) > file.seek(0, os.SEEK_END):
            raise ValueError(f"bytes at {offset} of {disk} lie behind its end")
        file.seek(offset)
        file.write(data)


def flip_byte(disk: Path | str, offset: int) -> None:
    """Inverts all bits of one byte.

    Raises:
        ValueError: it lies behind the end.
    """
    with open(disk, "rb") as file:
        file.seek(offset)
        old = file.read(1)
    overwrite(disk, offset, bytes(byte ^ 0xFF for byte in old) or b"?")
