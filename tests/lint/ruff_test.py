"""Python: lint and format, with the settings in pyproject.toml."""

import os
from pathlib import Path

import pytest

from tests.lint.checkout import FIX, check, sources


@pytest.mark.parametrize("arguments", [("check",), ("format", "--diff")], ids=["check", "format"])
def test_ruff(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    program = Path(os.environ["RUFF"]).absolute()
    files = [path for path in sources("python", tmp_path) if path.suffix in (".py", ".pyi")]
    check([program, *arguments, "--no-cache", *files], tmp_path, FIX)
