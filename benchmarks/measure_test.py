from pathlib import Path

import pytest

from benchmarks.measure import Comparison, Contender, compare, execute, output_of
from benchmarks.profile import Step
from sysimage.errors import UserError


def test_rounds_are_interleaved_and_prepared() -> None:
    turns: list[str] = []

    def contender(name: str) -> Contender:
        return Contender(
            name, lambda number: turns.append(f"prepare {name}{number}"), lambda number: turns.append(f"{name}{number}")
        )

    outcome = compare(Comparison("k", "t", 1.0, contender("a"), contender("b"), lambda: (Step("x", 1.0),)), rounds=2)
    assert outcome.steps == (Step("x", 1.0),)
    assert turns == ["prepare a0", "a0", "prepare b0", "b0", "prepare a1", "a1", "prepare b1", "b1"]
    assert len(outcome.ours.seconds) == len(outcome.theirs.seconds) == 2


def test_execute_measures_time_and_memory(tmp_path: Path) -> None:
    usage = execute(
        ["python3", "-c", "import time; x = bytes(range(256)) * (1 << 18); time.sleep(0.2)"], tmp_path / "log"
    )
    assert usage.seconds >= 0.2
    assert 64 << 20 <= usage.memory < 600 << 20


def test_execute_shows_the_end_of_the_output(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(UserError) as error:
        execute(["sh", "-c", "echo of no use; seq 20; echo why; exit 3"], log)
    assert error.value.message.startswith("sh failed with status 3:\n")
    assert error.value.message.endswith("\n  why")
    assert "of no use" not in error.value.message
    assert error.value.hint == f"the whole output is in {log}"


def test_a_program_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no program 'no-such-program'"):
        execute(["no-such-program"], tmp_path / "log")
    with pytest.raises(UserError, match="there is no program 'no-such-program'"):
        output_of(["no-such-program"])


def test_output_of_a_failure() -> None:
    with pytest.raises(UserError, match=r"sh -c echo bad; exit 1 \.\.\. failed with status 1:\n  bad"):
        output_of(["sh", "-c", "echo bad; exit 1"])
