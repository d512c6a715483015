"""Trees that a program is given on its command line: tree files, packages, or both laid over each other."""

from collections.abc import Sequence
from pathlib import Path

from sysimage import packages_tree
from sysimage import tree as trees
from sysimage.deb import Spool
from sysimage.extents import Sources
from sysimage.tree import Tree


def load(files: Sequence[Path | str], debs: Sequence[Path | str], spool: Spool, sources: Sources) -> Tree:
    """Packages first, then the tree files in order, each over what came before.

    The sources of the packages (scratch files of `spool`) are added to `sources`.

    Raises:
        UserError: something cannot be read, or does not fit over what is there.
    """
    layers = [packages_tree.unpack(debs, spool)] if debs else []
    layers += [trees.load(file) for file in files]
    for key, path in spool.sources.paths.items():
        if key not in sources.paths:
            sources.add(key, path)
    return layers[0] if len(layers) == 1 else packages_tree.merge(layers)
