"""A new version that never confirms itself: killed before it can, or with a replica that never runs.

The machine is back at the old one, which is as it was. That a boot which was killed counts is GRUB's and
manageboot.sh's doing, the same for all systems, so one system is enough for it.
"""

from pathlib import Path

from sysimage.vm import disks
from tests.boot.grub_disk import read_environment
from tests.guestos.guest import GUESTOS, boot
from tests.vm.unhealthy import falls_back, without_unit
from tests.vm.upgrade import started
from tests.vm.upgrade_log import OLD, Upgrade

pytest_plugins = ["tests.guestos.guest", "tests.vm.upgrade_log"]


def test_killed_before_it_is_confirmed_falls_back_and_stays(upgrade: Upgrade, tmp_path: Path) -> None:
    """QEMU is killed as soon as the new system's root is open; so are those of the boots after."""
    disk = tmp_path / "disk.img"
    disks.copy(upgrade.after, disk)
    for number, (slot, state) in enumerate([("B", "upgrade"), ("A", "failsafe"), ("A", "stable")]):
        with boot(disk, tmp_path, f"killed-{number}") as guest:
            started(guest, slot, state)
            guest.power_cut()
    assert read_environment(disk) == OLD


def test_system_that_is_not_healthy_restarts_by_itself_and_the_old_one_is_as_it_was(
    upgrade: Upgrade, tmp_path: Path
) -> None:
    """The new version's replica never runs."""
    disk = tmp_path / "disk.img"
    disks.copy(upgrade.after, disk)
    without_unit(GUESTOS, disk, "ic-replica.service")
    with boot(disk, tmp_path, "not-healthy", restart=True) as guest:
        falls_back(guest)
