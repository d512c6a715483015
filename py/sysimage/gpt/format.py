"""What a GUID partition table looks like on disk.

Source: UEFI Specification 2.10, chapter 5: 5.2.3 (protective MBR), 5.3.2 (header), 5.3.3 (entries).
"""

import struct

SECTOR = 512  # bytes in a logical block
ALIGNMENT = 2048  # sectors: partitions start and end at whole MiB
ENTRY_COUNT = 128
ENTRY_SIZE = 128
ENTRIES_SECTORS = ENTRY_COUNT * ENTRY_SIZE // SECTOR
PRIMARY_HEADER = 1  # sector
PRIMARY_ENTRIES = 2  # sector
FIRST_USABLE = PRIMARY_ENTRIES + ENTRIES_SECTORS  # sector
BACKUP_SECTORS = ENTRIES_SECTORS + 1  # at the end of the disk: entries, then the header
NAME_UNITS = 36  # UTF-16 code units in a partition's name

SIGNATURE = b"EFI PART"
REVISION = 0x00010000
HEADER_SIZE = 92
# signature, revision, header size, header CRC32, reserved, sector of this header, sector of the
# other, first and last usable sector, disk GUID, first sector of the entries, number of entries,
# size of an entry, CRC32 of the entries.
HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
HEADER_CRC_OFFSET = 16
# type GUID, partition GUID, first sector, last sector, attributes, name in UTF-16LE.
ENTRY = struct.Struct("<16s16sQQQ72s")
UNUSED_TYPE = bytes(16)

# Protective MBR: boot code, disk signature, unknown, four records, 55 AA.
MBR = struct.Struct("<440sIH16s16s16s16sH")
MBR_SIGNATURE = 0xAA55
# boot indicator, first CHS, type, last CHS, first sector, number of sectors.
MBR_RECORD = struct.Struct("<B3sB3sII")
MBR_PROTECTIVE = 0xEE
MBR_FIRST_CHS = b"\x00\x02\x00"
MBR_LAST_CHS = b"\xff\xff\xff"
MBR_MAX_SECTORS = 0xFFFFFFFF
