"""What a technician sees: the same on the screen and on the serial line, which a management controller shows.

A screen has 80 columns. There, a line of progress is drawn over itself; the serial line gets a new one every few
seconds, so that whoever keeps what it says keeps something that can be read.
"""

import os
import select
import textwrap
from collections.abc import Callable, Iterable
from typing import Final

from setupos.machine import Machine

COLUMNS: Final = 80
SCREEN_SECONDS: Final = 0.25
SERIAL_SECONDS: Final = 5.0
_STUCK_SECONDS: Final = 2.0  # a line that takes nothing for so long is left alone
_BAR: Final = 16
_LONGEST: Final = 3600  # seconds that are left; what takes longer is not said
_MIB: Final = 1 << 20
_GIB: Final = 1 << 30


class Terminal:
    """A device that shows text. It may be missing, or stuck: then it shows nothing, and nobody waits for it."""

    def __init__(self, machine: Machine, device: str, screen: bool) -> None:
        self.screen = screen
        self._open_line = False
        try:
            self._file: int | None = os.open(machine.path(device), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            self._file = None

    def line(self, text: str) -> None:
        """Shows a line; a screen breaks it between words."""
        start = "\r\x1b[K" if self._open_line else ""
        self._open_line = False
        rows = textwrap.wrap(text, COLUMNS - 1, subsequent_indent="  ") if self.screen else [text]
        self._write(start + "".join(row + "\n" for row in rows or [""]))

    def redraw(self, text: str) -> None:
        """Shows a line in the place of the one that was drawn last."""
        self._open_line = True
        self._write(f"\r{text[: COLUMNS - 1]}\x1b[K")

    def _write(self, text: str) -> None:
        data = text.encode("ascii", "replace")
        while data and self._file is not None:
            try:
                data = data[os.write(self._file, data) :]
            except BlockingIOError:
                if not select.select([], [self._file], [], _STUCK_SECONDS)[1]:
                    return
            except OSError:
                return


class Progress:
    """How far something is. Sizes are in bytes."""

    def __init__(self, display: "Display", title: str, total: int) -> None:
        self._display = display
        self._title = title
        self._total = total
        self._done = 0
        self._begin = self._now = display.machine.now()
        self._next_screen = self._next_serial = self._begin
        self._show()

    def advance(self, count: int) -> None:
        """So much more is done."""
        self._done += count
        self._now = self._display.machine.now()
        if self._now >= self._next_screen or self._done >= self._total:
            self._show()

    def _show(self) -> None:
        text = progress_line(self._title, self._done, self._total, self._now - self._begin)
        serial = self._now >= self._next_serial or self._done >= self._total
        self._next_screen = self._now + SCREEN_SECONDS
        if serial:
            self._next_serial = self._now + SERIAL_SECONDS
        self._display.draw(text, serial, self._done >= self._total)


def progress_line(title: str, done: int, total: int, seconds: float) -> str:
    """Bar, share, bytes, rate and time left, in less than 80 columns."""
    share = min(done / total, 1.0) if total else 1.0
    bar = "#" * int(share * _BAR)
    rate = done / seconds if seconds > 0 else 0.0
    line = f"{title:<16.16} [{bar:.<{_BAR}}] {int(share * 100):3d}% {done / _GIB:.2f}/{total / _GIB:.2f} GiB"
    if done >= total:
        return f"{line} in {clock(seconds)}"
    if (total - done) < rate * _LONGEST:
        line += f" {rate / _MIB:4.0f} MiB/s {clock((total - done) / rate)} left"
    return line


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds."""
    whole = round(seconds)
    minutes = f"{whole // 60 % 60}:{whole % 60:02d}"
    return minutes if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class Display:
    """Both terminals, and the log. keep: hears of every line. verbose: details are shown too."""

    def __init__(self, machine: Machine, keep: Callable[[str], None]) -> None:
        self.machine = machine
        self.verbose = False
        self._keep = keep
        self._terminals = [Terminal(machine, "/dev/ttyS0", False), Terminal(machine, "/dev/tty0", True)]

    def say(self, text: str = "") -> None:
        """Shows a line."""
        self._keep(text)
        for terminal in self._terminals:
            terminal.line(text)

    def detail(self, text: str) -> None:
        """Keeps a line, and shows it if the installation is verbose."""
        if self.verbose:
            self.say(text)
        else:
            self._keep(text)

    def progress(self, title: str, total: int) -> Progress:
        """Begins to show how far something is."""
        return Progress(self, title, total)

    def draw(self, text: str, serial: bool, last: bool) -> None:
        """Shows a line of progress. serial: on the serial line too; last: it stays."""
        if last:
            self._keep(text)
        for terminal in self._terminals:
            if terminal.screen and not last:
                terminal.redraw(text)
            elif terminal.screen or serial:
                terminal.line(text)


def listed(words: Iterable[str]) -> str:
    """Words with commas, and "and" before the last."""
    *most, last = list(words) or ["nothing"]
    return f"{', '.join(most)} and {last}" if most else last


def terabytes(size: int) -> str:
    """A size of a disk, as its label says it."""
    return f"{size / 1e12:.2f} TB"


def gibibytes(size: int) -> str:
    """A size of memory or of an image."""
    return f"{size / _GIB:.1f} GiB"
