"""Plans a disk with a GUID partition table out of a layout and the maps of its partitions."""

from collections.abc import Sequence

from absl import flags

from sysimage import extents, gpt
from sysimage.errors import UserError
from sysimage.gpt.writer import Content
from tools.main import refuse_arguments, run

_LAYOUT = flags.DEFINE_string("layout", None, "Layout file (JSON).", required=True)
_SIZE = flags.DEFINE_integer("size", None, "Size of the disk in bytes; left out: the layout's.")
_PARTITION = flags.DEFINE_multi_string("partition", [], "NAME=MAP: a partition's image. May be repeated.")
_EMPTY = flags.DEFINE_multi_string("empty", [], "NAME of a partition that is empty on purpose. May be repeated.")
_MAP_OUT = flags.DEFINE_string("map_out", None, "Where the map goes.", required=True)
_LITERALS_OUT = flags.DEFINE_string("literals_out", None, "Where the tables' bytes go.", required=True)
_LITERALS_KEY = flags.DEFINE_string("literals_key", None, "Source key of the literals.", required=True)


def _contents() -> dict[str, Content]:
    contents: dict[str, Content] = {}
    for word in _PARTITION.value:
        name, separator, path = word.partition("=")
        if not separator or not name or not path:
            raise UserError(f"--partition {word!r} is not of the form NAME=MAP")
        if name in contents:
            raise UserError(f"partition {name!r} is given content twice")
        contents[name] = extents.load(path)
    for name in _EMPTY.value:
        if name in contents:
            raise UserError(f"partition {name!r} is declared empty but also given content, or declared twice")
        contents[name] = gpt.EMPTY
    return contents


def main(argv: Sequence[str]) -> None:
    """Plans the disk that the flags describe."""
    refuse_arguments(argv)
    layout = gpt.load(_LAYOUT.value)
    if _SIZE.value is not None:
        layout = layout.expanded(_SIZE.value)
    disk = gpt.plan(layout, _contents())
    extents.save(disk, _MAP_OUT.value, _LITERALS_OUT.value, _LITERALS_KEY.value)


if __name__ == "__main__":
    run(main)
