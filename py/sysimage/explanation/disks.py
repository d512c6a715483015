"""Disks against disks: the tables, then partition by partition."""

from functools import partial

from sysimage.explanation import words
from sysimage.explanation.content import equal
from sysimage.explanation.findings import THE_DISK, Findings, Pair, Place, Rank, part
from sysimage.explanation.held import compare_gaps, compare_held, note_root_hashes
from sysimage.explanation.partitions import compare_tables, matched
from sysimage.explanation.trees import Compare
from sysimage.gpt import SECTOR, read


def compare_disks(pair: Pair, place: Place, findings: Findings, inner: Compare) -> None:
    """Two disks.

    Raises:
        UserError: a side has no copy of its table that is whole.
    """
    compare_tables(pair, place, findings)
    ours, theirs = findings.both(pair, read)
    if pair.ours.size != pair.theirs.size:
        sentence = f"the disk has {pair.ours.size} bytes against {pair.theirs.size}"
        findings.add(Rank.CONTENT, "size", place, sentence)
    entries = list(matched(ours, theirs))
    for mine, other in entries:
        if mine is not None and other is not None:
            volumes = Pair(part(pair.ours, mine.offset, mine.length), part(pair.theirs, other.offset, other.length))
            note_root_hashes(volumes, words.text(mine.name)[1:-1], findings)
    for mine, other in entries:
        if mine is None or other is None:
            entry = mine or other
            assert entry is not None
            what = f"partition {entry.number} {words.text(entry.name)}"
            findings.only(Rank.CONTENT, "partition", place, mine is not None, what)
            continue
        volumes = Pair(part(pair.ours, mine.offset, mine.length), part(pair.theirs, other.offset, other.length))
        if not equal(volumes):
            name = f"{words.text(mine.name)[1:-1]} (partition {mine.number}"
            compare_held(volumes, partial(place.part, holder=THE_DISK, offset=mine.offset), name, findings, inner)
    # What lies between the tables and the partitions, and between those.
    taken = [(entry.offset, entry.offset + entry.length) for entry in ours.partitions]
    span = ours.first_usable * SECTOR, (ours.last_usable + 1) * SECTOR
    compare_gaps(pair, span, taken, lambda at: place.part("between the partitions", THE_DISK, at), findings)
