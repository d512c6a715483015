"""The file tree: what a root filesystem is, before it is any file system in particular.

Ownership, modes, device numbers and extended attributes are data here, never
state of the build machine. A path is relative to the root, with `/` between its
components and the root itself as the empty string; names are any bytes but `/`
and NUL, held as text with UTF-8 and surrogate escapes. A file's content is an
extent map (holes stay holes), so a tree of gigabytes is a few megabytes in memory.
"""

import dataclasses
import enum
import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources, parse_map
from sysimage.files import atomic_output
from sysimage.text import parse_json

FORMAT = "tree/1"
NAME_MAX = 255  # bytes in one component, as in ext4
PATH_MAX = 1 << 14  # characters of a path: four times what the kernel takes in one piece
MODE_MAX = 0o7777
MAX_SYMLINKS = 40  # as the kernel's MAXSYMLINKS
NANOSECONDS = 1_000_000_000


class NodeType(enum.Enum):
    """Kinds of inode; the value is what a tree file calls them (as mtree(5) does)."""

    FILE = "file"
    DIRECTORY = "dir"
    SYMLINK = "link"
    CHARACTER = "char"
    BLOCK = "block"
    FIFO = "fifo"
    SOCKET = "socket"

    @property
    def format_bits(self) -> int:
        """The S_IFMT bits of st_mode."""
        return _FORMAT_BITS[self]


_FORMAT_BITS = {
    NodeType.FILE: stat.S_IFREG,
    NodeType.DIRECTORY: stat.S_IFDIR,
    NodeType.SYMLINK: stat.S_IFLNK,
    NodeType.CHARACTER: stat.S_IFCHR,
    NodeType.BLOCK: stat.S_IFBLK,
    NodeType.FIFO: stat.S_IFIFO,
    NodeType.SOCKET: stat.S_IFSOCK,
}


@dataclass(frozen=True, slots=True)
class Node:
    """One inode.

    mode holds the twelve permission bits; mtime is in nanoseconds since 1970;
    content belongs to files, target to symbolic links, device (major, minor) to devices.
    """

    type: NodeType
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    content: ExtentMap | None = None
    target: str = ""
    device: tuple[int, int] = (0, 0)

    @property
    def size(self) -> int:
        """Bytes of content, or of the target's name."""
        if self.content is not None:
            return self.content.size
        return len(encode(self.target))

    @property
    def data(self) -> ExtentMap:
        """The content of a file; of anything else, nothing."""
        return self.content if self.content is not None else ExtentMap(0)


def directory(mode: int = 0o755, uid: int = 0, gid: int = 0, mtime: int = 0) -> Node:
    """A directory."""
    return Node(NodeType.DIRECTORY, mode, uid, gid, mtime)


def file(content: bytes | ExtentMap, mode: int = 0o644, uid: int = 0, gid: int = 0, mtime: int = 0) -> Node:
    """A regular file of the given bytes or map."""
    data = ExtentMap.of_bytes(content) if isinstance(content, bytes) else content
    return Node(NodeType.FILE, mode, uid, gid, mtime, content=data)


def symlink(target: str, uid: int = 0, gid: int = 0, mtime: int = 0) -> Node:
    """A symbolic link; its mode is 0777, as Linux has it."""
    return Node(NodeType.SYMLINK, 0o777, uid, gid, mtime, target=target)


def encode(text: str) -> bytes:
    """The bytes of a name or target."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """A name or target of any bytes, as text."""
    return data.decode("utf-8", "surrogateescape")


def parent(path: str) -> str:
    """The directory that a path lies in."""
    return path.rpartition("/")[0]


def basename(path: str) -> str:
    """The last component."""
    return path.rpartition("/")[2]


def join(*parts: str) -> str:
    """Components joined; empty ones (the root) vanish."""
    return "/".join(part for part in parts if part)


def normalize(path: str) -> str:
    """A tree path out of `/a//b/./c/`.

    Raises:
        UserError: the path has a `..`, which a tree path cannot mean.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UserError(f"path {path!r} contains '..'", hint="write the path that is meant")
    return "/".join(parts)


def _check_length(path: str) -> None:
    """Every path is kept as a whole, so what nests without end would take memory without end."""
    if len(path) > PATH_MAX:
        raise UserError(f"/{path[:40]}... has {len(path)} characters; a path has at most {PATH_MAX}")


class Tree:
    """Directories and inodes. A hard link is one inode under several paths.

    A new tree has its root directory (0755, 0:0) and nothing else.
    """

    def __init__(self, root: Node | None = None) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self._nodes: dict[int, Node] = {0: root if root is not None else directory()}
        self._links: dict[int, dict[str, None]] = {0: {"": None}}
        self._sorted_links: dict[int, list[str]] = {}  # of inodes with several, as far as they were asked for
        self._children: dict[str, dict[str, None]] = {"": {}}
        self._next = 1

    def __contains__(self, path: object) -> bool:
        return path in self._numbers

    def __len__(self) -> int:
        """Paths, the root among them."""
        return len(self._numbers)

    def __getitem__(self, path: str) -> Node:
        return self._nodes[self._numbers[path]]

    def get(self, path: str) -> Node | None:
        """The inode at a path, symbolic links not followed; None if there is none."""
        number = self._numbers.get(path)
        return None if number is None else self._nodes[number]

    def number(self, path: str) -> int:
        """A number that paths share exactly if they are the same inode."""
        return self._numbers[path]

    def links(self, path: str) -> list[str]:
        """All paths of the inode at `path`, sorted. The list is not the caller's to change."""
        number = self._numbers[path]
        paths = self._links[number]
        if len(paths) == 1:
            return [path]
        # Whoever walks over a file of ten thousands of names asks at each of them.
        if number not in self._sorted_links:
            self._sorted_links[number] = sorted(paths, key=encode)
        return self._sorted_links[number]

    def children(self, path: str) -> list[str]:
        """Names in a directory, sorted by their bytes."""
        return sorted(self._children[path], key=encode)

    def walk(self, top: str = "") -> Iterator[tuple[str, Node]]:
        """`top` and all below, directories before what is in them, siblings sorted by bytes."""
        pending = [top]
        while pending:
            path = pending.pop()
            node = self[path]
            yield path, node
            if node.type is NodeType.DIRECTORY:
                pending.extend(join(path, name) for name in reversed(self.children(path)))

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory at the path itself, links not followed."""
        node = self.get(path)
        return node is not None and node.type is NodeType.DIRECTORY

    def add(self, path: str, node: Node) -> None:
        """Puts a new inode at a path that is free.

        Raises:
            UserError: the path is taken, or what it would lie in is no directory, or the name is impossible.
        """
        self._place(path, self._next)
        self._nodes[self._next] = node
        self._links[self._next] = {path: None}
        self._next += 1
        if node.type is NodeType.DIRECTORY:
            self._children[path] = {}

    def link(self, path: str, existing: str) -> None:
        """Makes `path` a hard link to the inode at `existing`. Errors: as `add`."""
        node = self.get(existing)
        if node is None:
            raise UserError(f"/{path} is a hard link to /{existing}, which does not exist")
        if node.type is NodeType.DIRECTORY:
            raise UserError(f"/{path} is a hard link to /{existing}, which is a directory")
        number = self._numbers[existing]
        self._place(path, number)
        self._links[number][path] = None
        self._sorted_links.pop(number, None)

    def _place(self, path: str, number: int) -> None:
        name = basename(path)
        _check_length(path)
        if path in self._numbers:
            raise UserError(f"/{path} exists already")
        if not self.is_directory(parent(path)):
            what = "is not a directory" if parent(path) in self else "does not exist"
            raise UserError(f"/{path} cannot be placed: /{parent(path)} {what}")
        if name in ("", ".", "..") or "\0" in name or len(encode(name)) > NAME_MAX:
            raise UserError(
                f"{name!r} in /{parent(path)} is not a possible name (1 to {NAME_MAX} bytes, no '/', no NUL)"
            )
        self._numbers[path] = number
        self._children[parent(path)][name] = None

    def set(self, path: str, node: Node) -> None:
        """Replaces the inode at a path, for all its links; the kind may change unless a directory has content."""
        number = self._numbers[path]
        old = self._nodes[number]
        if old.type is NodeType.DIRECTORY and node.type is not NodeType.DIRECTORY:
            if self._children[path]:
                raise UserError(f"/{path} is a directory that is not empty; it cannot become a {node.type.value}")
            del self._children[path]
        if node.type is NodeType.DIRECTORY and old.type is not NodeType.DIRECTORY:
            if len(self._links[number]) > 1:
                raise UserError(f"/{path} has several hard links; it cannot become a directory")
            self._children[path] = {}
        self._nodes[number] = node

    def change(self, path: str, **fields: Any) -> None:
        """Changes fields of the inode at a path (`mode=`, `uid=`, ...), for all its links."""
        self.set(path, dataclasses.replace(self[path], **fields))

    def remove(self, path: str) -> None:
        """Removes a path, and all below it. The root cannot be removed."""
        if not path:
            raise UserError("the root directory cannot be removed")
        for name in self._children.get(path, {}).copy():
            self.remove(join(path, name))
        number = self._numbers.pop(path)
        self._children.pop(path, None)
        del self._children[parent(path)][basename(path)]
        del self._links[number][path]
        self._sorted_links.pop(number, None)
        if not self._links[number]:
            del self._links[number], self._nodes[number]

    def put(self, path: str, node: Node) -> None:
        """Places an inode as `cp` would: over another file it makes a new inode, over a directory it fails.

        A directory over a directory takes the new attributes and keeps its content. Missing
        parents are made (0755, 0:0, the time of `node`).

        Raises:
            UserError: a directory would replace something else, or something else a directory.
        """
        self.make_directories(parent(path), mtime=node.mtime)
        old = self.get(path)
        if old is None:
            self.add(path, node)
        elif old.type is NodeType.DIRECTORY and node.type is NodeType.DIRECTORY:
            self.set(path, node)
        elif old.type is NodeType.DIRECTORY or node.type is NodeType.DIRECTORY:
            raise UserError(f"/{path} is a {old.type.value}; a {node.type.value} cannot take its place")
        else:
            self.remove(path)
            self.add(path, node)

    def make_directories(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0, mtime: int = 0) -> None:
        """`mkdir -p`: makes what is missing; what is there stays as it is. Links on the way are not followed.

        Raises:
            UserError: something on the way is not a directory.
        """
        _check_length(path)
        missing = []
        while path not in self:
            missing.append(path)
            path = parent(path)
        if missing and not self.is_directory(path):
            raise UserError(f"/{missing[0]} cannot be made: /{path} is a {self[path].type.value}")
        for each in reversed(missing):
            self.add(each, directory(mode, uid, gid, mtime))

    def rename(self, old: str, new: str) -> None:
        """Moves a path, with all below it, to a free path whose parent exists."""
        if new == old or new.startswith(old + "/"):
            raise UserError(f"/{old} cannot be moved into itself (/{new})")
        moves = [(path, join(new, path[len(old) + 1 :])) for path, _ in self.walk(old)]
        self._place(new, self._numbers[old])
        for source, target in moves:
            number = self._numbers[source]
            self._numbers[target] = number
            del self._links[number][source]
            self._links[number][target] = None
            self._sorted_links.pop(number, None)
            if source in self._children:
                self._children[target] = self._children.pop(source)
            del self._numbers[source]
        del self._children[parent(old)][basename(old)]

    def resolve(self, path: str, follow_last: bool = True) -> str:
        """The path with every symbolic link on it followed, inside this tree as in a chroot.

        The result need not exist: what is missing is taken as written.

        Raises:
            UserError: links go round in a circle, or a path is too long.
        """
        _check_length(path)
        todo = path.split("/")[::-1]
        done: list[str] = []
        hops = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]
                continue
            here = "/".join([*done, part])
            node = self.get(here)
            if node is not None and node.type is NodeType.SYMLINK and (todo or follow_last):
                hops += 1
                if hops > MAX_SYMLINKS:
                    raise UserError(f"/{path.strip('/')} goes through too many symbolic links (at /{here})")
                _check_length(node.target)
                if node.target.startswith("/"):
                    done = []
                todo.extend(node.target.split("/")[::-1])
            else:
                done.append(part)
        return "/".join(done)

    def read(self, path: str, sources: Sources) -> bytes:
        """The content of a file, links followed.

        Raises:
            UserError: there is no file at the path.
        """
        resolved = self.resolve(path)
        node = self.get(resolved)
        if node is None or node.content is None:
            raise UserError(f"/{path} is {'missing' if node is None else 'a ' + node.type.value}; a file is wanted")
        return ImageReader(node.content, sources).read(0, node.size)

    def copy(self) -> "Tree":
        """A tree of its own, with the same inodes."""
        new = Tree()
        new._numbers = dict(self._numbers)
        new._nodes = dict(self._nodes)
        new._links = {number: dict(paths) for number, paths in self._links.items()}
        new._children = {path: dict(names) for path, names in self._children.items()}
        new._next = self._next
        return new

    def sources(self) -> list[str]:
        """Keys of all source files that contents come from, sorted."""
        return sorted({key for node in self._nodes.values() if node.content for key in node.content.sources()})


def save(tree: Tree, path: Path | str) -> None:
    """Writes a tree as lines of JSON: a header, then one inode a line, in walking order.

    Contents stay where they are: every file content must consist of slices of sources.
    """
    keys = tree.sources()
    index = {key: number for number, key in enumerate(keys)}
    rows: list[dict[str, Any]] = [{"format": FORMAT, "sources": keys}]
    for name, node in tree.walk():
        paths = tree.links(name)
        if paths[0] == name:
            rows.append(_to_row(paths, node, index))
    # All at once is much faster than row by row. What ends one row and begins the next stands nowhere else:
    # rows hold no lists of objects, and within a string the quote would be escaped.
    text = json.dumps(rows, separators=(",", ":"))[1:-1].replace('},{"', '}\n{"')
    with atomic_output(path) as out:
        out.write(text.encode() + b"\n")


def _to_row(paths: list[str], node: Node, index: Mapping[str, int]) -> dict[str, Any]:
    row: dict[str, Any] = {"paths": paths, "type": node.type.value, "mode": f"{node.mode:04o}"}
    row |= {"uid": node.uid, "gid": node.gid, "mtime": node.mtime}
    if node.xattrs:
        row["xattrs"] = {key: node.xattrs[key].hex() for key in sorted(node.xattrs, key=encode)}
    if node.content is not None:
        row["size"] = node.content.size
        row["extents"] = [_to_extent(extent, index, paths[0]) for extent in node.content.extents]
    if node.type is NodeType.SYMLINK:
        row["target"] = node.target
    if node.type in (NodeType.CHARACTER, NodeType.BLOCK):
        row["device"] = list(node.device)
    return row


def _to_extent(extent: Extent, index: Mapping[str, int], path: str) -> list[int]:
    if isinstance(extent.source, bytes):
        raise ValueError(f"/{path} has literal content; write it to a layer first")
    return [extent.offset, extent.length, index[extent.source.source], extent.source.offset]


def load(path: Path | str) -> Tree:
    """Reads a tree that `save` wrote.

    Raises:
        UserError: not a tree file, or one that contradicts itself.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return parse(data, str(path))


def parse(text: bytes, name: str) -> Tree:
    """A tree out of what `save` wrote; `name` says in errors which it is. Errors: as `load`."""
    try:
        header, *rows = parse_json(b"[" + b",".join(text.splitlines()) + b"]") or [{}]
        if header.get("format") != FORMAT:
            raise UserError(f"{name}: format is {header.get('format')!r}, expected {FORMAT!r}")
        tree = Tree()
        for row in rows:
            first = row["paths"][0]
            node = _from_row(row, header["sources"])
            if first:
                tree.add(first, node)
            else:
                tree.set("", node)
        # Links last: a later path of an inode may lie in a directory that comes after it.
        for row in rows:
            for other in row["paths"][1:]:
                tree.link(other, row["paths"][0])
        return tree
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(f"{name}: not a tree: {error}") from error


def _from_row(row: dict[str, Any], keys: list[str]) -> Node:
    content = None
    if "extents" in row:
        content = parse_map(row["size"], row["extents"], keys)
    major, minor = row.get("device", (0, 0))
    kind, mode, target = NodeType(row["type"]), int(row["mode"], 8), row.get("target", "")
    numbers = (row["uid"], row["gid"], row["mtime"], major, minor)
    if any(type(each) is not int for each in numbers) or type(target) is not str or not 0 <= mode <= MODE_MAX:
        raise ValueError(f"bad inode {row['paths'][0]!r}")
    return Node(
        kind,
        mode,
        row["uid"],
        row["gid"],
        row["mtime"],
        {key: bytes.fromhex(value) for key, value in row.get("xattrs", {}).items()},
        content,
        target,
        (major, minor),
    )
