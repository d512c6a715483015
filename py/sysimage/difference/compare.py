"""The differences of two trees: one that we composed, one that a foreign program made.

Everything that an inode has is compared, but not times: a real install stamps what its scripts
write with the clock, and what our writers stamp is tested elsewhere.
"""

import difflib
import enum
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.tree import Node, NodeType, Tree

CHUNK = 1 << 20  # bytes compared at once
TEXT_MAX = 1 << 20  # bytes; larger files are told apart by size and hash alone
DIFF_LINES = 40  # lines of a unified diff that are shown


class Kind(enum.Enum):
    """What differs; the value is the word in reviewed lists. Missing and extra are seen from our side."""

    MISSING = "missing"
    EXTRA = "extra"
    TYPE = "type"
    MODE = "mode"
    OWNER = "owner"
    LINK_TARGET = "link-target"
    HARD_LINK = "hard-link"
    DEVICE = "device"
    XATTR = "xattr"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that tells two trees apart.

    path is a tree path; ours and theirs are both values in words; detail is a unified diff
    (from theirs to ours) where the contents are text.
    """

    path: str
    kind: Kind
    ours: str
    theirs: str
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """A tree with all that is needed to tell what is in it.

    sources hold its contents; users and groups are the names of the numbers that it uses.
    """

    tree: Tree
    sources: Sources
    users: Mapping[int, str] = field(default_factory=dict)
    groups: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: Tree, sources: Sources) -> Self:
        """A root filesystem, whose /etc/passwd and /etc/group name its numbers; without them no number has a name."""
        return cls(tree, sources, _names(tree, sources, "etc/passwd"), _names(tree, sources, "etc/group"))

    def owner(self, node: Node) -> str:
        """Owner and group in words: `0:42 (root:shadow)`."""
        return f"{node.uid}:{node.gid} ({self.users.get(node.uid, '?')}:{self.groups.get(node.gid, '?')})"

    def read(self, content: ExtentMap) -> bytes:
        """All of a content."""
        return ImageReader(content, self.sources).read(0, content.size)


def _names(tree: Tree, sources: Sources, path: str) -> dict[int, str]:
    """Number to name out of passwd or group; of several names the first, which is what programs show."""
    if path not in tree:
        return {}
    names: dict[int, str] = {}
    for line in tree.read(path, sources).decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdigit():
            names.setdefault(int(fields[2]), fields[0])
    return names


def compare(ours: Side, theirs: Side) -> list[Difference]:
    """All differences, in walking order of the paths; at one path in the order of `Kind`.

    Where the types differ nothing else of that entry is compared. Hard links count among the paths that both trees
    have, so that a missing path is not reported again at the other links of its inode.
    """
    found: list[Difference] = []
    paths = {path: None for side in (ours, theirs) for path, _ in side.tree.walk()}
    for path in sorted(paths, key=lambda path: path.encode("utf-8", "surrogateescape").split(b"/")):
        one, other = ours.tree.get(path), theirs.tree.get(path)
        if other is None and one is not None:
            found.append(Difference(path, Kind.EXTRA, _describe(ours, one), "nothing"))
        elif one is None and other is not None:
            found.append(Difference(path, Kind.MISSING, "nothing", _describe(theirs, other)))
        elif one is not None and other is not None:
            found += _of_entry(path, ours, one, theirs, other)
    return found


def _of_entry(path: str, ours: Side, one: Node, theirs: Side, other: Node) -> Iterator[Difference]:
    if one.type is not other.type:
        yield Difference(path, Kind.TYPE, _describe(ours, one), _describe(theirs, other))
        return
    # The mode of a symbolic link means nothing, and is 0777 on Linux.
    if one.mode != other.mode and one.type is not NodeType.SYMLINK:
        yield Difference(path, Kind.MODE, f"{one.mode:04o}", f"{other.mode:04o}")
    if ours.owner(one) != theirs.owner(other):
        yield Difference(path, Kind.OWNER, ours.owner(one), theirs.owner(other))
    if one.target != other.target:
        yield Difference(path, Kind.LINK_TARGET, one.target, other.target)
    links = [_other_links(path, ours.tree, theirs.tree), _other_links(path, theirs.tree, ours.tree)]
    if links[0] != links[1]:
        here, there = (" ".join(each) or "no other name" for each in links)
        yield Difference(path, Kind.HARD_LINK, here, there)
    if one.device != other.device:
        here, there = (f"{major}:{minor}" for major, minor in (one.device, other.device))
        yield Difference(path, Kind.DEVICE, here, there)
    if dict(one.xattrs) != dict(other.xattrs):
        yield Difference(path, Kind.XATTR, _xattrs(one, other), _xattrs(other, one))
    if one.content is not None and other.content is not None and not _equal(ours, one.content, theirs, other.content):
        yield _of_content(path, ours, one.content, theirs, other.content)


def _describe(side: Side, node: Node) -> str:
    words = {
        NodeType.DIRECTORY: "directory",
        NodeType.SYMLINK: "symbolic link",
        NodeType.CHARACTER: "character device",
        NodeType.BLOCK: "block device",
    }
    what = words.get(node.type, node.type.value)
    if node.type is NodeType.SYMLINK:
        return f"{what} to {node.target}"
    if node.type in (NodeType.CHARACTER, NodeType.BLOCK):
        what += f" {node.device[0]}:{node.device[1]}"
    size = f", {node.size} bytes" if node.content is not None else ""
    return f"{what} {node.mode:04o} {side.owner(node)}{size}"


def _other_links(path: str, tree: Tree, other: Tree) -> list[str]:
    links = tree.links(path)
    return [f"/{link}" for link in links if link != path and link in other] if len(links) > 1 else []


def _xattrs(node: Node, other: Node) -> str:
    """The attributes that the other node lacks, or has with another value."""
    names = sorted(name for name in {*node.xattrs, *other.xattrs} if node.xattrs.get(name) != other.xattrs.get(name))
    return ", ".join(f"{name}=0x{node.xattrs[name].hex()}" if name in node.xattrs else f"no {name}" for name in names)


def _equal(ours: Side, one: ExtentMap, theirs: Side, other: ExtentMap) -> bool:
    if one.size != other.size:
        return False
    readers = ImageReader(one, ours.sources), ImageReader(other, theirs.sources)
    return all(
        readers[0].read(offset, min(CHUNK, one.size - offset)) == readers[1].read(offset, min(CHUNK, one.size - offset))
        for offset in range(0, one.size, CHUNK)
    )


def _of_content(path: str, ours: Side, one: ExtentMap, theirs: Side, other: ExtentMap) -> Difference:
    detail: tuple[str, ...] = ()
    texts = [_text(theirs, other), _text(ours, one)]
    if texts[0] is not None and texts[1] is not None:
        # Without a context of names: what is on which side the report says.
        lines = [*difflib.unified_diff(texts[0], texts[1], n=1, lineterm="")][2:]
        more = len(lines) - DIFF_LINES
        detail = (*lines[:DIFF_LINES], *([f"... and {more} lines more"] if more > 0 else []))
    return Difference(path, Kind.CONTENT, _sum(ours, one), _sum(theirs, other), detail)


def _text(side: Side, content: ExtentMap) -> list[str] | None:
    """The lines, if it is text of a size that one would look at."""
    if content.size > TEXT_MAX:
        return None
    try:
        text = side.read(content).decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    lines = text.split("\n")
    if lines[-1]:
        lines[-1] += "  (no newline at the end)"
    else:
        lines.pop()
    return lines


def _sum(side: Side, content: ExtentMap) -> str:
    digest = hashlib.sha256()
    reader = ImageReader(content, side.sources)
    for offset in range(0, content.size, CHUNK):
        digest.update(reader.read(offset, min(CHUNK, content.size - offset)))
    return f"{content.size} bytes, sha256 {digest.hexdigest()[:16]}..."
