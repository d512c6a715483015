"""Unpacks the few files that a native program needs out of locked packages into a folder."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage import locked_tool, packages_tree
from sysimage.deb import Spool
from tools.main import refuse_arguments, run

_DEB = flags.DEFINE_multi_string("deb", [], "A package.")
_PROGRAM = flags.DEFINE_multi_string("program", [], "Path of a program in the packages, such as usr/bin/kmod.")
_FILE = flags.DEFINE_multi_string("file", [], "Pattern of data files; they keep their paths.")
_LIBRARY = flags.DEFINE_multi_string("library", [], "Soname of a library that a program loads at run time.")
_OUT = flags.DEFINE_string("out", None, "Folder to fill; it exists and is empty.", required=True)


def main(argv: Sequence[str]) -> None:
    """Makes what the flags describe."""
    refuse_arguments(argv)
    out = Path(_OUT.value)
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Spool(scratch) as spool:
        tree = packages_tree.unpack(_DEB.value, spool)
        chosen = locked_tool.select(tree, spool.sources, _PROGRAM.value, _FILE.value, _LIBRARY.value)
        locked_tool.write(tree, spool.sources, chosen, out)


if __name__ == "__main__":
    run(main)
