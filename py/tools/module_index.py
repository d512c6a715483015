"""Makes the index of a kernel's modules (depmod) as a small tree to lay over the one with the modules."""

import tempfile
from collections.abc import Sequence

from absl import flags

from sysimage import cli_trees, kernel_modules, layer
from sysimage import tree as trees
from sysimage.deb import Spool
from sysimage.extents import Sources
from sysimage.tree import NANOSECONDS, Tree
from tools.main import parse_sources, refuse_arguments, run

_TREE = flags.DEFINE_multi_string("tree", [], "Tree with the modules.")
_SOURCE = flags.DEFINE_multi_string("source", [], "KEY=FILE: the file behind a key.")
_DEB = flags.DEFINE_multi_string("deb", [], "A kernel package, instead of or under the trees.")
_TOOL = flags.DEFINE_string("tool", None, "Folder with unpacked kmod.", required=True)
_EPOCH = flags.DEFINE_integer("epoch", None, "Modification time of the index, in seconds since 1970.", required=True)
_LAYER_OUT = flags.DEFINE_string("layer_out", None, "Where the index files go, as a tar.", required=True)
_LAYER_KEY = flags.DEFINE_string("layer_key", None, "Key of that tar as a source.", required=True)
_TREE_OUT = flags.DEFINE_string("tree_out", None, "Where the tree of the index files goes.", required=True)


def main(argv: Sequence[str]) -> None:
    """Makes what the flags describe."""
    refuse_arguments(argv)
    sources = parse_sources(_SOURCE.value)
    with tempfile.TemporaryDirectory() as scratch, Spool(scratch) as spool:
        kernel = cli_trees.load(_TREE.value, _DEB.value, spool, sources)
        with tempfile.TemporaryDirectory() as modules:
            index = kernel_modules.depmod(kernel, sources, _TOOL.value, modules)
        folder = trees.join(kernel_modules.FOLDER, kernel_modules.release(kernel))
        sources.close()
    mtime = _EPOCH.value * NANOSECONDS
    tree = Tree(trees.directory(mtime=mtime))
    for name, content in index.items():
        tree.put(trees.join(folder, name), trees.file(content, mtime=mtime))
    written = layer.write(tree, _LAYER_OUT.value, _LAYER_KEY.value, Sources({}))
    trees.save(written, _TREE_OUT.value)


if __name__ == "__main__":
    run(main)
