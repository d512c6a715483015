"""dev boots to a login with nothing failed, is what it claims to be, and is the same machine at its next boot."""

import re
from pathlib import Path

from tests.boundary.boundary import BOUNDARY
from tests.vm.checks import check_command_line, check_root, template_differences
from tests.vm.system import BOOT_SECONDS, Image, Running

pytest_plugins = ["tests.boundary.boundary"]

A_VAR = "22d2f5a6-1e39-d247-81cf-90c95c113e21"
SERVICES = ("chrony", "nftables", "nginx", "node_exporter", "ssh", "systemd-networkd", "systemd-resolved")
# What only systems have whose slots are upgraded, and those with a store.
FOREIGN = ("/opt/ic/bin/manageboot.sh", "/etc/systemd/system/confirm-boot.service", "/usr/sbin/lvm")


def check(running: Running) -> str:
    """What a first boot leaves behind is there; returns what stays the same over boots."""
    assert running.succeeds("findmnt -no SOURCE,FSTYPE /var").split() == ["/dev/mapper/var-crypt", "ext4"]
    dump = running.succeeds(f"cryptsetup luksDump /dev/disk/by-partuuid/{A_VAR}")
    assert re.search(r"^Label:\s+var$", dump, re.MULTILINE)
    assert running.succeeds("stat -c '%a %s %u' /boot/config/store.keyfile") == "400 64 0"
    running.succeeds("cmp /etc/machine-id /boot/config/machine-id")
    assert running.succeeds("find /boot/config -name '*new*'") == ""
    assert running.succeeds("lsblk --noheadings --list --output NAME /dev/vda | grep -c '^vda[0-9]'") == "9"
    return running.succeeds("cat /boot/config/machine-id; ssh-keygen -lf /boot/config/ssh/ssh_host_ed25519_key.pub")


def test_boots_and_stays_itself(image: Image, copy: Path, tmp_path: Path) -> None:
    with BOUNDARY.boot(copy, tmp_path, "boot-dev") as running:
        running.console.expect(r"GRUB: booting slot A, state install,", BOOT_SECONDS)
        running.login()
        running.check_running()
        assert running.succeeds("tty") == "/dev/ttyS0"
        check_root(running, image)
        check_command_line(running, image)
        assert template_differences(running) == ""
        assert running.succeeds(f"systemctl is-active {' '.join(SERVICES)}").split() == ["active"] * len(SERVICES)
        assert running.succeeds(f"ls -d {' '.join(FOREIGN)} 2> /dev/null | wc -l") == "0"
        itself = check(running)
        running.succeeds("echo kept > /var/mark && sync /var/mark")
        running.shutdown()

    with BOUNDARY.boot(copy, tmp_path, "boot-dev-again") as running:
        running.console.expect(r"GRUB: booting slot A, state stable,", BOOT_SECONDS)
        running.login()
        running.check_running()
        assert check(running) == itself
        assert running.succeeds("cat /var/mark") == "kept"
