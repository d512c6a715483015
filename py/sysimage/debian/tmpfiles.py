"""tmpfiles.d: what `systemd-tmpfiles --create FILE...` makes in a root that is not running.

Paths on file systems of the running system (/run, /tmp, /dev, /proc, /sys) are none of the
image's, and lines for boot alone (`!`) are left to the boot. Lines that only take
something away, or set what a tree does not hold (file attributes, ACLs: set again at every boot),
do nothing here. Source: tmpfiles.d(5).
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from sysimage import tree as t
from sysimage.debian.accounts import group_ids, user_ids
from sysimage.debian.root import Root
from sysimage.errors import UserError
from sysimage.text import is_decimal

DIRECTORIES = ("etc/tmpfiles.d", "usr/lib/tmpfiles.d")
_RUNTIME = ("/run/", "/tmp/", "/dev/", "/proc/", "/sys/", "/var/run/", "/var/lock/")
_NOTHING = set("xXrRhHaAtTpbce")
_KNOWN = set("dDvqQfFwLCzZ") | _NOTHING
_MODIFIERS = set("!-=~^$+?")
_MODE = re.compile("[0-7]{1,5}")


@dataclass(frozen=True, slots=True)
class Line:
    """One line; mode, user and group may begin with `:` (only for what is new) or `~` (mode only: masked)."""

    kind: str
    modifiers: str
    path: str
    mode: str = ""
    user: str = ""
    group: str = ""
    age: str = ""
    argument: str = ""


def parse(text: str, origin: str) -> list[Line]:
    """The lines of a tmpfiles.d file.

    Raises:
        UserError: a line that is not understood; `origin` names the file.
    """
    lines = []
    for number, text_line in enumerate(text.splitlines(), 1):
        stripped = text_line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        words = stripped.split(None, 6)
        kind, modifiers = words[0][0], words[0][1:]
        if len(words) < 2 or kind not in _KNOWN or set(modifiers) - _MODIFIERS:
            raise UserError(f"{origin}:{number}: not understood as tmpfiles.d(5): {text_line!r}")
        try:
            path = shlex.split(words[1])[0]
        except (ValueError, IndexError):
            raise UserError(f"{origin}:{number}: a path that is no word: {text_line!r}") from None
        rest = ["" if word == "-" else word for word in words[2:]]
        lines.append(Line(kind, modifiers, path, *rest))
    return lines


def create(root: Root, names: Sequence[str]) -> None:
    """Applies the named files.

    Raises:
        UserError: a file is missing or not understood, an account does not exist, something is in the way.
    """
    users = {name: uid for name, (uid, _) in user_ids(root).items()}
    groups = group_ids(root)
    seen: set[str] = set()
    for name in names:
        for folder in DIRECTORIES:
            origin = f"/{folder}/{name}"
            if root.is_file(origin):
                break
        else:
            raise UserError(f"tmpfiles.d file {name!r} does not exist")
        for line in parse(root.text(origin), origin):
            runtime = (line.path.rstrip("/") + "/").startswith(_RUNTIME) and line.path not in ("/tmp", "/run")
            if line.kind in _NOTHING or "!" in line.modifiers or "^" in line.modifiers or runtime or "%" in line.path:
                continue
            if line.kind not in "zZ":
                # Of several lines for one path the first counts.
                if line.path in seen:
                    continue
                seen.add(line.path)
            _apply(root, line, users, groups, origin)


def _apply(root: Root, line: Line, users: dict[str, int], groups: dict[str, int], origin: str) -> None:
    exists = root.get(line.path) is not None
    match line.kind:
        case "d" | "D" | "v" | "q" | "Q":
            root.directory(line.path)
            _attributes(root, line, users, groups, origin, new=not exists)
        case "f" | "F":
            if not exists or line.kind == "F" or "+" in line.modifiers:
                root.write(line.path, line.argument)
            _attributes(root, line, users, groups, origin, new=not exists)
        case "L":
            there = root.place(line.path) in root.tree
            if not there or "+" in line.modifiers:
                root.symlink(line.path, line.argument or f"/usr/share/factory{line.path}")
        case "C":
            _copy(root, line.argument or f"/usr/share/factory{line.path}", line.path)
            if root.get(line.path) is not None:
                _attributes(root, line, users, groups, origin, new=not exists)
        case "z" | "Z":
            if exists:
                _attributes(root, line, users, groups, origin, new=False)
        case "w":
            if exists:
                root.write(line.path, line.argument)


def _copy(root: Root, source: str, path: str) -> None:
    """`C`: copies a file or a directory with what is in it, unless something is there."""
    if root.get(path) is not None and not (root.is_directory(path) and not root.names(path)):
        return
    if root.is_file(source):
        root.copy(source, path)
    elif root.is_directory(source):
        top = root.resolve(source)
        place = root.resolve(path)
        for each, node in list(root.tree.walk(top)):
            target = t.join(place, each[len(top) + 1 :])
            root.directory(t.parent(target))
            root.tree.put(target, node)


def _attributes(root: Root, line: Line, users: dict[str, int], groups: dict[str, int], origin: str, new: bool) -> None:
    node = root.get(line.path)
    if node is None:
        return
    mode = node.mode
    text = line.mode
    if text and (new or not text.startswith(":")):
        digits = text.lstrip(":~")
        if not _MODE.fullmatch(digits):
            raise UserError(f"{origin}: {line.path} has the mode {text!r}")
        mode = int(digits, 8)
        if text.startswith("~"):
            mode = _masked(mode, node)
    uid = _id(line.user, users, "user", origin, node.uid, new)
    gid = _id(line.group, groups, "group", origin, node.gid, new)
    if (mode, uid, gid) != (node.mode, node.uid, node.gid):
        root.attributes(line.path, mode, uid, gid)


def _masked(mode: int, node: t.Node) -> int:
    """`~`: executable bits only where something is executable already, or a directory."""
    if node.type is t.NodeType.DIRECTORY or node.mode & 0o111:
        return mode
    return mode & ~0o111


def _id(text: str, numbers: dict[str, int], kind: str, origin: str, current: int, new: bool) -> int:
    name = text.removeprefix(":")
    if not name or (text.startswith(":") and not new):
        return current
    if is_decimal(name):
        return int(name)
    if name not in numbers:
        raise UserError(f"{origin}: {kind} {name!r} does not exist")
    return numbers[name]
