"""Bazel on a work tree and an output base of its own: beside the server of whoever calls, not through it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

# Nothing that was built before, here or elsewhere, counts. Files fetched by their hash may come from a cache.
NO_CACHES = ("--disk_cache=", "--remote_cache=", "--remote_executor=")
# Root stays root for programs that change owners. Bazel's sandbox wants an ordinary user.
_ORDINARY = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
# What `bazel run` and the launcher of a Python program leave behind, which Bazel's own programs would take for theirs.
_LEFT_BEHIND = ("BUILD_", "JAVA_RUNFILES", "PYTHON", "RUNFILES_", "TEST_")


def command(output_base: Path, startup: Sequence[str] = ()) -> list[str]:
    """The words that start Bazel with that output base; a command and its options follow."""
    prefix = _ORDINARY if os.geteuid() == 0 else ()
    return [*prefix, "bazel", *startup, f"--output_base={output_base}"]


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """An environment for Bazel, out of that of a program which `bazel run` started."""
    return {name: value for name, value in inherited.items() if not name.startswith(_LEFT_BEHIND)}
