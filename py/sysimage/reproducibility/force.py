"""Whether the variations are in force: what a program saw in each of two environments, held side by side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sysimage.errors import UserError
from sysimage.reproducibility.environment import HOSTILE, VARIATIONS, Environment

Seen: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One variation: what was seen in A and in B, in words."""

    variation: str
    a: str
    b: str


def _path(seen: Seen) -> str:
    return f"{len(seen['folder'])} characters"


def _hash(seen: Seen) -> str:
    return f"hash('a') is {seen['hash']}"


def _variables(seen: Seen) -> str:
    there = sorted(set(HOSTILE.variables) & set(seen["variables"]))
    return f"{len(there)} that no action asked for"


# How a program sees each variation.
_WORDS: Mapping[str, Callable[[Seen], str]] = {
    "output path and its length": _path,
    "user": lambda seen: f"uid {seen['uid']}, gid {seen['gid']}",
    "umask": lambda seen: str(seen["umask"]),
    "setgid and ACL on scratch directories": lambda seen: str(seen["made"]),
    "locale": lambda seen: f"{seen['encoding']}, sorts {seen['collation']}",
    "time zone": lambda seen: f"{seen['utc_offset'] / 3600:+.2f} h",
    "clock": lambda seen: str(seen["clock"]),
    "host name": lambda seen: str(seen["host_name"]),
    "CPU count": lambda seen: f"{seen['online']} online, Python says {seen['cpus']}",
    "directory read order": lambda seen: str(seen["order"]),
    "file system of the scratch directory": lambda seen: f"blocks of {seen['block_size']} bytes",
    "Python hash seed": _hash,
    "times of inputs": lambda seen: f"{seen['input_time']} s since 1970",
    "modes of inputs": lambda seen: str(seen["input_mode"]),
    "environment variables": _variables,
}


def table(environments: tuple[Environment, Environment], seen: tuple[Seen, Seen]) -> list[Row]:
    """All variations, as they were seen."""
    rows = [Row(name, words(seen[0]), words(seen[1])) for name, words in _WORDS.items()]
    rows.append(Row("jobs", str(environments[0].jobs), str(environments[1].jobs)))
    return sorted(rows, key=lambda row: list(VARIATIONS).index(row.variation))


def check(rows: list[Row]) -> None:
    """That every variation is seen.

    Raises:
        UserError: one is not, with what was seen instead.
    """
    for row in rows:
        if row.a == row.b:
            raise UserError(
                f"the environments do not differ in {row.variation}: a program sees {row.a} in both",
                hint="this machine cannot vary it; the container can: gitlab-ci/container/container-run.sh",
            )


def draw(rows: list[Row]) -> str:
    """A table of three columns."""
    cells = [("", "environment A", "environment B"), *((row.variation, row.a, row.b) for row in rows)]
    widths = [max(len(cell[column]) for cell in cells) for column in range(2)]
    return "\n".join(f"  {a:{widths[0]}}  {b:{widths[1]}}  {c}".rstrip() for a, b, c in cells)
