"""What a scenario is: something to try with random input, and the error that says that something is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random


class Finding(Exception):  # noqa: N818 (it is not an error of the soak: it is what it looks for)
    """Something is wrong with what was tried. The message says what, in as many lines as it takes."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that the soak tries.

    name: of this scenario; kind: of its group, for --only.
    run: one round: everything random comes from the generator, everything written goes below the folder (which
        is empty, and of this round alone). It returns if all is well and raises `Finding` if not; any other exception
        is a finding too.
    share: of the time, against the others'.
    """

    name: str
    kind: str
    run: Callable[[Random, Path], None]
    share: float = 1.0
