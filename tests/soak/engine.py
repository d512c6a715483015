"""Rounds of scenarios until the time is over: what is tried next, what is said about it, what is kept.

A round follows from its scenario and its own seed alone, whatever came before it, so one line repeats it. The seed
of a scenario's n-th round follows from the soak's seed, the scenario's name and n: a slow machine does fewer rounds,
not others.
"""

import hashlib
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TextIO

from tests.soak.scenario import Finding, Scenario

COMMAND = "bazel run //tests/soak --"
FINDINGS_OF_ONE = 3  # a scenario with so many has told enough
PROGRESS_SECONDS = 20.0  # between lines, where standard error is no terminal
LINES = 30  # of a finding that are printed; all of it is kept


@dataclass(slots=True)
class Count:
    """What a scenario did so far."""

    rounds: int = 0
    seconds: float = 0.0
    findings: int = 0


@dataclass(slots=True)
class Report:
    """What a soak did: by scenario, in the order in which they were given."""

    counts: dict[str, Count] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """Of all scenarios."""
        return sum(count.rounds for count in self.counts.values())

    @property
    def findings(self) -> int:
        """Of all scenarios."""
        return sum(count.findings for count in self.counts.values())


def seed_of(seed: int, name: str, number: int) -> int:
    """The seed of a scenario's round, 64 bits; rounds count from 0."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name} {number}".encode()).digest()[:8], "big")


class Soak:
    """A run of scenarios.

    Args:
        scenarios: what to try; each is tried at least once, however short the time is.
        folder: where rounds work, and where what belongs to a finding stays.
        out: takes findings and progress.
        clock: seconds; another one is for tests.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        folder: Path,
        out: TextIO = sys.stderr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scenarios = {scenario.name: scenario for scenario in scenarios}
        self.folder = folder
        self.out = out
        self.clock = clock
        self.report = Report({name: Count() for name in self.scenarios})
        self._shown = clock()

    def run(self, seed: int, seconds: float) -> Report:
        """Rounds until the time is over and each scenario had one. Time is shared by the scenarios' shares."""
        start = self.clock()
        while scenario := self._next(self.clock() - start >= seconds):
            number = self.report.counts[scenario.name].rounds
            self.round(scenario.name, seed_of(seed, scenario.name, number))
            self._progress(seconds - (self.clock() - start))
        self._line(0.0)
        return self.report

    def run_rounds(self, seed: int, rounds: Mapping[str, int]) -> Report:
        """As many rounds of each scenario as its kind is given, so that no clock decides what is tried."""
        for scenario in self.scenarios.values():
            for number in range(rounds[scenario.kind]):
                self.round(scenario.name, seed_of(seed, scenario.name, number))
                self._progress(0.0)
        self._line(0.0)
        return self.report

    def _next(self, over: bool) -> Scenario | None:
        """The scenario that had the least of its share; none when the time is over, or all have told enough."""
        counts: Mapping[str, Count] = self.report.counts
        left = [
            scenario
            for scenario in self.scenarios.values()
            if (not counts[scenario.name].rounds if over else counts[scenario.name].findings < FINDINGS_OF_ONE)
        ]
        return min(
            left,
            key=lambda each: (counts[each.name].rounds > 0, counts[each.name].seconds / each.share),
            default=None,
        )

    def round(self, name: str, seed: int) -> bool:
        """One round; True if nothing was found."""
        scratch = self.folder / f"{name}-{seed:016x}"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        start = self.clock()
        count = self.report.counts[name]
        said = ""
        try:
            self.scenarios[name].run(Random(seed), scratch)
        except Finding as finding:
            said = str(finding)
        except Exception:
            said = traceback.format_exc()
        count.rounds += 1
        count.seconds += self.clock() - start
        if said:
            count.findings += 1
            self._tell(name, seed, scratch, said)
        else:
            shutil.rmtree(scratch, ignore_errors=True)
        return not said

    def _tell(self, name: str, seed: int, scratch: Path, said: str) -> None:
        again = f"{COMMAND} --replay={name}:{seed:016x}"
        (scratch / "finding.txt").write_text(f"{said}\n\n{again}\n", "utf-8", "backslashreplace")
        lines = said.rstrip().splitlines() or [""]
        if len(lines) > LINES:
            lines = [*lines[: LINES // 2], f"... {len(lines) - LINES} lines more in finding.txt", *lines[-LINES // 2 :]]
        text = "\n  ".join([f"FINDING in {name}:", *lines, f"again: {again}", f"kept:  {scratch}"])
        print(f"\n{text.encode('utf-8', 'backslashreplace').decode()}", file=self.out, flush=True)

    def _progress(self, left: float) -> None:
        now = self.clock()
        if self.out.isatty() or now - self._shown >= PROGRESS_SECONDS:
            self._shown = now
            self._line(max(left, 0.0))

    def _line(self, left: float) -> None:
        kinds: dict[str, int] = {}
        for name, count in self.report.counts.items():
            kind = self.scenarios[name].kind
            kinds[kind] = kinds.get(kind, 0) + count.rounds
        by_kind = " ".join(f"{kind}={rounds}" for kind, rounds in kinds.items())
        report = self.report
        text = f"soak: {report.rounds} rounds, {left:.0f} s left, {report.findings} findings; {by_kind}"
        print(f"\r{text}" if self.out.isatty() else text, end="" if left and self.out.isatty() else "\n", file=self.out)
        self.out.flush()
