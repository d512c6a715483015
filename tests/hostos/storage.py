"""What a HostOS that went through its first boot has: asked in the running system."""

import re

from tests.vm.system import Running

VOLUMES = ["A_boot", "A_root", "A_var", "B_boot", "B_root", "B_var", "config", "guestos"]
# Device, filesystem, and what must be among the options.
MOUNTS = {
    "/boot": ("/dev/mapper/hostlvm-{slot}_boot", "ext4", {"ro", "nodev", "nosuid", "noexec"}),
    "/boot/config": ("/dev/mapper/hostlvm-config", "ext4", {"rw", "nodev", "nosuid", "noexec"}),
    "/boot/efi": ("{disk}p1", "vfat", {"ro", "nodev", "nosuid", "noexec"}),
    "/boot/grub": ("{disk}p2", "vfat", {"ro", "nodev", "nosuid", "noexec"}),
    "/var": ("/dev/mapper/hostlvm-{slot}_var", "ext4", {"rw", "nodev", "nosuid"}),
}


def check(running: Running, slot: str = "A", disk: str = "/dev/nvme0n1") -> None:
    """All volumes are there under their names, each mounted where it belongs; the machine has what is its own."""
    listed = running.succeeds("lvs --noheadings --options lv_name,lv_active hostlvm").split()
    assert sorted(zip(listed[::2], listed[1::2], strict=True)) == [(name, "active") for name in VOLUMES]
    running.succeeds(" && ".join(f"test -b /dev/hostlvm/{name}" for name in VOLUMES))
    for place, (device, kind, wanted) in MOUNTS.items():
        source, found, options = running.succeeds(f"findmnt -no SOURCE,FSTYPE,OPTIONS {place}").split()
        assert (source, found) == (device.format(slot=slot, disk=disk), kind), place
        assert wanted <= set(options.split(",")), place
    assert re.fullmatch("[0-9a-f]{32}", running.succeeds("cat /boot/config/machine-id"))
    running.succeeds("cmp /etc/machine-id /boot/config/machine-id")
    assert "(ED25519)" in running.succeeds("ssh-keygen -lf /boot/config/ssh/ssh_host_ed25519_key.pub")
    assert running.succeeds("find /boot/config -name '*new*'") == ""
