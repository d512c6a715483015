"""The list of packages is written once, in the Dockerfile, and both ways of making the environment read it there."""

import re
from pathlib import Path

import pytest

from tests.container.machine import CONTAINER, Machine

LINES = (CONTAINER / "Dockerfile").read_text().splitlines()


def listed() -> list[str]:
    """The packages, read in another way than the script does: lines of the RUN, but comments and commands."""
    start = next(i for i, line in enumerate(LINES) if line.startswith("RUN "))
    lines = [line.strip() for line in LINES[start + 1 :] if not line.strip().startswith(("#", "&&"))]
    return [line.removesuffix("\\").strip() for line in lines if line]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.add_root_maker()
    return machine


def test_mmdebstrap_gets_the_packages_of_the_dockerfile(machine: Machine) -> None:
    result = machine.run("true", DEBIAN_MIRROR="http://mirror.test/debian")
    assert result.returncode == 0, result.stderr
    (call,) = machine.calls("mmdebstrap")
    assert next(word for word in call if word.startswith("--include=")) == "--include=" + ",".join(listed())
    assert call[-3:] == ["forky", "-", "-"]


def test_each_package_has_a_reason_and_its_place() -> None:
    packages = listed()
    assert packages == sorted(set(packages))
    for number, line in enumerate(LINES):
        if re.fullmatch(r" +[a-z0-9.+-]+ \\", line):
            assert LINES[number - 1].strip().startswith("# "), f"{line.strip()} has no reason above it"


def test_a_new_package_makes_a_new_root_and_a_comment_does_not(machine: Machine) -> None:
    mirror = {"DEBIAN_MIRROR": "http://mirror.test/debian"}
    machine.run("true", **mirror)
    first = machine.roots()
    machine.dockerfile.write_text(machine.dockerfile.read_text().replace("# every tool", "# each tool"))
    machine.run("true", **mirror)
    assert machine.roots() == first
    machine.dockerfile.write_text(machine.dockerfile.read_text().replace(" zstd \\", " zsh \\\n        zstd \\"))
    result = machine.run("true", **mirror)
    assert result.returncode == 0, result.stderr
    assert "a root of a former definition" in result.stderr
    assert (len(machine.roots()), machine.roots() == first) == (1, False)
    assert len(machine.calls("mmdebstrap")) == 2
