"""Where the time of a build goes: the critical path of Bazel's own profile.

Source: Bazel's JSON trace profile (`bazel build --profile`), in Chrome's trace event format; times in microseconds.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

_MICROSECONDS = 1_000_000
_SHORTEST = 0.01  # seconds; what is shorter is not listed
_END = "Complete build"  # Bazel's mark behind the last action
_REST = "the rest: loading, analysis, waiting for a processor"


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of the critical path: what was done, and for how many seconds."""

    what: str
    seconds: float


def critical_path(profile: Path) -> tuple[Step, ...]:
    """The actions that the end of a build waited for, in order, and last what the build took beyond them."""
    with gzip.open(profile, "rt") if profile.suffix == ".gz" else profile.open(encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    steps = [
        Step(event["name"].removeprefix("action ").strip("'"), event["dur"] / _MICROSECONDS)
        for event in events
        if event.get("cat") == "critical path component"
    ]
    end = max((event["ts"] / _MICROSECONDS for event in events if event["name"] == _END), default=0.0)
    steps.append(Step(_REST, end - sum(step.seconds for step in steps)))
    return tuple(step for step in steps if step.seconds >= _SHORTEST)
