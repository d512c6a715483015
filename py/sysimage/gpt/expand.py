"""What a disk that grew needs: its backup table at the new end. The partitions stay as they are."""

import struct
import zlib

from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.gpt import format as gpt
from sysimage.gpt.reader import read_copy

# Bytes of a header: sector of this header and of the other, first and last usable sector.
_PLACES = struct.Struct("<QQQQ")
_PLACES_OFFSET = 24
_ENTRIES_OFFSET = 72
# Bytes of the protective MBR: the number of sectors in its first record.
_MBR_SECTORS_OFFSET = 446 + 12


def expand(disk: ImageReader) -> list[tuple[int, bytes]]:
    """What is to be written to a disk that is larger than its table says, in this order.

    The primary table comes last, so that a disk on which this ended halfway has a whole table still. Entries, GUIDs and
    boot code stay the bytes that they are; the old backup becomes zeros. A disk of the right size gets what is there.

    Returns:
        Pairs of an offset in bytes and what goes there.

    Raises:
        UserError: the primary table is not whole, or has no room on the disk.
    """
    table = read_copy(disk, "primary")
    last = disk.size // gpt.SECTOR - 1
    if last < table.other_header_at:
        raise UserError(f"the disk ends at sector {last}, but its table has the backup at {table.other_header_at}")
    header = disk.read(gpt.PRIMARY_HEADER * gpt.SECTOR, gpt.SECTOR)
    *_, count, size, _ = gpt.HEADER.unpack_from(header)
    entries = disk.read(table.entries_at * gpt.SECTOR, count * size)
    array = -(-len(entries) // gpt.SECTOR)
    usable = last - array - 1
    taken = max((entry.last for entry in table.partitions), default=table.first_usable)
    if usable < taken:
        raise UserError(f"the disk ends at sector {last}: behind {taken}, which is taken, its table has no room")
    backup = _placed(header, (last, gpt.PRIMARY_HEADER, table.first_usable, usable), last - array)
    primary = _placed(header, (gpt.PRIMARY_HEADER, last, table.first_usable, usable), table.entries_at)
    boot = bytearray(disk.read(0, gpt.SECTOR))
    struct.pack_into("<I", boot, _MBR_SECTORS_OFFSET, min(last, gpt.MBR_MAX_SECTORS))
    old = min(max(table.other_header_at - array, table.last_usable + 1), table.other_header_at)
    return [
        (old * gpt.SECTOR, bytes((table.other_header_at + 1 - old) * gpt.SECTOR)),
        ((last - array) * gpt.SECTOR, entries.ljust(array * gpt.SECTOR, b"\0") + backup),
        (0, bytes(boot) + primary),
    ]


def _placed(header: bytes, places: tuple[int, int, int, int], entries_at: int) -> bytes:
    """A header with other places in it."""
    new = bytearray(header)
    _PLACES.pack_into(new, _PLACES_OFFSET, *places)
    struct.pack_into("<Q", new, _ENTRIES_OFFSET, entries_at)
    size = struct.unpack_from("<I", new, 12)[0]
    struct.pack_into("<I", new, gpt.HEADER_CRC_OFFSET, 0)
    struct.pack_into("<I", new, gpt.HEADER_CRC_OFFSET, zlib.crc32(new[:size]))
    return bytes(new)
