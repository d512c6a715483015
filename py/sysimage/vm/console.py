"""A serial console: what comes out of it, expected with a time limit; what goes in.

A thread reads all the time, so the machine never waits for us and the log is complete
whatever a test does. A kernel panic ends every wait at once: nothing good can follow.
"""

import codecs
import contextlib
import re
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

TAIL_LINES = 40
_READ_SIZE = 65536

# Colours, cursor movements, titles: what terminals want and tests do not.
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[=>78DEMc])")
_ESCAPE_MAX = 256  # characters; longer ones are taken for text

# "panic=5" on a command line is not a panic.
FATAL = re.compile(
    r"(?:Kernel panic - |Oops: |Internal error: Oops|general protection fault|BUG: unable to handle)[^\n]*"
)


class ConsoleError(Exception):
    """The machine did not say what was expected; the message ends with the last lines it did say."""


class Console:
    """The console of one machine.

    Args:
        connection: a connected socket; what comes out of it is what the machine prints.
        log: a file that gets every byte as it comes; None: no log.
    """

    def __init__(self, connection: socket.socket, log: Path | None = None) -> None:
        self._connection = connection
        self._files = contextlib.ExitStack()
        self._log = self._files.enter_context(log.open("wb")) if log is not None else None
        self._changed = threading.Condition()
        self._text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""  # the beginning of an escape sequence
        self._position = 0  # what was expected up to here is done with
        self._closed = False
        self.fatal: re.Pattern[str] | None = FATAL
        self._reader = threading.Thread(target=self._read, name="console", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = self._connection.recv(_READ_SIZE)
            except OSError:
                data = b""
            with self._changed:
                if data:
                    self._take(data)
                else:
                    self._closed = True
                self._changed.notify_all()
            if not data:
                self._files.close()
                return

    def _take(self, data: bytes) -> None:
        if self._log is not None:
            self._log.write(data)
            self._log.flush()
        text = _ESCAPES.sub("", self._partial + self._decoder.decode(data)).replace("\r", "")
        cut = text.find("\x1b", max(len(text) - _ESCAPE_MAX, 0))
        cut = len(text) if cut < 0 else cut
        self._text += text[:cut]
        self._partial = text[cut:]

    @property
    def text(self) -> str:
        """All that was printed so far, escape sequences and carriage returns taken out."""
        with self._changed:
            return self._text

    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self.text.splitlines()[-TAIL_LINES:])

    def expect(self, patterns: str | Sequence[str], timeout: float) -> re.Match[str]:
        """Waits until one of some patterns appears in what was not yet expected.

        Args:
            patterns: regular expressions (`^` and `$` at line ends); the one that matches first in the text counts.
            timeout: seconds.

        Returns:
            The match. What comes next is expected behind its end.

        Raises:
            ConsoleError: the time is over, the machine is gone, or its kernel panicked.
        """
        wanted = [patterns] if isinstance(patterns, str) else list(patterns)
        compiled = [re.compile(pattern, re.MULTILINE) for pattern in wanted]
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [match for match in (each.search(self._text, self._position) for each in compiled) if match]
                if found:
                    first = min(found, key=lambda match: match.start())
                    self._position = first.end()
                    return first
                why = self._why_not()
                left = deadline - time.monotonic()
                if why or left <= 0:
                    why = why or f"nothing of it came within {timeout:g} s"
                    break
                self._changed.wait(left)
        raise ConsoleError(f"expected {' or '.join(map(repr, wanted))}: {why}\n--- last lines:\n{self.tail()}")

    def _why_not(self) -> str:
        panic = self.fatal.search(self._text, self._position) if self.fatal is not None else None
        if panic is not None:
            return f"the kernel stopped: {panic[0].strip()}"
        return "the machine is gone" if self._closed else ""

    def send(self, text: str) -> None:
        """Types text, as it is.

        Raises:
            ConsoleError: the machine is gone.
        """
        try:
            self._connection.sendall(text.encode())
        except OSError as error:
            raise ConsoleError(f"cannot type {text!r}: {error.strerror}\n--- last lines:\n{self.tail()}") from error

    def login(self, user: str, password: str, timeout: float) -> None:
        """Waits for a login prompt, logs in, and makes the shell's prompt one that nothing else prints.

        Raises:
            ConsoleError: no prompt in time, or the login is refused.
        """
        deadline = time.monotonic() + timeout
        late = True
        while late:
            self.expect(r"^\S* ?login: ", max(deadline - time.monotonic(), 1))
            self.send(user + "\n")
            self.expect("[Pp]assword: ", max(deadline - time.monotonic(), 1))
            self.send(password + "\n")
            # login(1) gives up after a minute, which a slow machine may need for a first session, and asks anew.
            said = ["Login incorrect", r"timed out after \d+ seconds", r"[#$] $"]
            answer = self.expect(said, max(deadline - time.monotonic(), 1))
            late = answer[0].startswith("timed out")
        if answer[0] == "Login incorrect":
            raise ConsoleError(f"login of {user!r} was refused")
        # No echo, no line editing, no wrapping: what comes back is what commands print.
        self.send("stty -echo cols 500; export TERM=dumb PAGER=cat SYSTEMD_COLORS=0; PS1=; PS2=\n")
        self.run("true", max(deadline - time.monotonic(), 5))

    def run(self, command: str, timeout: float) -> tuple[str, int]:
        """Runs a shell command after `login`.

        Returns:
            What it printed, without the last line feed, and its exit status.

        Raises:
            ConsoleError: it does not end in time.
        """
        mark = secrets.token_hex(8)
        # The marks are put together by the shell, so an echo of the command cannot be taken for them.
        self.send(f"printf '\\n<%s>\\n' {mark}; {{ {command}\n}} 2>&1; printf '\\n<%s %d>\\n' /{mark} $?\n")
        self.expect(f"^<{mark}>\n", timeout)
        match = self.expect(rf"(?s)(?:.*?)\n<\/{mark} (\d+)>\n", timeout)
        output = match[0][: match[0].rindex(f"\n</{mark} ")]
        return output.removesuffix("\n"), int(match[1])

    def wait_closed(self, timeout: float) -> None:
        """Waits until the machine is gone.

        Raises:
            ConsoleError: it is still there.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            else:
                return
        raise ConsoleError(f"the machine did not stop within {timeout:g} s\n--- last lines:\n{self.tail()}")

    def close(self) -> None:
        """Ends the reading thread."""
        with contextlib.suppress(OSError):  # the other side may have been quicker
            self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.join(timeout=10)
        self._connection.close()
