"""What a running system of any kind is asked for."""

from sysimage.vm.testing import path
from tests.vm.system import Image, Running

# Types, modes and owners of a tree, sorted; lost+found is the filesystem's own. The template lies beneath the mount.
_LISTING = "find . -xdev -mindepth 1 -name lost+found -prune -o -printf '%P %y %m %U:%G %l\\n' | sort"


def check_root(running: Running, image: Image) -> None:
    """Root is the verity device, opened with the root hash of the command line, and cannot be written."""
    assert running.succeeds("cat /opt/ic/share/version.txt") == path("VERSION").read_text().strip()
    assert running.succeeds("findmnt -no SOURCE,FSTYPE /").split() == ["/dev/mapper/vroot", "ext4"]
    assert "ro" in running.succeeds("findmnt -no OPTIONS /").split(",")
    table = running.succeeds("dmsetup table vroot").split()
    assert table[2] == "verity"
    assert image.parameter("root_hash") in table
    assert image.parameter("verity.salt") in table
    assert "panic_on_corruption" in table
    assert running.succeeds("dmsetup status vroot").split()[3] == "V"
    output, status = running.run("touch /written")
    assert status != 0
    assert "Read-only file system" in output


def check_command_line(running: Running, image: Image) -> None:
    """The kernel got the slot's command line from the boot volume, with the state that GRUB found."""
    words = running.succeeds("cat /proc/cmdline").split()
    expected = image.command_line.replace("$boot_state", "install").split()
    assert [word for word in words if not word.startswith("BOOT_IMAGE=")] == expected
    assert "dfinity.system=A" in words


def template_differences(running: Running) -> str:
    """How /var differs from the /var of the image, in types, modes, owners and targets of links."""
    running.succeeds("mkdir -p /run/root && mount --bind / /run/root")
    running.succeeds(f"cd /run/root/var && {_LISTING} > /run/template; cd /var && {_LISTING} > /run/filled")
    running.succeeds("umount /run/root")
    assert int(running.succeeds("wc -l < /run/template")) > 50
    # What the running system has made since is no difference; what lacks, or is otherwise, is.
    return running.succeeds("comm -23 /run/template /run/filled")
