"""Running things and timing them: two contenders by turns, as many rounds as asked for.

Turns are interleaved (A B A B ...), so that whatever else the machine does in the meantime
strikes both alike. What a contender needs before its turn (an empty cache, a changed file) is
prepared outside the clock.
"""

import contextlib
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.profile import Step
from sysimage.errors import UserError

KIB = 1024
_LOG_TAIL = 15  # lines of a failed program's output to show


@dataclass(frozen=True, slots=True)
class Usage:
    """What a program took: seconds of wall clock, and the peak of resident memory in bytes.

    The peak is that of its largest process, pages of mapped files included (wait4(2), ru_maxrss).
    """

    seconds: float
    memory: int


def execute(
    command: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Usage:
    """Runs a program to its end; its output goes to the end of `log`.

    Raises:
        UserError: there is no such program, or it fails; the message has the end of what it said.
    """
    words = [str(word) for word in command]
    with log.open("ab") as out:
        out.write(f"\n$ {shlex.join(words)}\n".encode())
        out.flush()
        began = out.tell()
        start = time.monotonic()
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd, env=environment
            )
        except FileNotFoundError as error:
            raise UserError(f"there is no program {words[0]!r}", hint="run this in the container") from error
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = log.read_bytes()[began:].decode(errors="replace").splitlines()[-_LOG_TAIL:]
        raise UserError(
            f"{Path(words[0]).name} failed with status {process.returncode}:\n  " + "\n  ".join(said),
            hint=f"the whole output is in {log}",
        )
    return Usage(seconds, usage.ru_maxrss * KIB)


def output_of(command: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """What a program prints. Errors: as `execute`."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, check=False)
    except FileNotFoundError as error:
        raise UserError(f"there is no program {words[0]!r}", hint="run this in the container") from error
    if done.returncode:
        said = "\n  ".join((done.stdout + done.stderr).splitlines()[-_LOG_TAIL:])
        raise UserError(f"{' '.join(words[:4])} ... failed with status {done.returncode}:\n  {said}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Contender:
    """One side of a comparison. Both functions are given the number of the round, from 0.

    name: what the table calls it; prepare: runs before each turn, outside the clock; run: the turn itself.
    """

    name: str
    prepare: Callable[[int], None]
    run: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two ways to the same thing.

    target: the ratio of the medians, ours to theirs, that is asked of us; explain: after the last round,
    where our time went.
    """

    key: str
    title: str
    target: float
    ours: Contender
    theirs: Contender
    explain: Callable[[], tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one that the table goes by."""
        return statistics.median(self.seconds)

    @property
    def low(self) -> float:
        """The fastest round."""
        return min(self.seconds)

    @property
    def high(self) -> float:
        """The slowest round."""
        return max(self.seconds)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a comparison. steps: where our time went, in the last round."""

    key: str
    title: str
    target: float
    our_name: str
    their_name: str
    ours: Times
    theirs: Times
    steps: tuple[Step, ...] = ()

    @property
    def ratio(self) -> float:
        """Our median to theirs: less is better."""
        return self.ours.median / self.theirs.median

    @property
    def reached(self) -> bool:
        """Whether the target is met."""
        return self.ratio <= self.target


def compare(comparison: Comparison, rounds: int) -> Outcome:
    """Runs both sides by turns."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(rounds):
        for side, contender in (("ours", comparison.ours), ("theirs", comparison.theirs)):
            contender.prepare(number)
            with progress(f"{comparison.key}, round {number + 1} of {rounds}: {contender.name}"):
                start = time.monotonic()
                contender.run(number)
                seconds[side].append(time.monotonic() - start)
    return Outcome(
        key=comparison.key,
        title=comparison.title,
        target=comparison.target,
        our_name=comparison.ours.name,
        their_name=comparison.theirs.name,
        ours=Times(tuple(seconds["ours"])),
        theirs=Times(tuple(seconds["theirs"])),
        steps=comparison.explain(),
    )


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """Says on standard error what is being done and, when it ends well, how long it took."""
    print(f"{what} ...", end="", file=sys.stderr, flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print(file=sys.stderr)
        raise
    print(f" {time.monotonic() - start:.2f} s", file=sys.stderr)
