"""What a build changed, laid over its base.

The engine keeps the changes in a directory of overlayfs: what is new or changed stands there as it is; a
character device 0:0 says that a name is gone, the attribute `trusted.overlay.opaque` that a directory shows nothing of
the one below. Source: Linux, Documentation/filesystems/overlayfs.rst.
"""

import dataclasses
from pathlib import Path

from sysimage import tar_reader
from sysimage.extents import Extent, FileSlice, Sources
from sysimage.tree import Node, NodeType, Tree, join

_PREFIX = "trusted.overlay."
_OPAQUE = _PREFIX + "opaque"
_WHITEOUT = (0, 0)


def apply(base: Tree, archive: Path, key: str, sources: Sources) -> Tree:
    """The base with the changes on it, as the kernel would show both.

    Args:
        base: what lies below; it stays as it is.
        archive: a tar of the directory of changes.
        key: contents of what changed become slices of this source.
        sources: gets the archive under `key`.

    Raises:
        UserError: not a tar archive, cut short, or damaged.
    """
    sources.add(key, archive)
    view = sources.view(Extent(0, archive.stat().st_size, FileSlice(key, 0)))
    tree = base.copy()
    for member in tar_reader.members(view, key, str(archive)):
        node, path = member.node, member.path
        old = tree.get(path)
        if node is not None and node.type is NodeType.CHARACTER and node.device == _WHITEOUT:
            if old is not None:
                tree.remove(path)
            continue
        if old is not None and path:
            stays = node is not None and node.type is old.type is NodeType.DIRECTORY
            if not stays:
                tree.remove(path)  # and its name only: other links of the inode below keep it as it was
            elif node is not None and node.xattrs.get(_OPAQUE) == b"y":
                for name in tree.children(path):
                    tree.remove(join(path, name))
        shown = None if node is None else _shown(node)
        tar_reader.place(tree, dataclasses.replace(member, node=shown), str(archive))
    return tree


def _shown(node: Node) -> Node:
    """Without what only overlayfs reads."""
    return dataclasses.replace(node, xattrs={k: v for k, v in node.xattrs.items() if not k.startswith(_PREFIX)})
