"""Makes an ext4 image of a tar in one process: what `mke2fs -d TAR IMAGE` does, done by our writer."""

from collections.abc import Sequence
from uuid import UUID

from absl import flags

from sysimage import materialise, tar_reader
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan
from sysimage.extents import Sources
from tools.main import refuse_arguments, run

_TAR = flags.DEFINE_string("tar", None, "The tar, not compressed.", required=True)
_RAW_OUT = flags.DEFINE_string("raw_out", None, "Where the raw sparse image goes.", required=True)
_UUID = flags.DEFINE_string("uuid", None, "UUID of the file system, and seed of its hashes.", required=True)


def main(argv: Sequence[str]) -> None:
    """Makes the image that the flags describe."""
    refuse_arguments(argv)
    uuid = UUID(_UUID.value)
    with Sources({"tar": _TAR.value}) as sources:
        image = plan(tar_reader.read(_TAR.value, "tar"), Ext4Options(uuid=uuid, hash_seed=uuid, epoch=0))
        materialise.write_raw(image, sources, _RAW_OUT.value)


if __name__ == "__main__":
    run(main)
