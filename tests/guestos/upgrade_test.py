"""A node's life: upgraded from A to B and back, confirmed each time; a new system whose root is damaged falls back."""

from pathlib import Path

from sysimage.vm import disks
from sysimage.vm.testing import free_port, path
from tests.boot.grub_disk import read_environment
from tests.guestos.guest import BOOT_SECONDS, COMMAND_SECONDS, Guest, boot, place_in
from tests.guestos.upgrade import (
    CONFIRMED,
    MANAGEBOOT,
    VERIFIED,
    by_ssh,
    chosen,
    commit,
    identity,
    install_from_medium,
    installed_lines,
    started,
    state_of,
    version,
    wait_confirmed,
)

pytest_plugins = ["tests.guestos.guest"]

SSH = 22
INCOMPLETE = "manageboot: slot {} is not installed completely: its boot partition is no sound ext4 filesystem"
CUT = 60_000_000  # bytes: behind boot.img, somewhere in root.img
# What each system leaves, to be found again, or not: the slot's own, the machine's, the node's.
MARKS = ("/var/mark", "/boot/config/mark", "/var/lib/ic/data/mark")


def leave_marks(guest: Guest, text: str) -> None:
    for place in MARKS:
        guest.succeeds(f"echo {text} > {place} && sync {place}")


def marks(guest: Guest) -> list[str]:
    return [guest.run(f"cat {place} 2> /dev/null")[0] for place in MARKS]


def test_there_and_back(copy: Path, tmp_path: Path) -> None:
    update = path("UPDATE")
    port = free_port()
    with boot(copy, tmp_path, "upgrade-a", forward=[(port, SSH)]) as guest:
        chosen(guest, "A", "install")
        guest.login()
        guest.check_running()
        assert guest.succeeds("cat /opt/ic/share/version.txt") == version("VERSION")
        assert state_of(guest) == ("A", "stable")
        # Nothing to confirm, and no limit.
        assert guest.run("systemctl is-active confirm-boot.service confirm-boot-limit.timer")[0] == "inactive\ninactive"
        check_watchdog(guest)
        itself = identity(guest)
        leave_marks(guest, "a")
        refuse_damaged(guest, port, tmp_path, update)
        stream = update.read_bytes()
        said = by_ssh(port, tmp_path, f"{MANAGEBOOT} upgrade-install -", stream)
        assert said == (0, installed_lines("B", version("TEST_VERSION")) + "\n", "")
        assert guest.succeeds(f"{MANAGEBOOT} next") == "A"
        commit(guest)
    assert read_environment(copy) == {"boot_alternative": "B", "boot_cycle": "first_boot"}

    confirmed = tmp_path / "confirmed.img"
    with boot(copy, tmp_path, "upgrade-b", media=[update]) as guest:
        chosen(guest, "B", "upgrade")
        guest.login()
        wait_confirmed(guest, "B")
        assert guest.succeeds("cat /opt/ic/share/version.txt") == version("TEST_VERSION")
        assert identity(guest) == itself
        assert marks(guest) == ["", "a", "a"]
        leave_marks(guest, "b")
        install_from_medium(guest, update, "A", version("TEST_VERSION"))
        guest.snapshot(confirmed)
        commit(guest)
    assert read_environment(copy) == {"boot_alternative": "A", "boot_cycle": "first_boot"}

    stays(confirmed, tmp_path)
    damaged = tmp_path / "damaged.img"
    disks.copy(copy, damaged)
    falls_back(damaged, tmp_path)

    with boot(copy, tmp_path, "upgrade-back") as guest:
        chosen(guest, "A", "upgrade")
        guest.login()
        wait_confirmed(guest, "A")
        assert guest.succeeds("cat /opt/ic/share/version.txt") == version("TEST_VERSION")
        assert identity(guest) == itself
        assert marks(guest) == ["", "b", "b"]


def check_watchdog(guest: Guest) -> None:
    """The chipset's watchdog runs, and systemd feeds it: a system that hangs altogether restarts."""
    assert guest.succeeds("cd /sys/class/watchdog/watchdog0 && cat identity state timeout") == "iTCO_wdt\nactive\n300"
    assert guest.succeeds("cat /proc/sys/kernel/panic_on_oops /proc/sys/kernel/panic") == "1\n10"


def refuse_damaged(guest: Guest, port: int, scratch: Path, update: Path) -> None:
    """Each is told in one line; what came of it cannot be committed; the state stays."""
    with update.open("rb") as file:
        cut = file.read(CUT)
    status, output, errors = by_ssh(port, scratch, f"{MANAGEBOOT} upgrade-install -", cut)
    assert (status, output) == (2, f"manageboot: installing version {version('TEST_VERSION')} into slot B\n")
    reason = "Read error (39) : premature end"
    assert errors == f"manageboot: the archive is damaged, or none: {reason}\n"
    assert guest.run(f"{MANAGEBOOT} upgrade-commit") == (INCOMPLETE.format("B"), 2)
    status, _, errors = by_ssh(port, scratch, f"{MANAGEBOOT} upgrade-install -", cut[1:])
    reason = "unsupported format"
    assert (status, errors) == (2, f"manageboot: the archive is damaged, or none: {reason}\n")
    # The running slot is in use, so the kernel itself refuses it.
    partition = guest.succeeds(f"{MANAGEBOOT} current_partition")
    assert guest.run(f"wipefs --all {partition}")[1] != 0
    assert state_of(guest) == ("A", "stable")


def stays(disk: Path, scratch: Path) -> None:
    """The power goes after the confirmation, while a version lies in the other slot that is not committed."""
    assert read_environment(disk) == {"boot_alternative": "B", "boot_cycle": "stable"}
    with boot(disk, scratch, "upgrade-stays") as guest:
        started(guest, "B", "stable")
    disk.unlink()


def falls_back(disk: Path, scratch: Path) -> None:
    """A byte of the new root flips after the commit: the kernel stops, restarts by itself, and the old slot starts."""
    disks.flip_byte(disk, place_in(disk, "A_root", "sbin/init"))
    with boot(disk, scratch, "upgrade-damaged", restart=True) as guest:
        guest.console.fatal = None  # the panic is what is wanted
        started(guest, "A", "upgrade")
        found = guest.console.expect(
            ["Kernel panic - not syncing: dm-verity device corrupted", CONFIRMED], BOOT_SECONDS
        )
        assert found[0].startswith("Kernel panic"), guest.console.tail()
        chosen(guest, "B", "failsafe")
        guest.console.expect(VERIFIED, COMMAND_SECONDS)
    assert read_environment(disk) == {"boot_alternative": "B", "boot_cycle": "stable"}
    disk.unlink()
