"""Named places of an image, partitions or volumes: each gets a content or is left empty on purpose.

What the writers of disks have in common, whatever the table of their places looks like.
"""

import enum
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from sysimage.errors import UserError
from sysimage.extents import ExtentMap
from sysimage.text import parse_json


class Empty(enum.Enum):
    """The content of a place that is meant to have none."""

    EMPTY = "empty"


EMPTY: Final = Empty.EMPTY
Content = ExtentMap | Empty
_Layout = TypeVar("_Layout")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something of this name lies in an image. Both in bytes."""

    name: str
    offset: int
    length: int


def refuse_overlaps(kind: str, unit: str, spans: Iterable[tuple[str, int, int]]) -> None:
    """Refuses places that lie over each other.

    Args:
        kind: what a place is called: "partition", "volume".
        unit: what the layout counts in: "sector", "extent".
        spans: name, start and end of all places, in any order; the end is the first unit behind it.

    Raises:
        UserError: two overlap.
    """
    ordered = sorted(spans, key=lambda span: span[1])
    for (left, _, left_end), (right, start, end) in itertools.pairwise(ordered):
        if start < left_end:
            raise UserError(
                f"{kind}s {left!r} and {right!r} overlap by {min(left_end, end) - start} {unit}s",
                hint=f"start {right!r} at {unit} {left_end} or later",
            )


def fill(kind: str, places: Iterable[Place], contents: Mapping[str, Content]) -> list[tuple[int, ExtentMap]]:
    """The contents at their offsets, for `ExtentMap.union`.

    Args:
        kind: what a place is called: "partition", "volume".
        places: all places of the layout.
        contents: for each place's name its image, or EMPTY. An image may be smaller than its
            place; the rest is a hole.

    Raises:
        UserError: a place has neither image nor EMPTY; an image has no place, or is larger than it.
    """
    by_name = {place.name: place for place in places}
    for name in contents:
        if name not in by_name:
            raise UserError(f"content is given for {kind} {name!r}, which the layout does not have")
    placed: list[tuple[int, ExtentMap]] = []
    for name, place in by_name.items():
        content = contents.get(name)
        if content is None:
            raise UserError(f"{kind} {name!r} has no content", hint="give it an image, or declare it empty")
        if isinstance(content, Empty):
            continue
        if content.size > place.length:
            raise UserError(
                f"the content of {kind} {name!r} has {content.size} bytes, "
                f"{content.size - place.length} more than the {kind}'s {place.length}"
            )
        placed.append((place.offset, content))
    return placed


def load(path: Path | str, parse: Callable[[str], _Layout]) -> _Layout:
    """Reads a layout file.

    Args:
        path: the file.
        parse: makes a layout of its text.

    Raises:
        UserError: it cannot be read, or what `parse` raises, with the file's name.
    """
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"cannot read layout {path}: {reason}") from error
    try:
        return parse(text)
    except UserError as error:
        raise UserError(f"{path}: {error.message}", error.hint) from error


def parse_object(text: str, required: Mapping[str, type], optional: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a layout out of its JSON. Errors: as `fields`, or it is not JSON."""
    try:
        data = parse_json(text)
    except ValueError as error:
        raise UserError(f"the layout is not JSON: {error}") from error
    return fields("the layout", data, required, optional)


def fields(what: str, data: object, required: Mapping[str, type], optional: Mapping[str, type]) -> dict[str, Any]:
    """An object of a layout, which has these fields and no others.

    Raises:
        UserError: it is no object, a field is missing, unknown or of another type.
    """
    if not isinstance(data, dict):
        raise UserError(f"{what} is a {type(data).__name__}, an object is wanted")
    kinds = {**required, **optional}
    for name, value in data.items():
        if name not in kinds:
            raise UserError(f"{what} has an unknown field {name!r}", hint=f"fields are {', '.join(kinds)}")
        # bool is an int to Python, but not to a reader of the layout.
        if not isinstance(value, kinds[name]) or isinstance(value, bool):
            raise UserError(f"{what}: {name} is {value!r}, expected {kinds[name].__name__}")
    for name in required:
        if name not in data:
            raise UserError(f"{what} has no {name!r}")
    return data
