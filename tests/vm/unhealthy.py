"""A new version that never becomes healthy: the machine restarts by itself, into the old one, which is as it was.

The machine is at the reboot into the new version (`Upgrade.after`); each system says what its version cannot do.
"""

from pathlib import Path

from sysimage import grub
from sysimage.vm import disks
from tests.vm.system import BOOT_SECONDS, Running, System, filesystem, place_in
from tests.vm.upgrade import CONFIRMED, chosen, state_of, version


def without_unit(system: System, disk: Path, unit: str) -> None:
    """Lets the kernel command line of slot B mask a unit; the file keeps its length."""
    volume = system.volume("B_boot")
    content, view = filesystem(disk, volume)
    with view.sources as sources:
        old = content.read("boot_args", sources)
    comment, lines = old.split(b"\n", 1)
    more = f" systemd.mask={unit}".encode()
    before, after = lines.split(b'boot_args_B="')
    new = comment[: -len(more)] + b"\n" + before + b'boot_args_B="' + after.replace(b"panic=10", b"panic=10" + more, 1)
    assert len(new) == len(old)
    assert f"systemd.mask={unit}" in grub.parse_boot_args(new)["B"].split()
    disks.overwrite(disk, place_in(disk, volume, "boot_args"), new)


def falls_back(running: Running) -> None:
    """Waits for the limit, and for the old version to be logged in; everything of it runs.

    The machine must be one that restarts. The limit is shortened, as nobody waits ten minutes here.
    """
    chosen(running, "B", "upgrade")
    running.login()
    assert running.run("systemctl is-active confirm-boot-limit.timer")[1] == 0
    assert state_of(running) == ("B", "failsafe_check")
    # Not before it is confirmed: the other slot is what this one falls back to.
    message, status = running.run(f"{running.system.manageboot} upgrade-install - < /dev/null")
    assert status == 2
    assert "manageboot: slot B runs for the first time and is not confirmed yet;" in message
    assert running.succeeds("systemctl show -P TimersMonotonic confirm-boot-limit.timer").startswith(
        "{ OnBootUSec=10min "
    )
    folder = "/run/systemd/system/confirm-boot-limit.timer.d"
    limit = "printf '[Timer]\\nOnBootSec=\\nOnActiveSec=20s\\n'"
    running.succeeds(f"mkdir -p {folder} && {limit} > {folder}/soon.conf && systemctl daemon-reload")
    running.succeeds("systemctl restart confirm-boot-limit.timer")
    said = "confirm-boot: the upgraded system did not confirm itself in time; restarting into the slot that worked"
    found = running.console.expect([said, CONFIRMED], BOOT_SECONDS)
    assert found[0] == said
    chosen(running, "A", "failsafe")
    running.login()
    running.check_running()
    assert state_of(running) == ("A", "stable")
    assert running.succeeds("cat /opt/ic/share/version.txt") == version("VERSION")
    assert running.succeeds("cat /var/mark") == "a"
    assert running.run("systemctl is-active confirm-boot.service confirm-boot-limit.timer")[0] == "inactive\ninactive"
