"""Makes an initrd of locked packages, a kernel's modules and an init script."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage import cli_trees, initrd
from sysimage.deb import Spool
from sysimage.files import atomic_output
from tools.main import parse_sources, refuse_arguments, run

_DEB = flags.DEFINE_multi_string("deb", [], "A package with programs: busybox and what else is wanted.")
_PROGRAM = flags.DEFINE_multi_string("program", [], "Path in the packages of a program that goes to /sbin.")
_APPLET = flags.DEFINE_multi_string("applet", [], "Command of busybox that init uses.")
_FILE = flags.DEFINE_multi_string("file", [], "Pattern of other files in the packages; they keep their paths.")
_KERNEL_TREE = flags.DEFINE_multi_string("kernel_tree", [], "Tree with the modules, or with their index.")
_KERNEL_DEB = flags.DEFINE_multi_string("kernel_deb", [], "A kernel package, instead of or under the trees.")
_SOURCE = flags.DEFINE_multi_string("source", [], "KEY=FILE: the file behind a key.")
_MODULE = flags.DEFINE_multi_string("module", [], "Kernel module to load.")
_INIT = flags.DEFINE_string("init", None, "The script, or program, that the kernel starts.", required=True)
_EPOCH = flags.DEFINE_integer("epoch", None, "Modification time of everything, in seconds since 1970.", required=True)
_OUT = flags.DEFINE_string("out", None, "Where the initrd goes.", required=True)


def main(argv: Sequence[str]) -> None:
    """Makes what the flags describe."""
    refuse_arguments(argv)
    sources = parse_sources(_SOURCE.value)
    with tempfile.TemporaryDirectory() as scratch, Spool(scratch) as spool:
        programs = cli_trees.load([], _DEB.value, spool, sources)
        kernel = cli_trees.load(_KERNEL_TREE.value, _KERNEL_DEB.value, spool, sources)
        tree = initrd.compose(
            programs=programs,
            program_paths=_PROGRAM.value,
            applets=_APPLET.value,
            kernel=kernel,
            modules=_MODULE.value,
            sources=sources,
            init=Path(_INIT.value).read_bytes(),
            epoch=_EPOCH.value,
            files=_FILE.value,
        )
        image = initrd.pack(tree, sources)
        sources.close()
    with atomic_output(_OUT.value) as out:
        out.write(image)


if __name__ == "__main__":
    run(main)
