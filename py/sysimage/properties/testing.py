"""A small system for the tests of properties: sound in every respect, so that each test plants one fault."""

from pathlib import Path

from sysimage import tree
from sysimage.properties import layout
from sysimage.properties.system import System
from sysimage.tree import Tree

COMMAND_LINE = "root=/dev/vda2 console=ttyS0 panic=10 systemd.import_credentials=no"
SSH = {"passwordauthentication": "no", "permitrootlogin": "no", "kbdinteractiveauthentication": "no"}
GRUB = "source (hd0,gpt2)/boot_args\nlinux /vmlinuz\nboot\nreboot\n"
# openssl passwd -6 -salt example root
ROOT_HASH = "$6$example$dvVaaDc9omkz3NrkZjwPaeocngVWJIO0etnXbTVZ04.4iG1df8Oka9N.VaMMDAJC7KMsyR0XVagsgRgujcRnu."

UNITS = "usr/lib/systemd/system"
OWN_UNITS = "etc/systemd/system"
_FILES: dict[str, tuple[str, int]] = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/usr/sbin/nologin\nadmin:x:804:804::/home/admin:/bin/sh\n",
        0o644,
    ),
    "etc/group": ("root:x:0:\ndaemon:x:1:\nadmin:x:804:\nsudo:x:27:admin\n", 0o644),
    "etc/shadow": ("root:*:1::::::\ndaemon:*:1::::::\nadmin:!:1::::::\n", 0o640),
    "etc/hostname": ("example\n", 0o644),
    "etc/machine-id": ("", 0o644),
    "etc/fstab": ("# boot\nPARTUUID=1 /boot ext4 ro 0 2\n", 0o644),
    "etc/sudoers": ("Defaults env_reset\n%sudo ALL=(ALL:ALL) ALL\nadmin ALL=NOPASSWD: /usr/bin/tool\n", 0o440),
    "etc/pam.d/common-auth": ("auth required pam_unix.so\n", 0o644),
    "etc/sysctl.d/50-keys.conf": ("kernel.sysrq = 0\n", 0o644),
    "etc/udev/rules.d/60-own.rules": ('KERNEL=="x", GROUP="sudo", RUN+="/usr/bin/tool %k"\n', 0o644),
    f"{OWN_UNITS}/own.service": (
        "[Unit]\nRequires=base.service\nConditionPathExists=/etc/own.conf\n"
        "[Service]\nUser=daemon\nEnvironmentFile=-/etc/default/none\nEnvironmentFile=/etc/own.conf\n"
        "ExecStartPre=-/usr/bin/gone\nExecStart=/usr/bin/tool \\\n  --config /etc/own.conf\n"
        "WorkingDirectory=/run/own\n",
        0o644,
    ),
    f"{UNITS}/base.service": ("[Service]\nExecStart=/usr/bin/tool\n", 0o644),
    f"{UNITS}/serial-getty@.service": ("[Service]\nExecStart=-/usr/sbin/agetty %I\n", 0o644),
    f"{UNITS}/debug-shell.service": ("[Service]\nExecStart=/bin/sh\n", 0o644),
    f"{UNITS}/emergency.service": ("[Service]\nExecStart=-/usr/lib/systemd/systemd-sulogin-shell emergency\n", 0o644),
    "etc/own.conf": ("value=1\n", 0o644),
    "usr/bin/tool": ("\x7fELF", 0o755),
    "usr/bin/sh": ("\x7fELF", 0o755),
    "usr/bin/cat": ("\x7fELF", 0o755),
    "usr/bin/env": ("\x7fELF", 0o755),
    "opt/bin/own.sh": ("#!/bin/sh\nset -eu\ncat /etc/own.conf\n", 0o755),
    "var/lib/dpkg/status": (
        "Package: tool\nStatus: install ok installed\nConffiles:\n /etc/own.conf cc6cc1551a4a155a4cee5e41537cdae6\n",
        0o644,
    ),
    "var/lib/dpkg/info/tool.list": ("/.\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/bin/t\n/etc/own.conf\n", 0o644),
    "var/lib/dpkg/info/tool.md5sums": ("d1531b1622de54fe3a0187c3344600e9  usr/bin/tool\n", 0o644),
}


def sound() -> Tree:
    """The system as a tree."""
    made = Tree()
    for folder in ("boot", "home", "root", "run", "tmp", "usr/sbin", "var/log", f"{OWN_UNITS}/multi-user.target.wants"):
        made.make_directories(folder)
    for path, (text, mode) in _FILES.items():
        put(made, path, text, mode)
    made.add("bin", tree.symlink("usr/bin"))
    made.add("usr/bin/t", tree.symlink("tool"))
    made.add(f"{OWN_UNITS}/multi-user.target.wants/own.service", tree.symlink("../own.service"))
    return made


def put(made: Tree, path: str, text: str | bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Plants a file, over one that is there as well."""
    data = text if isinstance(text, bytes) else text.encode()
    made.put(path, tree.file(data, mode, uid, gid))


def link(made: Tree, path: str, target: str) -> None:
    """Plants a symbolic link."""
    made.put(path, tree.symlink(target))


def system(made: Tree | None = None) -> System:
    """The system of a tree, or the sound one."""
    return System("root", made if made is not None else sound())


def told(disk: Path, folder: Path, table: str) -> list[str]:
    """What a raw disk has otherwise than a table of its layout, which is written into a folder."""
    path = folder / "layout.txt"
    path.write_text(table)
    return layout.differences(layout.load(path), layout.read_disk(disk))
