"""Empties the disks: what was on them is gone, and can be taken for nothing any more."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from setupos.disks import Disk, stick_disks
from setupos.failure import Failure
from setupos.firmware import remove_entries
from setupos.machine import Machine

GROUP: Final = "hostlvm"
_EDGE: Final = 16 << 20  # bytes at both ends of a disk that are made zero in any case


def prepare(machine: Machine, disks: Sequence[Disk]) -> None:
    """Wipes all disks that are installed on, and makes physical volumes of all but the first.

    Raises:
        Failure: a disk is in use by something that does not let go, or takes no writes.
    """
    # From here on the firmware must not start what is half there.
    remove_entries(machine)
    release(machine, disks)
    for disk in disks:
        _wipe(machine, disk)
    machine.run("udevadm", "settle")
    for disk in disks[1:]:
        machine.must(
            f"the disk {disk} cannot become a physical volume", "replace it", "pvcreate", "--yes", "-ff", disk.device
        )


def release(machine: Machine, disks: Sequence[Disk]) -> None:
    """Takes down what lies on the disks, and the old group wherever it lies: udev activates groups as it finds them."""
    strangers = list(_old_volumes(machine, disks))
    machine.run("vgchange", "--activate", "n", GROUP)
    targets = {name for disk in disks for name in (disk.name, *partitions(machine, disk))}
    while mapped := [name for name in machine.names("/sys/class/block") if name.startswith("dm-")]:
        on_top = [name for name in mapped if targets & set(machine.names(f"/sys/class/block/{name}/slaves"))]
        on_top += [name for name in mapped if machine.read(f"/sys/class/block/{name}/dm/name").startswith(f"{GROUP}-")]
        if not on_top:
            break
        name = _topmost(machine, on_top[0])
        label = machine.read(f"/sys/class/block/{name}/dm/name")
        machine.must(
            f"the volume {label} of what is on the disks cannot be taken down",
            "restart the machine and try again",
            *("dmsetup", "remove", "--retry", label),
        )
    for device in strangers:
        machine.must(
            f"{device}, of an old group {GROUP}, cannot be wiped", "replace this disk", "wipefs", "--all", device
        )


def _old_volumes(machine: Machine, disks: Sequence[Disk]) -> Iterator[str]:
    """Physical volumes of an old group on disks that are not installed on. They would make the new one ambiguous."""
    own = stick_disks(machine)
    listed = machine.run("pvs", "--noheadings", "--separator", "|", "--options", "pv_name,vg_name").output
    for line in listed.splitlines():
        device, _, group = line.strip().partition("|")
        name = device.removeprefix("/dev/")
        if name == device:
            continue  # "[unknown]": the group has a volume on a disk that is missing, or was emptied before
        if group == GROUP and not any(_on(name, disk.name) or name == disk.name for disk in disks):
            if any(name == disk or _on(name, disk) for disk in own):
                raise Failure(f"the stick itself has a volume group {GROUP} ({device}); use another stick")
            yield device


def _on(name: str, disk: str) -> bool:
    """Whether it is the name of a partition of a disk."""
    return re.fullmatch(re.escape(disk) + r"p?\d+", name) is not None and name != disk


def _topmost(machine: Machine, name: str) -> str:
    """What lies on it and has nothing on itself."""
    while holders := machine.names(f"/sys/class/block/{name}/holders"):
        name = holders[0]
    return name


def partitions(machine: Machine, disk: Disk) -> Sequence[str]:
    """Names of the partitions that the kernel sees on a disk."""
    return [name for name in machine.names(f"/sys/block/{disk.name}") if _on(name, disk.name)]


def _wipe(machine: Machine, disk: Disk) -> None:
    hint = "restart the machine and try again, or replace this disk"
    for name in (*partitions(machine, disk), disk.name):
        machine.must(f"signatures on {name} cannot be wiped", hint, "wipefs", "--all", "--force", f"/dev/{name}")
    # Where a disk can: then it knows that it is empty, and is fast again.
    machine.run("blkdiscard", "--force", disk.device)
    for offset in (0, max(0, disk.size - _EDGE)):
        place = ("--offset", str(offset), "--length", str(min(_EDGE, disk.size)), machine.path(disk.device))
        machine.must(f"the disk {disk} takes no writes", hint, "fallocate", "--zero-range", "--keep-size", *place)
    reread_table(machine, disk, f"the disk {disk} is in use", hint)


def reread_table(machine: Machine, disk: Disk, what: str, hint: str) -> None:
    """Lets the kernel read a partition table anew.

    It does not while anybody has a partition open, and udev looks at all of them whenever something wrote to the
    disk. Under the lock of the disk udev does not.

    Raises:
        Failure: the disk is in use.
    """
    machine.must(what, hint, "udevadm", "lock", "--device", disk.device, "blockdev", "--rereadpt", disk.device)
