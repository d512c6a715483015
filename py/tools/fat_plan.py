"""Plans a FAT file system out of a tree."""

from collections.abc import Sequence

from absl import flags

from sysimage import extents, fat
from sysimage import tree as trees
from sysimage.errors import UserError
from sysimage.tree import Tree
from tools.main import refuse_arguments, run

_TREE = flags.DEFINE_string("tree", None, "Tree file of what goes in; left out: nothing.")
_SIZE = flags.DEFINE_integer("size", None, "Size in bytes; left out: as small as the content allows.")
_RESERVE = flags.DEFINE_integer("reserve", 0, "Bytes to keep free if there is no --size.", lower_bound=0)
_FAT_BITS = flags.DEFINE_enum("fat_bits", "0", ["0", "16", "32"], "0: FAT32 from 512 MiB on, else FAT16.")
_CLUSTER_SIZE = flags.DEFINE_integer("cluster_size", None, "Bytes in a cluster; left out: follows from type and size.")
_LABEL = flags.DEFINE_string("label", "", "Volume label.")
_VOLUME_ID = flags.DEFINE_string("volume_id", None, "Serial number: eight hex digits, a dash allowed.", required=True)
_HIDDEN_SECTORS = flags.DEFINE_integer("hidden_sectors", 0, "Sectors of the disk before the partition.")
_MAP_OUT = flags.DEFINE_string("map_out", None, "Where the map goes.", required=True)
_LITERALS_OUT = flags.DEFINE_string("literals_out", None, "Where the bytes of the metadata go.", required=True)
_LITERALS_KEY = flags.DEFINE_string("literals_key", None, "Source key of the literals.", required=True)


def parse_volume_id(text: str) -> int:
    """A volume id as tools print it (`1234-ABCD`).

    Raises:
        UserError: it is not eight hex digits.
    """
    digits = text.replace("-", "", 1)
    if len(digits) != 8 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise UserError(f"FAT volume id {text!r} is not eight hex digits")
    return int(digits, 16)


def main(argv: Sequence[str]) -> None:
    """Plans the file system that the flags describe."""
    refuse_arguments(argv)
    options = fat.Options(
        size=_SIZE.value,
        type=fat.FatType(int(_FAT_BITS.value)) if _FAT_BITS.value != "0" else None,
        cluster_size=_CLUSTER_SIZE.value,
        label=_LABEL.value,
        volume_id=parse_volume_id(_VOLUME_ID.value),
        hidden_sectors=_HIDDEN_SECTORS.value,
        reserve=_RESERVE.value,
    )
    image = fat.plan(trees.load(_TREE.value) if _TREE.value else Tree(), options)
    extents.save(image, _MAP_OUT.value, _LITERALS_OUT.value, _LITERALS_KEY.value)


if __name__ == "__main__":
    run(main)
