"""Lays out the sources that a linter looks at, under their real names, and runs the linter on them."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

FIX = "bazel run //tests/lint:fix, and by hand what that leaves"


def lay_out(index: Path, language: str, folder: Path) -> list[Path]:
    """Links every source of a language into folder and returns their paths relative to it, sorted.

    Args:
        index: files.json of @sources; what it names lies beside it.
        language: a group of it.
        folder: an empty folder.
    """
    links = json.loads(index.read_text(encoding="utf-8"))[language]
    for link, name in links.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to((index.parent / link).resolve(strict=True))
    return sorted(Path(name) for name in links.values())


def sources(language: str, folder: Path) -> list[Path]:
    """The same for this test: its environment says where the index is."""
    return lay_out(Path(os.environ["SOURCES"]).absolute(), language, folder)


def check(command: Sequence[str | Path], folder: Path, mend: str, environment: dict[str, str] | None = None) -> None:
    """Runs a linter in folder; what it finds is the failure, together with the way to mend it."""
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        pytest.fail(f"{result.stdout}\nTo mend it: {mend}", pytrace=False)
