"""Versions compared, and relation fields such as Replaces.

Sources: deb-version(7), "Sorting algorithm"; deb-control(5).
"""

import re
from collections.abc import Iterator
from itertools import zip_longest

_PARTS = re.compile(r"(\D*)(\d*)")


def compare_versions(one: str, other: str) -> int:
    """-1, 0 or 1, as `one` is older than, as old as, or newer than `other`."""
    keys = _key(one), _key(other)
    for mine, theirs in zip(*keys, strict=True):
        result = _compare_strings(mine, theirs)
        if result:
            return result
    return 0


def _key(version: str) -> tuple[str, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "")


def _compare_strings(one: str, other: str) -> int:
    """Non-digits and numbers in turn; `~` sorts before the end, letters before all else."""
    for (text, digits), (text2, digits2) in zip_longest(_PARTS.findall(one), _PARTS.findall(other), fillvalue=("", "")):
        for char, char2 in zip_longest(text, text2, fillvalue=""):
            order, order2 = _order(char), _order(char2)
            if order != order2:
                return -1 if order < order2 else 1
        number, number2 = int(digits or 0), int(digits2 or 0)
        if number != number2:
            return -1 if number < number2 else 1
    return 0


def _order(char: str) -> int:
    if char == "~":
        return -1
    if not char:
        return 0
    return ord(char) if char.isalpha() else ord(char) + 256


def parse_relations(value: str) -> Iterator[tuple[str, str, str]]:
    """`a, b (>= 1), c | d` as (name, operator, version); alternatives come one by one, without their grouping."""
    for part in value.replace("|", ",").split(","):
        name, _, rest = part.strip().partition("(")
        operator, version = re.fullmatch(r"\s*([<>=]*)\s*([^)\s]*)\s*\)?.*", rest, re.DOTALL).groups()  # type: ignore[union-attr]
        name = name.strip().partition(":")[0].partition(" ")[0]
        if name:
            yield name, operator, version


def satisfied(version: str, operator: str, wanted: str) -> bool:
    """Whether a version stands in the relation; no operator: any version does."""
    result = compare_versions(version, wanted)
    return {
        "": True,
        "<<": result < 0,
        "<=": result <= 0,
        "<": result <= 0,
        "=": result == 0,
        ">=": result >= 0,
        ">": result >= 0,
        ">>": result > 0,
    }[operator]
