"""Plans a disk: protective MBR, both copies of the table, and each partition's content at its place."""

import struct
import zlib
from collections.abc import Mapping

from sysimage.extents import ExtentMap
from sysimage.gpt import format as gpt
from sysimage.gpt.layout import Layout
from sysimage.places import Content, Place, fill


def plan(layout: Layout, contents: Mapping[str, Content]) -> ExtentMap:
    """The map of a whole disk.

    Args:
        layout: the disk.
        contents: for each partition's name its image, or EMPTY. An image may be smaller than
            its partition; the rest is a hole.

    Raises:
        UserError: a partition has neither image nor EMPTY; an image has no partition, or is larger than it.
    """
    places = [Place(partition.name, partition.offset, partition.length) for partition in layout.partitions]
    placed = fill("partition", places, contents)
    entries = _entries(layout)
    last = layout.size - 1
    backup_entries = layout.size - gpt.BACKUP_SECTORS
    primary = _header(layout, gpt.PRIMARY_HEADER, last, gpt.PRIMARY_ENTRIES, entries)
    backup = _header(layout, last, gpt.PRIMARY_HEADER, backup_entries, entries)
    placed.append((0, ExtentMap.of_bytes(_protective_mbr(layout) + primary + entries)))
    placed.append((backup_entries * gpt.SECTOR, ExtentMap.of_bytes(entries + backup)))
    return ExtentMap.union(layout.length, placed)


def _entries(layout: Layout) -> bytes:
    entries = bytearray(gpt.ENTRY_COUNT * gpt.ENTRY_SIZE)
    for partition in layout.partitions:
        gpt.ENTRY.pack_into(
            entries,
            (partition.number - 1) * gpt.ENTRY_SIZE,
            partition.type.bytes_le,
            partition.guid.bytes_le,
            partition.start,
            partition.end - 1,
            partition.attributes,
            partition.name.encode("utf-16-le", "surrogatepass"),
        )
    return bytes(entries)


def _header(layout: Layout, here: int, other: int, entries_at: int, entries: bytes) -> bytes:
    """One sector: a header at sector `here` whose twin is at sector `other`."""
    header = bytearray(gpt.SECTOR)
    gpt.HEADER.pack_into(
        header,
        0,
        gpt.SIGNATURE,
        gpt.REVISION,
        gpt.HEADER_SIZE,
        0,  # CRC32, below
        0,  # reserved
        here,
        other,
        gpt.FIRST_USABLE,
        layout.size - gpt.BACKUP_SECTORS - 1,
        layout.disk_guid.bytes_le,
        entries_at,
        gpt.ENTRY_COUNT,
        gpt.ENTRY_SIZE,
        zlib.crc32(entries),
    )
    struct.pack_into("<I", header, gpt.HEADER_CRC_OFFSET, zlib.crc32(header[: gpt.HEADER_SIZE]))
    return bytes(header)


def _protective_mbr(layout: Layout) -> bytes:
    sectors = min(layout.size - 1, gpt.MBR_MAX_SECTORS)
    record = gpt.MBR_RECORD.pack(0, gpt.MBR_FIRST_CHS, gpt.MBR_PROTECTIVE, gpt.MBR_LAST_CHS, 1, sectors)
    return gpt.MBR.pack(b"", 0, 0, record, bytes(16), bytes(16), bytes(16), gpt.MBR_SIGNATURE)
