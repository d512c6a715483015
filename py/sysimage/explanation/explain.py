"""The front of the package: two files in, sentences out."""

from pathlib import Path

from sysimage.explanation.content import equal
from sysimage.explanation.contents import compare
from sysimage.explanation.findings import Findings, Pair, Place, part
from sysimage.errors import UserError
from sysimage.extents import ImageReader, open_raw
from sysimage.gpt import read

LIMIT = 20  # sentences


def explain(ours: Path, theirs: Path, *, names: tuple[str, str] = ("ours", "theirs"), limit: int = LIMIT) -> list[str]:
    """Where two files differ, the most telling first.

    Cost follows what is stored, not the size of holes. What is compressed is unpacked into a temporary folder. A file
    that is damaged gets a sentence that says so, and is compared by its bytes then.

    Args:
        ours: one file.
        theirs: the other, of the same kind if the answer is to tell much.
        names: what the two are called in the answer.
        limit: sentences at most; one more then counts what was left out.

    Returns:
        One sentence a difference, without a full stop; nothing if the files are the same bytes.

    Raises:
        UserError: a file cannot be read.
    """
    findings = Findings(names, limit)
    mine, other = open_raw(ours), open_raw(theirs)
    with mine.sources, other.sources:
        compare(Pair(mine, other), Place(), findings)
    return findings.sentences()


def differing_volumes(ours: ImageReader, theirs: ImageReader) -> set[int] | None:
    """Numbers of the partitions that differ or that only one side has; None where a side has no partitions."""
    try:
        tables = [{entry.number: entry for entry in read(reader).partitions} for reader in (ours, theirs)]
    except UserError:
        return None
    numbers = set()
    for number in tables[0].keys() | tables[1].keys():
        mine, other = (table.get(number) for table in tables)
        if mine is None or other is None:
            numbers.add(number)
            continue
        pair = Pair(part(ours, mine.offset, mine.length), part(theirs, other.offset, other.length))
        if not equal(pair):
            numbers.add(number)
    return numbers
