"""HostOS onto the first disk, GuestOS into its volume, and at last the permission to start.

The firmware starts whatever has an EFI system partition with a filesystem. So the first bytes of HostOS's are written
behind everything else: a disk on which an installation ended early starts nothing, and the stick begins anew.
"""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from setupos import transfer
from setupos.archive import Image
from setupos.disk_step import GROUP, reread_table
from setupos.disks import Disk, partition
from setupos.display import Display
from setupos.failure import Failure
from setupos.firmware import make_entry
from setupos.images import GUESTOS, HOSTOS, Child
from setupos.machine import Machine
from setupos.transfer import Written

# The boot sector of the partition esp (ic-os/hostos/partitions.json): without it there is no filesystem.
BOOT_SECTOR: Final = range(1 << 20, (1 << 20) + 4096)
_NOTHING: Final = range(0)
_GROWS: Final = 3  # the number of the partition hostlvm
GUEST_DEVICE: Final = f"/dev/{GROUP}/guestos"
# Volumes without content (ic-os/hostos/defs.bzl).
EMPTY_VOLUMES: Final = ("A_var", "B_boot", "B_root", "B_var", "guestos")
_SECTOR: Final = 512
# An entry of a GUID partition table: type, (GUID,) first and last sector, (attributes, name).
_ENTRY: Final = struct.Struct("<16s16xQQ80x")
_HINT: Final = "restart the machine to try again, or replace the disk"


def install_host(machine: Machine, display: Display, image: Image, disks: Sequence[Disk]) -> Written:
    """Writes HostOS, gives its partition all of the disk, and its group all disks. It cannot be started yet.

    Raises:
        Failure: a disk does not do what it should.
    """
    first = disks[0]
    written = _transfer(machine, display, HOSTOS, image, first.device, BOOT_SECTOR)
    what = f"the partition table of {first} cannot be adapted"
    machine.must(what, _HINT, "sgdisk", "--move-second-header", first.device)
    machine.must(what, _HINT, "sfdisk", "--no-tell-kernel", "-N", str(_GROWS), first.device, stdin=", +\n")
    reread_table(machine, first, what, _HINT)
    machine.must("devices do not come up", _HINT, "udevadm", "settle")
    what = f"the volume group {GROUP} cannot be extended"
    machine.must(what, _HINT, "pvresize", partition(first, _GROWS))
    for disk in disks[1:]:
        machine.must(f"{what} by {disk}", _HINT, "vgextend", GROUP, disk.device)
    machine.must(f"the volume group {GROUP} cannot be activated", _HINT, "vgchange", "--activate", "y", GROUP)
    what = f"the volume {GROUP}/guestos cannot be extended"
    machine.must(what, _HINT, "lvextend", "--extents", "+100%FREE", f"{GROUP}/guestos")
    machine.must("devices do not come up", _HINT, "udevadm", "settle")
    # An old /var, or an old guest, must not be found again.
    for name in EMPTY_VOLUMES:
        device = f"/dev/{GROUP}/{name}"
        transfer.clear_edges(machine, device, 0, _size(machine, device))
    return written


def install_guest(machine: Machine, display: Display, image: Image) -> None:
    """Writes GuestOS into its volume.

    Raises:
        Failure: the disk does not do what it should.
    """
    _transfer(machine, display, GUESTOS, image, GUEST_DEVICE, _NOTHING)
    # What its first boot makes something of: partitions without content, and the store behind the last one.
    for start, length in (*partitions_without_content(machine, image), (image.size, transfer.EDGE)):
        if start + length <= _size(machine, GUEST_DEVICE):
            transfer.clear_edges(machine, GUEST_DEVICE, start, length)
    machine.must(
        "the partition table of GuestOS cannot be adapted", _HINT, "sgdisk", "--move-second-header", GUEST_DEVICE
    )


def partitions_without_content(machine: Machine, image: Image) -> Iterator[tuple[int, int]]:
    """Offset and length of each partition of the guest's disk that begins in a hole.

    Source: UEFI 2.10, 5.3.2 and 5.3.3; the image is ours and was verified: 128 entries of 128 bytes from sector 2 on.
    """
    with open(machine.path(GUEST_DEVICE), "rb") as file:
        table = file.read((2 + 32) * _SECTOR)[2 * _SECTOR :]
    for kind, first, last in _ENTRY.iter_unpack(table):
        start, end = first * _SECTOR, (last + 1) * _SECTOR
        stored = any(offset < start + _SECTOR and offset + length > start for offset, length in image.segments)
        if any(kind) and not stored:
            yield start, end - start


def permit_start(machine: Machine, disk: Disk, written: Written) -> None:
    """Has the firmware start HostOS, and makes it one that starts.

    The entry comes first: one that leads to no filesystem starts nothing, but a filesystem starts without an entry too.

    Raises:
        Failure: the disk or the firmware does not do what it should. The disk does not start then.
    """
    machine.must(f"the volume group {GROUP} cannot be put down", _HINT, "vgchange", "--activate", "n", GROUP)
    make_entry(machine, disk)
    try:
        transfer.put_withheld(machine, disk.device, BOOT_SECTOR, written)
    except Failure:
        # What came to the disk of it may be enough to start.
        with contextlib.suppress(Failure):
            transfer.clear_range(machine, disk.device, BOOT_SECTOR.start, len(BOOT_SECTOR))
        raise
    machine.run("udevadm", "settle")


def _size(machine: Machine, device: str) -> int:
    try:
        return machine.size(device)
    except OSError as error:
        raise Failure(f"{device} cannot be opened ({error.strerror}); {_HINT}") from error


def _transfer(machine: Machine, display: Display, child: Child, image: Image, device: str, withhold: range) -> Written:
    if _size(machine, device) < image.size:
        raise Failure(f"{device} is smaller than the image of {child.title}; {_HINT}")
    transfer.clear(machine, device, image)
    progress = display.progress(f"writing {child.title}", image.stored)
    written = transfer.write(machine, child.archive, device, image, withhold, progress.advance)
    progress = display.progress(f"reading {child.title}", image.stored)
    transfer.read_back(machine, device, image, withhold, written, progress.advance)
    return written
