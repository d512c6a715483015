"""The first boot of the shipped image on a disk of the field's size, what runs then and serves, what stays of it over
boots, with a network or without, and what stops a boot.
"""

from pathlib import Path

import pytest

from sysimage import gpt
from sysimage.extents import open_raw
from sysimage.vm import disks
from sysimage.vm.testing import free_port, path
from tests.guestos.guest import Guest, boot
from tests.guestos.network import check_late_address, check_waiting
from tests.guestos.status import METRICS_PORT, STATUS_PORT, check_other_programs, check_replica, check_restart
from tests.guestos.storage import check, check_table
from tests.vm.checks import check_command_line, check_root, template_differences
from tests.vm.system import BOOT_SECONDS, COMMAND_SECONDS, Image
from tests.vm.upgrade import chosen

pytest_plugins = ["tests.guestos.guest"]

KEY = "/boot/config/store.keyfile"
PLACES = ("/var/lib", "/var/lib/ic/crypto", "/var/lib/ic/backup", "/var/lib/ic/data")


@pytest.fixture(scope="module")
def restarted(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk after its first boot, and one with a torn primary partition table and no network; its key is put away."""
    folder = tmp_path_factory.mktemp("restarted")
    disk = folder / "disk.img"
    disks.copy(image.disk, disk)
    status, metrics = free_port(), free_port()
    with boot(disk, folder, "first-boot", forward=[(status, STATUS_PORT), (metrics, METRICS_PORT)]) as guest:
        chosen(guest, "A", "install")
        guest.login()
        guest.check_running()
        assert guest.succeeds("tty") == "/dev/ttyS0"
        check_root(guest, image)
        check_command_line(guest, image)
        first = check(guest)
        # Before the programs are asked, which take their folders over.
        assert template_differences(guest) == ""
        check_programs(guest, status, metrics)
        for place in PLACES:
            guest.succeeds(f"echo kept > {place}/kept")
        guest.shutdown()
    check_table(disk)
    # Header and some of the entries, as a write that was cut leaves them.
    disks.overwrite(disk, 512, bytes(1024))
    with boot(disk, folder, "second-boot", network=False) as guest:
        guest.login()
        check_waiting(guest)
        assert check(guest) == first
        assert guest.succeeds(f"cat {' '.join(f'{place}/kept' for place in PLACES)}").split() == ["kept"] * 4
        # The journal of the boot before is there.
        assert "Linux version" in guest.succeeds("journalctl --boot=-1 --dmesg --output=cat --grep='Linux version'")
        check_late_address(guest)
        guest.succeeds(f"mv {KEY} {KEY}.away && sync /boot/config")
        guest.shutdown()
    return disk


def check_programs(guest: Guest, status: int, metrics: int) -> None:
    """The programs of the node serve, and what an upgrade waits for before it is confirmed comes."""
    check_replica(status, malicious=False)
    check_other_programs(guest, metrics)
    check_restart(guest, status)
    guest.succeeds("systemctl start boot-complete.target")
    assert guest.succeeds("systemctl is-active replica-healthy.service boot-complete.target") == "active\nactive"


def test_first_boot_is_complete_and_stays_over_boots(restarted: Path) -> None:
    """The firmware has mended the partition table."""
    check_table(restarted)


def test_without_the_key_nothing_is_formatted_and_the_machine_restarts(restarted: Path, tmp_path: Path) -> None:
    with boot(restarted, tmp_path, "without-key", writable=False) as guest:
        sentence = (
            rf"{KEY} is missing, but /dev/vda\d+ is encrypted with it; nothing is formatted. "
            "Put the key back, or wipe all encrypted partitions."
        )
        guest.console.expect(f"setup-storage: {sentence}", BOOT_SECONDS)
        guest.console.expect("emergency: the system cannot start", BOOT_SECONDS)
        guest.console.expect("emergency: Dependency failed for var.mount - /var", BOOT_SECONDS)
        guest.console.expect("emergency: setup-storage@var.service said:", BOOT_SECONDS)
        guest.console.expect(f"emergency:     setup-storage: {sentence}", BOOT_SECONDS)
        guest.console.expect("emergency: restarting in 30 seconds", BOOT_SECONDS)
        guest.machine.wait(COMMAND_SECONDS)


def test_disk_without_room_for_the_store(tmp_path: Path) -> None:
    disk = disks.unpack(path("IMAGE"), tmp_path)
    with boot(disk, tmp_path, "no-room") as guest:
        guest.console.expect(
            "setup-storage: there is no store partition; the disk has no room for it, 2 GiB behind the last partition",
            BOOT_SECONDS,
        )
        guest.login()
        # What needs the store may be trying again just now.
        guest.succeeds("until systemctl --quiet is-failed setup-storage@store.service; do sleep 1; done")
        assert guest.succeeds("findmnt -no SOURCE /var") == "/dev/mapper/var-crypt"
        assert guest.run("findmnt /var/lib/ic/data")[1] == 1
        guest.shutdown()
    reader = open_raw(disk)
    with reader.sources:
        assert len(gpt.read(reader).partitions) == 9
