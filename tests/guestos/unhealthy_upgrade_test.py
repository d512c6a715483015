"""A new version that never confirms itself: killed before it can, or with a replica that never runs.

The machine is back at the old one, which is as it was. What does that is GRUB's and manageboot.sh's, the same for all
systems, so one system is enough.
"""

from pathlib import Path

from sysimage import grub
from sysimage.vm import disks
from tests.boot.grub_disk import read_environment
from tests.guestos.guest import boot
from tests.vm.system import BOOT_SECONDS, filesystem, place_in
from tests.vm.upgrade import CONFIRMED, chosen, started, state_of, version
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
    """The new version's replica never runs; the limit is shortened, as nobody waits ten minutes here."""
    disk = tmp_path / "disk.img"
    disks.copy(upgrade.after, disk)
    without_replica(disk)
    with boot(disk, tmp_path, "not-healthy", restart=True) as guest:
        chosen(guest, "B", "upgrade")
        guest.login()
        assert guest.run("systemctl is-active confirm-boot-limit.timer")[1] == 0
        assert state_of(guest) == ("B", "failsafe_check")
        # Not before it is confirmed: the other slot is what this one falls back to.
        message, status = guest.run(f"{guest.system.manageboot} upgrade-install - < /dev/null")
        assert status == 2
        assert "manageboot: slot B runs for the first time and is not confirmed yet;" in message
        assert guest.succeeds("systemctl show -P TimersMonotonic confirm-boot-limit.timer").startswith(
            "{ OnBootUSec=10min "
        )
        folder = "/run/systemd/system/confirm-boot-limit.timer.d"
        limit = "printf '[Timer]\\nOnBootSec=\\nOnActiveSec=20s\\n'"
        guest.succeeds(f"mkdir -p {folder} && {limit} > {folder}/soon.conf && systemctl daemon-reload")
        guest.succeeds("systemctl restart confirm-boot-limit.timer")
        said = "confirm-boot: the upgraded system did not confirm itself in time; restarting into the slot that worked"
        found = guest.console.expect([said, CONFIRMED], BOOT_SECONDS)
        assert found[0] == said
        chosen(guest, "A", "failsafe")
        guest.login()
        guest.check_running()
        assert state_of(guest) == ("A", "stable")
        assert guest.succeeds("cat /opt/ic/share/version.txt") == version("VERSION")
        assert guest.succeeds("cat /var/mark") == "a"
        assert guest.run("systemctl is-active confirm-boot.service confirm-boot-limit.timer")[0] == "inactive\ninactive"


def without_replica(disk: Path) -> None:
    """Lets the kernel command line of slot B mask the replica; the file keeps its length."""
    content, view = filesystem(disk, "B_boot")
    with view.sources as sources:
        old = content.read("boot_args", sources)
    comment, lines = old.split(b"\n", 1)
    more = b" systemd.mask=ic-replica.service"
    before, after = lines.split(b'boot_args_B="')
    new = comment[: -len(more)] + b"\n" + before + b'boot_args_B="' + after.replace(b"panic=10", b"panic=10" + more, 1)
    assert len(new) == len(old)
    assert "systemd.mask=" in grub.parse_boot_args(new)["B"]
    disks.overwrite(disk, place_in(disk, "B_boot", "boot_args"), new)
