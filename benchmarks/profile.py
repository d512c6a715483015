"""Where the time of a build goes: the critical path of Bazel's own profile.

Source: Bazel's JSON trace profile (`bazel build --profile`), in Chrome's trace event format; times in microseconds.
"""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

_MICROSECONDS = 1_000_000
_SHORTEST = 0.01  # seconds; what is shorter is not listed
_BEFORE_ACTIONS = "loading and analysis"


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of the critical path: what was done, and for how many seconds."""

    what: str
    seconds: float


def critical_path(profile: Path) -> tuple[Step, ...]:
    """The steps that the end of a build waited for, in order; first what came before any action."""
    with gzip.open(profile, "rt") if profile.suffix == ".gz" else profile.open(encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    starts = [event["ts"] for event in events if event.get("cat") == "action processing"]
    steps = [Step(_BEFORE_ACTIONS, min(starts, default=0) / _MICROSECONDS)]
    for event in events:
        if event.get("cat") == "critical path component":
            name = event["name"].removeprefix("action ").strip("'")
            steps.append(Step(name, event["dur"] / _MICROSECONDS))
    return tuple(step for step in steps if step.seconds >= _SHORTEST)
