import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import node_test_run

NODE = Path(os.environ["NODE"]).absolute()


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        ('import test from "node:test"; test("a", () => {});', 0, ""),
        ('import test from "node:test"; test("a", () => { throw new Error("b"); });', 1, ""),
        ("console.log(1);", 1, "error: {} has no test\n"),
        ('throw new Error("outside");', 1, None),
    ],
)
def test_status(tmp_path: Path, text: str, status: int, error: str | None) -> None:
    program = tmp_path / "a.mjs"
    program.write_text(text)
    command = [sys.executable, node_test_run.__file__, f"--node={NODE}", f"--program={program}"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert result.returncode == status
    if error is not None:
        assert result.stderr == error.format(program)
