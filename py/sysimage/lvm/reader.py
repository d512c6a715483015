"""Reads physical volumes, those of the field too: later texts in the ring, second areas, volumes in several pieces.

A group may have physical volumes on other devices. What lies on this one can be opened, the rest is only told of.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader
from sysimage.lvm import format as lvm
from sysimage.lvm import metadata
from sysimage.lvm.metadata import Section, Value

MAX_AREA = 1 << 30  # bytes of a metadata area; one of more is taken for damage
MAX_TEXT = 4 << 20  # bytes of a text; thousands of volumes have less
MAX_SECTORS = 1 << 54  # of a device: what 2**63 bytes have
_STRIPED = ("striped", "linear")


@dataclass(frozen=True, slots=True)
class Label:
    """The header of a physical volume. Sizes and places in bytes; a location is offset and size."""

    uuid: str
    size: int
    data_areas: tuple[tuple[int, int], ...]
    metadata_areas: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Area:
    """Where a segment, or one of its stripes, begins: on which physical volume, at which byte of it.

    pv is its name in the metadata; offset is None if it is another one than that in hand, or a volume.
    """

    pv: str
    offset: int | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a volume, `length` bytes from byte `start` of it on."""

    start: int
    length: int
    type: str
    areas: tuple[Area, ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """A logical volume. Its size is in bytes."""

    name: str
    uuid: str
    segments: tuple[Segment, ...]
    size: int
    visible: bool

    def pieces(self) -> Iterator[tuple[int, int, int]]:
        """Start in the volume, length, and offset in the physical volume, of each segment, in bytes.

        Raises:
            UserError: a segment is not linear, or lies on another physical volume.
        """
        for segment in self.segments:
            if segment.type not in _STRIPED:
                raise UserError(
                    f"volume {self.name!r} has a segment of type {segment.type!r}, only linear ones can be read"
                )
            if len(segment.areas) != 1:
                raise UserError(
                    f"volume {self.name!r} is striped over {len(segment.areas)} areas, only linear segments can be read"
                )
            (area,) = segment.areas
            if area.offset is None:
                raise UserError(f"volume {self.name!r} lies on {area.pv}, not on this physical volume")
            yield segment.start, segment.length, area.offset

    def open(self, pv: ImageReader) -> ImageReader:
        """What lies in it, on the physical volume that told of it.

        Raises:
            UserError: as `pieces`.
        """
        extents: list[Extent] = []
        for start, length, offset in self.pieces():
            piece = pv.map.slice(offset, length)
            extents += (Extent(start + each.offset, each.length, each.source) for each in piece.extents)
        return ImageReader(ExtentMap(self.size, extents), pv.sources)

    @property
    def offset(self) -> int:
        """The byte of the physical volume at which it begins.

        Raises:
            UserError: it is not in one piece, or as `pieces`.
        """
        (_, _, offset), *others = self.pieces()
        end = offset + self.segments[0].length
        for _, length, place in others:
            if place != end:
                raise UserError(f"volume {self.name!r} is not in one piece")
            end += length
        return offset


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """A volume group as one of its physical volumes tells of it. extent_size and pe_start are in bytes."""

    name: str
    uuid: str
    pv_uuid: str
    pv_name: str
    extent_size: int
    pe_start: int
    extents: int
    seqno: int
    physical_volumes: Mapping[str, str]  # name to UUID
    volumes: tuple[Volume, ...]

    def __getitem__(self, name: str) -> Volume:
        for volume in self.volumes:
            if volume.name == name:
                return volume
        names = ", ".join(volume.name for volume in self.volumes if volume.visible)
        raise UserError(
            f"volume group {self.name!r} has no volume {name!r}", hint=f"there are {names}" if names else "it has none"
        )


def find(image: ImageReader) -> bool:
    """Whether there is anything that looks like a physical volume."""
    return any(image.read(at, len(lvm.LABEL_ID)) == lvm.LABEL_ID for at in _label_places())


def _label_places() -> range:
    return range(0, lvm.LABEL_SECTORS * lvm.SECTOR, lvm.SECTOR)


def read_label(image: ImageReader) -> Label:
    """The first label that is whole.

    Raises:
        UserError: there is none.
    """
    reason = "there is no LVM label in the first four sectors"
    for at in _label_places():
        sector = image.read(at, lvm.SECTOR)
        if len(sector) == lvm.SECTOR and sector.startswith(lvm.LABEL_ID):
            try:
                return _label(sector, at // lvm.SECTOR)
            except UserError as error:
                reason = error.message
    raise UserError(reason)


def _label(sector: bytes, number: int) -> Label:
    what = f"the LVM label in sector {number}"
    _, says, checksum, offset, kind = lvm.LABEL.unpack_from(sector)
    if lvm.crc(sector[lvm.LABEL_CRC_END :]) != checksum:
        raise UserError(f"{what} has a wrong checksum")
    if says != number:
        raise UserError(f"{what} says it is in sector {says}")
    if kind != lvm.LABEL_TYPE:
        raise UserError(f"{what} has the type {kind!r}, only {lvm.LABEL_TYPE!r} is known")
    if not lvm.LABEL.size <= offset <= lvm.SECTOR - lvm.PV_HEADER.size:
        raise UserError(f"{what} says the PV header is at its byte {offset}")
    raw, size = lvm.PV_HEADER.unpack_from(sector, offset)
    uuid = lvm.hyphenated(raw.decode("latin-1"))
    if not lvm.is_uuid(uuid):
        raise UserError(f"{what} has the UUID {uuid!r}, which is none")
    rest = sector[offset + lvm.PV_HEADER.size :]
    data, rest = _locations(what, rest)
    areas, _ = _locations(what, rest)
    return Label(uuid, size, data, areas)


def _locations(what: str, data: bytes) -> tuple[tuple[tuple[int, int], ...], bytes]:
    """A list up to its zero entry, and what is behind that."""
    found: list[tuple[int, int]] = []
    for at in range(0, len(data) - lvm.LOCATION.size + 1, lvm.LOCATION.size):
        place, size = lvm.LOCATION.unpack_from(data, at)
        if not place and not size:
            return tuple(found), data[at + lvm.LOCATION.size :]
        found.append((place, size))
    raise UserError(f"{what} has a list of areas without an end")


def read(image: ImageReader) -> VolumeGroup:
    """What the newest whole text says.

    Raises:
        UserError: no label, no text, or a text that contradicts itself, the label or the size of the image.
    """
    label = read_label(image)
    groups, reasons = [], []
    for at, size in label.metadata_areas:
        try:
            text = read_text(image, at, size)
            if text is not None:
                groups.append(_Group(text, label, image.size).read())
        except UserError as error:
            reasons.append(error.message)
    if groups:
        return max(groups, key=lambda group: group.seqno)
    raise UserError("; ".join(reasons) or f"the physical volume {label.uuid} belongs to no volume group")


def read_text(image: ImageReader, at: int, size: int) -> bytes | None:
    """The text that the metadata area at byte `at` has, the zero at its end included; None if it has none.

    Raises:
        UserError: the area or its text are damaged.
    """
    what = f"the metadata area at byte {at}"
    if not 2 * lvm.AREA_HEADER <= size <= MAX_AREA or at % lvm.SECTOR or at + size > image.size:
        raise UserError(f"{what} has {size} bytes, the image {image.size}")
    header = image.read(at, lvm.AREA_HEADER)
    checksum, magic, version, here, says = lvm.AREA.unpack_from(header)
    if lvm.crc(header[lvm.AREA_CRC_END :]) != checksum:
        raise UserError(f"{what} has a wrong checksum in its header")
    if magic != lvm.AREA_MAGIC or version != lvm.AREA_VERSION:
        raise UserError(f"{what} has no known header")
    if (here, says) != (at, size):
        raise UserError(f"{what} of {size} bytes says it has {says} at byte {here}")
    offset, length, text_checksum, flags = lvm.TEXT_LOCATION.unpack_from(header, lvm.AREA.size)
    if not offset or flags & lvm.TEXT_IGNORED:
        return None
    if not lvm.AREA_HEADER <= offset < size or not 1 <= length <= min(size - lvm.AREA_HEADER, MAX_TEXT):
        raise UserError(f"{what} says its text has {length} bytes from {offset} on")
    first = min(length, size - offset)
    text = image.read(at + offset, first) + image.read(at + lvm.AREA_HEADER, length - first)
    if lvm.crc(text) != text_checksum:
        raise UserError(f"{what} has a text with a wrong checksum")
    return text


class _Group:
    """A text, understood."""

    def __init__(self, text: bytes, label: Label, size: int) -> None:
        self._top = metadata.parse(text)
        self._label = label
        self._size = size
        self._extent = 0
        self._used = 0  # extents of the physical volume in hand

    def read(self) -> VolumeGroup:
        contents, version = self._top.get("contents"), self._top.get("version")
        if (contents, version) != (lvm.TEXT_CONTENTS, lvm.TEXT_VERSION):
            raise UserError(f"LVM metadata: contents {contents!r} of version {version!r} are not known")
        names = [name for name, value in self._top.items() if isinstance(value, dict)]
        if len(names) != 1:
            raise UserError(f"LVM metadata: there are {len(names)} groups, 1 is wanted")
        name = names[0]
        group = _section(self._top, name, "LVM metadata")
        what = f"volume group {name!r}"
        self._extent = lvm.SECTOR * _number(group, "extent_size", what, 1, (1 << 32) - 1)
        volumes = _section(group, "physical_volumes", what)
        identities = {each: _uuid(_section(volumes, each, what), f"physical volume {each!r}") for each in volumes}
        here = [each for each, uuid in identities.items() if uuid == self._label.uuid]
        if len(here) != 1:
            raise UserError(f"{what} has {len(here)} physical volumes {self._label.uuid}, which the label names")
        self._here = here[0]
        self._identities = identities
        own = _section(volumes, self._here, what)
        own_what = f"physical volume {self._here!r}"
        self._start = lvm.SECTOR * _number(own, "pe_start", own_what, 1, MAX_SECTORS)
        self._count = _number(own, "pe_count", own_what, 0, lvm.EXTENTS_MAX)
        if self._start + self._count * self._extent > self._size:
            raise UserError(
                f"{own_what} ends at byte {self._start + self._count * self._extent}, the image at {self._size}"
            )
        logical = _section(group, "logical_volumes", what) if "logical_volumes" in group else {}
        self._volumes = logical.keys()
        return VolumeGroup(
            name=name,
            uuid=_uuid(group, what),
            pv_uuid=self._label.uuid,
            pv_name=self._here,
            extent_size=self._extent,
            pe_start=self._start,
            extents=self._count,
            seqno=_number(group, "seqno", what, 0, (1 << 32) - 1),
            physical_volumes=identities,
            volumes=tuple(self._volume(each, _section(logical, each, what)) for each in logical),
        )

    def _volume(self, name: str, data: Section) -> Volume:
        what = f"volume {name!r}"
        count = _number(data, "segment_count", what, 1, lvm.EXTENTS_MAX)
        found = sum(isinstance(value, dict) for value in data.values())
        if found != count:
            raise UserError(f"{what} has {found} segments, but a segment_count of {count}")
        segments = []
        position = 0
        for number in range(1, count + 1):
            segment = self._segment(f"{what}, segment {number}", _section(data, f"segment{number}", what))
            if segment.start != position:
                raise UserError(f"{what}, segment {number} starts at byte {segment.start}, {position} is expected")
            position += segment.length
            segments.append(segment)
        status = data.get("status")
        visible = isinstance(status, list) and "VISIBLE" in status
        return Volume(name, _uuid(data, what), tuple(segments), position, visible)

    def _segment(self, what: str, data: Section) -> Segment:
        start = self._extent * _number(data, "start_extent", what, 0, lvm.EXTENTS_MAX)
        extents = _number(data, "extent_count", what, 1, lvm.EXTENTS_MAX)
        kind = data.get("type")
        if not isinstance(kind, str):
            raise UserError(f"{what}: type is {kind!r}, a string is wanted")
        areas: list[Area] = []
        if kind in _STRIPED:
            count = _number(data, "stripe_count", what, 1, lvm.EXTENTS_MAX)
            stripes = data.get("stripes")
            if not isinstance(stripes, list) or len(stripes) != 2 * count:
                raise UserError(f"{what}: stripes are not {count} pairs of a name and an extent")
            areas = [
                self._area(what, *pair, -(-extents // count)) for pair in zip(stripes[::2], stripes[1::2], strict=True)
            ]
        return Segment(start, extents * self._extent, kind, tuple(areas))

    def _area(self, what: str, pv: Value, extent: Value, extents: int) -> Area:
        if not isinstance(pv, str) or not (pv in self._identities or pv in self._volumes):
            raise UserError(f"{what} lies on {pv!r}, which the group does not have")
        if not isinstance(extent, int) or not 0 <= extent <= lvm.EXTENTS_MAX:
            raise UserError(f"{what} lies on extent {extent!r}")
        if pv != self._here:
            return Area(pv, None)
        if extent + extents > self._count:
            raise UserError(f"{what} lies on extents {extent} to {extent + extents - 1}, {pv} has {self._count}")
        # Volumes that lie over each other could be made to be millions of times as large as what is there.
        self._used += extents
        if self._used > self._count:
            raise UserError(
                f"{what}: up to here the volumes take {self._used} extents of {pv}, which has {self._count}"
            )
        return Area(pv, self._start + extent * self._extent)


def _section(data: Section, name: str, what: str) -> Section:
    value = data.get(name)
    if not isinstance(value, dict):
        raise UserError(f"{what} has no section {name!r}")
    return value


def _number(data: Section, name: str, what: str, low: int, high: int) -> int:
    value = data.get(name)
    if not isinstance(value, int) or not low <= value <= high:
        raise UserError(f"{what}: {name} is {value!r}, a number from {low} to {high} is wanted")
    return value


def _uuid(data: Section, what: str) -> str:
    value = data.get("id")
    if not isinstance(value, str) or not lvm.is_uuid(value):
        raise UserError(f"{what}: id is {value!r}, a UUID is wanted")
    return value


def open_volume(pv: ImageReader, name: str) -> ImageReader:
    """What lies in a volume, by its name.

    Raises:
        UserError: the image is no whole physical volume, has no such volume, or has not all of it.
    """
    return read(pv)[name].open(pv)


def inspect(image: ImageReader, group: VolumeGroup | None = None) -> Mapping[str, Any]:
    """The group as data for JSON; sizes in bytes.

    Args:
        image: the physical volume.
        group: what `read` made of it, by who has it already.

    Raises:
        UserError: as `read`.
    """
    group = group or read(image)
    return {
        "vg": group.name,
        "uuid": group.uuid,
        "seqno": group.seqno,
        "extent_bytes": group.extent_size,
        "pv": group.pv_name,
        "pv_uuid": group.pv_uuid,
        "pe_start": group.pe_start,
        "extents": group.extents,
        "bytes": image.size,
        "other_pvs": {name: uuid for name, uuid in group.physical_volumes.items() if name != group.pv_name},
        "volumes": [_inspect_volume(volume) for volume in group.volumes],
    }


def _inspect_volume(volume: Volume) -> Mapping[str, Any]:
    return {
        "name": volume.name,
        "uuid": volume.uuid,
        "bytes": volume.size,
        "segments": [
            {
                "start": segment.start,
                "bytes": segment.length,
                "type": segment.type,
                "areas": [{"pv": area.pv, "offset": area.offset} for area in segment.areas],
            }
            for segment in volume.segments
        ],
    }
