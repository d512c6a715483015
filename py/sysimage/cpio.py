"""cpio archives in the "newc" format: what the kernel unpacks as its first root.

An entry is a header of 110 ASCII bytes (magic `070701`, then 13 numbers of 8 hex digits:
inode, mode, uid, gid, links, mtime, size, device major and minor, rdev major and minor,
length of the name with its NUL, checksum 0), the name, and the content; name and content
are padded to 4 bytes. Of a hard-linked file only the last entry has the content. The end is
an entry called `TRAILER!!!`. Source: the kernel's buffer-format.rst ("initramfs buffer format"); cpio(5).
"""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from sysimage.errors import UserError
from sysimage.extents import ImageReader, Sources
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, decode, encode, file, parent

MAGIC = b"070701"
TRAILER = "TRAILER!!!"
HEADER_SIZE = 110
ALIGNMENT = 4
_FIELDS = 13
_NUMBERS = re.compile(b"[0-9A-Fa-f]+")
_FIELD_MAX = 0xFFFFFFFF
_LIMITED = ("inode", "mode", "uid", "gid", "links", "time", "size")  # the first fields, which come from outside
_TYPES = {node_type.format_bits: node_type for node_type in NodeType}


def make(tree: Tree, sources: Sources) -> bytes:
    """The archive of a tree: entries in walking order, inodes numbered from 1 in that order.

    The root itself is left out (the kernel has one already); extended attributes cannot be kept.

    Raises:
        UserError: a file, an id or a time that the format cannot hold, or an extended attribute.
    """
    parts: list[bytes] = []
    numbers: dict[int, int] = {}
    last: dict[int, str] = {}
    for path, node in tree.walk():
        if not path:
            continue
        links = tree.links(path)
        number = numbers.setdefault(tree.number(path), len(numbers) + 1)
        data = b""
        if len(links) > 1 and number not in last:
            last[number] = _last(links)
        if node.content is not None and path == last.get(number, path):
            data = ImageReader(node.content, sources).read(0, node.size)
        elif node.type is NodeType.SYMLINK:
            data = encode(node.target)
        parts.append(_entry(path, node, number, len(links), data))
    parts.append(_entry(TRAILER, Node(NodeType.FILE, 0), 0, 1, b"", trailer=True))
    return b"".join(parts)


def _last(links: list[str]) -> str:
    """The path of an inode that comes last in walking order: parts compare as the walk sorts them."""
    return max(links, key=lambda path: [encode(part) for part in path.split("/")])


def _entry(path: str, node: Node, number: int, links: int, data: bytes, trailer: bool = False) -> bytes:
    if node.xattrs:
        raise UserError(f"/{path} has the extended attribute {min(node.xattrs)!r}; a cpio archive cannot hold it")
    name = encode(path) + b"\0"
    mode = 0 if trailer else node.type.format_bits | node.mode
    mtime = node.mtime // NANOSECONDS
    numbers = (number, mode, node.uid, node.gid, links, mtime, len(data), 0, 0, *node.device, len(name), 0)
    for value, what in zip(numbers, _LIMITED, strict=False):
        if not 0 <= value <= _FIELD_MAX:
            raise UserError(f"/{path} has the {what} {value}; a cpio archive holds 0 to {_FIELD_MAX}")
    header = MAGIC + b"".join(b"%08X" % value for value in numbers)
    return _padded(header + name) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it stands in an archive; content of a symbolic link is its target."""

    path: str
    inode: int
    mode: int
    uid: int
    gid: int
    links: int
    mtime: int
    device: tuple[int, int]
    data: bytes


def entries(data: bytes) -> Iterator[Entry]:
    """The entries of an archive, without the trailer.

    Raises:
        UserError: not an archive of this format, damaged or cut short.
    """
    position = 0
    while True:
        header = data[position : position + HEADER_SIZE]
        if len(header) < HEADER_SIZE or not header.startswith(MAGIC):
            raise UserError(f"no cpio (newc) header at byte {position}; the archive is damaged or cut short")
        if not _NUMBERS.fullmatch(header, len(MAGIC)):
            raise UserError(f"the cpio header at byte {position} has a number that is none: {header[len(MAGIC) :]!r}")
        numbers = [int(header[6 + 8 * index : 14 + 8 * index], 16) for index in range(_FIELDS)]
        inode, mode, uid, gid, links, mtime, size, _, _, major, minor, name_size, _ = numbers
        name_start = position + HEADER_SIZE
        start = _aligned(name_start + name_size)
        position = _aligned(start + size)
        if start + size > len(data):
            raise UserError(f"the cpio archive ends at byte {len(data)}, inside an entry")
        path = decode(data[name_start : name_start + name_size - 1])
        if path == TRAILER:
            return
        yield Entry(path, inode, mode, uid, gid, links, mtime, (major, minor), data[start : start + size])


def _aligned(position: int) -> int:
    return position + -position % ALIGNMENT


def read(data: bytes) -> Tree:
    """An archive as a tree, contents as literals.

    Raises:
        UserError: as `entries`, or a name comes twice.
    """
    tree = Tree()
    first: dict[int, str] = {}
    for entry in entries(data):
        kind = _TYPES.get(stat.S_IFMT(entry.mode))
        if kind is None:
            raise UserError(f"/{entry.path} is of an unknown kind (mode {entry.mode:o})")
        if kind is not NodeType.DIRECTORY and entry.links > 1 and entry.inode in first:
            tree.link(entry.path, first[entry.inode])
            # Of a file the last entry has the content; of a symbolic link each has the target.
            if entry.data and kind is NodeType.FILE:
                tree.set(
                    entry.path, file(entry.data, stat.S_IMODE(entry.mode), entry.uid, entry.gid, tree[entry.path].mtime)
                )
            continue
        tree.make_directories(parent(entry.path))
        tree.add(entry.path, _node(entry, kind))
        first[entry.inode] = entry.path
    return tree


def _node(entry: Entry, kind: NodeType) -> Node:
    mode, mtime = stat.S_IMODE(entry.mode), entry.mtime * NANOSECONDS
    if kind is NodeType.FILE:
        return file(entry.data, mode, entry.uid, entry.gid, mtime)
    target = decode(entry.data) if kind is NodeType.SYMLINK else ""
    device = entry.device if kind in (NodeType.CHARACTER, NodeType.BLOCK) else (0, 0)
    return Node(kind, mode, entry.uid, entry.gid, mtime, target=target, device=device)
