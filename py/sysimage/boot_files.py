"""What a machine that loads its kernel itself needs of an image: kernel, initrd and command line of a slot.

Such a machine (QEMU's -kernel, a measured launch under SEV-SNP or TDX) has no boot loader, so nothing gives the
variables in the command line their value; they are given here. The files are those of the boot volume, byte for
byte.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sysimage import ext4, grub, volumes
from sysimage.errors import UserError
from sysimage.extents import ImageReader

KERNEL = "vmlinuz"
INITRD = "initrd.img"
BOOT_ARGS = "boot_args"

_VARIABLE = re.compile(r"\$(?:\{([a-z_]+)\}|([a-z_]+))")


@dataclass(frozen=True, slots=True)
class BootFiles:
    """The contents of kernel and initrd, and the kernel's whole command line."""

    kernel: bytes
    initrd: bytes
    command_line: str


def read(disk: ImageReader, volume: str, slot: str, variables: Mapping[str, str]) -> BootFiles:
    """Takes the files out of a disk image.

    Args:
        disk: the image, with a partition table.
        volume: the slot's boot volume, PARTITION or PARTITION/VOLUME: ext4 with `vmlinuz`, `initrd.img`, `boot_args`.
        slot: which command line of `boot_args`.
        variables: value of each of GRUB's variables in it.

    Raises:
        UserError: there is no such volume, file or slot; a variable without a value, or a value without a variable.
    """
    content = volumes.open_volume(disk, volume)
    if not ext4.find(content):
        raise UserError(f"volume {volume!r} is not ext4", hint="name the boot volume of a slot")
    tree = ext4.read(content)
    for name in (KERNEL, INITRD, BOOT_ARGS):
        if name not in tree:
            raise UserError(f"volume {volume!r} has no file {name!r}", hint="name the boot volume of a slot")
    lines = grub.parse_boot_args(tree.read(BOOT_ARGS, disk.sources))
    if slot not in lines:
        raise UserError(f"volume {volume!r} has no slot {slot!r}", hint=f"there are {', '.join(lines)}")
    line = substitute(lines[slot], variables)
    return BootFiles(tree.read(KERNEL, disk.sources), tree.read(INITRD, disk.sources), line)


def substitute(line: str, variables: Mapping[str, str]) -> str:
    """A command line with the values of its variables.

    Raises:
        UserError: a variable without a value, or a value without a variable.
    """
    found = {short or long for long, short in _VARIABLE.findall(line)}
    missing, unknown = sorted(found - variables.keys()), sorted(variables.keys() - found)
    if missing:
        raise UserError(f"the command line has the variable ${missing[0]}, which is given no value")
    if unknown:
        raise UserError(f"the command line has no variable ${unknown[0]}, which is given a value")
    return _VARIABLE.sub(lambda match: variables[match[1] or match[2]], line)
