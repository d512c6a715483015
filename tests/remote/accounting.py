"""What the blobs of a storage are: the table of bytes behind the figures in docs/remote.md."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from tests.remote.execution_log import Spawn

_BAR = 40  # characters of the longest bar
_REST = "actions, folders and results, as messages"


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of blobs: how many there are, and their bytes."""

    what: str
    count: int
    size: int


def account(blobs: Mapping[str, int], spawns: Iterable[Spawn]) -> list[Row]:
    """The blobs by what they are to the actions, largest first.

    Args:
        blobs: sha256 to bytes.
        spawns: all actions that may have put blobs there.
    """
    spawns = list(spawns)
    kinds: dict[str, str] = {}
    # What an action wrote is its output, whoever reads it later.
    for spawn in spawns:
        for digest, _ in spawn.outputs.values():
            kinds.setdefault(digest, f"output of {spawn.mnemonic} {spawn.label.rpartition('/')[2]}")
    for spawn in spawns:
        for path, (digest, _) in spawn.inputs.items():
            kinds.setdefault(digest, _input(path, spawn))
    rows: dict[str, Row] = {}
    for digest, size in blobs.items():
        what = kinds.get(digest, _REST)
        before = rows.get(what, Row(what, 0, 0))
        rows[what] = Row(what, before.count + 1, before.size + size)
    return sorted(rows.values(), key=lambda row: (-row.size, row.what))


def _input(path: str, spawn: Spawn) -> str:
    if PurePosixPath(path).suffix == ".deb":
        return "packages of tools" if spawn.mnemonic == "UnpackTool" else "packages of the image"
    return "wheels" if "/site-packages/" in path else "sources and tools"


def table(rows: Iterable[Row], archive: int) -> str:
    """The rows as text, with bars, and their sum as a multiple of the archive's size."""
    rows = list(rows)
    largest = max((row.size for row in rows), default=0) or 1
    total = Row("all", sum(row.count for row in rows), sum(row.size for row in rows))
    lines = [f"{'':<50} {'blobs':>6} {'MB':>8} {'archives':>9}"]
    for row in [*rows, total]:
        bar = "" if row is total else "#" * (-(-row.size * _BAR // largest))
        lines.append(f"{row.what:<50} {row.count:>6} {row.size / 1e6:>8.2f} {row.size / archive:>9.3f}  {bar}".rstrip())
    return "\n".join(lines) + "\n"
