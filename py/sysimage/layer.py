"""Layers: a tree, or what changed from one tree to the next, as a tar archive.

The format is the OCI image layer: entries of what is new or changed, with their
parent directories, and for what is gone a *whiteout*, an empty file `.wh.NAME`;
`.wh..wh..opq` says that nothing of the directory below shows through. Source: OCI
image specification, layer.md. An inode of which one link is new is written again
with all its links: engines unpack a layer on its own and could not find the others.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from sysimage import framed, tar, tar_reader
from sysimage.errors import UserError
from sysimage.extents import COMPRESSED, Sources
from sysimage.files import atomic_output
from sysimage.tree import NodeType, Tree, basename, file, join, parent

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


def write(tree: Tree, path: Path | str, key: str, sources: Sources, base: Tree | None = None) -> Tree:
    """Writes a layer, entries sorted, and returns the tree with the layer's contents in it.

    Args:
        tree: what the image is with this layer.
        path: where the archive goes; it appears whole or not at all. It is compressed if the name ends in `.zst`.
        key: the key under which readers will be given the archive.
        sources: where the contents of `tree` come from.
        base: what the image is without this layer; None: nothing.

    Raises:
        UserError: a socket, a name that a layer reserves (`.wh.*`), or a source that cannot be read.
    """
    base = base if base is not None else Tree()
    changed = _changed(tree, base)
    entries = set(changed)
    whiteouts: dict[str, list[str]] = {}
    for folder, names in _removed(tree, base):
        whiteouts[folder] = names
        entries.add(folder)
    for each in [*entries]:
        while each:
            each = parent(each)
            entries.add(each)
    if "" not in changed:
        entries.discard("")
    result = tree.copy()
    first: dict[int, str] = {}
    with atomic_output(path) as out, _writing(out, path, key) as writer:
        for name, node in tree.walk():
            if name in entries:
                if basename(name).startswith(WHITEOUT):
                    raise UserError(f"/{name} has a name that layers reserve ({WHITEOUT}*)", hint="rename or remove it")
                number = tree.number(name)
                if number in first:
                    writer.link(name, first[number], node)
                else:
                    first[number] = name
                    written = writer.add(name, node, sources)
                    if written is not node:
                        result.set(name, written)
            for gone in whiteouts.get(name, ()):
                writer.add(join(name, gone), replace(file(b""), mtime=node.mtime), sources)
    return result


@contextlib.contextmanager
def _writing(out: BinaryIO, path: Path | str, key: str) -> Iterator[tar.Writer]:
    if Path(path).suffix != framed.SUFFIX:
        writer = tar.Writer(out, key)
        yield writer
        writer.close()
        return
    frames = framed.Writer(out)
    writer = tar.Writer(frames.write_all, COMPRESSED + key, frames.cut)
    yield writer
    writer.close()
    frames.close()


def _changed(tree: Tree, base: Tree) -> set[str]:
    changed = set()
    for path, node in tree.walk():
        old = base.get(path)
        if old is not None and (old is node or old == node):
            if node.type is NodeType.DIRECTORY:
                continue
            links = tree.links(path)
            if (len(links) == 1 and len(base.links(path)) == 1) or links == base.links(path):
                continue
            changed.update(links)
        else:
            changed.add(path)
    return changed


def _removed(tree: Tree, base: Tree) -> Iterable[tuple[str, list[str]]]:
    """(directory, names of whiteouts in it) for the directories that both trees have."""
    for path, node in base.walk():
        if node.type is not NodeType.DIRECTORY or not tree.is_directory(path):
            continue
        old = base.children(path)
        gone = [name for name in old if join(path, name) not in tree]
        if path and gone == old and gone and tree.children(path):
            yield path, [OPAQUE]
        elif gone:
            yield path, [WHITEOUT + name for name in gone]


def apply(base: Tree, members: Iterable[tar_reader.Member], origin: str) -> Tree:
    """A tree with one more layer on it, as a container engine would show it.

    Args:
        base: what lies below; it stays as it is.
        members: the layer's entries (`tar_reader.members`).
        origin: what to call the layer in errors.

    Raises:
        UserError: a whiteout of the root, or a hard link to nothing.
    """
    tree = base.copy()
    entries = list(members)
    for member in entries:
        folder, name = parent(member.path), basename(member.path)
        if name == OPAQUE:
            for child in tree.children(folder) if tree.is_directory(folder) else []:
                tree.remove(join(folder, child))
        elif name.startswith(WHITEOUT):
            gone = join(folder, name.removeprefix(WHITEOUT))
            if gone == folder:
                raise UserError(f"{origin}: /{member.path} is a whiteout of nothing", hint="the layer is damaged")
            if gone in tree:
                tree.remove(gone)
    for member in entries:
        if basename(member.path).startswith(WHITEOUT):
            continue
        old = tree.get(member.path)
        new_directory = member.node is not None and member.node.type is NodeType.DIRECTORY
        if member.path and old is not None and (old.type is NodeType.DIRECTORY) != new_directory:
            tree.remove(member.path)
        tar_reader.place(tree, member, origin)
    return tree
