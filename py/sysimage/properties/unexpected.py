"""What no image should have: special rights nobody reviewed, secrets, and traces of a machine or of the build."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from sysimage.inspection import Image
from sysimage.properties.contents import Content
from sysimage.properties.findings import Finding
from sysimage.properties.lines import special_kinds
from sysimage.properties.system import System, place, shown
from sysimage.tree import Node, NodeType

# Where programs leave what differs between machines and moments; `*` matches "/" as well. By the check's word.
_LEFTOVERS: Mapping[str, tuple[str, ...]] = {
    "machine-state": (
        "etc/ssh/ssh_host_*",
        "etc/.pwd.lock",
        "etc/hostid",
        "etc/adjtime",
        "etc/machine-info",
        "etc/iscsi/initiatorname.iscsi",
        "etc/nvme/host*id",
        "var/lib/dbus/machine-id",
        "var/lib/systemd/random-seed",
        "var/lib/systemd/credential.secret",
        "var/lib/systemd/timers/*",
        "var/lib/urandom/random-seed",
        "var/lib/dhcp/*",
        "var/lib/chrony/*",
        "root/.*history",
        "root/.ssh/known_hosts",
    ),
    "cache": ("*.pyc", "var/cache/*", "var/lib/apt/lists/*_*", "*/__pycache__/*", "tmp/*", "var/tmp/*", "run/*"),
    "backup": (
        "etc/*-",
        "var/lib/dpkg/*-old",
        "var/backups/*",
        "*~",
        "*.bak",
        "*.orig",
        "*.rej",
        "*.swp",
        "*.dpkg-*",
        "*.ucf-*",
    ),
    "authorized-keys": (
        "*/authorized_keys",
        "*/authorized_keys2",
        "*/.shosts",
        "*/.rhosts",
        "etc/hosts.equiv",
        "etc/shosts.equiv",
    ),
}
_MEANINGS = {
    "machine-state": "belongs to one machine; it must be made at first boot",
    "cache": "is a cache or a temporary file; the image must not have it",
    "backup": "is a backup that a program left; the image must not have it",
    "authorized-keys": "lets somebody in; keys come with the configuration of a machine",
}
_EXPLAINED = {
    "setuid": "runs as its owner, whoever starts it",
    "setgid": "runs as its group, whoever starts it",
    "capability": "has rights of root, whoever starts it",
    "world-writable": "can be written by everybody",
    "world-writable-sticky": "can be written by everybody",
}
_KNOWN_XATTRS = ("security.capability", "security.selinux")
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
# A machine's name must be long enough to be told from a word.
_NAME_MIN = 6

CHECKS = (
    *("setuid", "setgid", "capability", "world-writable", "device", "unowned", "acl", "xattr"),
    *("private-key", "machine-state", "log", "cache", "backup", "authorized-keys", "build-trace"),
)


def unexpected(
    image: Image, system: System, contents: Mapping[tuple[str, str], Content], host: str = ""
) -> list[Finding]:
    """All that needs a reviewed reason.

    Args:
        image: the image.
        system: the root filesystem on it.
        contents: what `contents.scan` found in it.
        host: name of the machine that composed it, which must be in no file that is not a package's.
    """
    return [
        *rights(system),
        *leftovers(system),
        *traces(system, host),
        *_secrets(image, system, contents),
    ]


def rights(system: System) -> Iterator[Finding]:
    """Modes, owners and attributes that give somebody more than files usually do."""
    users, groups = set(system.users.values()), set(system.groups.values())
    for path, node in system.tree.walk():
        for kind in special_kinds(node):
            word = kind.partition("=")[0]
            meaning = _EXPLAINED.get(word, f"is a {node.type.value} device or the like; those are made at run time")
            check = word.removesuffix("-sticky") if word in _EXPLAINED else "device"
            yield Finding(check, f"/{path}", f"{meaning} ({kind}, mode {node.mode:04o}, owner {node.uid}:{node.gid})")
        if node.uid not in users or node.gid not in groups:
            yield Finding("unowned", f"/{path}", f"is of {node.uid}:{node.gid}, which no account has")
        yield from _attributes(path, node)


def _attributes(path: str, node: Node) -> Iterator[Finding]:
    for name in sorted(node.xattrs):
        if name in _ACLS:
            yield Finding("acl", f"/{path}", f"has an access control list ({name}); modes say less than is granted")
        elif name not in _KNOWN_XATTRS:
            yield Finding("xattr", f"/{path}", f"has the extended attribute {name}")


def leftovers(system: System) -> Iterator[Finding]:
    """Files that programs leave while a system is installed or runs."""
    for path, node in system.tree.walk():
        # A directory is a place for later; so is a link to one.
        if node.type in (NodeType.DIRECTORY, NodeType.SYMLINK):
            continue
        for check, patterns in _LEFTOVERS.items():
            if any(fnmatchcase(path, pattern) for pattern in patterns) and path not in system.owners:
                yield Finding(check, f"/{path}", _MEANINGS[check])
        if path.startswith("var/log/") and node.type is NodeType.FILE and node.size and path not in system.owners:
            yield Finding("log", f"/{path}", f"is a log of {node.size} bytes; logs begin at first boot")
    identity = system.tree.get("etc/machine-id")
    if identity is None:
        yield Finding("machine-state", "/etc/machine-id", "is missing; systemd needs an empty file to mount one over")
    elif identity.size:
        yield Finding(
            "machine-state", "/etc/machine-id", f"has {identity.size} bytes; every machine would have this id"
        )


def traces(system: System, host: str) -> Iterator[Finding]:
    """The name of the machine that composed the image, in files that no package determines."""
    own = {system.text("etc/hostname").strip(), "localhost"}
    if len(host) < _NAME_MIN or host in own:
        return
    word = re.compile(rb"(?<![A-Za-z0-9])" + re.escape(host.encode()) + rb"(?![A-Za-z0-9])")
    for path in sorted(system.foreign):
        if word.search(system.data(system.tree[path])):
            yield Finding("build-trace", f"/{path}", f"names the machine {host!r}, which composed the image")


def _secrets(image: Image, system: System, contents: Mapping[tuple[str, str], Content]) -> Iterator[Finding]:
    for volume in image.volumes:
        for path, _ in volume.tree.walk() if volume.tree is not None else ():
            content = contents.get((volume.name, path))
            where = f"/{path}" if volume.name == system.name else place(volume.name, path)
            for header in content.private_keys if content else ():
                yield Finding("private-key", where, f"has a private key in it ({header!r})")
            for trace in content.build_places if content else ():
                yield Finding("build-trace", where, f"names a folder of the build: {shown(trace)}")
