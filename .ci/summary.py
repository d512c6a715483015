"""Counts the tests of one `bazel test` from its build events and prints `N passed, N failed`.

A test that Bazel was asked for and that did not pass has failed: also one that could not be built, or that
was never started because something else broke.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path


def count(lines: Iterable[str]) -> tuple[int, int]:
    """Counts (passed, failed) tests in build events, one JSON object a line.

    Source: Bazel's build_event_stream.proto: TargetConfigured.test_size, TestSummary.overall_status.
    """
    tests: set[str] = set()
    passed: set[str] = set()
    for line in lines:
        event = json.loads(line)
        if "testSize" in event.get("configured", {}):
            tests.add(event["id"]["targetConfigured"]["label"])
        if event.get("testSummary", {}).get("overallStatus") in ("PASSED", "FLAKY"):
            passed.add(event["id"]["testSummary"]["label"])
    return len(passed), len(tests - passed)


def main() -> None:
    """Prints the count of the events in the file that is the only argument."""
    with Path(sys.argv[1]).open(encoding="utf-8") as events:
        passed, failed = count(events)
    print(f"{passed} passed, {failed} failed")


if __name__ == "__main__":
    main()
