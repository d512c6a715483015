"""A disk's layout as its contract states it, held against what foreign tools read from the disk.

    # Types by the names that the table calls them by.
    type  efi    C12A7328-F81F-11D2-BA4B-00A0C93EC93B
    type  linux  0FC63DAF-8483-4772-8E79-3D69D8477DE4

    disk  2B110BB7-CDEC-7D41-B97E-893EDCBE5428  45413826560
    # number, name, first sector, sectors, type, GUID, content
    1  esp   2048  204800  efi    B78084E2-3363-1346-8C25-D426F26B8928  vfat
    2  root  ...                                                        ext4
    3  var   ...                                                        empty
    4  lvm   ...                                                        LVM2_member

The disk's size is in bytes, sectors have 512. Content is what blkid calls it, or `empty`: not a byte is there. A
physical volume of LVM is followed into its volumes; `volume_groups` has the lines for those. This table is a second one
on purpose, written from the contract; the one that the disk is made of is never read here.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from sysimage.errors import UserError
from sysimage.properties import volume_groups
from sysimage.properties.volume_groups import SECTOR, Groups, field_differences
from sysimage.text import is_decimal, parse_json, read_text

EMPTY = "empty"
_FIELDS = 7
_UNITS: Mapping[str, str] = {
    "name": "name",
    "start": "first sector",
    "size": "size in sectors",
    "type": "type",
    "guid": "GUID",
    "content": "content",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One partition: start and size are in sectors; GUIDs are in capitals."""

    number: int
    name: str
    start: int
    size: int
    type: str
    guid: str
    content: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A disk: its GUID, its size in bytes, its partitions in the order of their numbers, what it has of LVM."""

    guid: str
    size: int
    entries: tuple[Entry, ...]
    groups: Groups = field(default_factory=Groups)


def load(path: Path | str) -> Layout:
    """Reads the table.

    Raises:
        UserError: it cannot be read, a line is of no kind that there is, or there is no disk line.
    """
    types: dict[str, str] = {}
    entries: list[Entry] = []
    groups = Groups()
    disk: tuple[str, int] | None = None
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.partition("#")[0].split()
        where = f"{path}:{number}"
        if not words:
            continue
        if words[0] == "type" and len(words) == 3:
            types[words[1]] = _guid(words[2], where)
        elif words[0] == "disk" and len(words) == 3:
            disk = _guid(words[1], where), _number(words[2], where)
        elif groups.take(words, where):
            continue
        elif len(words) == _FIELDS:
            if words[4] not in types:
                raise UserError(
                    f"{where}: type {words[4]!r} is not explained", f"a line 'type {words[4]} GUID' before it"
                )
            entries.append(_entry(words, types[words[4]], where))
        else:
            raise UserError(
                f"{where}: this is no line of a layout: {line.strip()!r}",
                "'type NAME GUID', 'disk GUID BYTES', 'vg ...', 'pv ...', 'lv ...', or number, name, start, sectors, "
                "type, GUID and content",
            )
    if disk is None:
        raise UserError(f"{path}: there is no disk line", "'disk GUID BYTES'")
    return Layout(*disk, tuple(sorted(entries, key=lambda entry: entry.number)), groups)


def _entry(words: list[str], kind: str, where: str) -> Entry:
    number, start, size = (_number(words[index], where) for index in (0, 2, 3))
    return Entry(number, words[1], start, size, kind, _guid(words[5], where), words[6])


def _number(word: str, where: str) -> int:
    if not is_decimal(word):
        raise UserError(f"{where}: {word!r} is not a number")
    return int(word)


def _guid(word: str, where: str) -> str:
    try:
        return str(UUID(word)).upper()
    except ValueError as error:
        raise UserError(f"{where}: {word!r} is not a GUID") from error


def read_disk(disk: Path) -> Layout:
    """What sfdisk, blkid and pvck read from a raw disk image.

    Raises:
        UserError: sfdisk finds no GUID partition table; pvck is not content with a physical volume.
    """
    done = subprocess.run(["sfdisk", "--json", disk], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"sfdisk cannot read {disk.name}: {done.stderr.strip()}")
    table = parse_json(done.stdout)["partitiontable"]
    if table["label"] != "gpt" or table["sectorsize"] != SECTOR:
        raise UserError(
            f"{disk.name} has a {table['label']} table of {table['sectorsize']}-byte sectors, not a GPT of {SECTOR}"
        )
    entries = []
    for row in table.get("partitions", []):
        # Its name ends in the number: disk.img1
        number = int(row["node"].removeprefix(str(disk)).lstrip("p"))
        content = _content(disk, row["start"] * SECTOR, row["size"] * SECTOR)
        entries.append(
            Entry(
                number,
                row.get("name", ""),
                row["start"],
                row["size"],
                row["type"].upper(),
                row["uuid"].upper(),
                content,
            )
        )
    entries.sort(key=lambda entry: entry.number)
    groups = Groups()
    for entry in entries:
        if entry.content == volume_groups.MEMBER:
            place = entry.start * SECTOR, entry.size * SECTOR
            volume_groups.read(disk, entry.name, *place, lambda offset, size: _content(disk, offset, size), groups)
    return Layout(table["id"].upper(), disk.stat().st_size, tuple(entries), groups)


def _content(disk: Path, offset: int, size: int) -> str:
    options = [f"--offset={offset}", f"--size={size}", "--output=export", "--match-tag=TYPE"]
    done = subprocess.run(["blkid", "--probe", *options, str(disk)], capture_output=True, text=True, check=False)
    said: str = done.stdout
    for line in said.splitlines():
        if line.startswith("TYPE="):
            return line.removeprefix("TYPE=")
    return EMPTY if _is_zero(disk, offset, size) else "unknown"


def _is_zero(disk: Path, offset: int, size: int) -> bool:
    """Whether all bytes of a range are zero; holes of the file are not read."""
    with disk.open("rb") as file:
        position = offset
        while position < offset + size:
            try:
                position = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError:  # a hole up to the end
                return True
            if position >= offset + size:
                return True
            piece = os.pread(file.fileno(), min(1 << 20, offset + size - position), position)
            if piece.strip(b"\0"):
                return False
            position += len(piece)
    return True


def differences(expected: Layout, found: Layout) -> list[str]:
    """What a disk has otherwise than its contract, one difference a line."""
    lines = []
    if expected.guid != found.guid:
        lines.append(f"the disk has the GUID {found.guid}, not {expected.guid}")
    if expected.size != found.size:
        lines.append(f"the disk has {found.size} bytes, not {expected.size}")
    there = {entry.number: entry for entry in found.entries}
    for entry in expected.entries:
        if entry.number not in there:
            lines.append(f"partition {entry.number} ({entry.name}) is missing")
        else:
            what = f"partition {entry.number} ({entry.name})"
            lines += field_differences(what, entry, there.pop(entry.number), _UNITS)
    lines += [f"partition {entry.number} ({entry.name}) is one too many" for entry in there.values()]
    return [*lines, *volume_groups.differences(expected.groups, found.groups)]
