"""GUID partition tables against each other: both copies, and the protective MBR."""

from collections.abc import Iterator

from sysimage.errors import UserError
from sysimage.explanation import words
from sysimage.explanation.content import compare_bytes
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.extents import ImageReader
from sysimage.gpt import SECTOR, Table, read_copy
from sysimage.gpt import format as gpt
from sysimage.gpt.reader import Entry

Row = tuple[str, str, str]  # where, field, value in words

COPIES = ("primary", "backup")
# Fields of gpt.MBR and gpt.MBR_RECORD, as UEFI 2.10 calls them (5.2.1, 5.2.3).
_MBR = ("BootCode", "UniqueMBRDiskSignature", "Unknown", "PartitionRecord[0]", "[1]", "[2]", "[3]", "Signature")


def compare_tables(pair: Pair, place: Place, findings: Findings) -> None:
    """The tables field by field. What both copies say is said once; a copy that is damaged on one side is named."""
    _compare_mbr(pair, place, findings)
    told: set[tuple[Row, Row]] = set()
    for copy in COPIES:
        rows = [_rows(reader, copy) for reader in (pair.ours, pair.theirs)]
        for error, name in zip(rows, findings.names, strict=True):
            if isinstance(error, str) and rows[0] != rows[1]:
                findings.add(Rank.CONTENT, "GPT", place, f"GPT of {name}: {error}")
        ours, theirs = rows
        if isinstance(ours, str) or isinstance(theirs, str):
            continue
        for where, field in [
            key for key in ours if key in theirs
        ]:  # partitions that one side lacks are told with the volumes
            mine, other = ours[where, field], theirs[where, field]
            difference = ((where, field, mine), (where, field, other))
            if mine == other or difference in told:
                continue
            told.add(difference)
            here = place.within(where if copy == "primary" else f"{where} (backup copy)")
            findings.add(Rank.ATTRIBUTE, f"GPT {field}", here, f"{field} {mine} against {other}")


def _rows(reader: ImageReader, copy: str) -> dict[tuple[str, str], str] | str:
    """(where, field) to value of what a copy says of the disk; or what is wrong with it."""
    try:
        table = read_copy(reader, copy)
    except UserError as error:
        return str(error)
    fields = gpt.HEADER.unpack_from(reader.read(table.header_at * SECTOR, SECTOR))
    rows = {
        ("GPT header", "DiskGUID"): str(table.disk_guid).upper(),
        ("GPT header", "Revision"): f"{fields[1]:#010x}",
        ("GPT header", "HeaderSize"): str(fields[2]),
        ("GPT header", "Reserved"): str(fields[4]),
        ("GPT header", "FirstUsableLBA"): str(table.first_usable),
        ("GPT header", "LastUsableLBA"): str(table.last_usable),
        ("GPT header", "NumberOfPartitionEntries"): str(fields[11]),
        ("GPT header", "SizeOfPartitionEntry"): str(fields[12]),
    }
    for entry in table.partitions:
        where = f"GPT entry {entry.number}"
        rows[where, "PartitionName"] = words.text(entry.name)
        rows[where, "StartingLBA"] = str(entry.first)
        rows[where, "EndingLBA"] = str(entry.last)
        rows[where, "PartitionTypeGUID"] = str(entry.type).upper()
        rows[where, "UniquePartitionGUID"] = str(entry.guid).upper()
        rows[where, "Attributes"] = f"{entry.attributes:#x}"
    return rows


def _compare_mbr(pair: Pair, place: Place, findings: Findings) -> None:
    sectors = [reader.read(0, SECTOR) for reader in (pair.ours, pair.theirs)]
    if any(len(sector) < SECTOR for sector in sectors):
        return
    rows = []
    for sector in sectors:
        values = zip(_MBR, gpt.MBR.unpack(sector), strict=True)
        rows.append({name: value.hex() if isinstance(value, bytes) else f"{value:#x}" for name, value in values})
    if rows[0]["BootCode"] != rows[1]["BootCode"]:
        compare_bytes(pair.slice(0, 440), place.within("protective MBR"), findings, "BootCode")
    for row in rows:
        del row["BootCode"]
    findings.fields(Rank.ATTRIBUTE, "MBR", place.within("protective MBR"), *rows)


def matched(ours: Table, theirs: Table) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Partitions of both sides by their numbers."""
    numbered = [{entry.number: entry for entry in table.partitions} for table in (ours, theirs)]
    for number in sorted(numbered[0].keys() | numbered[1].keys()):
        yield numbered[0].get(number), numbered[1].get(number)
