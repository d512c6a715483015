"""Results as a table with bars, as Markdown, and as JSON."""

import dataclasses
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Outcome, Times

MIB = 1 << 20
BAR = 40  # characters of the longest bar


@dataclass(frozen=True, slots=True)
class ActionMemory:
    """The peak memory of one action, in bytes, and its seconds outside of Bazel."""

    name: str
    memory: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """The same content on disks of different size: seconds to plan and write, and bytes that came out."""

    name: str
    disk: int
    times: Times
    archive: int


@dataclass(frozen=True, slots=True)
class Builds:
    """What a set of targets costs from nothing: actions that ran, wall clock, processor time of the actions."""

    name: str
    actions: int
    wall: Times
    processor: Times


@dataclass(frozen=True, slots=True)
class Results:
    """All that was measured. memory_limit: bytes that no action may exceed."""

    machine: dict[str, str]
    outcomes: tuple[Outcome, ...] = ()
    memory: tuple[ActionMemory, ...] = ()
    memory_limit: int = 600 * MIB
    capacities: tuple[Capacity, ...] = ()
    variants: tuple[Builds, ...] = ()

    def to_json(self) -> str:
        """All of it, with the medians and ratios."""
        data = dataclasses.asdict(self)
        for row, outcome in zip(data["outcomes"], self.outcomes, strict=True):
            row |= {"ratio": round(outcome.ratio, 4), "reached": outcome.reached}
            row["ours"]["median"], row["theirs"]["median"] = outcome.ours.median, outcome.theirs.median
        return json.dumps(data, indent=2) + "\n"


def heading(system: str, path: Path) -> str:
    """What stands above a report about a system in the file of that path."""
    return f"""\
# Results: {system}

Written by `benchmarks/compare.sh --system {system} --results benchmarks/{path.name}`; what is compared, and why it
is fair, stands in [README.md](README.md). Seconds are medians, with the fastest and the slowest round in brackets; less
is better.

"""


def machine() -> dict[str, str]:
    """What it was measured on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            model = value.strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processors": f"{os.cpu_count()} x {model}",
        "memory": f"{memory / (1 << 30):.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def spread(times: Times) -> str:
    """Median and, in brackets, the range."""
    return f"{times.median:.2f} ({times.low:.2f}-{times.high:.2f})"


def bars(outcome: Outcome) -> list[str]:
    """Both medians as bars of one scale, a mark at the target on ours."""
    longest = max(outcome.ours.median, outcome.theirs.median)
    width = max(len(outcome.our_name), len(outcome.their_name))
    lines = []
    for name, times in ((outcome.our_name, outcome.ours), (outcome.their_name, outcome.theirs)):
        bar = "#" * max(1, round(times.median / longest * BAR))
        lines.append(f"  {name:<{width}} |{bar:<{BAR}}| {times.median:.2f} s")
    mark = min(BAR, round(outcome.target * outcome.theirs.median / longest * BAR))
    lines.append(f"  {'':<{width}}  {' ' * max(0, mark - 1)}^ target {outcome.target:g}")
    return lines


def steps(outcome: Outcome) -> list[str]:
    """Where our time went."""
    return [f"  {step.seconds:6.2f} s  {step.what}" for step in outcome.steps]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table that reads as text and as Markdown."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return [text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]]


def verdict(good: bool) -> str:
    """What stands in the last column; a miss shows."""
    return "yes" if good else "NO"


def render(results: Results) -> str:
    """The whole report."""
    blocks: list[list[str]] = [[f"- {key}: {value}" for key, value in results.machine.items()]]
    if results.outcomes:
        blocks.append(
            table(
                ("what", "ours, s", "theirs, s", "ratio", "target", "reached"),
                (
                    (
                        f"{outcome.title}: {outcome.our_name} / {outcome.their_name}",
                        spread(outcome.ours),
                        spread(outcome.theirs),
                        f"{outcome.ratio:.3f}",
                        f"{outcome.target:g}",
                        verdict(outcome.reached),
                    )
                    for outcome in results.outcomes
                ),
            )
        )
        blocks += [["```", outcome.title, *bars(outcome), *steps(outcome), "```"] for outcome in results.outcomes]
    if results.memory:
        limit = results.memory_limit
        blocks.append(
            table(
                ("action", "peak, MiB", "seconds", f"<= {limit // MIB} MiB"),
                (
                    (each.name, f"{each.memory / MIB:.0f}", f"{each.seconds:.2f}", verdict(each.memory <= limit))
                    for each in sorted(results.memory, key=lambda each: -each.memory)
                ),
            )
        )
    if results.capacities:
        blocks.append(
            table(
                ("capacity", "disk, bytes", "plan and write, s", "archive, bytes"),
                ((each.name, f"{each.disk:,}", spread(each.times), f"{each.archive:,}") for each in results.capacities),
            )
        )
    if results.variants:
        first = results.variants[0]
        blocks.append(
            table(
                ("outputs of", "actions", "wall clock, s", "to one", "processor time, s", "to one"),
                (
                    (
                        each.name,
                        str(each.actions),
                        spread(each.wall),
                        f"{each.wall.median / first.wall.median:.2f}",
                        spread(each.processor),
                        f"{each.processor.median / first.processor.median:.2f}",
                    )
                    for each in results.variants
                ),
            )
        )
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"
