"""Runs pytest for one Bazel test: the files are its arguments.

Keeps Bazel's side of the contract: results as XML where Bazel wants them, its filter and its shards, temporary
files in the test's own folder, nothing written beside the sources, and failure when there was nothing to run.
"""

import os
import sys
from pathlib import Path

import hypothesis
import pytest


class Shards:
    """A pytest plugin that keeps every TEST_TOTAL_SHARDS-th test, from TEST_SHARD_INDEX on."""

    def __init__(self, total: int, index: int) -> None:
        self.total = total
        self.index = index

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Drops the tests of other shards."""
        others = [item for number, item in enumerate(items) if number % self.total != self.index]
        items[:] = [item for number, item in enumerate(items) if number % self.total == self.index]
        config.hook.pytest_deselected(items=others)


def main(arguments: list[str]) -> int:
    """Runs pytest on the files and options in arguments and returns the exit status for Bazel."""
    environment = os.environ
    if folder := environment.get("TEST_TMPDIR"):
        environment["TMPDIR"] = folder
        environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(folder) / "hypothesis")
    # The same examples every time, however slow the machine is, and none kept.
    hypothesis.settings.register_profile(
        "bazel",
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("bazel")

    options = ["--import-mode=importlib", "-p", "no:cacheprovider", "--rootdir=.", "-c", os.devnull, "-ra"]
    plugins: list[object] = []
    if xml := environment.get("XML_OUTPUT_FILE"):
        options.append(f"--junitxml={xml}")
    if chosen := environment.get("TESTBRIDGE_TEST_ONLY"):
        options.append(f"-k={chosen}")
    if environment.get("TESTBRIDGE_TEST_RUNNER_FAIL_FAST") == "1":
        options.append("--exitfirst")
    total = int(environment.get("TEST_TOTAL_SHARDS") or 0)
    if total > 1:
        plugins.append(Shards(total, int(environment["TEST_SHARD_INDEX"])))
    if status := environment.get("TEST_SHARD_STATUS_FILE"):
        Path(status).touch()

    result = pytest.main(options + arguments, plugins=plugins)
    if result == pytest.ExitCode.NO_TESTS_COLLECTED and total > 1:
        return 0  # a shard with nothing to do; the other shards have it
    return int(result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
