"""A small group, whole and changed, for the tests of all that reads or judges one."""

import json
import struct
from collections.abc import Callable
from typing import Any

from sysimage import lvm
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources
from sysimage.lvm import Layout, metadata
from sysimage.lvm import format as on_disk
from sysimage.places import Content

KIB = 1 << 10
MIB = 1 << 20
SIZE = 16 * 2048  # sectors of the sample

Row = dict[str, Any]


def uuid(number: int) -> str:
    """A UUID of our own."""
    return lvm.hyphenated(f"{number:032}")


def row(key: int, name: str, start: int, extents: int, **others: Any) -> Row:
    """A volume of a layout; `key` makes its UUID."""
    return {"name": name, "uuid": uuid(key), "start": start, "extents": extents, **others}


def text(*rows: Row, **others: Any) -> str:
    """A layout file with these volumes, and with other fields than usual; a field that is None is left out."""
    fields: Row = {
        "vg": "group",
        "vg_uuid": uuid(100),
        "pv_uuid": uuid(101),
        "size": SIZE,
        "pe_start": 2048,
        "extent_size": 256,
        "creation_time": 1620345600,
        "volumes": rows,
    }
    return json.dumps({name: value for name, value in {**fields, **others}.items() if value is not None})


ONE = row(1, "one", 0, 4)
SAMPLE = text(ONE, row(2, "two", 8, 2), row(3, "A_b.c+d-e", 4, 3))


def reader(image: ExtentMap) -> ImageReader:
    """An image of literals and holes."""
    return ImageReader(image, Sources({}))


def sample() -> ExtentMap:
    """A group with two filled volumes and an empty one between them."""
    contents: dict[str, Content] = {
        "one": ExtentMap.of_bytes(b"first"),
        "two": lvm.EMPTY,
        "A_b.c+d-e": ExtentMap(384 * KIB, [Extent(384 * KIB - 4, 4, b"last")]),
    }
    return lvm.plan(lvm.parse(SAMPLE), contents)


def empty(layout: Layout) -> ImageReader:
    """A group whose volumes are all empty."""
    return reader(lvm.plan(layout, {volume.name: lvm.EMPTY for volume in layout.volumes}))


def with_text(change: Callable[[str], str], offset: int = 512, layout: str = SAMPLE) -> ImageReader:
    """A sample with another text, at another place of the ring."""
    parsed = lvm.parse(layout)
    new = change(metadata.render(parsed)[:-1].decode()).encode() + b"\0"
    size = parsed.pe_start * 512 - 4096
    return with_bytes(empty(parsed), 4096, area(new, offset, 4096, size))


def with_bytes(image: ImageReader, at: int, data: bytes, checksums: bool = False) -> ImageReader:
    """An image with other bytes in what comes before the volumes, and if wanted with both headers' checksums right."""
    head = bytearray(image.read(0, MIB))
    head[at : at + len(data)] = data
    if checksums:
        seal(head)
    rest = image.map.slice(MIB, image.size - MIB)
    return reader(ExtentMap.union(image.size, [(0, ExtentMap.of_bytes(bytes(head))), (MIB, rest)]))


def area(new: bytes, offset: int, at: int, size: int) -> bytes:
    """A metadata area with a text that may go over its end."""
    ring = bytearray(size)
    first = new[: size - offset]
    ring[offset : offset + len(first)] = first
    ring[512 : 512 + len(new) - len(first)] = new[len(first) :]
    behind = on_disk.AREA.pack(0, on_disk.AREA_MAGIC, 1, at, size)[4:]
    behind += on_disk.TEXT_LOCATION.pack(offset, len(new), on_disk.crc(new), 0)
    behind = behind.ljust(508, b"\0")
    ring[:512] = struct.pack("<I", on_disk.crc(behind)) + behind
    return bytes(ring)


def replaced(old: str, new: str, count: int = 1) -> Callable[[str], str]:
    """A change for `with_text`."""

    def change(whole: str) -> str:
        assert old in whole
        return whole.replace(old, new, count)

    return change


def seal(data: bytearray) -> None:
    """Sets the checksums of label, area header and text right."""
    struct.pack_into("<I", data, 512 + 16, on_disk.crc(bytes(data[512 + 20 : 1024])))
    struct.pack_into("<I", data, 4096, on_disk.crc(bytes(data[4100:4608])))
