import gzip
import json
from pathlib import Path

from benchmarks.profile import Step, critical_path

TRACE = {
    "traceEvents": [
        {"cat": "build phase marker", "name": "Complete build", "ph": "X", "ts": 9_000_000, "dur": 0},
        {"cat": "action processing", "name": "Planning //x", "ph": "X", "ts": 2_000_000, "dur": 5_000_000},
        {"cat": "action processing", "name": "Writing y", "ph": "X", "ts": 1_500_000, "dur": 10},
        {
            "cat": "critical path component",
            "name": "action 'Planning //x'",
            "ph": "X",
            "ts": 2_000_000,
            "dur": 5_250_000,
        },
        {"cat": "critical path component", "name": "runfiles for //t", "ph": "X", "ts": 0, "dur": 17},
        {"name": "thread_name", "ph": "M", "args": {"name": "Main"}},
    ]
}


def test_critical_path_begins_before_the_first_action(tmp_path: Path) -> None:
    expected = (Step("loading and analysis", 1.5), Step("Planning //x", 5.25))
    plain, packed = tmp_path / "profile.json", tmp_path / "profile.gz"
    plain.write_text(json.dumps(TRACE))
    packed.write_bytes(gzip.compress(json.dumps(TRACE).encode()))
    assert critical_path(plain) == critical_path(packed) == expected


def test_a_build_without_actions(tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text('{"traceEvents": []}')
    assert critical_path(profile) == ()
