"""Parsers of files in a root filesystem: accounts, units, package databases, libraries, certificates."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from sysimage import elf_testing, kernel_modules, locked_tool
from sysimage.debian import alternatives, certificates, database, ldconfig, pam, sysusers, tmpfiles, units
from sysimage.debian.accounts import Accounts, AccountsTable, add_group, add_user, group_ids, user_ids
from sysimage.debian.root import Root
from sysimage.debian.testing import root_of
from sysimage.extents import Sources
from tests.soak.parser import Parser
from tests.soak.parsers_debian import fixed


def _in_tree(place: str, call: Callable[[Root], object], others: Mapping[str, str]) -> Callable[[Path], object]:
    """The input as a file of a tree with other files, and what is done to that tree."""

    def parse(path: Path) -> object:
        files: dict[str, str | bytes] = {**others, place: path.read_bytes()}
        return call(root_of(files, Sources({})))

    return parse


_PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"
_GROUP = "root:x:0:\nadm:x:4:syslog\nshadow:x:42:\n"
_SYSUSERS = """u! _ssh 101:adm "secure shell" /run/sshd
u sync 4:65534 - /bin /bin/sync
g adm 4 -
m sync adm
r - 500-900
"""
_TMPFILES = """d /var/lib/x 0755 root root 10d -
L+ /etc/link - - - - ../usr/lib/target
f /var/log/file 0640 root adm - some words
C /etc/copied - - - - /usr/share/copied
z /var/lib/x/* ~0644 - -
a+ /var/log/journal - - - - d:group::r-x
"""
_UNIT = """[Unit]
Description=x
[Service]
ExecStart=/bin/x \\
  --flag
[Install]
WantedBy=multi-user.target "other.target"
Alias=y.service
Also=z.socket x.service
DefaultInstance=tty1
"""
_ALTERNATIVE = """auto
/usr/bin/editor
editor.1.gz
/usr/share/man/man1/editor.1.gz

/bin/nano
40
/nano.1.gz
/bin/ed
-100


"""
_STATUS = """Package: a
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 1
Conffiles:
 /etc/a 0123
"""
_PAM = """Name: Unix authentication
Default: yes
Priority: 256
Auth-Type: Primary
Auth:
\t[success=end default=ignore]\tpam_unix.so nullok
Auth-Initial:
\t[success=end default=ignore]\tpam_unix.so
Password-Type: Primary
Password:
\t[success=end default=ignore]\tpam_unix.so obscure
"""
_TEMPLATE = "# head\n$X_primary\n# middle\n$X_additional\n"
_DPKG = "var/lib/dpkg"
_ACCOUNTS = {"etc/passwd": _PASSWD, "etc/group": _GROUP, "usr/share/copied": "x", "var/lib/x/y": "z", "var/log/a": ""}
_UNITS = {"usr/lib/systemd/system/z.socket": "[Install]\nWantedBy=sockets.target\n"}
_EDITORS = {"bin/nano": "", "bin/ed": "", "bin/vi": "", "nano.1.gz": ""}
_LISTS = {f"{_DPKG}/info/a:amd64.list": "/.\n"}
_NONE = {f"{_DPKG}/status": ""}
_TEMPLATES = {
    f"usr/share/pam/common-{stack}": _TEMPLATE
    for stack in ("auth", "account", "password", "session", "session-noninteractive")
}
_TRUSTED = {"etc/ca-certificates.conf": "x.crt\n"}
_TABLE = AccountsTable(
    {"adm": 4, "nogroup": 65534, "_ssh": 101, "new": 200},
    {"_ssh": (101, 4), "sync": (4, 65534), "new": (200, 200)},
    "table",
)


def _accounts_of(root: Root) -> object:
    accounts = Accounts.load(root)
    accounts.save(root)
    add_group(root, _TABLE, "new")
    add_user(root, _TABLE, "new")
    return user_ids(root), group_ids(root)


def _sysusers(root: Root) -> object:
    accounts = Accounts.load(root)
    sysusers.apply(root, accounts, _TABLE)
    return accounts


def _tmpfiles(root: Root) -> object:
    tmpfiles.create(root, ["x.conf"])
    return root


def _unit(root: Root) -> object:
    units.enable(root, "x.service")
    units.preset(root, "x.service")
    units.helper_enable(root, "x.service")
    return units.links(root, "x.service")


def _alternative(root: Root) -> object:
    alternatives.install(root, "/usr/bin/editor", "editor", "/bin/vi", 30)
    return root


def _der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return bytes((tag, 0x82)) + len(content).to_bytes(2, "big") + content


def _certificate(random: Random, _folder: Path) -> bytes:
    name = _der(0x30, _der(0x06, b"\x55\x04\x03"), _der(random.choice((0x0C, 0x13, 0x1E)), b"T e  s t"))
    fields = (_der(0xA0, _der(0x02, b"\2")), _der(0x02, b"\1"), *([_der(0x30)] * 3), _der(0x30, _der(0x31, name)))
    return _der(0x30, _der(0x30, *fields))


def _pem(data: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(data) + b"-----END CERTIFICATE-----\n"


def _pem_sample(random: Random, folder: Path) -> bytes:
    return _pem(_certificate(random, folder))


_MODULES_DEP = """kernel/fs/fat/vfat.ko.xz: kernel/fs/fat/fat.ko.xz
kernel/fs/fat/fat.ko.xz:
kernel/drivers/md/dm-verity.ko.xz: kernel/drivers/md/dm-bufio.ko.xz kernel/drivers/md/dm-mod.ko.xz
kernel/drivers/md/dm-bufio.ko.xz: kernel/drivers/md/dm-mod.ko.xz
kernel/drivers/md/dm-mod.ko.xz:
"""


def _call_modules(path: Path) -> object:
    found = kernel_modules.parse_dependencies(path.read_bytes(), b"kernel/fs/ext4/ext4.ko\n")
    return [found.order([name]) for name in list(found.modules)[:50]]


def _elf(random: Random, _folder: Path) -> bytes:
    if random.random() < 0.4:
        return elf_testing.make_32("libx.so.1")
    return elf_testing.make(["libc.so.6", "libm.so.6"], soname="libx.so.1")


def _call_libraries(path: Path) -> object:
    folder = "usr/lib/x86_64-linux-gnu"
    names = ("libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2")
    libraries: dict[str, str | bytes] = {f"{folder}/{name}": elf_testing.make([], "") for name in names}
    root = root_of({**libraries, f"{folder}/libx.so.1.2": path.read_bytes()})
    return locked_tool.libraries(root.tree, root.sources, [f"{folder}/libx.so.1.2"])


_LIBRARY = "usr/lib/x86_64-linux-gnu/libx.so.1.2"

PARSERS = (
    Parser("passwd", fixed(_PASSWD), _in_tree("etc/passwd", _accounts_of, {"etc/group": _GROUP}), text=True),
    Parser("group", fixed(_GROUP), _in_tree("etc/group", _accounts_of, {"etc/passwd": _PASSWD}), text=True),
    Parser("sysusers", fixed(_SYSUSERS), _in_tree("usr/lib/sysusers.d/x.conf", _sysusers, _ACCOUNTS), text=True),
    Parser("tmpfiles", fixed(_TMPFILES), _in_tree("usr/lib/tmpfiles.d/x.conf", _tmpfiles, _ACCOUNTS), text=True),
    Parser("unit", fixed(_UNIT), _in_tree("usr/lib/systemd/system/x.service", _unit, _UNITS), text=True),
    Parser(
        "alternatives", fixed(_ALTERNATIVE), _in_tree(f"{_DPKG}/alternatives/editor", _alternative, _EDITORS), text=True
    ),
    Parser("dpkg-status", fixed(_STATUS), _in_tree(f"{_DPKG}/status", database.load, _LISTS), text=True),
    Parser(
        "statoverride",
        fixed("root adm 2755 /usr/bin/x\n"),
        _in_tree(f"{_DPKG}/statoverride", database.load, _NONE),
        text=True,
    ),
    Parser(
        "diversions",
        fixed("/bin/sh\n/bin/sh.d\ndash\n"),
        _in_tree(f"{_DPKG}/diversions", database.load, _NONE),
        text=True,
    ),
    Parser("pam", fixed(_PAM), _in_tree("usr/share/pam-configs/unix", pam.update, _TEMPLATES), text=True),
    Parser(
        "certificate",
        _certificate,
        _in_tree("usr/share/ca-certificates/x.crt", certificates.update, _TRUSTED),
        wrap=_pem,
    ),
    Parser("pem", _pem_sample, _in_tree("usr/share/ca-certificates/x.crt", certificates.update, _TRUSTED), text=True),
    Parser("modules-dep", fixed(_MODULES_DEP), _call_modules, text=True),
    Parser("elf", _elf, _call_libraries),
    Parser("ldconfig", _elf, _in_tree(_LIBRARY, ldconfig.update, {})),
    Parser(
        "ld-so-conf",
        fixed("include ld.so.conf.d/*.conf\n/usr/local/lib\n"),
        _in_tree("etc/ld.so.conf", ldconfig.update, {}),
        text=True,
    ),
)
