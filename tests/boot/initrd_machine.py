"""Machines that start a small root, made by our own writers, by the initrd alone."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from sysimage import initrd, tree, verity
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan as plan_ext4
from sysimage.extents import ExtentMap, Sources
from sysimage.tree import Tree
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool
from tools.boot_args import verity_words

SECONDS = 240.0
EPOCH = 1754697600
SALT = bytes(range(32))
INIT = b"""\
#!/bin/busybox sh
/bin/busybox grep -q '^/dev/mapper/vroot / ext4 ro' /proc/mounts && echo "SYSTEM STARTED with $*"
identity() { /bin/busybox cat "$1/machine-id"; }
/bin/busybox grep -q '^tmpfs /etc/machine-id ' /proc/mounts && echo "IDENTITY $(identity /etc), $(identity /run)"
cd /dev/mapper && echo "MAPPED:" *
/bin/busybox poweroff -f
"""
IDENTITY = "0123456789abcdef0123456789abcdef"
SHOWN = "loglevel=6"  # warnings
NEW = r"initrd: this machine's identity is new: ([0-9a-f]{32})\n"


def root_tree() -> Tree:
    """A root whose init says what it finds."""
    content = Tree()
    for folder in ("dev", "proc", "run", "sys"):
        content.add(folder, tree.directory())
    content.put("etc/machine-id", tree.file(b""))
    content.put("sbin/init", tree.file(INIT, 0o755))
    unpacked = initrd.unpack(path("INITRD").read_bytes())
    content.put("bin/busybox", unpacked["bin/busybox"])
    return content


def protect(content: Tree) -> tuple[ExtentMap, tuple[str, ...]]:
    """A verity root, and the words that open it."""
    image = plan_ext4(content, Ext4Options(UUID(int=1), UUID(int=2), EPOCH))
    protected = verity.plan(image, Sources({}), SALT, UUID(int=3))
    return protected.map, tuple(verity_words(protected.parameters()))


def keeping(data: bytes | None) -> ExtentMap:
    """A filesystem with the file that keeps an identity, or without."""
    content = Tree()
    if data is not None:
        content.put("state/machine-id", tree.file(data))
    return plan_ext4(content, Ext4Options(UUID(int=4), UUID(int=5), EPOCH, size=1 << 20))


def start(disks: Sequence[Path], line: str, scratch: Path, name: str, ramdisk: str = "INITRD") -> VirtualMachine:
    """A machine without boot loader; ramdisk names its initrd."""
    (kernel,) = (path("KERNEL") / "boot").glob("vmlinuz-*")
    machine = Machine(
        [Disk(disk) for disk in disks],
        kernel=kernel,
        initrd=path(ramdisk),
        command_line=f"console=ttyS0 quiet panic=-1 {line}",
        memory=512,
        cpus=1,
    )
    return VirtualMachine(machine, tool(), scratch, log(f"initrd-{name}"))


def stops(disks: Sequence[Path], line: str, scratch: Path, name: str, ramdisk: str = "INITRD") -> str:
    """What the initrd says before the kernel panics."""
    with start(disks, line, scratch, name, ramdisk) as machine:
        machine.console.fatal = None
        said = machine.console.expect([r"initrd: STOPPED: (.*)\n", "SYSTEM STARTED()"], SECONDS)
        machine.console.expect("Kernel panic - not syncing: Attempted to kill init!", SECONDS)
        return said[1].strip()
