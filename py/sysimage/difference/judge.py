"""Differences held against the reviewed list, and what to tell whoever has to act on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sysimage.difference.compare import Difference
from sysimage.difference.reviewed import Row, format_rows, quote


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: differences that no row explains, and rows that explain nothing."""

    unexplained: tuple[Difference, ...]
    stale: tuple[Row, ...]

    @property
    def good(self) -> bool:
        """Whether every difference is explained and every row needed."""
        return not self.unexplained and not self.stale


def judge(differences: Sequence[Difference], reviewed: Sequence[Row]) -> Verdict:
    """Matches differences with rows; several rows may explain one difference, and one row several."""
    used: set[Row] = set()
    unexplained = []
    for difference in differences:
        rows = [row for row in reviewed if row.kind is difference.kind and row.matches(difference.path)]
        used.update(rows)
        if not rows:
            unexplained.append(difference)
    return Verdict(tuple(unexplained), tuple(row for row in reviewed if row not in used))


def report(verdict: Verdict, listed_in: str, ours: str, theirs: str) -> str:
    """What to tell the reader: each difference with both values, each stale row, and what to do; empty if all is good.

    Args:
        verdict: what was found.
        listed_in: the name of the reviewed list.
        ours: one word for our side, such as "composed".
        theirs: one word for the other side, such as "installed".
    """
    lines: list[str] = []
    if verdict.unexplained:
        lines.append(f"{_count(verdict.unexplained, 'difference')} without a row in {listed_in}:")
        for difference in verdict.unexplained:
            lines += ["", *_difference(difference, ours, theirs)]
        rows = [(quote(each.path), each.kind.value, "REASON") for each in verdict.unexplained]
        lines += [
            "",
            f"Where what is {theirs} is right, mend what is {ours}. "
            "Where the difference is meant, add its row with a reason:",
            "",
            *format_rows(rows),
        ]
    if verdict.stale:
        lines += [""] if lines else []
        lines.append(
            f"{_count(verdict.stale, 'row')} of {listed_in} without a difference; remove what is no longer so:"
        )
        lines.append("")
        lines += [f"line {row.line}: {row.pattern} {row.kind.value} ({row.reason})" for row in verdict.stale]
    return "\n".join(lines)


def _difference(difference: Difference, ours: str, theirs: str) -> list[str]:
    width = max(len(ours), len(theirs)) + 1
    lines = [
        f"  {quote(difference.path)}: {difference.kind.value}",
        f"    {ours + ':':{width}} {difference.ours}",
        f"    {theirs + ':':{width}} {difference.theirs}",
    ]
    if difference.detail:
        lines.append(f"    (- {theirs}, + {ours})")
        lines += [f"    | {line}" for line in difference.detail]
    return lines


def _count(things: Sequence[object], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"
