"""The execution log: what each action was given and what it left, by digest."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sysimage.files import write_text


@dataclass(frozen=True, slots=True)
class Entry:
    """An action that was executed.

    number is its place in the graph; inputs and outputs map paths to digests (see `digest`); failure is what it said if
    it failed, else "".
    """

    number: int
    label: str
    mnemonic: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """All that was executed in an environment, and what a program saw there."""

    environment: str
    seen: Mapping[str, Any]
    entries: tuple[Entry, ...]


def save(record: Record, path: Path) -> None:
    """Writes a record as JSON lines: one that says what was seen, then one an action.

    Raises:
        UserError: it cannot be written.
    """
    rows: list[object] = [{"environment": record.environment, "seen": record.seen}]
    rows += [asdict(entry) for entry in record.entries]
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def load(path: Path) -> Record:
    """Reads what `save` wrote."""
    head, *rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    entries = tuple(Entry(**row | {"argv": tuple(row["argv"])}) for row in rows)
    return Record(head["environment"], head["seen"], entries)


def digest(path: Path) -> str:
    """SHA-256 of a file, or of all that a directory holds: paths, kinds, link targets, contents; no times, no modes."""
    if not path.is_dir():
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for entry in sorted(os.listdir(path)):
        below = path / entry
        if below.is_symlink():
            what = f"link {os.readlink(below)}"
        else:
            what = f"{'directory' if below.is_dir() else 'file'} {digest(below)}"
        whole.update(os.fsencode(entry) + b"\0" + os.fsencode(what) + b"\0")
    return whole.hexdigest()
