"""Disk layouts as data, checked before anything is written.

A layout is a JSON file; sizes and places are in sectors of 512 bytes:

    {
      "disk_guid": "2B110BB7-CDEC-7D41-B97E-893EDCBE5428",
      "size": 206848,
      "partitions": [
        {"name": "esp", "start": 2048, "size": 202752, "type": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
         "guid": "B78084E2-3363-1346-8C25-D426F26B8928", "number": 1, "attributes": 0}
      ]
    }

"size" may be left out: the disk then ends at the first whole MiB that leaves room for
the backup table behind the last partition. "number" may be left out (the place in the
list counts) and "attributes" too (0).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sysimage import places
from sysimage.errors import UserError
from sysimage.gpt.format import ALIGNMENT, BACKUP_SECTORS, ENTRY_COUNT, FIRST_USABLE, NAME_UNITS, SECTOR


@dataclass(frozen=True, slots=True)
class Partition:
    """One entry of a GUID partition table.

    start and size are in sectors of 512 bytes; number counts from 1; attributes are the 64
    bits of the entry. Source: UEFI 2.10, 5.3.3.

    Raises:
        UserError: misaligned, without size, or a name or number that the table cannot hold.
    """

    number: int
    name: str
    start: int
    size: int
    type: UUID
    guid: UUID
    attributes: int = 0

    def __post_init__(self) -> None:
        what = f"partition {self.name!r}"
        units = len(self.name.encode("utf-16-le", "surrogatepass")) // 2
        if not 1 <= units <= NAME_UNITS or "\0" in self.name:
            raise UserError(
                f"{what}: the name has {units} UTF-16 units, 1 to {NAME_UNITS} (none of them 0) are possible"
            )
        if not 1 <= self.number <= ENTRY_COUNT:
            raise UserError(f"{what} has number {self.number}, 1 to {ENTRY_COUNT} are possible")
        for field, value in (("starts at sector", self.start), ("has a size in sectors of", self.size)):
            if value % ALIGNMENT:
                raise UserError(
                    f"{what} {field} {value}, which is not a multiple of {ALIGNMENT}",
                    hint=f"use {round_up(value, ALIGNMENT)}",
                )
        if self.size <= 0:
            raise UserError(f"{what} has a size of {self.size} sectors")
        if not 0 <= self.attributes < 1 << 64:
            raise UserError(f"{what} has attributes {self.attributes:#x}, which are not 64 bits")
        if self.type.int == 0 or self.guid.int == 0:
            raise UserError(f"{what} has an all-zero {'type' if self.type.int == 0 else 'GUID'}")

    @property
    def end(self) -> int:
        """The first sector behind it."""
        return self.start + self.size

    @property
    def offset(self) -> int:
        """In bytes."""
        return self.start * SECTOR

    @property
    def length(self) -> int:
        """In bytes."""
        return self.size * SECTOR


@dataclass(frozen=True, slots=True)
class Layout:
    """A disk: its GUID, its size in sectors of 512 bytes, its partitions.

    Raises:
        UserError: partitions overlap, share a name, number or GUID, or lie outside the usable area.
    """

    disk_guid: UUID
    size: int
    partitions: tuple[Partition, ...]

    def __post_init__(self) -> None:
        for what, key in _UNIQUE.items():
            seen: dict[object, Partition] = {}
            for partition in self.partitions:
                first = seen.setdefault(key(partition), partition)
                if first is not partition:
                    raise UserError(
                        f"partitions {first.name!r} and {partition.name!r} have one {what}: {key(partition)}"
                    )
        for partition in self.partitions:
            if partition.start < FIRST_USABLE or partition.end > self.size - BACKUP_SECTORS:
                raise UserError(
                    f"partition {partition.name!r} takes sectors {partition.start} to {partition.end - 1}, "
                    f"but {FIRST_USABLE} to {self.size - BACKUP_SECTORS - 1} of the disk's {self.size} are usable",
                    hint=f"the disk needs {minimal_size(self.partitions)} sectors"
                    if partition.start >= FIRST_USABLE
                    else f"start at sector {ALIGNMENT}",
                )
        places.refuse_overlaps("partition", "sector", ((each.name, each.start, each.end) for each in self.partitions))

    def __getitem__(self, name: str) -> Partition:
        for partition in self.partitions:
            if partition.name == name:
                return partition
        names = ", ".join(partition.name for partition in self.partitions)
        raise UserError(f"there is no partition {name!r}", hint=f"there are {names}" if names else "the table is empty")

    def expanded(self, length: int) -> "Layout":
        """The same partitions on a disk of `length` bytes; the backup table lies at its end.

        Raises:
            UserError: it is no whole number of sectors, or too small for the partitions.
        """
        if length % SECTOR:
            raise UserError(f"a disk of {length} bytes is not possible: it is no multiple of {SECTOR}")
        return Layout(self.disk_guid, length // SECTOR, self.partitions)

    @property
    def length(self) -> int:
        """Size of the disk in bytes."""
        return self.size * SECTOR


_UNIQUE: Mapping[str, Callable[[Partition], object]] = {
    "name": lambda partition: partition.name,
    "number": lambda partition: partition.number,
    "GUID": lambda partition: str(partition.guid).upper(),
}


def round_up(value: int, multiple: int) -> int:
    """The next multiple, or the value itself if it is one."""
    return value + -value % multiple


def minimal_size(partitions: tuple[Partition, ...]) -> int:
    """Sectors of the smallest disk: the backup table behind the last partition, rounded up to a MiB."""
    end = max((partition.end for partition in partitions), default=FIRST_USABLE)
    return round_up(end + BACKUP_SECTORS, ALIGNMENT)


def load(path: Path | str) -> Layout:
    """Reads a layout file.

    Raises:
        UserError: it cannot be read, is no layout, or its partitions are impossible.
    """
    return places.load(path, parse)


def parse(text: str) -> Layout:
    """A layout out of its JSON. Errors: as `load`."""
    fields = places.parse_object(text, {"disk_guid": str, "partitions": list}, {"size": int})
    partitions = tuple(_partition(row, number) for number, row in enumerate(fields["partitions"], 1))
    size = fields.get("size", minimal_size(partitions))
    return Layout(_guid("disk_guid", fields["disk_guid"]), size, partitions)


def _partition(row: object, place: int) -> Partition:
    what = f"partition {place} of the layout"
    fields = places.fields(
        what,
        row,
        {"name": str, "start": int, "size": int, "type": str, "guid": str},
        {"number": int, "attributes": int},
    )
    return Partition(
        number=fields.get("number", place),
        name=fields["name"],
        start=fields["start"],
        size=fields["size"],
        type=_guid(f"type of partition {fields['name']!r}", fields["type"]),
        guid=_guid(f"guid of partition {fields['name']!r}", fields["guid"]),
        attributes=fields.get("attributes", 0),
    )


def _guid(what: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise UserError(f"{what} is {text!r}, which is not a GUID") from error
