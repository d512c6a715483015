"""What an image promises, as lines of text that a reviewer can read and a test can compare.

One property a line, sorted within its kind, so that a change of the image shows up as a
few changed lines beside the change that caused it. Sizes, hashes and contents are left out:
they change with every update and say nothing to a reader.
"""

from collections.abc import Iterator

from sysimage.errors import UserError
from sysimage.inspection import Image, Volume
from sysimage.properties.capabilities import XATTR, capability_text
from sysimage.properties.system import DPKG, System
from sysimage.tree import Node, NodeType, Tree, basename, join

SECTOR = 512
SETUID, SETGID, STICKY, WORLD_WRITABLE = 0o4000, 0o2000, 0o1000, 0o002
_OWN_UNITS, _UNITS = "etc/systemd/system", "usr/lib/systemd/system"
_DEPENDENCIES = (".wants", ".requires", ".upholds")
# Folders of what systemd and udev run or apply by itself, in the order in which names win, and what a line calls it.
_DROPPED = (
    ("generator", ("etc/systemd/system-generators", "usr/lib/systemd/system-generators")),
    ("udev rules", ("etc/udev/rules.d",)),
    ("tmpfiles", ("etc/tmpfiles.d",)),
    ("modules", ("etc/modules-load.d",)),
)
_SYSCTL = ("etc/sysctl.d", "usr/lib/sysctl.d")
_CRON = (
    "etc/cron.d",
    "etc/cron.hourly",
    "etc/cron.daily",
    "etc/cron.weekly",
    "etc/cron.monthly",
    "var/spool/cron/crontabs",
)


def properties(image: Image) -> list[str]:
    """The lines for a disk image: its partitions and logical volumes, then each root filesystem on it.

    Raises:
        UserError: the image has no partition table, or a root filesystem without accounts.
    """
    lines = [*_disk(image)]
    for volume in image.volumes:
        if volume.tree is not None and "etc/passwd" in volume.tree:
            system = System(volume.name, volume.tree, image.reader.sources)
            lines += ["", f"# {volume.name}"]
            for part in (_accounts, _modes, _units, _rules, _packages):
                lines += ["", *part(system)]
    return lines


def _disk(image: Image) -> Iterator[str]:
    if image.table is None:
        raise UserError("the image has no GUID partition table")
    yield f"disk {image.table['disk_guid']} {image.reader.size} bytes"
    for entry in sorted(image.table["partitions"], key=lambda entry: entry["number"]):
        volume = image[entry["name"]]
        yield (
            f"partition {entry['number']} {entry['name']} start {entry['first']} size {entry['bytes'] // SECTOR} "
            f"type {entry['type']} guid {entry['guid']} {_content(volume)}"
        )
    for volume in image.held():
        if image.held(volume.name):
            yield from _group(image, volume)


def _content(volume: Volume) -> str:
    protection = " dm-verity" if volume.verity is not None else ""
    label = f' "{volume.label}"' if volume.label else ""
    return f"{volume.content}{label}{protection}"


def _group(image: Image, volume: Volume) -> Iterator[str]:
    """An LVM physical volume: its group, then its volumes in the order of the metadata."""
    fields = volume.details
    extent, start = fields["extent_bytes"], fields["pe_start"]
    yield (
        f"volume-group {fields['vg']} on {volume.name} uuid {fields['uuid']} pv {fields['pv_uuid']} "
        f"extents {fields['extents']} of {extent} from {start}"
    )
    for row in fields["volumes"]:
        held = image[join(volume.name, row["name"])]
        yield (
            f"volume {held.name} extent {(held.offset - volume.offset - start) // extent} "
            f"extents {row['bytes'] // extent} uuid {row['uuid']} {_content(held)}"
        )


def _accounts(system: System) -> Iterator[str]:
    passwords = {row[0]: row[1] for row in system.rows("etc/shadow", 2)}
    for name, _, uid, gid, _, home, shell in system.rows("etc/passwd", 7):
        password = passwords.get(name, "")
        kind = "locked" if password.startswith(("!", "*")) else "password" if password else "NO PASSWORD"
        yield f"user {name} {uid}:{gid} {home} {shell} {kind}"
    for name, _, gid, members in system.rows("etc/group", 4):
        yield f"group {name} {gid}{' ' + members if members else ''}"


def _modes(system: System) -> Iterator[str]:
    """Everything whose mode or kind gives somebody more than ownership says."""
    special: dict[str, list[str]] = {}
    for path, node in system.tree.walk():
        for kind in special_kinds(node):
            special.setdefault(kind, []).append(f"{kind} /{path} {node.mode:04o} {node.uid}:{node.gid}")
    for kind in sorted(special):
        yield from special[kind]


def special_kinds(node: Node) -> Iterator[str]:
    """In which ways an inode gives somebody more than ownership says: `setuid`, `capability=cap_net_raw+ep`, ..."""
    if node.type is NodeType.FILE:
        if node.mode & SETUID:
            yield "setuid"
        if node.mode & SETGID:
            yield "setgid"
    if XATTR in node.xattrs:
        yield f"capability={capability_text(node.xattrs[XATTR])}"
    if node.type is not NodeType.SYMLINK and node.mode & WORLD_WRITABLE:
        yield "world-writable" if not node.mode & STICKY else "world-writable-sticky"
    if node.type not in (NodeType.FILE, NodeType.DIRECTORY, NodeType.SYMLINK):
        yield node.type.value


def _units(system: System) -> Iterator[str]:
    """Units that are enabled, masked, or written here; then those that packages enable by themselves."""
    tree = system.tree
    if not tree.is_directory(_OWN_UNITS):
        return
    for path, node in tree.walk(_OWN_UNITS):
        name = path[len(_OWN_UNITS) + 1 :]
        if node.type is NodeType.SYMLINK and node.target == "/dev/null":
            yield f"unit {name} masked"
        elif node.type is NodeType.SYMLINK:
            target = basename(node.target)
            # A masked unit may still be wanted; that starts nothing.
            if not _is_masked(tree, target):
                yield f"unit {name} -> {target}" if target != basename(name) else f"unit {name}"
        elif node.type is NodeType.FILE:
            yield f"unit {name} local"
    yield from _static_units(tree)


def _static_units(tree: Tree) -> Iterator[str]:
    for folder in tree.children(_UNITS) if tree.is_directory(_UNITS) else ():
        if not folder.endswith(_DEPENDENCIES):
            continue
        for name in tree.children(join(_UNITS, folder)):
            if not _is_masked(tree, name):
                yield f"unit {folder}/{name} static"


def _is_masked(tree: Tree, name: str) -> bool:
    own = tree.get(join(_OWN_UNITS, name)) or tree.get(join(_UNITS, name))
    return own is not None and own.target == "/dev/null"


def _rules(system: System) -> Iterator[str]:
    """What else acts without being asked: generators, rules, kernel variables, and who may become who."""
    for what, folders in _DROPPED:
        seen: set[str] = set()
        for path in system.files(*folders):
            name = basename(path)
            if name in seen:
                continue
            seen.add(name)
            yield f"{what} {name} masked" if system.tree[path].target == "/dev/null" else f"{what} /{path}"
    seen = set()
    for path in system.files(*_SYSCTL, suffix=".conf"):
        # A file of the same name in /etc stands for the package's.
        if basename(path) not in seen:
            seen.add(basename(path))
            for _, line in system.lines(path):
                yield f"sysctl /{path}: {' '.join(line.split())}"
    for path in ("etc/sudoers", *system.files("etc/sudoers.d")):
        for _, line in system.lines(path):
            yield f"sudo /{path}: {' '.join(line.split())}"
    for path in system.files(*_CRON):
        yield f"cron /{path}"


def _packages(system: System) -> Iterator[str]:
    status = system.text(join(DPKG, "status"))
    names = sorted(line.partition(": ")[2] for line in status.splitlines() if line.startswith("Package: "))
    for name in names:
        yield f"package {name}"
