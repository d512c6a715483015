"""dev boots to a login with nothing failed, is what it claims to be, and is the same machine at its next boot.

At the first one it has a medium with a malformed configuration. That is refused as a whole, so the machine is the one
that it is without a medium.
"""

import re
from pathlib import Path

from sysimage import tree
from sysimage.vm.testing import free_port
from tests.boundary.boundary import BOUNDARY, GIVEN, given_medium, heard
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
    # It has no configuration: its own name, and no address of a replica.
    assert running.run("ls /boot/config/CONFIGURED /boot/config/bootstrap")[1] != 0
    assert [running.succeeds("hostname")] != GIVEN["hostname"]
    rules = running.succeeds("nft list ruleset")
    assert "fd5e" not in rules
    assert rules.count("policy drop") == 3
    return running.succeeds("cat /boot/config/machine-id; ssh-keygen -lf /boot/config/ssh/ssh_host_ed25519_key.pub")


def test_boots_and_stays_itself(image: Image, copy: Path, tmp_path: Path) -> None:
    port = free_port()
    malformed = {"boundary.conf": tree.file(b"ipv6_replica_ips=fd5e:8::1 nonsense\n")}
    stick = given_medium(tmp_path / "medium.img", malformed)
    with BOUNDARY.boot(copy, tmp_path, "boot-dev", media=[stick], forward=[(port, 443)]) as running:
        running.console.expect(r"GRUB: booting slot A, state install,", BOOT_SECONDS)
        # The disk is larger than the image, and nobody has moved the backup of its table (disk-layout.md).
        running.console.expect(r"GPT:Primary header thinks Alt\. header is not at the end of the disk", BOOT_SECONDS)
        running.console.expect(
            r"bootstrap-ic-node: REFUSED, nothing of it is applied: boundary\.conf, line 1: "
            r"ipv6_replica_ips cannot be 'fd5e:8::1 nonsense'\n",
            BOOT_SECONDS,
        )
        running.login()
        running.check_running()
        assert running.succeeds("tty") == "/dev/ttyS0"
        check_root(running, image)
        check_command_line(running, image)
        assert template_differences(running) == ""
        assert running.succeeds(f"systemctl is-active {' '.join(SERVICES)}").split() == ["active"] * len(SERVICES)
        assert running.succeeds(f"ls -d {' '.join(FOREIGN)} 2> /dev/null | wc -l") == "0"
        itself = check(running)
        # dev has a certificate of its own: the page is there, by an address that came by DHCP.
        assert heard(port) == b"H"
        running.succeeds("echo kept > /var/mark && sync /var/mark")
        running.shutdown()

    with BOUNDARY.boot(copy, tmp_path, "boot-dev-again") as running:
        running.console.expect(r"GRUB: booting slot A, state stable,", BOOT_SECONDS)
        running.console.expect(r"no removable medium has ic-bootstrap\.tar: the node is not configured", BOOT_SECONDS)
        running.login()
        running.check_running()
        assert check(running) == itself
        assert running.succeeds("cat /var/mark") == "kept"
