"""TypeScript: format, with the settings in .prettierrc.json."""

import os
import shutil
from pathlib import Path

from tests.lint.checkout import FIX, check, sources


def test_prettier(tmp_path: Path) -> None:
    node, program = (Path(os.environ[name]).absolute() for name in ("NODE", "PRETTIER"))
    links, tree = tmp_path / "links", tmp_path / "tree"
    files = [path for path in sources("typescript", links) if path.suffix == ".ts"]
    shutil.copytree(links, tree)  # prettier reads no links
    check([node, program, "--check", *files], tree, FIX)
