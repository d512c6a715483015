"""What goes into the file system, inode by inode, before anything has its place."""

from dataclasses import dataclass, field

from sysimage.errors import UserError
from sysimage.ext4 import directory
from sysimage.ext4.directory import Entry
from sysimage.ext4.extent_tree import covered_blocks
from sysimage.ext4.inode import check
from sysimage.ext4.layout import (
    EXTRA_ISIZE,
    FAST_SYMLINK_MAX,
    FILE_TYPES,
    FIRST_INODE,
    GOOD_OLD_INODE_SIZE,
    LINK_MAX,
    ROOT_INODE,
)
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.selinux import XATTR_NAME, FileContexts
from sysimage.ext4.xattr import NOTHING, PackedXattrs, pack
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, encode
from sysimage.tree import directory as directory_node

LOST_FOUND = "lost+found"
_LOST_FOUND_BYTES = 16384  # as mke2fs: e2fsck can fill it without allocating


@dataclass(slots=True)
class Member:
    """One inode and what belongs to it.

    blocks: its own blocks of metadata: a directory's, or a long symbolic link's.
    stretches: (block, count) of a file that hold something.
    """

    number: int
    path: str
    node: Node
    links: int = 1
    xattrs: PackedXattrs = NOTHING
    blocks: list[bytes] = field(default_factory=list)
    index_used: dict[int, int] = field(default_factory=dict)
    indexed: bool = False
    stretches: list[tuple[int, int]] = field(default_factory=list)


def gather(tree: Tree, options: Ext4Options) -> list[Member]:
    """All inodes in use, by number: the root, lost+found, then directory by directory.

    Raises:
        UserError: something that ext4 cannot hold; the message has its path.
    """
    tree = _with_lost_found(tree, options.epoch)
    members, folders = _number(tree)
    xattrs = _XattrCache(tree, options)
    seed = directory.hash_words(options.hash_seed.bytes)
    for member in members:
        kind = member.node.type
        check(member.node, member.links, member.path)
        member.xattrs = xattrs.of(member)
        if kind is NodeType.FILE:
            member.stretches = covered_blocks(member.node.data, options.block_size, member.path)
        elif kind is NodeType.SYMLINK:
            target = encode(member.node.target)
            if len(target) >= options.block_size:
                raise UserError(
                    f"/{member.path}: target of {len(target)} bytes is too long for ext4",
                    hint=f"at most {options.block_size - 1} bytes with blocks of {options.block_size}",
                )
            if len(target) > FAST_SYMLINK_MAX:
                member.blocks = [target.ljust(options.block_size, b"\0")]
    for member, parent, entries in folders:
        least = _LOST_FOUND_BYTES // options.block_size if member.path == LOST_FOUND else 1
        try:
            built = directory.build(member.number, parent, entries, seed, options.block_size, least)
        except UserError as error:
            raise UserError(f"/{member.path}: {error.message}", error.hint) from None
        member.blocks, member.indexed, member.index_used = built
    return members


def _with_lost_found(tree: Tree, epoch: int) -> Tree:
    node = tree.get(LOST_FOUND)
    if node is None:
        tree = tree.copy()
        tree.add(LOST_FOUND, directory_node(0o700, mtime=epoch * NANOSECONDS))
    elif node.type is not NodeType.DIRECTORY:
        raise UserError(
            f"/{LOST_FOUND} is a {node.type.value}; ext4 needs a directory of that name",
            hint="take it out of the tree, or make it a directory",
        )
    return tree


def _number(tree: Tree) -> tuple[list[Member], list[tuple[Member, int, list[Entry]]]]:
    """Inode numbers: what is in one directory gets numbers that follow each other."""
    root = Member(ROOT_INODE, "", tree[""], 2)
    lost_found = Member(FIRST_INODE, LOST_FOUND, tree[LOST_FOUND], 2)
    members = [root, lost_found]
    numbers: dict[int, Member] = {tree.number(LOST_FOUND): lost_found}
    folders: list[tuple[Member, int, list[Entry]]] = []
    pending = [(root, ROOT_INODE)]
    following = FIRST_INODE + 1
    while pending:
        folder, parent = pending.pop()
        entries: list[Entry] = []
        below: list[tuple[Member, int]] = []
        prefix = folder.path + "/" if folder.path else ""
        for name in tree.children(folder.path):
            path = prefix + name
            key = tree.number(path)
            member = numbers.get(key)
            if member is None:
                member = Member(following, path, tree[path], 0)
                numbers[key] = member
                members.append(member)
                following += 1
            kind = member.node.type
            if kind is NodeType.DIRECTORY:
                member.links = 2
                folder.links += 1
                below.append((member, folder.number))
            else:
                member.links += 1
            entries.append(Entry(encode(name), member.number, FILE_TYPES[kind.value]))
        if folder.links > LINK_MAX:
            folder.links = 1  # dir_nlink: not counted
        folders.append((folder, parent, entries))
        pending.extend(reversed(below))
    return members, folders


class _XattrCache:
    """Packed attributes; few sets occur, most of them often."""

    def __init__(self, tree: Tree, options: Ext4Options) -> None:
        self._tree = tree
        self._options = options
        self._room = options.inode_size - GOOD_OLD_INODE_SIZE - EXTRA_ISIZE
        self._packed: dict[tuple[object, ...], PackedXattrs] = {}

    def of(self, member: Member) -> PackedXattrs:
        contexts = self._options.file_contexts
        xattrs = dict(member.node.xattrs)
        if contexts is not None:
            label = _label(self._tree, member, contexts)
            xattrs.pop(XATTR_NAME, None)
            if label is not None:
                xattrs[XATTR_NAME] = label
        if not xattrs:
            return NOTHING
        is_directory = member.node.type is NodeType.DIRECTORY
        key = (is_directory, *sorted(xattrs.items()))
        if key not in self._packed:
            self._packed[key] = pack(xattrs, self._room, self._options.block_size, member.path, is_directory)
        return self._packed[key]


def _label(tree: Tree, member: Member, contexts: FileContexts) -> bytes | None:
    """The label of an inode; all its paths must agree."""
    kind = member.node.type
    first = contexts.label(member.path, kind)
    if kind is not NodeType.DIRECTORY and member.links > 1:
        for path in tree.links(member.path):
            other = contexts.label(path, kind)
            if other != first:
                raise UserError(
                    f"/{member.path} and /{path} are one file, but file_contexts labels them "
                    f"{_text(first)} and {_text(other)}",
                    hint="add a line that gives both the same label",
                )
    return first


def _text(label: bytes | None) -> str:
    return "not at all" if label is None else label.rstrip(b"\0").decode("utf-8", "surrogateescape")
