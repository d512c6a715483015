"""Plans a physical volume: label, metadata area, and each volume's content at its place."""

from collections.abc import Mapping

from sysimage.errors import UserError
from sysimage.extents import ExtentMap
from sysimage.lvm import format as lvm
from sysimage.lvm import metadata
from sysimage.lvm.layout import Layout
from sysimage.places import Content, fill


def plan(layout: Layout, contents: Mapping[str, Content]) -> ExtentMap:
    """The map of a whole physical volume.

    Args:
        layout: the volume group.
        contents: for each volume's name its image, or EMPTY. An image may be smaller than its
            volume; the rest is a hole.

    Raises:
        UserError: a volume has neither image nor EMPTY; an image has no volume, or is larger than it;
            there are so many volumes that the metadata area is too small to tell of them.
    """
    placed = fill("volume", layout.places(), contents)
    text = metadata.render(layout)
    area = layout.pe_start * lvm.SECTOR - lvm.AREA_AT
    # LVM puts a new text beside the one that counts, so there must be room for both.
    room = (area - lvm.AREA_HEADER) // 2 // lvm.SECTOR * lvm.SECTOR
    if len(text) > room:
        raise UserError(
            f"the metadata of {len(layout.volumes)} volumes has {len(text)} bytes, before pe_start there is room "
            f"for {room}",
            hint="make pe_start larger",
        )
    placed.append((lvm.LABEL_AT * lvm.SECTOR, ExtentMap.of_bytes(_label(layout))))
    placed.append((lvm.AREA_AT, ExtentMap.of_bytes(_area_header(text, area) + text)))
    return ExtentMap.union(layout.length, placed)


def _label(layout: Layout) -> bytes:
    """The sector of the label, with the PV header in it."""
    start = layout.pe_start * lvm.SECTOR
    header = (
        lvm.PV_HEADER.pack(layout.pv_uuid.replace("-", "").encode(), layout.length)
        + lvm.LOCATION.pack(start, 0)
        + bytes(lvm.LOCATION.size)
        + lvm.LOCATION.pack(lvm.AREA_AT, start - lvm.AREA_AT)
        + bytes(lvm.LOCATION.size)
        + lvm.EXTENSION.pack(lvm.EXTENSION_VERSION, lvm.EXTENSION_USED)
    )
    behind = lvm.LABEL.pack(b"", 0, 0, lvm.LABEL.size, lvm.LABEL_TYPE)[lvm.LABEL_CRC_END :] + header
    behind = behind.ljust(lvm.SECTOR - lvm.LABEL_CRC_END, b"\0")
    return lvm.LABEL.pack(lvm.LABEL_ID, lvm.LABEL_AT, lvm.crc(behind), 0, b"")[: lvm.LABEL_CRC_END] + behind


def _area_header(text: bytes, size: int) -> bytes:
    """The sector in front of the ring, which says that the text is the first thing in it."""
    behind = (
        lvm.AREA.pack(0, lvm.AREA_MAGIC, lvm.AREA_VERSION, lvm.AREA_AT, size)[lvm.AREA_CRC_END :]
        + lvm.TEXT_LOCATION.pack(lvm.AREA_HEADER, len(text), lvm.crc(text), 0)
    ).ljust(lvm.AREA_HEADER - lvm.AREA_CRC_END, b"\0")
    return lvm.crc(behind).to_bytes(lvm.AREA_CRC_END, "little") + behind
