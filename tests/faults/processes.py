"""Processes of a nested Bazel: its client, its server, its actions."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.nested.workspace import Workspace


def processes(workspace: Workspace, *words: str, program: str = "") -> Iterator[int]:
    """Processes that run for a workspace's Bazel: those whose command line or folder lies in what it writes.

    Args:
        workspace: whose Bazel.
        words: what must stand in the command line, every one.
        program: what it must be; empty: whatever.
    """
    own = os.fsencode(workspace.output_user_root)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            place = os.readlink(os.fsencode(folder / "cwd"))
        except OSError:  # it has ended, or is another user's
            continue
        if program and command.split(b"\0")[0].rpartition(b"/")[2] != program.encode():
            continue
        if (own in command or place.startswith(own)) and all(word.encode() in command for word in words):
            yield int(folder.name)


def kill_everything(workspace: Workspace) -> None:
    """Client, server and actions, at once, as when the machine's memory has run out or its power is gone."""
    for _ in range(100):
        found = list(processes(workspace))
        if not found:
            return
        for process in found:
            _kill(process)
        time.sleep(0.05)
    raise AssertionError(f"these survived SIGKILL: {found}")


def kill_one(workspace: Workspace, *words: str, timeout: float = 120) -> None:
    """Kills the first Python program that appears with these words in its command line.

    Raises:
        AssertionError: none has appeared.
    """
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for process in processes(workspace, *words, program="python3"):
            if _kill(process):
                return
        time.sleep(0.005)
    raise AssertionError(f"no process with {words} appeared in {timeout} s")


def _kill(process: int) -> bool:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
