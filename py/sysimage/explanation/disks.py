"""Disks against disks: the tables, then partition by partition."""

from sysimage import ext4, fat, verity
from sysimage.errors import UserError
from sysimage.explanation import words
from sysimage.explanation.content import compare_bytes, equal
from sysimage.explanation.findings import Findings, Pair, Place, Rank, part
from sysimage.explanation.partitions import compare_gaps, compare_tables, matched
from sysimage.explanation.trees import Compare
from sysimage.extents import ImageReader
from sysimage.gpt import read
from sysimage.gpt.reader import Entry


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
            hashes = [
                _root_hash(part(reader, each.offset, each.length))
                for reader, each in ((pair.ours, mine), (pair.theirs, other))
            ]
            if all(hashes) and hashes[0] != hashes[1]:
                findings.derived[hashes[0]] = (hashes[1], f"root hash of {words.text(mine.name)[1:-1]}")
    for mine, other in entries:
        if mine is None or other is None:
            entry = mine or other
            assert entry is not None
            what = f"partition {entry.number} {words.text(entry.name)}"
            findings.only(Rank.CONTENT, "partition", place, mine is not None, what)
        else:
            volumes = Pair(part(pair.ours, mine.offset, mine.length), part(pair.theirs, other.offset, other.length))
            if not equal(volumes):
                _compare_volumes(volumes, mine, place, findings, inner)
    compare_gaps(pair, ours, place, findings)


def _compare_volumes(volumes: Pair, entry: Entry, place: Place, findings: Findings, inner: Compare) -> None:
    kind = _kind(volumes.ours)
    name = f"{words.text(entry.name)[1:-1]} (partition {entry.number}{', ' + kind if kind else ''})"
    here = place.part(name, "the disk", entry.offset)
    whole = Pair(volumes.ours, volumes.theirs)
    empty = [not reader.map.extents for reader in (whole.ours, whole.theirs)]
    if any(empty):
        shown = [
            "empty" if each else kind or "not empty"
            for each, kind in zip(empty, map(_kind, (whole.ours, whole.theirs)), strict=True)
        ]
        findings.add(Rank.CONTENT, "empty", here, f"{shown[0]} against {shown[1]}")
        compare_bytes(whole, here, findings)
        return
    inner(whole, here, findings)


def _root_hash(reader: ImageReader) -> str:
    """In hex, of the verity hash tree behind a file system; empty if there is none."""
    try:
        size = ext4.inspect(reader).size if ext4.find(reader) else 0
        return str(verity.inspect(reader, size + -size % verity.BLOCK)["root_hash"])
    except UserError:
        return ""


def _kind(reader: ImageReader) -> str:
    if ext4.find(reader):
        return "ext4"
    if fat.find(reader):
        return "FAT"
    return ""
