"""What is planted in place of our programs is found: they swallow errors, leave half files, ignore short writes."""

import sys
from pathlib import Path
from random import Random

import pytest

from tests.soak import fault_scenarios
from tests.soak.fault_scenarios import Program, Result, check, command, digests, run
from tests.soak.faulty import ERRORS, SHORT, Fault
from tests.soak.scenario import Finding, Scenario

WHOLE = {"out": "digest"}


def program(folder: Path, body: str) -> Program:
    """A program of these lines, whose output is named by sys.argv[1] (`--out=FILE`)."""
    (folder / "planted_program.py").write_text(f"import os, sys\npath = sys.argv[1].removeprefix('--out=')\n{body}\n")
    return Program("planted_program", [], {"out": "out"})


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


CAREFUL = """
try:
    with open(path + ".partial", "wb", buffering=0) as file:
        done = 0
        while done < 1000:
            done += file.write(bytes(1000 - done))
    os.replace(path + ".partial", path)
except OSError as error:
    os.unlink(path + ".partial") if os.path.exists(path + ".partial") else None
    sys.exit(print("error:", error.strerror, file=sys.stderr) or 2)
"""
HALF = "file = open(path, 'wb', buffering=0)\nfor _ in range(10): file.write(bytes(100))"
SWALLOWS = "try: open(path, 'wb').write(bytes(1000))\nexcept OSError: pass"
SHORT_SIGHTED = "file = open(path, 'wb', buffering=0)\nfile.write(bytes(1000))"


@pytest.mark.parametrize("kind", [SHORT, *ERRORS])
def test_a_careful_program_passes(started: Path, kind: str) -> None:
    planted = program(started, CAREFUL)
    for at in (0, 1, 100):
        out = started / f"out-{at}"
        out.mkdir()
        result = run(command(planted, out, (kind, at, 7)), out)
        fine = kind == SHORT or at == 100
        assert result.status == (0 if fine else 2), result.stderr
        assert result.files == ({"out": digests(out)["out"]} if fine else {})
        check("planted", result, {"out": result.files.get("out", "")}, {}, must_fail=not fine)


@pytest.mark.parametrize(
    ("body", "fault", "said"),
    [
        (HALF, ("EIO", 5, 1), "planted: status 1, "),
        (SWALLOWS, ("ENOSPC", 0, 1), "planted: ended with status 0, and left "),
        (SHORT_SIGHTED, (SHORT, 0, 1), "planted: ended with status 0, and left "),
    ],
)
def test_a_careless_program_is_found(started: Path, body: str, fault: tuple[str, int, int], said: str) -> None:
    planted, out = program(started, body), started / "out"
    out.mkdir()
    whole = run(command(planted, out), out).files
    result = run(command(planted, out, fault), out)
    with pytest.raises(Finding) as caught:
        check("planted", result, whole, {})
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Result(1, "Traceback", WHOLE), "x: status 1, 1 lines\nTraceback"),
        (Result(2, "error: a\nb\n", {}), "x: status 2, 2 lines\nerror: a\nb\n"),
        (Result(2, "", {}), "x: status 2, 0 lines\n"),
        (Result(2, "error: full\n", {"out": "half"}), "x: left out, which is neither whole nor what was there"),
        (Result(2, "error: full\n", {"out.partial": "digest"}), "x: left out.partial, which is neither whole"),
        (Result(0, "", {"out": "half"}), "x: ended with status 0, and left ['out']"),
    ],
)
def test_what_is_not_allowed(result: Result, said: str) -> None:
    with pytest.raises(Finding) as caught:
        check("x", result, WHOLE, {})
    assert str(caught.value).startswith(said)


def test_what_is_allowed() -> None:
    check("x", Result(0, "", WHOLE), WHOLE, {}, must_fail=False)
    check("x", Result(2, "error: full\n", {}), WHOLE, {})
    check("x", Result(2, "error: full\n", {"out": "old"}), WHOLE, {"out": "old"})
    with pytest.raises(Finding):
        check("x", Result(0, "", WHOLE), WHOLE, {}, must_fail=True)


def test_short_writes_take_something() -> None:
    fault = Fault(SHORT, 0, 1)
    sizes = {fault.cut(100) for _ in range(1000)}
    assert min(sizes) == 1
    assert max(sizes) == 100
    assert fault.cut(0) == 0


@pytest.mark.parametrize("scenario", fault_scenarios.SCENARIOS, ids=lambda each: each.name)
def test_our_programs(tmp_path: Path, scenario: Scenario) -> None:
    scenario.run(Random(4), tmp_path)
