"""FAT against FAT: trees, then the directory entries' other fields, then the boot sector and what is left."""

from dataclasses import dataclass

from sysimage.explanation import words
from sysimage.explanation.content import compare_bytes
from sysimage.explanation.findings import Findings, Pair, Place, Rank, place_in
from sysimage.explanation.trees import Compare, Side, compare_trees
from sysimage.extents import ImageReader
from sysimage.fat import FatReader
from sysimage.fat import format as fat
from sysimage.fat.reader import Entry
from sysimage.tree import Tree

# Fields of fat.BOOT, fat.BOOT_FAT32 and fat.BOOT_EXTENDED, as the specification calls them.
_BOOT = (
    *("BS_jmpBoot", "BS_OEMName", "BPB_BytsPerSec", "BPB_SecPerClus", "BPB_RsvdSecCnt", "BPB_NumFATs"),
    *("BPB_RootEntCnt", "BPB_TotSec16", "BPB_Media", "BPB_FATSz16", "BPB_SecPerTrk", "BPB_NumHeads"),
    *("BPB_HiddSec", "BPB_TotSec32"),
)
_FAT32 = ("BPB_FATSz32", "BPB_ExtFlags", "BPB_FSVer", "BPB_RootClus", "BPB_FSInfo", "BPB_BkBootSec")
_EXTENDED = ("BS_DrvNum", "BS_Reserved1", "BS_BootSig", "BS_VolID", "BS_VolLab", "BS_FilSysType")


@dataclass(frozen=True, slots=True)
class _Volume:
    reader: FatReader
    tree: Tree
    entries: dict[str, Entry]

    @classmethod
    def open(cls, image: ImageReader) -> "_Volume":
        reader = FatReader(image)
        return cls(reader, reader.tree(), dict(reader.walk()))


def compare_fat(pair: Pair, place: Place, findings: Findings, inner: Compare) -> None:
    """Two volumes.

    Raises:
        UserError: a side is damaged in such a way that it cannot be read.
    """
    ours, theirs = findings.both(pair, _Volume.open)
    before = findings.count
    rows = [boot_fields(each.reader) for each in (ours, theirs)]
    findings.fields(Rank.ATTRIBUTE, "boot sector", place.within("boot sector"), *rows)
    sides = [Side(each.tree, image.sources) for each, image in ((ours, pair.ours), (theirs, pair.theirs))]
    compare_trees(
        sides[0],
        sides[1],
        place,
        findings,
        inner,
        locate=lambda here, path, label: here.mapped(label, here.called, place_in(pair.ours.map, ours.tree[path].data)),
    )
    _compare_entries(ours, theirs, place, findings)
    if findings.count == before:
        _compare_rest(pair, ours.reader, place, findings)


def _compare_entries(ours: _Volume, theirs: _Volume, place: Place, findings: Findings) -> None:
    """What directory entries have besides what a tree holds, where their files begin, and their order."""
    moved = []
    for path, entry in ours.entries.items():
        other = theirs.entries.get(path)
        if other is None or other.raw == entry.raw:
            continue
        here = place.alone(f"directory entry of {words.path(path)}")
        rows = [entry_fields(each) for each in (entry, other)]
        if entry.attributes & fat.ATTRIBUTE_VOLUME == 0:
            _drop_copies(rows)
        findings.fields(Rank.ATTRIBUTE, "", here, *rows)
        if entry.cluster != other.cluster:
            moved.append(f"{words.path(path)}, cluster {entry.cluster} against {other.cluster}")
    if moved:
        first = "first " if len(moved) > 1 else ""
        sentence = f"{words.count(len(moved), 'file')} at other clusters: {first}{moved[0]}"
        findings.add(Rank.LAYOUT, "clusters", place, sentence)
    orders = [
        [path for path in each.entries if path in ours.entries and path in theirs.entries] for each in (ours, theirs)
    ]
    if orders[0] != orders[1]:
        at = next(i for i, (a, b) in enumerate(zip(*orders, strict=True)) if a != b)
        mine, other_path = (words.path(order[at]) for order in orders)
        findings.add(
            Rank.LAYOUT, "order", place, f"directory entries in another order: first {mine} against {other_path}"
        )


def _compare_rest(pair: Pair, reader: FatReader, place: Place, findings: Findings) -> None:
    """What no file has, by the area that it lies in."""
    boot = reader.boot
    areas = [("reserved sectors", 0), ("first table", boot.fat_start)]
    if boot.fat_copies > 1:
        areas.append(("second table", boot.fat_start + boot.fat_size))
    areas += [("root directory", boot.root_start), ("clusters", boot.data_start), ("behind the file system", boot.size)]
    ends = [*(start for _, start in areas[1:]), max(pair.ours.size, pair.theirs.size)]
    for (name, start), end in zip(areas, ends, strict=True):
        if start < end:
            here = place.part(name, place.called, start)
            compare_bytes(pair.slice(start, end - start), here, findings, "what lies there")


def boot_fields(reader: FatReader) -> dict[str, str]:
    """The boot sector in words, under the names of the specification."""
    data = reader.image.read(0, fat.SECTOR)
    rows = list(zip(_BOOT, fat.BOOT.unpack_from(data), strict=True))
    at = fat.BOOT.size
    if reader.boot.root_cluster:
        rows += zip(_FAT32, fat.BOOT_FAT32.unpack_from(data, at), strict=True)
        at += fat.BOOT_FAT32.size
    rows += zip(_EXTENDED, fat.BOOT_EXTENDED.unpack_from(data, at), strict=True)
    fields = {name: words.data(value.rstrip()) if isinstance(value, bytes) else str(value) for name, value in rows}
    fields["BS_VolID"] = f"{reader.boot.volume_id:08X}"
    return fields


def entry_fields(entry: Entry) -> dict[str, str]:
    """What a directory entry has besides what a tree holds, in words."""
    name, attributes, case, tenths, time, date, accessed, _, written, day, _, _ = fat.ENTRY.unpack(entry.raw)
    return {
        "short name": words.data(name),
        "attributes": f"{attributes:#04x}",
        "case flags": f"{case:#04x}",
        "time of writing": f"{_date(day)} {_time(written)}",
        "time of creation": f"{_date(date)} {_time(time)}",
        "hundredths of creation": str(tenths),
        "date of access": _date(accessed),
    }


def _drop_copies(rows: list[dict[str, str]]) -> None:
    """The time of writing is the tree's mtime; those that are the same on both sides say no more."""
    written = [row.pop("time of writing") for row in rows]
    if [row["time of creation"] for row in rows] == written:
        for row in rows:
            del row["time of creation"]
    if [row["date of access"] for row in rows] == [text.partition(" ")[0] for text in written]:
        for row in rows:
            del row["date of access"]


def _date(value: int) -> str:
    return f"{(value >> 9) + 1980}-{value >> 5 & 15:02d}-{value & 31:02d}"


def _time(value: int) -> str:
    return f"{value >> 11:02d}:{value >> 5 & 63:02d}:{(value & 31) * 2:02d}"
