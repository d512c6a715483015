"""Python: types, strictly, with the settings in pyproject.toml."""

import sys
from pathlib import Path

from tests.lint.checkout import check, sources


def test_mypy(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    files = [path for path in sources("python", folder) if path.suffix == ".py"]
    options = ["--no-error-summary", f"--cache-dir={tmp_path / 'cache'}"]
    mend = "change what it names; `mypy` runs outside of Bazel too"
    check([sys.executable, "-m", "mypy", *options, *files], folder, mend, {"MYPY_FORCE_COLOR": "0"})
