"""Makes GRUB's EFI program with the grub-mkimage of locked packages."""

import tempfile
from collections.abc import Sequence

from absl import flags

from sysimage import grub
from sysimage.files import atomic_output
from tools.main import refuse_arguments, run

_TOOL = flags.DEFINE_string("tool", None, "Folder with unpacked GRUB.", required=True)
_PARTITION = flags.DEFINE_integer("partition", None, "Number of the partition with grub.cfg.", required=True)
_MODULE = flags.DEFINE_multi_string("module", list(grub.MODULES), "Module of GRUB to put in.")
_OUT = flags.DEFINE_string("out", None, "Where the program goes.", required=True)


def main(argv: Sequence[str]) -> None:
    """Makes what the flags describe."""
    refuse_arguments(argv)
    with tempfile.TemporaryDirectory() as scratch:
        image = grub.make_image(_TOOL.value, scratch, _PARTITION.value, _MODULE.value)
    with atomic_output(_OUT.value) as out:
        out.write(image)


if __name__ == "__main__":
    run(main)
