"""A machine's life: upgraded from A to B and back, confirmed each time; a new system whose root is damaged falls back.

Every system that has slots goes through it: PLUGIN is the module with its fixtures. With WHOLE=no it leaves out the two
boots that another system's test has as well: of a slot that is kept, and of one whose root is damaged.
"""

import os
from pathlib import Path

from sysimage.vm import disks
from sysimage.vm.testing import free_port, path
from tests.boot.grub_disk import read_environment
from tests.vm.access import SSH_PORT, wait_for_ssh
from tests.vm.system import BOOT_SECONDS, COMMAND_SECONDS, Booted, Running, System, place_in
from tests.vm.upgrade import (
    CONFIRMED,
    VERIFIED,
    by_ssh,
    chosen,
    commit,
    identity,
    install_from_medium,
    leave_marks,
    places,
    started,
    state_of,
    version,
    wait_confirmed,
)
from tests.vm.upgrade_log import Upgrade

pytest_plugins = [os.environ["PLUGIN"], "tests.vm.upgrade_log"]

WHOLE = os.environ["WHOLE"] == "yes"
INCOMPLETE = "manageboot: slot {} is not installed completely: its boot partition is no sound ext4 filesystem"
NOT_STABLE = "manageboot: an upgrade to slot B is committed already; reboot to start it"
CUT = 60_000_000  # bytes: behind boot.img, somewhere in root.img
# A state that is not stable, as a whole block.
COMMITTED = r"# GRUB Environment Block\nboot_alternative=B\nboot_cycle=first_boot\n%0958d"


def check_marks(running: Running, text: str) -> None:
    """/var is new; the rest is as the version before left it."""
    found = [running.run(f"cat {place} 2> /dev/null")[0] for place in places(running.system)]
    assert found == ["", *(text for _ in running.system.kept)]


def test_damaged_archives_are_refused(booted: Booted, tmp_path: Path) -> None:
    port = free_port()
    with booted.resume(tmp_path, "refusals", forward=[(port, SSH_PORT)]) as running:
        assert running.succeeds("cat /opt/ic/share/version.txt") == version("VERSION")
        assert state_of(running) == ("A", "stable")
        # Nothing to confirm, and no limit.
        assert (
            running.run("systemctl is-active confirm-boot.service confirm-boot-limit.timer")[0] == "inactive\ninactive"
        )
        check_watchdog(running)
        wait_for_ssh(port)
        refuse_damaged(running, port, tmp_path, path("UPDATE"))


def test_there_and_back(system: System, upgrade: Upgrade, tmp_path: Path) -> None:
    update = path("UPDATE")
    copy = tmp_path / "disk.img"
    disks.copy(upgrade.after, copy)
    confirmed = tmp_path / "confirmed.img"
    with system.boot(copy, tmp_path, "upgrade-b", media=[update]) as running:
        chosen(running, "B", "upgrade")
        running.login()
        wait_confirmed(running, "B")
        assert running.succeeds("cat /opt/ic/share/version.txt") == version("TEST_VERSION")
        assert identity(running) == upgrade.identity
        check_marks(running, "a")
        leave_marks(running, "b")
        install_from_medium(running, update, "A", version("TEST_VERSION"))
        if WHOLE:
            running.snapshot(confirmed)
        commit(running)
    assert read_environment(copy) == {"boot_alternative": "A", "boot_cycle": "first_boot"}

    if WHOLE:
        stays(system, confirmed, tmp_path)
        damaged = tmp_path / "damaged.img"
        disks.copy(copy, damaged)
        falls_back(system, damaged, tmp_path)

    with system.boot(copy, tmp_path, "upgrade-back") as running:
        chosen(running, "A", "upgrade")
        running.login()
        wait_confirmed(running, "A")
        assert running.succeeds("cat /opt/ic/share/version.txt") == version("TEST_VERSION")
        assert identity(running) == upgrade.identity
        check_marks(running, "b")


def check_watchdog(running: Running) -> None:
    """The chipset's watchdog runs, and systemd feeds it: a system that hangs altogether restarts."""
    assert running.succeeds("cd /sys/class/watchdog/watchdog0 && cat identity state timeout") == "iTCO_wdt\nactive\n300"
    assert running.succeeds("cat /proc/sys/kernel/panic_on_oops /proc/sys/kernel/panic") == "1\n10"


def refuse_damaged(running: Running, port: int, scratch: Path, update: Path) -> None:
    """Each is told in one line; what came of it cannot be committed; the state stays.

    Nor is anything done in a state between two.
    """
    running.succeeds(f"printf '{COMMITTED}' 0 | tr 0 '#' > /run/grubenv")
    for action in ("upgrade-install - < /dev/null", "upgrade-commit"):
        message, status = running.run(f"/opt/ic/bin/manageboot.sh -f /run/grubenv {running.system.name} {action}")
        assert (message, status) == (NOT_STABLE, 2)
    with update.open("rb") as file:
        cut = file.read(CUT)
    status, output, errors = by_ssh(port, scratch, f"{running.system.manageboot} upgrade-install -", cut)
    assert (status, output) == (2, f"manageboot: installing version {version('TEST_VERSION')} into slot B\n")
    reason = "Read error (39) : premature end"
    assert errors == f"manageboot: the archive is damaged, or none: {reason}\n"
    assert running.run(f"{running.system.manageboot} upgrade-commit") == (INCOMPLETE.format("B"), 2)
    status, _, errors = by_ssh(port, scratch, f"{running.system.manageboot} upgrade-install -", cut[1:])
    reason = "unsupported format"
    assert (status, errors) == (2, f"manageboot: the archive is damaged, or none: {reason}\n")
    # The running slot is in use, so the kernel itself refuses it.
    partition = running.succeeds(f"{running.system.manageboot} current_partition")
    assert running.run(f"wipefs --all {partition}")[1] != 0
    assert state_of(running) == ("A", "stable")


def stays(system: System, disk: Path, scratch: Path) -> None:
    """The power goes after the confirmation, while a version lies in the other slot that is not committed."""
    assert read_environment(disk) == {"boot_alternative": "B", "boot_cycle": "stable"}
    with system.boot(disk, scratch, "upgrade-stays") as running:
        started(running, "B", "stable")
    disk.unlink()


def falls_back(system: System, disk: Path, scratch: Path) -> None:
    """A byte of the new root flips after the commit: the kernel stops, restarts by itself, and the old slot starts."""
    disks.flip_byte(disk, place_in(disk, system.volume("A_root"), "sbin/init"))
    with system.boot(disk, scratch, "upgrade-damaged", restart=True) as running:
        running.console.fatal = None  # the panic is what is wanted
        started(running, "A", "upgrade")
        found = running.console.expect(
            ["Kernel panic - not syncing: dm-verity device corrupted", CONFIRMED], BOOT_SECONDS
        )
        assert found[0].startswith("Kernel panic"), running.console.tail()
        chosen(running, "B", "failsafe")
        running.console.expect(VERIFIED, COMMAND_SECONDS)
    assert read_environment(disk) == {"boot_alternative": "B", "boot_cycle": "stable"}
    disk.unlink()
