"""Two trees held against each other, entry by entry, and the list of what was reviewed of it.

compare     the differences of two trees
reviewed    the list beside an image: which of them are meant, and why
judge       what the list does not explain, and what in it explains nothing
"""

from sysimage.difference.compare import Difference, Kind, Side, compare
from sysimage.difference.judge import Verdict, judge, report
from sysimage.difference.reviewed import Row, format_rows, load, parse, quote

__all__ = [
    "Difference",
    "Kind",
    "Row",
    "Side",
    "Verdict",
    "compare",
    "format_rows",
    "judge",
    "load",
    "parse",
    "quote",
    "report",
]
