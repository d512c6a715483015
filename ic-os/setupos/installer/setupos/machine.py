"""The machine that is installed: its files, its programs, its clock. Tests have another."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from setupos.failure import Failure

# A program that says nothing for so long hangs. The longest are those that discard a whole disk.
COMMAND_SECONDS: Final = 1800.0
_LONGEST_REASON: Final = 300  # characters of what a program said that go into a sentence


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended: exit status (127: it is not there), standard output, standard error."""

    status: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """What it said last, on one line; never empty."""
        lines = [line.strip() for line in (self.errors + "\n" + self.output).splitlines() if line.strip()]
        said = "".join(char if char.isprintable() else "?" for char in " ".join(lines[-3:]))
        return said[:_LONGEST_REASON] or f"exit status {self.status}"


class Machine:
    """A machine below a root folder, which is / on a real one."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.note: Callable[[str], None] = lambda _: None  # hears of every program, and what it printed

    def path(self, name: str | Path) -> Path:
        """Where a path of the machine lies."""
        return self.root / str(name).lstrip("/")

    def read(self, name: str | Path) -> str:
        """The text of a file without blanks around it; empty where there is none, or it cannot be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def names(self, folder: str) -> list[str]:
        """What is in a folder, sorted; nothing where there is none."""
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    def size(self, device: str | Path) -> int:
        """Bytes of a device or file.

        Raises:
            OSError: it cannot be opened.
        """
        with open(self.path(device), "rb") as file:
            return file.seek(0, os.SEEK_END)

    def run(
        self, *words: str | Path, stdin: str = "", environment: Mapping[str, str] | None = None, noted: bool = True
    ) -> Result:
        """Runs a program to its end. noted: whether that is heard of."""
        command = [str(word) for word in words]
        result = self._execute(command, stdin, {**os.environ, "LC_ALL": "C", **(environment or {})})
        if not noted:
            return result
        self.note(f"$ {' '.join(command)}" + (f"  (exit status {result.status})" if result.status else ""))
        for line in (result.output + result.errors).splitlines():
            self.note(f"    {line}")
        return result

    def _execute(self, command: Sequence[str], stdin: str, environment: Mapping[str, str]) -> Result:
        try:
            done = subprocess.run(
                command,
                input=stdin,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except OSError as error:
            return Result(127, "", f"{command[0]}: {error.strerror}")
        except subprocess.TimeoutExpired:
            return Result(124, "", f"{command[0]} did not end within {COMMAND_SECONDS:.0f} s")
        return Result(done.returncode, done.stdout, done.stderr)

    def must(self, what: str, hint: str, *words: str | Path, stdin: str = "") -> str:
        """What a program printed that has to succeed.

        Raises:
            Failure: it does not; `what` says what could not be done, `hint` what to do.
        """
        result = self.run(*words, stdin=stdin)
        if result.status:
            raise Failure(f"{what} ({result.reason}); {hint}")
        return result.output

    @contextmanager
    def unpacked(self, archive: str) -> Iterator[BinaryIO]:
        """What zstd unpacks of a file, as a stream. Leaving the block early is no error.

        Raises:
            Failure: zstd cannot be started, or finds the file damaged.
        """
        try:
            process = subprocess.Popen(
                ["zstd", "--decompress", "--stdout", "--quiet", self.path(archive)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise Failure(f"zstd cannot be started ({error.strerror}); write the stick anew") from error
        assert process.stdout is not None and process.stderr is not None
        try:
            yield cast(BinaryIO, process.stdout)
            if not process.stdout.read(1):
                said = process.stderr.read(_LONGEST_REASON).decode("utf-8", "replace").strip()
                if process.wait():
                    raise Failure(f"{archive} cannot be unpacked ({said}); write the stick anew")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        return time.monotonic()
