"""tar archives against each other: members, their headers, how sparse ones are stored, and contents."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sysimage import tar_reader
from sysimage.explanation import texts, words
from sysimage.explanation.content import compare_bytes
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.explanation.trees import Compare, compare_nodes
from sysimage.extents import Extent, FileSlice, ImageReader
from sysimage.tar_reader import Member
from sysimage.tree import parent

_COPY_MAX = 256 << 20  # bytes of an archive that lies in pieces
_OCI_LAYOUT = "oci-layout"
_OCI_INDEX = "index.json"
_BLOBS = "blobs/sha256/"


@dataclass(frozen=True, slots=True)
class _Archive:
    reader: ImageReader
    members: Mapping[tuple[str, int], Member]

    @classmethod
    def open(cls, reader: ImageReader, name: str) -> "_Archive":
        with _view(reader) as view:
            members = list(tar_reader.members(view, "", name))
        times: Counter[str] = Counter()
        numbered = {}
        for member in members:
            times[member.path] += 1
            numbered[member.path, times[member.path]] = member
        return cls(reader, numbered)

    def header(self, member: Member) -> bytes:
        return self.reader.read(member.at, member.end - member.at)

    def content(self, member: Member) -> ImageReader:
        """A member's content, as a map of what the archive itself is made of."""
        assert member.node is not None
        placed = []
        for extent in member.node.data.extents:
            if isinstance(extent.source, FileSlice):
                inside = self.reader.map.slice(extent.source.offset, extent.length)
                placed += [Extent(extent.offset + e.offset, e.length, e.source) for e in inside.extents]
            else:
                placed.append(extent)
        return ImageReader(type(self.reader.map)(member.node.size, placed), self.reader.sources)


def _in_one_piece(reader: ImageReader) -> Extent | None:
    """The slice of a file that is all of it; a file with holes is one if it is the whole file."""
    first = next(iter(reader.map.extents), None)
    if first is None or not isinstance(first.source, FileSlice):
        return None
    if first.length == reader.size:
        return first
    key = first.source.source
    as_in_file = all(
        isinstance(each.source, FileSlice) and (each.source.source, each.source.offset) == (key, each.offset)
        for each in reader.map.extents
    )
    if as_in_file and reader.sources.paths[key].stat().st_size == reader.size:
        return Extent(0, reader.size, FileSlice(key, 0))
    return None


def is_archive(reader: ImageReader) -> bool:
    """Whether it is a tar archive that can be read: mapped into memory, or small enough to be copied there."""
    if reader.read(257, 5) != b"ustar":
        return False
    return reader.size <= _COPY_MAX or _in_one_piece(reader) is not None


@contextlib.contextmanager
def _view(reader: ImageReader) -> Iterator[memoryview]:
    whole = _in_one_piece(reader)
    with memoryview(reader.read(0, reader.size)) if whole is None else reader.sources.view(whole) as view:
        yield view


def compare_archives(pair: Pair, place: Place, findings: Findings, inner: Compare) -> None:
    """Two archives.

    Raises:
        UserError: a side is damaged.
    """
    ours, theirs = _Archive.open(pair.ours, findings.names[0]), _Archive.open(pair.theirs, findings.names[1])
    before = findings.count
    paths = {path for path, _ in (*ours.members, *theirs.members)}
    if _OCI_LAYOUT in paths and _OCI_INDEX in paths:
        _compare_oci(ours, theirs, place, findings, inner)
    else:
        _compare_members(ours, theirs, place, findings, inner)
    if findings.count == before:
        compare_bytes(pair, place, findings, "between or behind the members, it")


def _compare_members(ours: _Archive, theirs: _Archive, place: Place, findings: Findings, inner: Compare) -> None:
    for side, other, mine in ((ours, theirs, True), (theirs, ours, False)):
        missing = [key for key in side.members if key not in other.members]
        paths = {path for path, _ in missing}
        below: dict[tuple[str, int], int] = {}
        for path, time in missing:
            top = path
            while top and parent(top) in paths:
                top = parent(top)
            key = (top, 1) if top != path else (path, time)
            below[key] = below.get(key, -1) + 1
        for key, number in below.items():
            what = _member_text(key, side.members[key]) + (f", with {number} more below," if number else "")
            findings.only(Rank.CONTENT, "member", place, mine, what)
    orders = [[key for key in each.members if key in ours.members and key in theirs.members] for each in (ours, theirs)]
    if orders[0] != orders[1]:
        at = next(i for i, (a, b) in enumerate(zip(*orders, strict=True)) if a != b)
        first = " against ".join(words.path(order[at][0])[1:] for order in orders)
        sentence = f"members in another order: member {at + 1} of those in both is {first}"
        findings.add(Rank.LAYOUT, "order", place, sentence)
    for key in orders[0]:
        here = place.alone(words.path(key[0])[1:] or ".")
        _compare_member(ours, theirs, ours.members[key], theirs.members[key], here, findings, inner)


def _member_text(key: tuple[str, int], member: Member) -> str:
    kind = "a hard link" if member.node is None else words.KINDS[member.node.type]
    again = f", time {key[1]}" if key[1] > 1 else ""
    return f"member {words.path(key[0])[1:] or '.'} ({kind}{again})"


def _compare_member(
    ours: _Archive, theirs: _Archive, mine: Member, other: Member, place: Place, findings: Findings, inner: Compare
) -> None:
    before = findings.count
    kinds = [None if each.node is None else each.node.type for each in (mine, other)]
    if kinds[0] is not kinds[1]:
        shown = ["a hard link" if kind is None else words.KINDS[kind] for kind in kinds]
        findings.add(Rank.CONTENT, "type", place, f"{shown[0]} against {shown[1]}")
        return
    names = [
        {"link": words.path(each.link)[1:], "uname": words.text(each.user), "gname": words.text(each.group)}
        for each in (mine, other)
    ]
    findings.fields(Rank.ATTRIBUTE, "", place, *names)
    if mine.node is not None and other.node is not None:
        compare_nodes(mine.node, other.node, place, findings)
        if mine.node.content is not None:
            pair = Pair(ours.content(mine), theirs.content(other))
            inner(pair, place, findings)
            _compare_sparseness(mine, other, place, findings)
    headers = [ours.header(mine), theirs.header(other)]
    if findings.count == before and headers[0] != headers[1]:
        _compare_headers(headers[0], headers[1], place, findings)


def _compare_sparseness(mine: Member, other: Member, place: Place, findings: Findings) -> None:
    """How the holes of a member are written down, where its size is the same."""
    if mine.node is None or other.node is None or mine.node.size != other.node.size:
        return
    maps = [[(extent.offset, extent.length) for extent in node.data.extents] for node in (mine.node, other.node)]
    if maps[0] == maps[1]:
        return
    at = next((i for i, (a, b) in enumerate(zip(*maps, strict=False)) if a != b), min(map(len, maps)))
    shown = [f"bytes {rows[at][0]}-{sum(rows[at]) - 1}" if at < len(rows) else "none" for rows in maps]
    sentence = (
        f"sparse map: {len(maps[0])} stored segments against {len(maps[1])}; "
        f"segment {at + 1} is {shown[0]} against {shown[1]}"
    )
    findings.add(Rank.PACKING, "sparse map", place, sentence)


# Fields of a ustar header: name, start, end (POSIX.1-2017, pax, "ustar Interchange Format").
_USTAR = (
    *(("name", 0, 100), ("mode", 100, 108), ("uid", 108, 116), ("gid", 116, 124), ("size", 124, 136)),
    *(("mtime", 136, 148), ("typeflag", 156, 157), ("linkname", 157, 257), ("magic", 257, 263)),
    *(("version", 263, 265), ("uname", 265, 297), ("gname", 297, 329), ("devmajor", 329, 337)),
    *(("devminor", 337, 345), ("prefix", 345, 500), ("padding", 500, 512)),
)


def _compare_headers(ours: bytes, theirs: bytes, place: Place, findings: Findings) -> None:
    """Headers that mean the same but are other bytes."""
    before = findings.count
    findings.fields(Rank.PACKING, "header", place, _header_fields(ours), _header_fields(theirs))
    if findings.count == before:
        findings.add(Rank.PACKING, "header", place, f"header {words.pair(ours, theirs)}")


def _header_fields(header: bytes) -> dict[str, str]:
    """All that stands in a member's headers: pax records, and the fields of the proper header."""
    fields: dict[str, str] = {}
    position = 0
    while position < len(header):
        block = header[position : position + tar_reader.BLOCK]
        kind = block[156:157]
        position += tar_reader.BLOCK
        if kind in (b"x", b"g", b"L", b"K"):
            size = tar_reader.parse_number(block[124:136], 0)
            data = header[position : position + size]
            position += size + -size % tar_reader.BLOCK
            records = tar_reader.parse_records(data, 0) if kind in (b"x", b"g") else [(f"GNU {kind.decode()}", data)]
            fields |= {f"header record {name}": words.data(value) for name, value in records}
        else:  # what follows, if anything does, is a sparse map, which is compared as such
            fields |= {f"header field {name}": words.data(block[a:b].rstrip(b"\0")) for name, a, b in _USTAR}
            break
    return fields


def _compare_oci(ours: _Archive, theirs: _Archive, place: Place, findings: Findings, inner: Compare) -> None:
    """Container images: configurations and layers by their roles, for their names are their digests."""
    parts = [_oci_parts(each) for each in (ours, theirs)]
    if parts[0] is None or parts[1] is None:
        _compare_members(ours, theirs, place, findings, inner)
        return
    before = findings.count
    (config, layers), (other_config, other_layers) = parts[0], parts[1]
    texts.compare_values(config, other_config, place.within("configuration"), findings)
    if len(layers) != len(other_layers):
        findings.add(Rank.CONTENT, "layers", place, f"{words.count(len(layers), 'layer')} against {len(other_layers)}")
    for number, (mine, other) in enumerate(zip(layers, other_layers, strict=False), 1):
        if mine != other:
            here = place.alone(f"layer {number}")
            inner(Pair(ours.content(ours.members[mine, 1]), theirs.content(theirs.members[other, 1])), here, findings)
    if findings.count == before:
        _compare_members(ours, theirs, place, findings, inner)


def _oci_parts(archive: _Archive) -> tuple[Any, list[str]] | None:
    """Configuration, and the members that are layers; None if it is no image that can be followed."""

    def parsed(path: str) -> Any:
        content = archive.content(archive.members[path, 1])
        return json.loads(content.read(0, content.size))

    def blob(descriptor: Mapping[str, Any]) -> str:
        path = _BLOBS + str(descriptor["digest"]).partition(":")[2]
        if (path, 1) not in archive.members or archive.members[path, 1].node is None:
            raise KeyError(path)
        return path

    try:
        entry = parsed(_OCI_INDEX)["manifests"][0]
        manifest = parsed(blob(entry))
        config = parsed(blob(manifest["config"]))
        config.pop("rootfs", None)  # digests of the layers
        return {**config, "annotations": entry.get("annotations", {})}, [blob(layer) for layer in manifest["layers"]]
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, AssertionError):
        return None
