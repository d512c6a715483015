"""The boot entry of the installed system in the firmware (UEFI)."""

import re
from typing import Final

from setupos.disks import Disk
from setupos.failure import Failure
from setupos.machine import Machine

LABEL: Final = "IC-OS"
LOADER: Final = "\\EFI\\BOOT\\BOOTX64.EFI"
_VARIABLES: Final = "/sys/firmware/efi/efivars"
_HINT: Final = "reset the firmware's settings, and turn on UEFI"
# Boot0003* IC-OS<tab>HD(1,GPT,...)/File(...)
_ENTRY: Final = re.compile(rf"^Boot([0-9A-Fa-f]{{4}})[* ] {re.escape(LABEL)}(?:\t.*)?$", re.MULTILINE)


def check(machine: Machine) -> None:
    """Whether a boot entry can be made.

    Raises:
        Failure: the machine was not started by UEFI, or does not say its entries.
    """
    if not machine.names(_VARIABLES):
        raise Failure(
            "this machine was not started by UEFI, so it could not start what is installed; turn off legacy boot "
            "(CSM) in the "
            "firmware's settings"
        )
    _entries(machine)


def _entries(machine: Machine) -> str:
    return machine.must("the firmware does not say its boot entries", _HINT, "efibootmgr")


def remove_entries(machine: Machine) -> None:
    """Removes all of this name.

    Raises:
        Failure: the firmware does not let it.
    """
    for number in _ENTRY.findall(_entries(machine)):
        words = ("efibootmgr", "--quiet", "--delete-bootnum", "--bootnum", number)
        machine.must(f"the old boot entry {LABEL} cannot be removed", _HINT, *words)


def make_entry(machine: Machine, disk: Disk) -> None:
    """Makes the entry, first in the order.

    Raises:
        Failure: the firmware does not take it.
    """
    remove_entries(machine)
    words = (
        "efibootmgr",
        "--quiet",
        "--create",
        "--disk",
        disk.device,
        "--part",
        "1",
        "--label",
        LABEL,
        "--loader",
        LOADER,
    )
    machine.must(f"the boot entry {LABEL} cannot be made", _HINT, *words)
    if len(_ENTRY.findall(_entries(machine))) != 1:
        raise Failure(f"the firmware did not keep the boot entry {LABEL}; {_HINT}")
