"""ic-os/scripts/verify-release.sh: what it starts in the build environment, and what it shares with it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.container.machine import Machine

SCRIPT = Path("ic-os/scripts/verify-release.sh").absolute()
TARGET = "--target=//image:disk.tar"
# Says what it was asked to run, and ends with the status of what it would have run.
ENGINE = """
case $1 in
  info) exit 0 ;;
  image) exit 0 ;;
  run)
    while [[ $1 != ic-container:* ]]; do shift; done
    shift
    printf '%s\\n' "$@"
    exit 1
    ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.stand_in("docker", ENGINE)
    scripts = machine.repository / "ic-os" / "scripts"
    scripts.mkdir(parents=True)
    shutil.copy(SCRIPT, scripts)
    (tmp_path / "disk.tar.sha256").touch()
    return machine


def verify(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [machine.repository / "ic-os" / "scripts" / SCRIPT.name, *arguments],
        cwd=machine.folder,
        env=machine.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("form", [["--published=disk.tar.sha256"], ["--published", "disk.tar.sha256"]])
def test_a_file_is_shared_under_its_own_path(machine: Machine, form: list[str]) -> None:
    result = verify(machine, TARGET, *form, "--keep")
    file = machine.folder / "disk.tar.sha256"
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        *("bazel", "run", "//py/tools:rebuild", "--"),
        *(TARGET, f"--published={file}", "--keep"),
    ]
    (run,) = (call for call in machine.calls("docker") if call[0] == "run")
    assert f"type=bind,source={file},target={file},readonly" in run


@pytest.mark.parametrize("word", ["--published=" + "ab" * 32, "--published=none", "--published", "--help"])
def test_other_words_are_handed_on(machine: Machine, word: str) -> None:
    result = verify(machine, word)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines() == ["bazel", "run", "//py/tools:rebuild", "--", word]
