"""What two things are, by their first bytes, and who compares them then."""

from collections.abc import Callable

from sysimage import cpio, ext4, fat, gpt, lvm
from sysimage.errors import UserError
from sysimage.explanation import archives, frames, plans, texts, words
from sysimage.explanation.content import compare_bytes, equal
from sysimage.explanation.disks import compare_disks
from sysimage.explanation.ext4_volumes import compare_ext4
from sysimage.explanation.fat_volumes import compare_fat
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.explanation.groups import compare_groups
from sysimage.explanation.trees import Side, compare_trees
from sysimage.extents import ImageReader, Sources

_WHOLE_MAX = 256 << 20  # bytes of what is read whole into memory

Finder = Callable[[ImageReader], bool]
Comparer = Callable[[Pair, Place, Findings], None]


def _starts(magic: bytes) -> Finder:
    return lambda reader: reader.read(0, len(magic)) == magic


def _small(found: Finder) -> Finder:
    """For what is read whole."""
    return lambda reader: reader.size <= _WHOLE_MAX and found(reader)


def _streamed(found: Finder) -> Finder:
    """For what is read from one end to the other: no terabytes of holes that begin with the right bytes."""
    return lambda reader: reader.map.mapped == reader.size and found(reader)


def _compare_cpio(pair: Pair, place: Place, findings: Findings) -> None:
    before = findings.count
    ours, theirs = findings.both(pair, lambda reader: Side(cpio.read(reader.read(0, reader.size)), Sources({})))
    compare_trees(ours, theirs, place, findings, compare)
    if findings.count == before:
        compare_bytes(pair, place, findings, "the entries are the same: the archive")


def _with_inner(comparer: Callable[[Pair, Place, Findings, Comparer], None]) -> Comparer:
    """For those that compare what is inside by asking again."""
    return lambda pair, place, findings: comparer(pair, place, findings, compare)


# In this order: what a thing is, how it is known, who compares two of it.
_KINDS: tuple[tuple[str, Finder, Comparer], ...] = (
    ("a zstd file", _streamed(_starts(frames.MAGIC)), _with_inner(frames.compare_compressed)),
    ("a tar archive", archives.is_archive, _with_inner(archives.compare_archives)),
    ("a cpio archive", _small(_starts(cpio.MAGIC)), _compare_cpio),
    ("an extent map", _small(_starts(plans.MAP_MAGIC)), plans.compare_maps),
    ("a tree file", _small(_starts(plans.TREE_MAGIC)), plans.compare_tree_files),
    ("a disk with a GUID partition table", gpt.find, _with_inner(compare_disks)),
    ("an ext4 file system", ext4.find, _with_inner(compare_ext4)),
    ("an LVM physical volume", lvm.find, _with_inner(compare_groups)),
    ("a FAT file system", fat.find, _with_inner(compare_fat)),
)


def kind_of(reader: ImageReader) -> str:
    """What it is, in words."""
    return next((name for name, found, _ in _KINDS if found(reader)), "neither an image nor an archive")


def compare(pair: Pair, place: Place, findings: Findings) -> None:
    """Compares two things; what is damaged on one side is compared by bytes, after a sentence that says so."""
    if equal(pair):
        return
    for name, found, comparer in _KINDS:
        sides = [found(reader) for reader in (pair.ours, pair.theirs)]
        if all(sides):
            _compare_kind(name, comparer, pair, place, findings)
            return
        if any(sides):
            shown = [kind_of(reader) for reader in (pair.ours, pair.theirs)]
            findings.add(Rank.CONTENT, "kind", place, f"{shown[0]} against {shown[1]}")
            compare_bytes(pair, place, findings)
            return
    if texts.compare_derived(pair, place, findings):
        return
    if texts.is_json(pair):
        _compare_kind("JSON", texts.compare_json, pair, place, findings)
    elif texts.is_word_line(pair):
        texts.compare_word_line(pair, place, findings)
    else:
        compare_bytes(pair, place, findings)


def _compare_kind(name: str, comparer: Comparer, pair: Pair, place: Place, findings: Findings) -> None:
    before = findings.count
    try:
        comparer(pair, place, findings)
    except (UserError, RecursionError) as error:
        findings.add(Rank.CONTENT, "damage", place, f"cannot be compared as {name}: {words.line(error)}")
        compare_bytes(pair, place, findings)
        return
    if findings.count == before:
        # Nothing that has a name differs.
        compare_bytes(pair, place, findings)
