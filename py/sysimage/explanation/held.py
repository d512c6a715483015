"""What lies in a partition or a logical volume, on both sides."""

from collections.abc import Callable, Iterable

from sysimage import ext4, fat, lvm, verity, volumes
from sysimage.errors import UserError
from sysimage.explanation.content import compare_bytes
from sysimage.explanation.findings import Findings, Pair, Place, Rank, part
from sysimage.explanation.trees import Compare
from sysimage.extents import ImageReader


def compare_held(pair: Pair, place: Callable[[str], Place], name: str, findings: Findings, inner: Compare) -> None:
    """Two contents that differ.

    Args:
        pair: the contents.
        place: from words that name them to their place.
        name: these words, up to a bracket that is still open: `boot (partition 2`.
        findings: takes what differs.
        inner: compares contents that are of some kind on both sides.
    """
    kind = _kind(pair.ours)
    here = place(f"{name}{', ' + kind if kind else ''})")
    empty = [not reader.map.extents for reader in (pair.ours, pair.theirs)]
    if any(empty):
        shown = [
            "empty" if each else kind or "not empty"
            for each, kind in zip(empty, map(_kind, (pair.ours, pair.theirs)), strict=True)
        ]
        findings.add(Rank.CONTENT, "empty", here, f"{shown[0]} against {shown[1]}")
        compare_bytes(pair, here, findings)
        return
    inner(pair, here, findings)


def compare_gaps(
    pair: Pair,
    span: tuple[int, int],
    taken: Iterable[tuple[int, int]],
    place: Callable[[int], Place],
    findings: Findings,
) -> None:
    """What lies in a span of bytes outside of the spans that are taken; `place` is that of what begins at a byte."""
    position, last = span
    for start, end in [*sorted(taken), (last, last)]:
        if start > position:
            gap = Pair(part(pair.ours, position, start - position), part(pair.theirs, position, start - position))
            compare_bytes(gap, place(position), findings, "what lies there")
        position = max(position, end)


def note_root_hashes(pair: Pair, name: str, findings: Findings) -> None:
    """Notes root hashes that differ, of the content or of logical volumes in it: what names them differs for that."""
    ours, theirs = _root_hashes(pair.ours, name), _root_hashes(pair.theirs, name)
    for where, mine in ours.items():
        other = theirs.get(where, mine)
        if mine != other:
            findings.derived[mine] = (other, f"root hash of {where}")


def _root_hashes(reader: ImageReader, name: str) -> dict[str, str]:
    """In hex, by what the content with the hash tree is called."""
    found = {name: _root_hash(reader)}
    try:
        for volume in lvm.read(reader).volumes if lvm.find(reader) else ():
            found[volumes.join(name, volume.name)] = _root_hash(volume.open(reader))
    except UserError:  # told when the physical volumes are compared
        pass
    return {where: root_hash for where, root_hash in found.items() if root_hash}


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
    if lvm.find(reader):
        return "LVM"
    return ""
