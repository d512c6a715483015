"""What an image promises, as lines of text that a reviewer can read and a test can compare.

One property a line, sorted within its kind, so that a change of the image shows up as a
few changed lines beside the change that caused it. Sizes, hashes and contents are left out:
they change with every update and say nothing to a reader.
"""

from collections.abc import Iterator

from sysimage.errors import UserError
from sysimage.inspection import Image, Volume
from sysimage.tree import Node, NodeType, Tree, basename, join

SECTOR = 512
SETUID, SETGID, STICKY, WORLD_WRITABLE = 0o4000, 0o2000, 0o1000, 0o002
_UNIT_FOLDER = "etc/systemd/system"
_STATUS = "var/lib/dpkg/status"


def properties(image: Image) -> list[str]:
    """The lines for a disk image: its partitions, then each root filesystem on it.

    Raises:
        UserError: the image has no partition table, or a root filesystem without accounts.
    """
    lines = [*_disk(image)]
    for volume in image.volumes:
        if volume.tree is not None and "etc/passwd" in volume.tree:
            lines += ["", f"# {volume.name}"]
            for part in (_accounts, _modes, _units, _packages):
                lines += ["", *part(image, volume, volume.tree)]
    return lines


def _disk(image: Image) -> Iterator[str]:
    if image.table is None:
        raise UserError("the image has no GUID partition table")
    yield f"disk {image.table['disk_guid']} {image.reader.size} bytes"
    for entry in sorted(image.table["partitions"], key=lambda entry: entry["number"]):
        volume = image[entry["name"]]
        protection = " dm-verity" if volume.verity is not None else ""
        label = f' "{volume.label}"' if volume.label else ""
        yield (
            f"partition {entry['number']} {entry['name']} start {entry['first']} size {entry['bytes'] // SECTOR} "
            f"type {entry['type']} guid {entry['guid']} {volume.content}{label}{protection}"
        )


def _accounts(image: Image, volume: Volume, _tree: Tree) -> Iterator[str]:
    passwords = {row[0]: row[1] for row in _rows(image, volume, "etc/shadow")}
    for name, _, uid, gid, _, home, shell in _rows(image, volume, "etc/passwd", 7):
        password = passwords.get(name, "")
        kind = "locked" if password.startswith(("!", "*")) else "password" if password else "NO PASSWORD"
        yield f"user {name} {uid}:{gid} {home} {shell} {kind}"
    for name, _, gid, members in _rows(image, volume, "etc/group", 4):
        yield f"group {name} {gid}{' ' + members if members else ''}"


def _rows(image: Image, volume: Volume, path: str, fields: int = 2) -> list[list[str]]:
    rows = [line.split(":") for line in image.read(f"{volume.name}:{path}").decode().splitlines()]
    for number, row in enumerate(rows, 1):
        if len(row) < fields:
            raise UserError(f"/{path} of {volume.name}: line {number} has {len(row)} fields, {fields} are expected")
    return sorted(rows)


def _modes(_image: Image, _volume: Volume, tree: Tree) -> Iterator[str]:
    """Everything whose mode or kind gives somebody more than ownership says."""
    special: dict[str, list[str]] = {}
    for path, node in tree.walk():
        for kind in _kinds(node):
            special.setdefault(kind, []).append(f"{kind} /{path} {node.mode:04o} {node.uid}:{node.gid}")
    for kind in sorted(special):
        yield from special[kind]


def _kinds(node: Node) -> Iterator[str]:
    if node.type is NodeType.FILE:
        if node.mode & SETUID:
            yield "setuid"
        if node.mode & SETGID:
            yield "setgid"
    if "security.capability" in node.xattrs:
        yield f"capability={node.xattrs['security.capability'].hex()}"
    if node.type is not NodeType.SYMLINK and node.mode & WORLD_WRITABLE:
        yield "world-writable" if not node.mode & STICKY else "world-writable-sticky"
    if node.type not in (NodeType.FILE, NodeType.DIRECTORY, NodeType.SYMLINK):
        yield node.type.value


def _units(_image: Image, _volume: Volume, tree: Tree) -> Iterator[str]:
    """Units that are enabled, masked, or written here."""
    if not tree.is_directory(_UNIT_FOLDER):
        return
    for path, node in tree.walk(_UNIT_FOLDER):
        name = path[len(_UNIT_FOLDER) + 1 :]
        if node.type is NodeType.SYMLINK and node.target == "/dev/null":
            yield f"unit {name} masked"
        elif node.type is NodeType.SYMLINK:
            target = basename(node.target)
            masked = tree.get(join(_UNIT_FOLDER, target))
            # A masked unit may still be wanted; that starts nothing.
            if masked is None or masked.target != "/dev/null":
                yield f"unit {name} -> {target}" if target != basename(name) else f"unit {name}"
        elif node.type is NodeType.FILE:
            yield f"unit {name} local"


def _packages(image: Image, volume: Volume, tree: Tree) -> Iterator[str]:
    if _STATUS not in tree:
        return
    status = image.read(f"{volume.name}:{_STATUS}").decode()
    names = sorted(line.partition(": ")[2] for line in status.splitlines() if line.startswith("Package: "))
    for name in names:
        yield f"package {name}"
