"""Properties: what counts as one, and what is no image at all."""

from uuid import UUID

import pytest

from sysimage import ext4, gpt, tree
from sysimage.errors import UserError
from sysimage.ext4 import Ext4Options
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.gpt import Layout, Partition
from sysimage.inspection import look
from sysimage.properties import properties
from sysimage.tree import Node, NodeType, Tree

KIND = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def root(passwd: bytes = b"root:x:0:0:root:/root:/bin/sh\nz:x:7:7::/:/bin/false\n") -> Tree:
    made = Tree()
    for path in ("etc/systemd/system/multi-user.target.wants", "bin", "var/lib/dpkg"):
        made.make_directories(path)
    made.add("etc/passwd", tree.file(passwd))
    made.add("etc/shadow", tree.file(b"root:$y$abc:1::::::\nz::1::::::\n", 0o640))
    made.add("etc/group", tree.file(b"root:x:0:\nstaff:x:50:root,z\n"))
    made.add("bin/su", tree.file(b"su", 0o6755))
    made.add("bin/ping", Node(NodeType.FILE, 0o755, xattrs={"security.capability": CAPABILITY}, content=ExtentMap(0)))
    made.add("open", tree.file(b"", 0o666))
    made.add("tmp", tree.directory(0o1777))
    made.add("null", Node(NodeType.CHARACTER, 0o600, device=(1, 3)))
    units = "etc/systemd/system"
    made.add(f"{units}/own.service", tree.file(b"[Unit]\n"))
    made.add(f"{units}/off.timer", tree.symlink("/dev/null"))
    made.add(f"{units}/alias.service", tree.symlink("/usr/lib/systemd/system/real.service"))
    made.add(f"{units}/multi-user.target.wants/own.service", tree.symlink("../own.service"))
    made.add(f"{units}/multi-user.target.wants/off.timer", tree.symlink("/usr/lib/systemd/system/off.timer"))
    packaged = "usr/lib/systemd/system"
    for folder in (
        f"{packaged}/sysinit.target.wants",
        "etc/systemd/system-generators",
        "usr/lib/systemd/system-generators",
    ):
        made.make_directories(folder)
    made.add(f"{packaged}/sysinit.target.wants/early.service", tree.symlink("../early.service"))
    made.add(f"{packaged}/sysinit.target.wants/off.timer", tree.symlink("../off.timer"))
    made.add("etc/systemd/system-generators/getty", tree.symlink("/dev/null"))
    made.add("usr/lib/systemd/system-generators/getty", tree.file(b"", 0o755))
    made.add("usr/lib/systemd/system-generators/mounts", tree.file(b"", 0o755))
    for folder in ("etc/sysctl.d", "usr/lib/sysctl.d", "etc/sudoers.d", "etc/udev/rules.d", "etc/cron.daily"):
        made.make_directories(folder)
    made.add("usr/lib/sysctl.d/10-a.conf", tree.file(b"# hidden by the one of /etc\nkernel.sysrq = 1\n"))
    made.add("etc/sysctl.d/10-a.conf", tree.file(b"kernel.sysrq  =  0\n"))
    made.add("etc/sudoers", tree.file(b"# who\nroot\tALL=(ALL) ALL\n"))
    made.add("etc/sudoers.d/z", tree.file(b"z ALL=NOPASSWD: /bin/su\n"))
    made.add("etc/udev/rules.d/60-own.rules", tree.file(b""))
    made.add("etc/cron.daily/tidy", tree.file(b"", 0o755))
    made.add("var/lib/dpkg/status", tree.file(b"Package: b\nVersion: 1\n\nPackage: a\nVersion: 2\n"))
    return made


def lines(made: Tree) -> list[str]:
    volume = ext4.plan(made, Ext4Options(label="root", uuid=KIND, hash_seed=KIND, epoch=0))
    partitions = (
        Partition(1, "root", 2048, 20480, KIND, UUID(int=2)),
        Partition(2, "spare", 22528, 2048, KIND, UUID(int=3)),
    )
    disk = gpt.plan(Layout(UUID(int=1), 26624, partitions), {"root": volume, "spare": gpt.EMPTY})
    return properties(look(ImageReader(disk, Sources({}))))


def test_properties() -> None:
    assert lines(root()) == [
        "disk 00000000-0000-0000-0000-000000000001 13631488 bytes",
        "partition 1 root start 2048 size 20480 type 0FC63DAF-8483-4772-8E79-3D69D8477DE4 "
        'guid 00000000-0000-0000-0000-000000000002 ext4 "root"',
        "partition 2 spare start 22528 size 2048 type 0FC63DAF-8483-4772-8E79-3D69D8477DE4 "
        "guid 00000000-0000-0000-0000-000000000003 empty",
        "",
        "# root",
        "",
        "user root 0:0 /root /bin/sh password",
        "user z 7:7 / /bin/false NO PASSWORD",
        "group root 0",
        "group staff 50 root,z",
        "",
        "capability=cap_net_raw+ep /bin/ping 0755 0:0",
        "char /null 0600 0:0",
        "setgid /bin/su 6755 0:0",
        "setuid /bin/su 6755 0:0",
        "world-writable /open 0666 0:0",
        "world-writable-sticky /tmp 1777 0:0",
        "",
        "unit alias.service -> real.service",
        "unit multi-user.target.wants/own.service",
        "unit off.timer masked",
        "unit own.service local",
        "unit sysinit.target.wants/early.service static",
        "",
        "generator getty masked",
        "generator /usr/lib/systemd/system-generators/mounts",
        "udev rules /etc/udev/rules.d/60-own.rules",
        "sysctl /etc/sysctl.d/10-a.conf: kernel.sysrq = 0",
        "sudo /etc/sudoers: root ALL=(ALL) ALL",
        "sudo /etc/sudoers.d/z: z ALL=NOPASSWD: /bin/su",
        "cron /etc/cron.daily/tidy",
        "",
        "package a",
        "package b",
    ]


def test_accounts_must_be_accounts() -> None:
    with pytest.raises(UserError) as caught:
        lines(root(b"root:x:0:0:root:/root:/bin/sh\nbroken\n"))
    assert str(caught.value) == "/etc/passwd of root: line 2 has 1 fields, 7 are expected"


def test_no_table() -> None:
    with pytest.raises(UserError) as caught:
        properties(look(ImageReader(ExtentMap(1 << 20), Sources({}))))
    assert str(caught.value) == "the image has no GUID partition table"
