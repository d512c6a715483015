"""An image as programs take it: a file that has it, or an extent map with its sources."""

import contextlib
from collections.abc import Iterator, Sequence

from sysimage import extents
from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.inspection import open_image
from tools.main import parse_sources


@contextlib.contextmanager
def open_input(
    image: str | None, map_: str | None, sources: Sequence[str], member: str = "", findings: list[str] | None = None
) -> Iterator[ImageReader]:
    """Opens what the flags name.

    Args:
        image: --image, a raw file or a tar with it.
        map_: --map, instead of it.
        sources: --source, `KEY=FILE` words that the map needs.
        member: of the tar, as `open_image` has it.
        findings: likewise.

    Raises:
        UserError: both are given, or neither; what they name cannot be read.
    """
    if (image is None) == (map_ is None):
        raise UserError("give one of --image and --map")
    if map_ is not None:
        with parse_sources(sources) as found:
            yield ImageReader(extents.load(map_), found)
    elif image is not None:
        with open_image(image, member, findings) as reader:
            yield reader
