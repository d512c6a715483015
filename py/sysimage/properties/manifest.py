r"""All files of an image as mtree(5): each as it is, except those that are as their package has them.

A package's files are pinned already (the lock has the package's hash), and a security update changes hundreds of them.
So an entry is left out when a package owns it, its content is the one of dpkg's record, it is of root, and has neither
a special mode nor extended attributes. What nobody could see then, a changed mode or link among those, changes
the comment line of the package: it has the number of files and links left out and a digest of their paths, types, modes
and targets. Files that follow from others or from a stamp (`volatile`) have no size and no digest.

    #mtree
    # package bash: 42 files as packaged, attributes 0b1d9c...
    /set type=file uid=0 gid=0 mode=0644
    ./A_root/etc/fstab size=1117 sha256digest=6ac1...
    # xattr security.capability=cap_net_raw+ep
    ./A_root/usr/bin/ping mode=0755 size=...

Names are written as vis(3) does: a byte that is not printable ASCII, a blank, `#`, `=`, `*`, `?`, `[` or a backslash
as `\` and three octal digits.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from sysimage.errors import UserError
from sysimage.inspection import Image
from sysimage.properties.capabilities import XATTR, capability_text
from sysimage.properties.contents import Content
from sysimage.properties.system import DPKG, System
from sysimage.tree import Node, NodeType, encode, join

SIGNATURE = "#mtree"
_DEFAULTS = {"type": "file", "uid": "0", "gid": "0", "mode": "0644"}
_SET = "/set " + " ".join(f"{key}={value}" for key, value in _DEFAULTS.items())
_PLAIN_MODES = {NodeType.FILE: (0o644, 0o755), NodeType.DIRECTORY: (0o755,), NodeType.SYMLINK: (0o777,)}
_QUOTED = frozenset(b" \\#=*?[")
_DIGEST_SHOWN = 16  # digits of a package's digest: a change shows, nobody is defended against
_PACKAGE = re.compile(r"# package (\S+): (.*)")
_XATTR = re.compile(r"# xattr (\S+)")
_TOLD = 40  # differences that a report shows in full


@dataclass(frozen=True, slots=True)
class Manifest:
    """Entries by name, each with its keywords; what is said of packages, by their names."""

    entries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)


def make(
    image: Image, system: System, contents: Mapping[tuple[str, str], Content], volatile: Collection[str]
) -> Manifest:
    """The manifest of an image.

    Args:
        image: the image.
        system: the root filesystem on it.
        contents: what `contents.scan` found.
        volatile: files whose content is not recorded, each VOLUME:PATH.

    Raises:
        UserError: a volatile file is not there.
    """
    entries: dict[str, Mapping[str, str]] = {}
    left_out: dict[str, list[str]] = {}
    pending = set(volatile)
    for volume in image.volumes:
        for path, node in volume.tree.walk() if volume.tree is not None else ():
            assert volume.tree is not None
            place = f"{volume.name}:{path}"
            pending.discard(place)
            if volume.name == system.name and _as_packaged(system, path, node):
                # Directories are of many packages; which of them counts one would change with any of them.
                if node.type is not NodeType.DIRECTORY:
                    left_out.setdefault(system.owners[path], []).append(_attributes(path, node))
                continue
            known = contents.get((volume.name, path)) if place not in volatile else None
            links = volume.tree.links(path) if node.type is not NodeType.DIRECTORY else [path]
            entries["./" + quote(join(volume.name, path))] = dict(_keywords(node, known, len(links)))
    if pending:
        raise UserError(f"{min(pending)} is named as volatile, and is no file of the image")
    packages = {name: _summary(lines) for name, lines in sorted(left_out.items())}
    return Manifest(entries, packages)


def _summary(attributes: list[str]) -> str:
    digest = hashlib.sha256(encode("\n".join(attributes))).hexdigest()
    return f"{len(attributes)} files as packaged, attributes {digest[:_DIGEST_SHOWN]}"


def _as_packaged(system: System, path: str, node: Node) -> bool:
    if (
        path not in system.owners
        or node.uid
        or node.gid
        or node.xattrs
        or node.mode not in _PLAIN_MODES.get(node.type, ())
    ):
        return False
    # dpkg's own records of a package follow from it.
    return node.type is not NodeType.FILE or path.startswith(join(DPKG, "info")) or path not in system.foreign


def _attributes(path: str, node: Node) -> str:
    return f"{path}\0{node.type.value}\0{node.mode:04o}\0{node.target}"


def _keywords(node: Node, content: Content | None, links: int) -> Iterator[tuple[str, str]]:
    values = {"type": node.type.value, "uid": str(node.uid), "gid": str(node.gid), "mode": f"{node.mode:04o}"}
    for key, value in values.items():
        if value != _DEFAULTS[key]:
            yield key, value
    if links > 1:
        yield "nlink", str(links)
    if node.type is NodeType.SYMLINK:
        yield "link", quote(node.target)
    if node.type in (NodeType.CHARACTER, NodeType.BLOCK):
        yield "device", f"linux,{node.device[0]},{node.device[1]}"
    if node.content is not None and content is not None:
        yield "size", str(node.size)
        yield "sha256digest", content.sha256
    for name in sorted(node.xattrs):
        data = node.xattrs[name]
        yield f"xattr {name}", capability_text(data) if name == XATTR else data.hex()


def quote(text: str) -> str:
    """A name as vis(3) writes it."""
    return "".join(
        chr(byte) if 0x20 < byte < 0x7F and byte not in _QUOTED else f"\\{byte:03o}" for byte in encode(text)
    )


def dump(manifest: Manifest) -> str:
    """The manifest as text; extended attributes are comments before their entry."""
    lines = [SIGNATURE, *(f"# package {name}: {text}" for name, text in manifest.packages.items()), _SET]
    for name, keywords in manifest.entries.items():
        lines += [f"# {key}={value.replace(' ', '_')}" for key, value in keywords.items() if key.startswith("xattr ")]
        lines.append(
            " ".join([name, *(f"{key}={value}" for key, value in keywords.items() if not key.startswith("xattr "))])
        )
    return "\n".join(lines) + "\n"


def parse(text: str, origin: str) -> Manifest:
    """Reads what `dump` wrote.

    Raises:
        UserError: it is something else.
    """
    lines = text.splitlines()
    if not lines or lines[0] != SIGNATURE:
        raise UserError(f"{origin} does not begin with {SIGNATURE}", "it is written by the update command of its test")
    entries: dict[str, Mapping[str, str]] = {}
    packages: dict[str, str] = {}
    xattrs: dict[str, str] = {}
    for number, line in enumerate(lines[1:], 2):
        if found := _PACKAGE.fullmatch(line):
            packages[found[1]] = found[2]
        elif found := _XATTR.fullmatch(line):
            key, _, value = found[1].partition("=")
            xattrs[f"xattr {key}"] = value
        elif line.startswith("./"):
            name, *words = line.split(" ")
            pairs = [word.partition("=") for word in words]
            if not all(separator for _, separator, _ in pairs) or name in entries:
                raise UserError(f"{origin}:{number}: this is no entry, or one that came before: {line!r}")
            entries[name] = {key: value for key, _, value in pairs} | xattrs
            xattrs = {}
        elif line != _SET:
            raise UserError(f"{origin}:{number}: this is no line of a manifest: {line!r}")
    return Manifest(entries, packages)


def differences(reviewed: Manifest, found: Manifest) -> list[str]:
    """What changed, for people: `+` is new, `-` is gone, `~` has other attributes or another content."""
    lines = [*_changes(reviewed, found)]
    for name in sorted({*reviewed.packages, *found.packages}):
        before, after = reviewed.packages.get(name), found.packages.get(name)
        if before is None or after is None:
            lines.append(f"{'+' if before is None else '-'} package {name}: {after or before}")
        elif before != after:
            lines.append(f"~ package {name}: {before} -> {after}")
    if len(lines) > _TOLD:
        lines[_TOLD:] = [f"... and {len(lines) - _TOLD} more"]
    return lines


def _changes(reviewed: Manifest, found: Manifest) -> Iterator[str]:
    for name in sorted({*reviewed.entries, *found.entries}):
        before, after = reviewed.entries.get(name), found.entries.get(name)
        if before is None or after is None:
            keywords = after if before is None else before
            shown = {**_DEFAULTS, **(keywords or {})}
            told = [f"{key}={_short(key, value)}" for key, value in shown.items()]
            yield f"{'+' if before is None else '-'} {name} {' '.join(told)}"
            continue
        pairs = {key: (_value(before, key), _value(after, key)) for key in sorted({*before, *after})}
        changes = [f"{key} {_short(key, old)} -> {_short(key, new)}" for key, (old, new) in pairs.items() if old != new]
        if changes:
            yield f"~ {name}: {', '.join(changes)}"


def _value(keywords: Mapping[str, str], key: str) -> str:
    return keywords.get(key, _DEFAULTS.get(key, "none"))


def _short(key: str, value: str) -> str:
    return value[:_DIGEST_SHOWN] + "..." if key == "sha256digest" and len(value) > _DIGEST_SHOWN else value
