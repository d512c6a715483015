"""Makes the disk of a machine larger, while the machine is off, and its partition table one of the whole disk.

  grow --disk=bn-virsh/disk.img [--disk_gib=N]

Partitions stay as they are. Without a size the table alone is mended, of a disk that was made larger otherwise. What
was cut short is done by doing it again.
"""

import fcntl
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from absl import flags

from sysimage import gpt
from sysimage.errors import UserError
from sysimage.extents import open_raw
from tools.main import refuse_arguments, run

_DISK = flags.DEFINE_string("disk", None, "The raw disk, a file.", required=True)
_SIZE = flags.DEFINE_integer(
    "disk_gib", None, "Its size from now on, in GiB; left out: the one that it has.", lower_bound=1
)

_GIB = 1 << 30
# struct flock: type, from where, start, length (0: all of it), process. Source: fcntl(2).
_FLOCK = struct.Struct("hhqqi4x")


def lock(file: BinaryIO, path: Path) -> None:
    """Takes the disk for this program, as long as it has it open. QEMU locks the disks of its machines in the same way.

    Raises:
        UserError: somebody has it.
    """
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except BlockingIOError as error:
        raise UserError(f"{path} is in use", hint="shut the machine down first") from error


def grow(file: BinaryIO, path: Path, size: int) -> None:
    """Gives a disk its size, and has its table be one of that size.

    Args:
        file: the disk, open for reading and writing.
        path: the same.
        size: in bytes.

    Raises:
        UserError: the disk is larger, or has no whole table.
    """
    disk = open_raw(path)
    before = disk.size
    if size < before:
        raise UserError(
            f"{path} has {before} bytes already, more than {size}",
            hint="a larger --disk_gib; disks are never made smaller",
        )
    # Of a file that is no disk nothing is changed.
    with disk.sources:
        gpt.read_copy(disk, "primary")
    os.truncate(file.fileno(), size)
    disk = open_raw(path)
    with disk.sources:
        for offset, data in gpt.expand(disk):
            file.seek(offset)
            file.write(data)
            # In this order: the table that the machine reads comes last.
            file.flush()
            os.fsync(file.fileno())


def main(argv: Sequence[str]) -> None:
    """Makes the disk that the flags name larger."""
    refuse_arguments(argv)
    path = Path(os.environ.get("BUILD_WORKING_DIRECTORY", ""), _DISK.value)
    try:
        with path.open("r+b") as file:
            lock(file, path)
            size = file.seek(0, os.SEEK_END) if _SIZE.value is None else _SIZE.value * _GIB
            grow(file, path, size)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    print(f"{path} has {size} bytes, and its partition table is one of all of them")


if __name__ == "__main__":
    run(main)
