"""Plans a disk with a GUID partition table out of a layout and the maps of its partitions."""

from collections.abc import Sequence

from absl import flags

from sysimage import extents, gpt
from tools import places
from tools.main import refuse_arguments, run

_LAYOUT = flags.DEFINE_string("layout", None, "Layout file (JSON).", required=True)
_SIZE = flags.DEFINE_integer("size", None, "Size of the disk in bytes; left out: the layout's.")
_PARTITION = flags.DEFINE_multi_string("partition", [], "NAME=MAP: a partition's image. May be repeated.")
_EMPTY = flags.DEFINE_multi_string("empty", [], "NAME of a partition that is empty on purpose. May be repeated.")
_MAP_OUT = flags.DEFINE_string("map_out", None, "Where the map goes.", required=True)
_LITERALS_OUT = flags.DEFINE_string("literals_out", None, "Where the tables' bytes go.", required=True)
_LITERALS_KEY = flags.DEFINE_string("literals_key", None, "Source key of the literals.", required=True)


def main(argv: Sequence[str]) -> None:
    """Plans the disk that the flags describe."""
    refuse_arguments(argv)
    layout = gpt.load(_LAYOUT.value)
    if _SIZE.value is not None:
        layout = layout.expanded(_SIZE.value)
    disk = gpt.plan(layout, places.contents("partition", _PARTITION.value, _EMPTY.value))
    extents.save(disk, _MAP_OUT.value, _LITERALS_OUT.value, _LITERALS_KEY.value)


if __name__ == "__main__":
    run(main)
