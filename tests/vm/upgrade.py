"""Upgrades in QEMU: how the archive gets in, what a disk says of its slots, what stands on the console."""

import re
from pathlib import Path

from sysimage.vm.testing import path
from tests.vm.access import ssh
from tests.vm.system import BOOT_SECONDS, COMMAND_SECONDS, Running, System

INSTALL_SECONDS = 600.0  # for some 300 MB, under emulation, on a busy machine
VERIFIED = r"initrd: root is \S+, verified against root_hash="
CONFIRMED = r"manageboot: slot (\w) is confirmed"


def other(slot: str) -> str:
    """The other slot."""
    return {"A": "B", "B": "A"}[slot]


def chosen(running: Running, slot: str, state: str) -> None:
    """Waits for what GRUB chooses, which must be this."""
    found = running.console.expect(r"GRUB: booting slot (\w), state (\w+),", BOOT_SECONDS)
    assert (found[1], found[2]) == (slot, state)


def started(running: Running, slot: str, state: str) -> None:
    """Waits until the root of the slot that GRUB chooses is open."""
    chosen(running, slot, state)
    running.console.expect(VERIFIED, BOOT_SECONDS)


def version(name: str) -> str:
    """What a file with a version says."""
    return path(name).read_text().strip()


def installed_lines(slot: str, name: str) -> str:
    """What upgrade-install says, in the end."""
    return (
        f"manageboot: installing version {name} into slot {slot}\n"
        f"manageboot: version {name} is in slot {slot}; upgrade-commit starts it"
    )


def install_from_medium(running: Running, archive: Path, slot: str, name: str) -> None:
    """Installs the archive that is plugged in as the only removable medium."""
    size = archive.stat().st_size
    command = (
        f"udevadm wait --timeout=60 /dev/sda && head -c {size} /dev/sda | {running.system.manageboot} upgrade-install -"
    )
    said = running.succeeds(command, INSTALL_SECONDS).splitlines()
    # The kernel may say something on the console meanwhile.
    assert [line for line in said if line.startswith("manageboot: ")] == installed_lines(slot, name).splitlines()


def commit(running: Running) -> None:
    """Commits, and waits for the machine to end: its reboot."""
    running.console.send(f"{running.system.manageboot} upgrade-commit\n")
    said = running.console.expect(r"manageboot: (.*)\n", INSTALL_SECONDS)
    assert said[1].startswith("rebooting into slot "), said[1]
    running.machine.wait(BOOT_SECONDS)


def by_ssh(port: int, scratch: Path, command: str, data: bytes) -> tuple[int, str, str]:
    """Runs a command as root, with data on its standard input: exit status, standard output, standard error."""
    return ssh(port, "root", command, scratch, "PubkeyAuthentication=no", data=data, seconds=INSTALL_SECONDS)


def state_of(running: Running) -> tuple[str, str]:
    """boot_alternative and boot_cycle, as the running system sees them; the grub partition is mounted read-only."""
    assert "ro" in running.succeeds("findmnt -no OPTIONS /boot/grub").split(",")
    text = running.succeeds("head -c 100 /boot/grub/grubenv")
    found = re.search(r"boot_alternative=(\w)\nboot_cycle=(\w+)\n", text)
    assert found is not None, text
    return found[1], found[2]


def wait_confirmed(running: Running, slot: str) -> None:
    """Waits, as root on the console, until the running slot confirmed itself."""
    running.succeeds("systemctl start confirm-boot.service", BOOT_SECONDS)
    assert state_of(running) == (slot, "stable")
    assert running.run("systemctl is-active confirm-boot-limit.timer") == ("inactive", 3)


def identity(running: Running) -> str:
    """What makes this machine itself: machine id and ssh host key."""
    return running.succeeds("cat /etc/machine-id /boot/config/ssh/*.pub", COMMAND_SECONDS)


def places(system: System) -> list[str]:
    """Where each version leaves a mark, to be found again, or not: the slot's own folder, and what outlives it."""
    return [f"{folder}/mark" for folder in ("/var", *system.kept)]


def leave_marks(running: Running, text: str) -> None:
    """Leaves a mark in each place."""
    for place in places(running.system):
        running.succeeds(f"echo {text} > {place} && sync {place}")
