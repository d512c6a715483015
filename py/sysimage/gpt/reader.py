"""Reads GUID partition tables: from the first copy that is whole."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.gpt import format as gpt

MAX_ENTRIES = 4096  # a table of more is taken for damage


@dataclass(frozen=True, slots=True)
class Entry:
    """A used entry, as it stands on the disk. Sectors of 512 bytes; `last` is inclusive."""

    number: int
    name: str
    first: int
    last: int
    type: UUID
    guid: UUID
    attributes: int

    @property
    def offset(self) -> int:
        """In bytes."""
        return self.first * gpt.SECTOR

    @property
    def length(self) -> int:
        """In bytes."""
        return (self.last + 1 - self.first) * gpt.SECTOR


@dataclass(frozen=True, slots=True)
class Table:
    """One copy of a table. Sectors of 512 bytes."""

    copy: str
    disk_guid: UUID
    header_at: int
    other_header_at: int
    entries_at: int
    first_usable: int
    last_usable: int
    partitions: tuple[Entry, ...]

    def __getitem__(self, name: str) -> Entry:
        for partition in self.partitions:
            if partition.name == name:
                return partition
        names = ", ".join(partition.name for partition in self.partitions)
        raise UserError(f"there is no partition {name!r}", hint=f"there are {names}" if names else "the table is empty")


def find(image: ImageReader) -> bool:
    """Whether there is anything that looks like a GUID partition table."""
    return gpt.SIGNATURE in (
        image.read(gpt.SECTOR, len(gpt.SIGNATURE)),
        image.read(image.size - gpt.SECTOR, len(gpt.SIGNATURE)) if image.size >= gpt.SECTOR else b"",
    )


def read(image: ImageReader) -> Table:
    """The primary table, or the backup if the primary is damaged.

    Raises:
        UserError: neither is whole.
    """
    try:
        return read_copy(image, "primary")
    except UserError as first:
        try:
            return read_copy(image, "backup")
        except UserError as second:
            raise UserError(f"no GUID partition table: {first.message}; {second.message}") from second


def open_partition(disk: ImageReader, name: str) -> ImageReader:
    """What lies in a partition, by its name.

    Raises:
        UserError: the disk has no whole table, or the table no such partition.
    """
    entry = read(disk)[name]
    return ImageReader(disk.map.slice(entry.offset, entry.length), disk.sources)


def read_copy(image: ImageReader, copy: str) -> Table:
    """The "primary" or the "backup" table, which must have its signature and checksums.

    Raises:
        UserError: it does not, or an entry is nonsense.
    """
    at = gpt.PRIMARY_HEADER if copy == "primary" else image.size // gpt.SECTOR - 1
    sector = image.read(at * gpt.SECTOR, gpt.SECTOR) if at > 0 else b""
    what = f"the {copy} header (sector {at})"
    if len(sector) < gpt.SECTOR or not sector.startswith(gpt.SIGNATURE):
        raise UserError(f"{what} has no signature")
    fields = gpt.HEADER.unpack_from(sector)
    (_, _, header_size, crc, _, here, other, first_usable, last_usable, disk_guid, entries_at, count, size, table) = (
        fields
    )
    if not gpt.HEADER_SIZE <= header_size <= gpt.SECTOR:
        raise UserError(f"{what} says it has {header_size} bytes")
    plain = sector[: gpt.HEADER_CRC_OFFSET] + bytes(4) + sector[gpt.HEADER_CRC_OFFSET + 4 : header_size]
    if zlib.crc32(plain) != crc:
        raise UserError(f"{what} has a wrong checksum")
    if here != at:
        raise UserError(f"{what} says it is at sector {here}")
    if count > MAX_ENTRIES or not gpt.ENTRY_SIZE <= size <= gpt.SECTOR:
        raise UserError(f"{what} says there are {count} entries of {size} bytes")
    entries = image.read(entries_at * gpt.SECTOR, count * size)
    if len(entries) != count * size or zlib.crc32(entries) != table:
        raise UserError(f"the {copy} entries (sector {entries_at}) have a wrong checksum")
    rows = (_entry(entries[place * size :], place + 1) for place in range(count))
    return Table(
        copy=copy,
        disk_guid=UUID(bytes_le=disk_guid),
        header_at=here,
        other_header_at=other,
        entries_at=entries_at,
        first_usable=first_usable,
        last_usable=last_usable,
        partitions=tuple(entry for entry in rows if entry is not None),
    )


def _entry(data: bytes, number: int) -> Entry | None:
    kind, guid, first, last, attributes, name = gpt.ENTRY.unpack_from(data)
    if kind == gpt.UNUSED_TYPE:
        return None
    text = name.decode("utf-16-le", "surrogatepass").partition("\0")[0]
    if last < first:
        raise UserError(f"partition {number} ({text!r}) ends at sector {last}, before its start {first}")
    return Entry(number, text, first, last, UUID(bytes_le=kind), UUID(bytes_le=guid), attributes)


def inspect(image: ImageReader) -> Mapping[str, Any]:
    """The table as data for JSON; sizes in bytes are called so.

    Raises:
        UserError: neither copy is whole.
    """
    table = read(image)
    return {
        "copy": table.copy,
        "disk_guid": str(table.disk_guid).upper(),
        "sectors": image.size // gpt.SECTOR,
        "first_usable": table.first_usable,
        "last_usable": table.last_usable,
        "partitions": [
            {
                "number": entry.number,
                "name": entry.name,
                "first": entry.first,
                "last": entry.last,
                "bytes": entry.length,
                "type": str(entry.type).upper(),
                "guid": str(entry.guid).upper(),
                "attributes": entry.attributes,
            }
            for entry in table.partitions
        ],
    }
