"""ic-os/scripts/verify-release.sh: what it starts in the build environment, and what it shares with it."""

import subprocess
from pathlib import Path

import pytest

from tests.container.machine import Machine

SCRIPT = Path("ic-os/scripts/verify-release.sh")
TARGET = "--target=//image:disk.tar"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.add_program(SCRIPT)
    (tmp_path / "disk.tar.sha256").touch()
    return machine


def verify(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return machine.run_program(SCRIPT, *arguments)


@pytest.mark.parametrize("form", [["--published=disk.tar.sha256"], ["--published", "disk.tar.sha256"]])
def test_a_file_is_shared_under_its_own_path(machine: Machine, form: list[str]) -> None:
    result = verify(machine, TARGET, *form, "--keep")
    file = machine.folder / "disk.tar.sha256"
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        *("bazel", "run", "//py/tools:rebuild", "--"),
        *(TARGET, f"--published={file}", "--keep"),
    ]
    assert f"type=bind,source={file},target={file},readonly" in machine.engine_runs()


@pytest.mark.parametrize("word", ["--published=" + "ab" * 32, "--published=none", "--published", "--help"])
def test_other_words_are_handed_on(machine: Machine, word: str) -> None:
    result = verify(machine, word)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines() == ["bazel", "run", "//py/tools:rebuild", "--", word]
