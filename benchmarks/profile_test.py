import gzip
import json
from pathlib import Path

from benchmarks.profile import Step, critical_path

TRACE = {
    "traceEvents": [
        {"cat": "build phase marker", "name": "Complete build", "ph": "X", "ts": 9_000_000, "dur": 0},
        {"cat": "action processing", "name": "Planning //x", "ph": "X", "ts": 2_000_000, "dur": 5_000_000},
        {
            "cat": "critical path component",
            "name": "action 'Planning //x'",
            "ph": "X",
            "ts": 2_000_000,
            "dur": 5_250_000,
        },
        {"cat": "critical path component", "name": "runfiles for //t", "ph": "X", "ts": 0, "dur": 250_000},
        {"cat": "critical path component", "name": "runfiles for //u", "ph": "X", "ts": 0, "dur": 0},
        {"name": "thread_name", "ph": "M", "args": {"name": "Main"}},
    ]
}


def test_critical_path_and_what_is_beyond_it(tmp_path: Path) -> None:
    rest = Step("the rest: loading, analysis, waiting for a processor", 3.5)
    expected = (Step("Planning //x", 5.25), Step("runfiles for //t", 0.25), rest)
    plain, packed = tmp_path / "profile.json", tmp_path / "profile.gz"
    plain.write_text(json.dumps(TRACE))
    packed.write_bytes(gzip.compress(json.dumps(TRACE).encode()))
    assert critical_path(plain) == critical_path(packed) == expected


def test_a_build_without_actions(tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text('{"traceEvents": []}')
    assert critical_path(profile) == ()
