"""Bazel's execution log: where each action ran, and what it read and wrote."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REMOTE = "remote"
REMOTE_HIT = "remote cache hit"


@dataclass(frozen=True, slots=True)
class Spawn:
    """One action that was run, or whose result was found.

    runner: `remote`, `linux-sandbox`, `remote cache hit`, ... inputs, outputs: path to (sha256, bytes).
    """

    mnemonic: str
    label: str
    runner: str
    is_hit: bool
    inputs: dict[str, tuple[str, int]]
    outputs: dict[str, tuple[str, int]]


def read(path: Path) -> list[Spawn]:
    """The spawns of a log that --execution_log_json_file wrote: JSON objects, one behind the other."""
    return [
        Spawn(
            mnemonic=entry["mnemonic"],
            label=entry.get("targetLabel", ""),
            runner=entry["runner"],
            is_hit=entry.get("cacheHit", False),
            inputs=_files(entry["inputs"]),
            outputs=_files(entry["actualOutputs"]),
        )
        for entry in _objects(path.read_text(encoding="utf-8"))
    ]


def sha256(path: Path) -> str:
    """The digest of a file, as logs and storages write it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        entry, position = decoder.raw_decode(text, position)
        yield entry
        position += len(text[position:]) - len(text[position:].lstrip())


def _files(entries: list[dict[str, Any]]) -> dict[str, tuple[str, int]]:
    return {
        entry["path"]: (entry["digest"]["hash"], int(entry["digest"].get("sizeBytes", 0)))
        for entry in entries
        if "digest" in entry
    }
