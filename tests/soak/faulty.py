"""Starts a program in whose process writing goes wrong: short writes, and a disk that fails from some call on.

What is patched is what Python code writes files with: `open`, and the functions of `os`. The full disk and the limit of
file sizes of `fault_scenarios` need none of this: there the kernel itself fails.
"""

import builtins
import errno
import io
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

SHORT = "short"
ERRORS = ("ENOSPC", "EIO", "EDQUOT")


class Fault:
    """What goes wrong, and when.

    Args:
        kind: SHORT, or the name of an error that every call from number `at` on has (calls count from 0).
        at: as above.
        seed: of how short writes are.
    """

    def __init__(self, kind: str, at: int, seed: int) -> None:
        self.kind = kind
        self.at = at
        self.calls = 0
        self._random = Random(seed)

    def call(self) -> None:
        """Counts one call, and fails if its time has come."""
        self.calls += 1
        if self.kind != SHORT and self.calls > self.at:
            number = getattr(errno, self.kind)
            raise OSError(number, os.strerror(number))

    def cut(self, size: int) -> int:
        """How many bytes of a write are taken: 1 at least, if there are any."""
        return min(size, 1 + self._random.randrange(max(size, 1))) if self.kind == SHORT else size

    def install(self) -> None:
        """Patches this process."""
        for name in ("write", "pwrite"):
            self._patch(name, lambda real: lambda descriptor, data, *rest: real(descriptor, self._part(data), *rest))
        self._patch("writev", lambda real: lambda descriptor, parts: real(descriptor, [self._part(b"".join(parts))]))
        for name in ("ftruncate", "replace", "rename", "fchmod"):
            self._patch(name, lambda real: real)
        builtins.open = io.open = self._open(io.open)

    def _part(self, data: Any) -> memoryview:
        view = memoryview(data).cast("B")
        return view[: self.cut(len(view))]

    def _patch(self, name: str, wrap: Callable[[Any], Any]) -> None:
        wrapped = wrap(getattr(os, name))

        def patched(*arguments: Any, **named: Any) -> Any:
            if arguments[0] not in (1, 2):
                self.call()
            return wrapped(*arguments, **named)

        setattr(os, name, patched)

    def _open(self, real: Any) -> Callable[..., Any]:
        fault = self

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                fault.call()
                return super().write(fault._part(data))

        def opened(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+"):
                return real(file, mode, buffering, *rest, **named)
            raw = Raw(file, mode.replace("b", "").replace("t", ""))
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **named)

        return opened


def start(module: str, fault: tuple[str, int, int] | None, arguments: Sequence[str]) -> None:
    """The program's process: a module is run as a program is."""
    sys.argv[:] = [module, *arguments]
    if fault is not None:
        Fault(*fault).install()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
