"""The image of the examples boots from a verity-protected root to a login."""

from pathlib import Path

from sysimage.vm import disks
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool

BOOT_SECONDS = 420.0  # under emulation, on a busy machine


def test_boots_to_a_login(tmp_path: Path) -> None:
    disk = disks.unpack(path("IMAGE"), tmp_path)
    with VirtualMachine(Machine([Disk(disk)], memory=1024), tool(), tmp_path, log("boot")) as machine:
        machine.console.expect("root_hash=[0-9a-f]{64}", BOOT_SECONDS)
        machine.console.expect("example login: ", BOOT_SECONDS)
