"""The disks of the machine: which of them are installed on. The stick never is, nor anything that can be taken out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from setupos.failure import Failure
from setupos.machine import Machine

_SECTOR: Final = 512  # the unit of /sys/block/*/size, whatever the disk's own is
_NAME: Final = re.compile(r"nvme(\d+)n(\d+)")


@dataclass(frozen=True, slots=True)
class Disk:
    """An NVMe disk. size is in bytes."""

    name: str
    size: int
    model: str = ""
    serial: str = ""
    address: str = ""  # on the PCI bus

    @property
    def device(self) -> str:
        """Its node."""
        return f"/dev/{self.name}"

    def __str__(self) -> str:
        known = " ".join(word for word in (self.model, self.serial and f"serial {self.serial}") if word)
        return f"{self.name} ({known})" if known else self.name


def partition(disk: Disk, number: int) -> str:
    """The node of a partition."""
    return f"{disk.device}p{number}"


def find(machine: Machine) -> Sequence[Disk]:
    """The NVMe disks, by their places. The first one gets HostOS, the others become part of its group.

    Their numbers are no order: the kernel gives them to disks as these answer, at each start to others.

    Raises:
        Failure: there is none.
    """
    mounted = stick_disks(machine)
    found = []
    for name in machine.names("/sys/block"):
        folder = f"/sys/block/{name}"
        if not _NAME.fullmatch(name) or name in mounted or machine.read(f"{folder}/removable") == "1":
            continue
        size = int(machine.read(f"{folder}/size") or "0") * _SECTOR
        if size:
            device = f"{folder}/device"
            model, serial, address = (machine.read(f"{device}/{key}") for key in ("model", "serial", "address"))
            found.append(Disk(name, size, model, serial, address))
    if not found:
        names = (name for name in machine.names("/sys/block") if name not in mounted)
        others = [name for name in names if re.match(r"(?:s|v|xv)d[a-z]|mmc", name)]
        seen = f" (it has {', '.join(others)})" if others else ""
        raise Failure(
            f"this machine has no NVMe disk that could be installed on{seen}; look at its drives and their cables"
        )
    return sorted(found, key=_place)


def _place(disk: Disk) -> tuple[str, list[int]]:
    match = _NAME.fullmatch(disk.name)
    return disk.address, [int(number) for number in match.groups()] if match else []


def stick_disks(machine: Machine) -> frozenset[str]:
    """Names of the disks that something is mounted from: the stick that this system runs from.

    A mount is of a device number; a partition lies in the folder of its disk, and what maps devices names them in its
    own.
    """
    numbers = {line.split()[2] for line in machine.read("/proc/self/mountinfo").splitlines() if len(line.split()) > 2}
    found: set[str] = set()
    todo = [f"/sys/dev/block/{number}" for number in numbers]
    while todo:
        link = todo.pop()
        if not machine.path(link).exists():
            continue
        folder = machine.path(link).resolve()
        name = folder.parent.name if (folder / "partition").exists() else folder.name
        found.add(name)
        todo += [f"/sys/class/block/{lower}" for lower in machine.names(f"/sys/class/block/{folder.name}/slaves")]
    return frozenset(found)
