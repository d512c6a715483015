"""Packages laid over each other as a tree: what `dpkg --unpack` without scripts would leave.

For tools that run out of locked packages, and for what is picked from packages (kernel modules,
the programs of an initrd). A root filesystem is more than this: see `sysimage.debian`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sysimage.deb import Spool, read_debs
from sysimage.errors import UserError
from sysimage.extents import ImageReader, Sources
from sysimage.tree import NodeType, Tree, parent


def unpack(debs: Sequence[Path | str], spool: Spool) -> Tree:
    """The files of all packages in one tree; a later package's file replaces an earlier one's.

    Contents are slices of the spool's sources.

    Raises:
        UserError: a package cannot be read, or has a file where another has a directory.
    """
    tree = Tree()
    for deb in read_debs(debs, spool):
        for entry in deb.entries:
            if entry.node is not None:
                if entry.path:
                    tree.put(entry.path, entry.node)
            else:
                if entry.path in tree:
                    tree.remove(entry.path)
                tree.make_directories(parent(entry.path))
                tree.link(entry.path, entry.link)
    return tree


def merge(trees: Iterable[Tree]) -> Tree:
    """Trees laid over each other, the last on top; hard links become files of their own.

    Raises:
        UserError: one has a file where another has a directory.
    """
    merged = Tree()
    for tree in trees:
        for path, node in tree.walk():
            if path and not (node.type is NodeType.DIRECTORY and merged.is_directory(path)):
                merged.put(path, node)
    return merged


def content(tree: Tree, path: str, sources: Sources, origin: str) -> bytes:
    """The bytes of a file, links followed.

    Raises:
        UserError: there is no such file; `origin` says where it was looked for.
    """
    resolved = tree.resolve(path)
    node = tree.get(resolved)
    if node is None or node.content is None:
        raise UserError(f"{origin} have no file /{path}")
    return ImageReader(node.content, sources).read(0, node.size)
