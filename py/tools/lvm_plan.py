"""Plans a physical volume with a volume group out of a layout and the maps of its volumes."""

from collections.abc import Sequence

from absl import flags

from sysimage import extents, lvm
from tools import places
from tools.main import refuse_arguments, run

_LAYOUT = flags.DEFINE_string("layout", None, "Layout file (JSON).", required=True)
_VOLUME = flags.DEFINE_multi_string("volume", [], "NAME=MAP: a volume's image. May be repeated.")
_EMPTY = flags.DEFINE_multi_string("empty", [], "NAME of a volume that is empty on purpose. May be repeated.")
_MAP_OUT = flags.DEFINE_string("map_out", None, "Where the map goes.", required=True)
_LITERALS_OUT = flags.DEFINE_string("literals_out", None, "Where label and metadata go.", required=True)
_LITERALS_KEY = flags.DEFINE_string("literals_key", None, "Source key of the literals.", required=True)


def main(argv: Sequence[str]) -> None:
    """Plans the physical volume that the flags describe."""
    refuse_arguments(argv)
    layout = lvm.load(_LAYOUT.value)
    image = lvm.plan(layout, places.contents("volume", _VOLUME.value, _EMPTY.value))
    extents.save(image, _MAP_OUT.value, _LITERALS_OUT.value, _LITERALS_KEY.value)


if __name__ == "__main__":
    run(main)
