"""HostOS onto the first disk, GuestOS into its volume, and at last the permission to start.

The firmware starts whatever has an EFI system partition with a filesystem. So the first bytes of HostOS's are written behind
everything else: a disk on which an installation ended early starts nothing, and the stick begins anew.
"""

from collections.abc import Sequence
from typing import Final

from setupos import transfer
from setupos.archive import Image
from setupos.disk_step import GROUP
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
_HINT: Final = "restart the machine to try again, or replace the disk"


def install_host(machine: Machine, display: Display, image: Image, disks: Sequence[Disk]) -> Written:
    """Writes HostOS, gives its partition all of the disk, and its group all disks. It cannot be started yet.

    Raises:
        Failure: a disk does not do what it should.
    """
    first = disks[0]
    progress = display.progress("clearing", sum(length for _, length in image.holes()))
    transfer.clear(machine, first.device, image, image.size, progress.advance)
    written = _transfer(machine, display, HOSTOS, image, first.device, BOOT_SECTOR)
    what = f"the partition table of {first} cannot be adapted"
    machine.must(what, _HINT, "sgdisk", "--move-second-header", first.device)
    machine.must(what, _HINT, "sfdisk", "--no-tell-kernel", "-N", str(_GROWS), first.device, stdin=", +\n")
    machine.must(what, _HINT, "blockdev", "--rereadpt", first.device)
    machine.must("devices do not come up", _HINT, "udevadm", "settle")
    what = f"the volume group {GROUP} cannot be extended"
    machine.must(what, _HINT, "pvresize", partition(first, _GROWS))
    for disk in disks[1:]:
        machine.must(f"{what} by {disk}", _HINT, "vgextend", GROUP, disk.device)
    machine.must(what, _HINT, "vgchange", "--activate", "y", GROUP)
    machine.must(f"{what} for its guest", _HINT, "lvextend", "--extents", "+100%FREE", f"{GROUP}/guestos")
    machine.must("devices do not come up", _HINT, "udevadm", "settle")
    return written


def install_guest(machine: Machine, display: Display, image: Image) -> None:
    """Writes GuestOS into its volume, which is zero where HostOS's image says nothing.

    Raises:
        Failure: the disk does not do what it should.
    """
    _transfer(machine, display, GUESTOS, image, GUEST_DEVICE, _NOTHING)
    machine.must(
        "the partition table of GuestOS cannot be adapted", _HINT, "sgdisk", "--move-second-header", GUEST_DEVICE
    )


def permit_start(machine: Machine, disk: Disk, written: Written) -> None:
    """Makes HostOS one that starts, and has the firmware start it.

    Raises:
        Failure: the disk or the firmware does not do what it should.
    """
    machine.must(f"the volume group {GROUP} cannot be put down", _HINT, "vgchange", "--activate", "n", GROUP)
    transfer.put_withheld(machine, disk.device, BOOT_SECTOR, written)
    machine.run("udevadm", "settle")
    make_entry(machine, disk)


def _transfer(machine: Machine, display: Display, child: Child, image: Image, device: str, withhold: range) -> Written:
    try:
        if machine.size(device) < image.size:
            raise Failure(f"{device} is smaller than the image of {child.title}; {_HINT}")
    except OSError as error:
        raise Failure(f"{device} cannot be opened ({error.strerror}); {_HINT}") from error
    progress = display.progress(f"writing {child.title}", image.stored)
    written = transfer.write(machine, child.archive, device, image, withhold, progress.advance)
    progress = display.progress(f"reading {child.title}", image.stored)
    transfer.read_back(machine, device, image, withhold, written, progress.advance)
    return written
