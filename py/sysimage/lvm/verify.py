"""Judges a physical volume. Shares nothing with writer and reader but the format's constants and the texts' grammar."""

import itertools
from collections.abc import Iterator
from typing import Any

from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.lvm import format as lvm
from sysimage.lvm import metadata

_MAX_TEXT = 4 << 20
_LABEL_REST = lvm.SECTOR - lvm.LABEL.size - lvm.PV_HEADER.size
_Location = tuple[int, int]


def verify(image: ImageReader) -> list[str]:
    """What is wrong with the physical volume; nothing if it is all right.

    Checked: the label and its checksum; that the PV header's areas lie where nothing else is; every
    metadata area, its checksum, its text and the text's checksum; that all areas say the same; that the
    text agrees with the label and with the size of the image; that names and UUIDs are possible and
    unique, segments follow each other, lie on extents that there are, and share none.
    """
    if image.size % lvm.SECTOR or image.size <= lvm.AREA_AT:
        return [f"a physical volume of {image.size} bytes has no room for metadata, or no whole number of sectors"]
    sectors = [image.read(number * lvm.SECTOR, lvm.SECTOR) for number in range(lvm.LABEL_SECTORS)]
    labels = [number for number, sector in enumerate(sectors) if sector.startswith(lvm.LABEL_ID)]
    if labels != [lvm.LABEL_AT]:
        return [f"label: it is in the sectors {labels}, expected {[lvm.LABEL_AT]}"]
    label = _Label(sectors[lvm.LABEL_AT], image.size)
    if label.findings:
        return label.findings
    findings: list[str] = []
    texts = [_check_area(image, at, size, findings) for at, size in label.areas]
    found = [text for text in texts if text is not None]
    if not found:
        return findings or ["no metadata area has a text"]
    if len(set(found)) > 1:
        findings.append("the metadata areas have different texts")
    return findings + list(_check_text(found[0], label))


class _Label:
    """The label's sector, field by field."""

    def __init__(self, sector: bytes, size: int) -> None:
        _, number, checksum, offset, kind = lvm.LABEL.unpack_from(sector)
        self.image = size
        raw, self.size = lvm.PV_HEADER.unpack_from(sector, lvm.LABEL.size)
        self.uuid = lvm.hyphenated(raw.decode("latin-1"))
        rest = sector[-_LABEL_REST:]
        self.data, rest = _locations(rest)
        self.areas, rest = _locations(rest)
        self.findings = [
            f"label: {text}"
            for wrong, text in (
                (lvm.crc(sector[lvm.LABEL_CRC_END :]) != checksum, "wrong checksum"),
                (number != lvm.LABEL_AT, f"says it is in sector {number}, is in {lvm.LABEL_AT}"),
                (offset != lvm.LABEL.size, f"says the PV header is at its byte {offset}, expected {lvm.LABEL.size}"),
                (kind != lvm.LABEL_TYPE, f"has the type {kind!r}, expected {lvm.LABEL_TYPE!r}"),
                (not lvm.is_uuid(self.uuid), f"has the UUID {self.uuid!r}, which is none"),
                (self.size > size, f"says the device has {self.size} bytes, the image has {size}"),
                (len(self.data) != 1, f"names {len(self.data)} data areas, expected 1"),
                (not 1 <= len(self.areas) <= 2, f"names {len(self.areas)} metadata areas, expected 1 or 2"),
            )
            if wrong
        ]
        if not self.findings:
            self.findings = [f"label: {text}" for text in itertools.chain(self._places(), self._extension(rest))]

    def _places(self) -> Iterator[str]:
        """What lies over something else, or over the end."""
        ((start, length),) = self.data
        if start < lvm.LABEL_SECTORS * lvm.SECTOR or length > self.size - start or start >= self.size:
            yield f"the data area (byte {start}, {length} bytes) does not lie between label and end"
        end = start + length if length else self.size
        for at, size in self.areas:
            if at < lvm.AREA_AT or at % lvm.SECTOR or size < 2 * lvm.AREA_HEADER or at + size > self.size:
                yield f"the metadata area (byte {at}, {size} bytes) does not lie between label and end"
            elif at < end and start < at + size and (length or at < start):
                yield f"the metadata area (byte {at}, {size} bytes) lies over the data area (byte {start})"

    @staticmethod
    def _extension(rest: bytes) -> Iterator[str]:
        version, flags = lvm.EXTENSION.unpack_from(rest)
        if not 1 <= version <= lvm.EXTENSION_VERSION:
            yield f"the extension has version {version}, expected {lvm.EXTENSION_VERSION}"
        if flags != lvm.EXTENSION_USED:
            yield f"the extension has flags {flags:#x}, expected {lvm.EXTENSION_USED:#x}"
        if any(rest[lvm.EXTENSION.size :]):
            yield "bytes behind the extension are not zero"


def _locations(data: bytes) -> tuple[list[_Location], bytes]:
    """A list up to its zero entry, and what is behind it; at the end of the sector the list ends anyway."""
    found = []
    while len(data) > lvm.LOCATION.size + lvm.EXTENSION.size:
        place, size = lvm.LOCATION.unpack_from(data)
        data = data[lvm.LOCATION.size :]
        if not place and not size:
            break
        found.append((place, size))
    return found, data


def _check_area(image: ImageReader, at: int, size: int, findings: list[str]) -> bytes | None:
    """The text of an area, unless something is wrong."""
    what = f"metadata area at byte {at}"
    sector = image.read(at, lvm.AREA_HEADER)
    checksum, magic, version, here, length = lvm.AREA.unpack_from(sector)
    slots = list(lvm.TEXT_LOCATION.iter_unpack(sector[lvm.AREA.size :][: lvm.TEXTS_IN_HEADER * lvm.TEXT_LOCATION.size]))
    (offset, count, text_checksum, flags), *others = slots
    wrong = [
        f"{what}: {text}"
        for bad, text in (
            (lvm.crc(sector[lvm.AREA_CRC_END :]) != checksum, "wrong checksum"),
            (magic != lvm.AREA_MAGIC, "no magic"),
            (version != lvm.AREA_VERSION, f"version is {version}"),
            (here != at, f"says it is at byte {here}"),
            (length != size, f"says it has {length} bytes, the label says {size}"),
            (flags not in (0, lvm.TEXT_IGNORED), f"flags are {flags:#x}"),
            (any(any(slot) for slot in others), "there is a text that was not committed"),
        )
        if bad
    ]
    findings += wrong
    if wrong or flags or not offset:
        return None
    if not lvm.AREA_HEADER <= offset < size or offset % lvm.SECTOR or not 0 < count <= size - lvm.AREA_HEADER:
        findings.append(f"{what}: the text ({count} bytes from {offset} on) does not lie in the ring")
        return None
    if count > _MAX_TEXT:
        findings.append(f"{what}: the text has {count} bytes, more than any group needs")
        return None
    text = image.read(at + offset, min(count, size - offset))
    text += image.read(at + lvm.AREA_HEADER, count - len(text))
    if lvm.crc(text) != text_checksum:
        findings.append(f"{what}: the text has a wrong checksum")
        return None
    if text.find(b"\0") != count - 1:
        findings.append(f"{what}: the text does not end with its first zero byte")
        return None
    return text


def _check_text(text: bytes, label: _Label) -> Iterator[str]:
    try:
        top: dict[str, Any] = dict(metadata.parse(text))
    except UserError as error:
        yield error.message
        return
    groups = {name: value for name, value in top.items() if isinstance(value, dict)}
    if top.get("contents") != lvm.TEXT_CONTENTS or top.get("version") != lvm.TEXT_VERSION:
        yield "the text does not say that it is an LVM text of version 1"
    if len(groups) != 1:
        yield f"the text has {len(groups)} groups"
        return
    ((name, group),) = groups.items()
    judge = _Judge(name, group, label)
    try:
        judge.check()
    except _MissingError as error:
        judge.findings.append(str(error))
    yield from judge.findings


class _MissingError(Exception):
    """A field without which nothing further can be said."""


def _get(what: str, data: dict[str, Any], name: str, kind: type) -> Any:
    value = data.get(name)
    if not isinstance(value, kind):
        raise _MissingError(f"{what}: {name} is missing, or of another type than {kind.__name__}")
    return value


class _Judge:
    """The group that a text describes."""

    def __init__(self, name: str, group: dict[str, Any], label: _Label) -> None:
        self.findings: list[str] = []
        self._name = name
        self._group = group
        self._label = label
        self._uuids: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._used: dict[str, list[tuple[int, int, str]]] = {}

    def _find(self, text: str) -> None:
        self.findings.append(text)

    def check(self) -> None:
        what = f"group {self._name!r}"
        self._check_name(what, self._name)
        self._check_uuid(what, self._group)
        if _get(what, self._group, "seqno", int) < 1:
            self._find(f"{what}: seqno is {self._group['seqno']}")
        self._extent = _get(what, self._group, "extent_size", int)
        if not 1 <= self._extent < 1 << 32:
            raise _MissingError(f"{what}: extent_size is {self._extent}")
        if "RESIZEABLE" not in _get(what, self._group, "status", list):
            self._find(f"{what}: status has no RESIZEABLE, so LVM would not change it")
        for name in _get(what, self._group, "physical_volumes", dict):
            self._check_physical(name, _get(what, self._group["physical_volumes"], name, dict))
        if self._label.uuid not in self._uuids:
            self._find(f"the label's UUID {self._label.uuid} is none of the group's physical volumes")
        volumes = self._group.get("logical_volumes", {})
        for name in volumes:
            self._check_volume(name, _get(what, volumes, name, dict))
        self._check_overlaps()

    def _check_name(self, what: str, name: str) -> None:
        allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+_.-")
        if not 1 <= len(name) <= lvm.NAME_MAX or set(name) - allowed or name[0] == "-" or name in (".", ".."):
            self._find(f"{what}: LVM takes no such name")

    def _check_uuid(self, what: str, data: dict[str, Any]) -> str:
        uuid: str = _get(what, data, "id", str)
        if not lvm.is_uuid(uuid):
            self._find(f"{what}: id {uuid!r} is no UUID")
        elif uuid in self._uuids:
            self._find(f"{what}: same UUID as {self._uuids[uuid]}")
        else:
            self._uuids[uuid] = what
        return uuid

    def _check_physical(self, name: str, data: dict[str, Any]) -> None:
        what = f"physical volume {name!r}"
        uuid = self._check_uuid(what, data)
        size, start, count = (_get(what, data, field, int) for field in ("dev_size", "pe_start", "pe_count"))
        self._counts[name] = count
        if "ALLOCATABLE" not in _get(what, data, "status", list):
            self._find(f"{what}: status has no ALLOCATABLE, so LVM would not use it")
        if start < 0 or count < 0 or start + count * self._extent > size:
            self._find(f"{what}: {count} extents from sector {start} on do not fit into its {size} sectors")
        if uuid != self._label.uuid:
            return
        if size * lvm.SECTOR > self._label.image:
            self._find(f"{what}: dev_size is {size} sectors, the image has {self._label.image} bytes")
        # Later the text alone counts: pvresize leaves the label as it was.
        elif self._group["seqno"] == 1 and size * lvm.SECTOR != self._label.size:
            self._find(f"{what}: dev_size is {size} sectors, the label says {self._label.size} bytes")
        if start * lvm.SECTOR != self._label.data[0][0]:
            self._find(f"{what}: pe_start is sector {start}, the label says byte {self._label.data[0][0]}")

    def _check_volume(self, name: str, data: dict[str, Any]) -> None:
        what = f"volume {name!r}"
        self._check_name(what, name)
        self._check_uuid(what, data)
        if "READ" not in _get(what, data, "status", list):
            self._find(f"{what}: status has no READ")
        count = _get(what, data, "segment_count", int)
        sections = [value for value in data.values() if isinstance(value, dict)]
        if len(sections) != count or count < 1:
            self._find(f"{what}: segment_count is {count}, there are {len(sections)} segments")
        position = 0
        for number in range(1, len(sections) + 1):
            which = f"{what}, segment {number}"
            segment = _get(what, data, f"segment{number}", dict)
            start, length = (_get(which, segment, field, int) for field in ("start_extent", "extent_count"))
            if start != position or length < 1:
                self._find(f"{which}: {length} extents from {start} on, expected some from {position} on")
            position = start + length
            if segment.get("type") == "striped":
                self._check_stripes(which, segment, length)
            elif not isinstance(segment.get("type"), str):
                self._find(f"{which}: it has no type")

    def _check_stripes(self, what: str, segment: dict[str, Any], length: int) -> None:
        count = _get(what, segment, "stripe_count", int)
        stripes = _get(what, segment, "stripes", list)
        if count < 1 or len(stripes) != 2 * count or length % count:
            self._find(f"{what}: stripe_count is {count}, there are {len(stripes) // 2} stripes and {length} extents")
            return
        for pv, first in zip(stripes[::2], stripes[1::2], strict=True):
            if pv in self._group.get("logical_volumes", {}):
                continue
            if pv not in self._counts:
                self._find(f"{what}: it lies on {pv!r}, which is no physical volume of the group")
            elif not isinstance(first, int) or first < 0 or first + length // count > self._counts[pv]:
                self._find(f"{what}: {length // count} extents from {first!r} on are not all on {pv!r}")
            else:
                self._used.setdefault(pv, []).append((first, first + length // count, what))

    def _check_overlaps(self) -> None:
        for pv, ranges in self._used.items():
            for (_, end, left), (start, _, right) in itertools.pairwise(sorted(ranges)):
                if start < end:
                    self._find(f"{left} and {right} overlap on {pv!r}")
