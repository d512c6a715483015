"""Extent maps and tree files against each other: what the build hands on before it writes bytes."""

from dataclasses import dataclass
from pathlib import Path

from sysimage import extents, tree
from sysimage.explanation import words
from sysimage.explanation.content import compare_bytes
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.explanation.trees import Compare, Side, compare_trees
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources

MAP_MAGIC = b'{"format":"extent-map/'
TREE_MAGIC = b'{"format":"tree/'


MAP_SUFFIX = ".map.json"
LITERALS_SUFFIX = ".literals"
_SLICES = "slices of other files"


@dataclass(frozen=True, slots=True)
class Plan:
    """A map that lies on the disk, as the rules leave it: its literals, and those of maps it was made of, beside it.

    known: the part of it whose bytes are at hand; unknown: the part that comes from other files.
    """

    known: ImageReader
    unknown: ExtentMap


def open_plan(path: Path) -> Plan | None:
    """The plan that a map file or its file of literals belongs to; None if it is no such file, or the other is missing.

    Raises:
        UserError: the map is none.
    """
    stem = path.name.removesuffix(MAP_SUFFIX).removesuffix(LITERALS_SUFFIX)
    table, literals = (path.with_name(stem + suffix) for suffix in (MAP_SUFFIX, LITERALS_SUFFIX))
    if stem == path.name or not table.is_file() or not literals.is_file():
        return None
    image = extents.load(table)
    beside = {key: path.with_name(Path(key).name) for key in image.sources() if key.endswith(LITERALS_SUFFIX)}
    at_hand = {key: file for key, file in beside.items() if file.is_file()}
    known = [each for each in image.extents if _source(each) in at_hand]
    unknown = [each for each in image.extents if _source(each) not in at_hand]
    return Plan(ImageReader(ExtentMap(image.size, known), Sources(at_hand)), ExtentMap(image.size, unknown))


def _source(extent: Extent) -> str:
    assert isinstance(extent.source, FileSlice)
    return extent.source.source


def compare_plans(ours: Plan, theirs: Plan, findings: Findings, inner: Compare) -> None:
    """What two maps describe: the file system or disk in it, then which slices of other files it takes."""
    place = Place()
    inner(Pair(ours.known, theirs.known), place, findings)
    compare_slices(ours.unknown, theirs.unknown, place, findings, _SLICES)


def _text(extent: Extent | None) -> str:
    if extent is None:
        return "none"
    assert isinstance(extent.source, FileSlice)
    where = f"byte {extent.source.offset} of {extent.source.source}"
    return f"bytes {extent.offset}-{extent.end - 1} from {where}"


def compare_slices(ours: ExtentMap, theirs: ExtentMap, place: Place, findings: Findings, what: str) -> None:
    """Two maps by their rows."""
    if ours.size != theirs.size and what != _SLICES:
        findings.add(Rank.CONTENT, f"{what} size", place, f"{what} size {ours.size} against {theirs.size}")
    rows = [list(each.extents) for each in (ours, theirs)]
    at = next((i for i, (a, b) in enumerate(zip(*rows, strict=False)) if a != b), min(map(len, rows)))
    if at < max(map(len, rows)):
        shown = [_text(row[at] if at < len(row) else None) for row in rows]
        number = words.count(len(rows[0]), "extent")
        sentence = f"{what}: {number} against {len(rows[1])}; extent {at + 1} is {shown[0]} against {shown[1]}"
        findings.add(Rank.CONTENT, what, place, sentence)


def compare_maps(pair: Pair, place: Place, findings: Findings) -> None:
    """Two extent maps; the literals lie in files of their own.

    Raises:
        UserError: a side is not a map.
    """
    before = findings.count
    ours, theirs = (
        extents.parse(reader.read(0, reader.size), name)
        for reader, name in zip((pair.ours, pair.theirs), findings.names, strict=True)
    )
    compare_slices(ours, theirs, place, findings, "map")
    if findings.count == before:
        compare_bytes(pair, place, findings, "the same map is written differently: it")


def compare_tree_files(pair: Pair, place: Place, findings: Findings) -> None:
    """Two tree files; contents are compared as slices of their sources.

    Raises:
        UserError: a side is not a tree.
    """
    before = findings.count
    ours, theirs = (
        tree.parse(reader.read(0, reader.size), name)
        for reader, name in zip((pair.ours, pair.theirs), findings.names, strict=True)
    )
    none = Sources({})

    def contents(both: Pair, where: Place, taken: Findings) -> None:
        compare_slices(both.ours.map, both.theirs.map, where, taken, "content")

    compare_trees(Side(ours, none), Side(theirs, none), place, findings, contents)
    if findings.count == before:
        compare_bytes(pair, place, findings, "the same tree is written differently: it")
