"""A process in which parsers are let loose: with little memory, little time, and somebody who watches.

The child reads lines of JSON, {"parser": NAME, "path": FILE}, and answers each with {"outcome": ..., "said": ...}. What
eats memory gets a MemoryError there, what runs on is killed by the kernel: both are findings.
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sysimage.errors import UserError

MEMORY = 1 << 30  # bytes of address space
CPU_SECONDS = 5.0  # for one input
WALL_SECONDS = 120.0  # for one input, on a machine that has other things to do
CALLS = 3000  # of one child: then another one begins anew
_FILE_SIZE = 1 << 30
RUNS_ON = "runs on"  # what is said of a hang
VALUE, REFUSED, RAISED = "value", "refused", "raised"
Parse = Callable[[Path], object]


class Worker:
    """Runs parsers in a child that is started when it is needed, and again after it died.

    Args:
        catalogue: `MODULE:NAME` of a mapping from names to functions that take a file.
        cpu_seconds, wall_seconds: for one input.
    """

    def __init__(
        self,
        catalogue: str = "tests.soak.parsers:CALLS",
        cpu_seconds: float = CPU_SECONDS,
        wall_seconds: float = WALL_SECONDS,
    ) -> None:
        self._catalogue = catalogue
        self._wall_seconds = wall_seconds
        self._cpu_seconds = cpu_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._calls = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def parse(self, parser: str, path: Path) -> tuple[str, str]:
        """How a parser took a file: VALUE, REFUSED with its message, or RAISED with a traceback or how it died."""
        if self._calls >= CALLS:
            self.close()
        child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None
        self._calls += 1
        child.stdin.write(json.dumps({"parser": parser, "path": str(path)}).encode() + b"\n")
        child.stdin.flush()
        if not select.select([child.stdout], [], [], self._wall_seconds)[0]:
            self.close()
            return RAISED, f"{parser} {RUNS_ON}, idle, after {self._wall_seconds:g} s"
        line = child.stdout.readline()
        if line:
            answer = json.loads(line)
            return answer["outcome"], answer["said"]
        self._child = None
        status = child.wait()
        if -status == signal.SIGPROF:
            return RAISED, f"{parser} {RUNS_ON} after {self._cpu_seconds:g} s of processor time"
        return RAISED, f"{parser} killed its process: status {status}"

    def _start(self) -> subprocess.Popen[bytes]:
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; from tests.soak.worker import serve; "
            f"serve({self._catalogue!r}, {self._cpu_seconds!r})"
        )
        self._calls = 0
        self._child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._child


def serve(catalogue: str, cpu_seconds: float) -> None:
    """The child."""
    module, _, name = catalogue.partition(":")
    calls: Mapping[str, Parse] = getattr(__import__(module, fromlist=[name]), name)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_SIZE, _FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        outcome, said = attempt(calls[request["parser"]], Path(request["path"]))
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps({"outcome": outcome, "said": said}) + "\n")
        answers.flush()


def attempt(parse: Parse, path: Path) -> tuple[str, str]:
    """(outcome, what was said), as `Worker.parse` returns it."""
    try:
        parse(path)
    except UserError as error:
        return (REFUSED, str(error)) if error.message.strip() else (RAISED, "a UserError that says nothing")
    except BaseException:
        # The innermost part of a RecursionError's traceback says it all, and a MemoryError must not cause another one.
        return RAISED, traceback.format_exc(limit=-12)
    return VALUE, ""
