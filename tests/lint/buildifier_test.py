"""Bazel files: format and lint."""

import os
from pathlib import Path

from tests.lint.checkout import FIX, check, sources


def test_buildifier(tmp_path: Path) -> None:
    program = Path(os.environ["BUILDIFIER"]).absolute()
    files = sources("bazel", tmp_path)
    check([program, "-mode=check", "-lint=warn", *files], tmp_path, FIX)
