"""The log that stays on the stick: /config/setupos.log, and that of the run before it.

CONFIG is mounted read-only but for the moments of writing. Whatever is wrong with it, the installation goes on without.
"""

import os
import shutil
from collections.abc import Callable
from typing import Final

from setupos.machine import Machine

LOG: Final = "/config/setupos.log"
EARLIER: Final = "/config/setupos.log.1"


class StickLog:
    """Keeps lines in memory until they are written. complain: says, once, that they cannot be."""

    def __init__(self, machine: Machine, complain: Callable[[str], None]) -> None:
        self._machine = machine
        self._complain = complain
        self._lines: list[str] = []
        self._begun = False
        self._given_up = False
        self._start = machine.now()

    def keep(self, line: str) -> None:
        """Takes a line, to be written later."""
        self._lines.append(f"[{self._machine.now() - self._start:8.2f}] {line}\n")

    def write(self) -> None:
        """Writes what was kept to the stick."""
        if self._given_up:
            return
        try:
            self._append()
        except OSError as error:
            self._given_up = True
            self._complain(f"WARNING: no log is kept on the stick: {LOG}: {error.strerror or error}")

    def _append(self) -> None:
        # Nobody hears of these two: they would stand below the sentence that an installation ends with.
        result = self._machine.run("mount", "-o", "remount,rw", "/config", noted=False)
        try:
            if result.status:
                raise OSError(result.reason)
            path = self._machine.path(LOG)
            if not self._begun and path.exists():
                shutil.move(path, self._machine.path(EARLIER))
            self._begun = True
            text, self._lines = "".join(self._lines), []
            with open(path, "a", encoding="utf-8", errors="replace") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        finally:
            self._machine.run("mount", "-o", "remount,ro", "/config", noted=False)
