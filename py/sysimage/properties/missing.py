"""Paths that something mentions: whether they are there."""

from collections.abc import Iterator

from sysimage.properties.findings import Finding
from sysimage.properties.system import System

# Mounted by the kernel and systemd before anything else runs: what is in there no image can tell.
_RUN_TIME = ("dev", "proc", "run", "sys")


def made_at_run_time(path: str) -> bool:
    """Whether a path lies where the kernel and systemd mount something at boot."""
    return path.strip("/").partition("/")[0] in _RUN_TIME


def missing(system: System, path: str, where: str) -> Iterator[Finding]:
    """The finding for a path that does not exist; none if it does."""
    if not made_at_run_time(path) and system.find(path.strip("/")) is None:
        yield Finding("missing-path", path, f"is mentioned by {where}, and does not exist")
