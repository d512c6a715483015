"""What fills the named places of an image, as the command line says it: NAME=MAP, or NAME of one left empty."""

from collections.abc import Sequence

from sysimage import extents
from sysimage.errors import UserError
from sysimage.places import EMPTY, Content


def contents(kind: str, filled: Sequence[str], empty: Sequence[str]) -> dict[str, Content]:
    """The content of each place by its name.

    Args:
        kind: what a place is called, which is also the name of the flag that fills it.
        filled: words NAME=MAP.
        empty: names.

    Raises:
        UserError: a word of another form, a place that comes twice, a map that cannot be read.
    """
    found: dict[str, Content] = {}
    for word in filled:
        name, separator, path = word.partition("=")
        if not separator or not name or not path:
            raise UserError(f"--{kind} {word!r} is not of the form NAME=MAP")
        if name in found:
            raise UserError(f"{kind} {name!r} is given content twice")
        found[name] = extents.load(path)
    for name in empty:
        if name in found:
            raise UserError(f"{kind} {name!r} is declared empty but also given content, or declared twice")
        found[name] = EMPTY
    return found
