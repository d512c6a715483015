"""The system boots from its verity-protected root, and root can log in."""

from pathlib import Path

from sysimage.vm import disks
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool

BOOT_SECONDS = 420.0  # under emulation, on a busy machine
COMMAND_SECONDS = 120.0


def test_boots_to_a_login(tmp_path: Path) -> None:
    disk = disks.unpack(path("IMAGE"), tmp_path)
    with VirtualMachine(Machine([Disk(disk)]), tool(), tmp_path, log("boot")) as machine:
        machine.console.login("root", "minimal", BOOT_SECONDS)
        output, status = machine.console.run("findmnt --noheadings --output SOURCE,FSTYPE /", COMMAND_SECONDS)
        assert (output.split(), status) == (["/dev/mapper/vroot", "ext4"], 0)
