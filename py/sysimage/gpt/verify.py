"""Judges a GUID partition table. Shares nothing with writer and reader but the format's constants."""

import itertools
import zlib
from uuid import UUID

from sysimage.extents import ImageReader
from sysimage.gpt import format as gpt

_MAX_ENTRIES = 4096


def verify(image: ImageReader) -> list[str]:
    """What is wrong with the disk's tables; nothing if it is all right.

    Checked: protective MBR; both headers and entry arrays with their checksums, places and
    references to each other; that both say the same; that partitions lie in the usable area,
    do not overlap, are aligned to MiB, and have names and GUIDs of their own.
    """
    if image.size % gpt.SECTOR or image.size < (gpt.FIRST_USABLE + gpt.BACKUP_SECTORS) * gpt.SECTOR:
        return [f"a disk of {image.size} bytes has no room for a table, or no whole number of sectors"]
    last = image.size // gpt.SECTOR - 1
    findings = _check_mbr(image.read(0, gpt.SECTOR), last)
    primary = _check_copy(image, "primary", gpt.PRIMARY_HEADER, last, findings)
    backup = _check_copy(image, "backup", last, gpt.PRIMARY_HEADER, findings)
    if primary is not None and backup is not None and primary != backup:
        findings.append("primary and backup table differ")
    table = primary or backup
    if table is not None:
        findings += _check_entries(*table)
    return findings


def _check_mbr(sector: bytes, last: int) -> list[str]:
    _, _, _, record, *others, signature = gpt.MBR.unpack(sector)
    if signature != gpt.MBR_SIGNATURE:
        return ["protective MBR: no signature 55 AA"]
    findings = []
    boot, _, kind, _, start, count = gpt.MBR_RECORD.unpack(record)
    if kind != gpt.MBR_PROTECTIVE:
        findings.append(f"protective MBR: the first record has type {kind:#04x}, expected {gpt.MBR_PROTECTIVE:#04x}")
    if boot or start != 1 or count != min(last, gpt.MBR_MAX_SECTORS):
        findings.append(f"protective MBR: the record covers {count} sectors from {start}, expected {last} from 1")
    if any(any(other) for other in others):
        findings.append("protective MBR: there are more records than the protective one")
    return findings


# What both copies must agree on: usable area, disk GUID, size of an entry, entries.
_Copy = tuple[int, int, bytes, int, bytes]


def _check_copy(image: ImageReader, copy: str, at: int, other_at: int, findings: list[str]) -> _Copy | None:
    sector = image.read(at * gpt.SECTOR, gpt.SECTOR)
    (
        signature,
        revision,
        header_size,
        crc,
        reserved,
        here,
        other,
        first_usable,
        last_usable,
        disk_guid,
        entries_at,
        count,
        entry_size,
        entries_crc,
    ) = gpt.HEADER.unpack_from(sector)
    if signature != gpt.SIGNATURE:
        findings.append(f"{copy} header: no signature")
        return None
    zeroed = bytearray(sector)
    zeroed[gpt.HEADER_CRC_OFFSET : gpt.HEADER_CRC_OFFSET + 4] = bytes(4)
    found = len(findings)
    for wrong, text in (
        (zlib.crc32(zeroed[: min(header_size, gpt.SECTOR)]) != crc, "wrong checksum"),
        (revision != gpt.REVISION, f"revision is {revision:#x}"),
        (header_size != gpt.HEADER_SIZE, f"size is {header_size}"),
        (reserved != 0 or any(sector[gpt.HEADER_SIZE :]), "reserved bytes are not zero"),
        (here != at, f"says it is at sector {here}, is at {at}"),
        (other != other_at, f"says the other is at sector {other}, expected {other_at}"),
        (entry_size != gpt.ENTRY_SIZE, f"entries of {entry_size} bytes"),
        (not gpt.ENTRY_COUNT <= count <= _MAX_ENTRIES, f"{count} entries"),
    ):
        if wrong:
            findings.append(f"{copy} header: {text}")
    if len(findings) > found:
        return None
    array = count * entry_size // gpt.SECTOR
    if copy == "primary":
        placed = entries_at > at and entries_at + array <= first_usable
    else:
        placed = entries_at > last_usable and entries_at + array <= at
    if not placed:
        findings.append(f"{copy} header: the entries (sector {entries_at}) lie in the usable area or over a header")
        return None
    entries = image.read(entries_at * gpt.SECTOR, count * entry_size)
    if zlib.crc32(entries) != entries_crc:
        findings.append(f"{copy} entries: wrong checksum")
        return None
    return first_usable, last_usable, disk_guid, entry_size, entries


def _check_entries(first_usable: int, last_usable: int, disk_guid: bytes, size: int, entries: bytes) -> list[str]:
    findings = []
    if disk_guid == bytes(16):
        findings.append("the disk GUID is zero")
    names: dict[bytes, int] = {}
    guids: dict[bytes, int] = {}
    ranges: list[tuple[int, int, int]] = []
    for number, place in enumerate(range(0, len(entries), size), 1):
        kind, guid, first, last, _, name = gpt.ENTRY.unpack_from(entries, place)
        if kind == bytes(16):
            continue
        what = f"partition {number}"
        if last < first:
            findings.append(f"{what}: ends at sector {last}, before its start {first}")
            continue
        if first < first_usable or last > last_usable:
            findings.append(f"{what}: sectors {first} to {last} are not all in the usable area")
        if first % gpt.ALIGNMENT or (last + 1) % gpt.ALIGNMENT:
            findings.append(f"{what}: sectors {first} to {last} are not whole MiB")
        if names.setdefault(name, number) != number:
            findings.append(f"{what}: same name as partition {names[name]}")
        if guid == bytes(16):
            findings.append(f"{what}: the GUID is zero")
        elif guids.setdefault(guid, number) != number:
            findings.append(f"{what}: same GUID as partition {guids[guid]}: {str(UUID(bytes_le=guid)).upper()}")
        ranges.append((first, last, number))
    ranges.sort()
    for (_, left_last, left), (first, _, right) in itertools.pairwise(ranges):
        if first <= left_last:
            findings.append(f"partitions {left} and {right} overlap")
    return findings
