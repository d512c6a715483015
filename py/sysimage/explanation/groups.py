"""LVM physical volumes against each other: label and metadata, then volume by volume, then what lies in no volume."""

from collections.abc import Callable, Iterator

from sysimage import lvm
from sysimage.explanation import words
from sysimage.explanation.content import compare_bytes, equal
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.explanation.held import compare_gaps, compare_held, note_root_hashes
from sysimage.explanation.trees import Compare
from sysimage.extents import ImageReader
from sysimage.lvm import Volume, VolumeGroup, metadata
from sysimage.lvm.metadata import Section
from sysimage.lvm.reader import read_label, read_text

_VOLUMES = "logical_volumes"


def compare_groups(pair: Pair, place: Place, findings: Findings, inner: Compare) -> None:
    """Two physical volumes.

    Raises:
        UserError: the metadata of a side cannot be read, or a volume does not lie on that physical volume alone.
    """
    ours, theirs = findings.both(pair, lvm.read)
    before = findings.count
    named = [{volume.name: volume for volume in group.volumes} for group in (ours, theirs)]
    shared = [(mine, named[1][name]) for name, mine in named[0].items() if name in named[1]]
    findings.fields(Rank.ATTRIBUTE, "LVM label", place.within("LVM label"), *findings.both(pair, _label))
    texts = [
        _metadata(reader, group, {mine.name for mine, _ in shared})
        for reader, group in ((pair.ours, ours), (pair.theirs, theirs))
    ]
    findings.fields(Rank.ATTRIBUTE, "LVM", place.within("LVM metadata"), *texts)
    for volumes, others, is_mine in ((named[0], named[1], True), (named[1], named[0], False)):
        for name in volumes:
            if name not in others:
                findings.only(Rank.CONTENT, "volume", place, is_mine, f"volume {words.text(name)}")
    if findings.count == before:
        head = place.part("label and metadata", place.called, 0)
        compare_bytes(pair.slice(0, ours.pe_start), head, findings, "what lies there")
    opened = [(mine, _without_tail(Pair(mine.open(pair.ours), other.open(pair.theirs)))) for mine, other in shared]
    if not place.chain:  # otherwise the disk's volumes are known already, all of them
        for mine, contents in opened:
            note_root_hashes(contents, mine.name, findings)
    for mine, contents in opened:
        if not equal(contents):
            compare_held(contents, _placing(place, mine), f"{mine.name} (volume", findings, inner)
    if ours.volumes == theirs.volumes:
        taken = [(at, at + length) for volume in ours.volumes for _, length, at in volume.pieces()]
        span = ours.pe_start, max(pair.ours.size, pair.theirs.size)
        compare_gaps(pair, span, taken, lambda at: place.part("between the volumes", place.called, at), findings)


def _without_tail(pair: Pair) -> Pair:
    """Contents of one size where all that one side has more is a hole: the sizes are told with the metadata."""
    size = min(pair.ours.size, pair.theirs.size)
    longer = pair.ours if pair.ours.size > size else pair.theirs
    return pair if any(longer.map.overlapping(size, longer.size - size)) else pair.slice(0, size)


def _label(reader: ImageReader) -> dict[str, str]:
    label = read_label(reader)
    areas = {"data areas": label.data_areas, "metadata areas": label.metadata_areas}
    shown = {
        name: ", ".join(f"{size} bytes at byte {at}" if size else f"from byte {at} on" for at, size in each)
        for name, each in areas.items()
    }
    return {"UUID": label.uuid, "device size": str(label.size), **shown}


def _metadata(reader: ImageReader, group: VolumeGroup, volumes: set[str]) -> dict[str, str]:
    """The values of the text by their places in it; of the logical volumes only those of these names."""
    for at, size in read_label(reader).metadata_areas:
        text = read_text(reader, at, size)
        top = metadata.parse(text) if text is not None else {}
        inside = top.pop(group.name, None)
        if isinstance(inside, dict) and inside.get("seqno") == group.seqno:
            logical = inside.pop(_VOLUMES, {})
            assert isinstance(logical, dict)
            kept: Section = {name: value for name, value in logical.items() if name in volumes}
            return {"name": words.text(group.name), **dict(_flat({**top, **inside, **kept}, ""))}
    return {}


def _flat(section: Section, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            values = value if isinstance(value, list) else [value]
            yield prefix + name, ", ".join(words.text(each) if isinstance(each, str) else str(each) for each in values)


def _placing(place: Place, volume: Volume) -> Callable[[str], Place]:
    pieces = list(volume.pieces())

    def holder(byte: int) -> int | None:
        return next((at + byte - start for start, length, at in pieces if start <= byte < start + length), None)

    return lambda name: place.mapped(name, place.called, holder)
