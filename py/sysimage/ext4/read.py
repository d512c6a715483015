"""From an image to the tree in it; contents are maps into the image, not copies."""

import stat
from collections.abc import Iterator

from sysimage.ext4.layout import (
    DIRENT,
    DIRENT_HEADER,
    FLAG_EXTENTS,
    ROOT_INODE,
)
from sysimage.ext4.read_inode import (
    device_of,
    is_special,
    modification_time,
    size_of,
    stretches,
    xattrs,
)
from sysimage.ext4.volume import RawInode, Volume, damaged
from sysimage.extents import ExtentMap, ImageReader
from sysimage.tree import Node, NodeType, Tree, decode

_TYPES = {kind.format_bits: kind for kind in NodeType}


def read(reader: ImageReader) -> Tree:
    """The tree of an ext4 file system, `lost+found` and all.

    Raises:
        UserError: not ext4, features that cannot be read here, or damage.
    """
    return read_volume(Volume(reader))[0]


def read_volume(volume: Volume) -> tuple[Tree, dict[str, RawInode]]:
    """The tree of a volume, and the inode of each of its paths as it stands on the disk.

    Raises:
        UserError: as `read`.
    """
    tree: Tree | None = None
    inodes: dict[str, RawInode] = {}
    for path, inode, first in walk(volume):
        inodes[path] = inode
        if tree is None:
            tree = Tree(node_of(volume, inode))
        elif path != first:
            # A directory with two names would be a loop, or part of one; the tree refuses the link.
            tree.link(path, first)
        else:
            tree.add(path, node_of(volume, inode))
    assert tree is not None
    return tree, inodes


def walk(volume: Volume) -> Iterator[tuple[str, RawInode, str]]:
    """All (path, inode, first path of that inode), directories before what is in them.

    The root's path is empty. What stands behind a link to a directory is not gone into twice.

    Raises:
        UserError: damage.
    """
    root = volume.inode(ROOT_INODE, "the root")
    if stat.S_IFMT(root.fields.i_mode) != stat.S_IFDIR:
        raise damaged("the root is not a directory")
    paths: dict[int, str] = {ROOT_INODE: ""}
    yield "", root, ""
    pending = [("", root)]
    while pending:
        path, folder = pending.pop()
        for name, number in names(volume, folder):
            if name in (b".", b".."):
                continue
            place = f"{path}/{decode(name)}" if path else decode(name)
            if b"/" in name or b"\0" in name:
                raise damaged(f"/{path} has an entry with the name {name!r}")
            inode = volume.inode(number, f"/{place}")
            first = paths.setdefault(number, place)
            yield place, inode, first
            if first == place and stat.S_IFMT(inode.fields.i_mode) == stat.S_IFDIR:
                pending.append((place, inode))


def names(volume: Volume, folder: RawInode) -> Iterator[tuple[bytes, int]]:
    """All (name, inode number) of a directory, `.` and `..` among them.

    A hashed directory is read like a linear one: its index blocks look like blocks without names.
    """
    for stretch in stretches(volume, folder):
        if stretch.unwritten:
            raise damaged(f"directory inode {folder.number} has unwritten blocks")
        for index in range(stretch.length):
            block = volume.block(stretch.physical + index, f"a block of directory inode {folder.number}")
            yield from entries(block, folder.number)


def entries(block: bytes, number: int) -> Iterator[tuple[bytes, int]]:
    """The (name, inode number) in one directory block; `number` is the directory's, for messages.

    Raises:
        UserError: an entry that does not fit.
    """
    position = 0
    while position < len(block):
        left = len(block) - position
        if left < DIRENT_HEADER:
            raise damaged(f"directory inode {number}: an entry runs over the end of its block")
        inode, length, name_length, _ = DIRENT.unpack_from(block, position)
        if length < DIRENT_HEADER or length % 4 or length > left or (inode and name_length + DIRENT_HEADER > length):
            raise damaged(f"directory inode {number}: an entry of {length} bytes for a name of {name_length}")
        if inode:
            if not name_length:
                raise damaged(f"directory inode {number}: an entry without a name")
            start = position + DIRENT_HEADER
            yield block[start : start + name_length], inode
        position += length


def node_of(volume: Volume, inode: RawInode) -> Node:
    """An inode as a node of a tree. Errors: damage, or features that cannot be read here."""
    fields = inode.fields
    kind = _TYPES.get(stat.S_IFMT(fields.i_mode))
    if kind is None or is_special(inode):
        raise damaged(f"inode {inode.number} is of no known type (mode {fields.i_mode:o})")
    return Node(
        kind,
        stat.S_IMODE(fields.i_mode),
        fields.i_uid | fields.i_uid_high << 16,
        fields.i_gid | fields.i_gid_high << 16,
        modification_time(inode),
        xattrs(volume, inode),
        content(volume, inode) if kind is NodeType.FILE else None,
        _target(volume, inode) if kind is NodeType.SYMLINK else "",
        device_of(inode) if kind in (NodeType.CHARACTER, NodeType.BLOCK) else (0, 0),
    )


def content(volume: Volume, inode: RawInode) -> ExtentMap:
    """A file's content, as a map of what the image itself is made of; unwritten blocks are holes."""
    size, block_size = size_of(inode), volume.block_size
    placed: list[tuple[int, ExtentMap]] = []
    for stretch in stretches(volume, inode):
        start = stretch.logical * block_size
        length = min(stretch.length * block_size, size - start)
        if length > 0 and not stretch.unwritten:
            placed.append((start, volume.reader.map.slice(stretch.physical * block_size, length)))
    return ExtentMap.union(size, placed)


def _target(volume: Volume, inode: RawInode) -> str:
    """Where a symbolic link points; a long target lies in a block of its own."""
    size = size_of(inode)
    if inode.fields.i_flags & FLAG_EXTENTS:
        found = stretches(volume, inode)
        if not found or size > volume.block_size or found[0].logical:
            raise damaged(f"symbolic link inode {inode.number} has a target of {size} bytes and no block for it")
        data = volume.block(found[0].physical, f"the target of inode {inode.number}")
    else:
        data = inode.fields.i_block
    if not 0 < size <= len(data):
        raise damaged(f"symbolic link inode {inode.number} has a target of {size} bytes")
    return decode(data[:size])
