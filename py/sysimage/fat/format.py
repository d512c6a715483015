"""What a FAT file system looks like on disk.

Source: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03 (2000), and its
successor, the "Microsoft FAT Specification" (2005), which also covers long names.
"""

import enum
import struct

SECTOR = 512  # bytes
SIGNATURE = 0xAA55  # the last two bytes of boot sector and FSInfo sector
SIGNATURE_OFFSET = 510
MEDIA = 0xF8  # a fixed disk
FAT_COPIES = 2
FIRST_CLUSTER = 2  # number of the first one in the data area
MAX_FILE_SIZE = 0xFFFFFFFF  # bytes
MAX_DIRECTORY_ENTRIES = 65536
CLUSTER_SIZES = tuple(SECTOR << power for power in range(7))  # bytes; larger ones are not portable


class FatType(enum.Enum):
    """Width of a table entry in bits. The number of clusters decides it, nothing else."""

    FAT12 = 12
    FAT16 = 16
    FAT32 = 32

    @property
    def end_of_chain(self) -> int:
        """The entry of the last cluster of a file, as written."""
        return {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFFFFFF}[self.value]

    @property
    def bad_cluster(self) -> int:
        """The entry of an unusable cluster; larger ones end a chain."""
        return self.end_of_chain - 8

    @classmethod
    def of_clusters(cls, count: int) -> "FatType":
        """The type of a file system with so many clusters."""
        return cls.FAT12 if count < FAT16_MIN else cls.FAT16 if count < FAT32_MIN else cls.FAT32


FAT16_MIN = 4085  # clusters; below it is FAT12
FAT32_MIN = 65525  # clusters; below it is FAT16
FAT32_MAX = 0x0FFFFFF5  # clusters
MARGIN = 16  # clusters to keep from those limits, as the source advises

# Boot sector, the part common to all types: jump, OEM name, bytes in a sector, sectors in a cluster,
# reserved sectors, number of FATs, entries in the root directory (FAT32: 0), total sectors (0: see
# below), media, sectors in a FAT (FAT32: 0), sectors in a track, heads, sectors before the partition,
# total sectors.
BOOT = struct.Struct("<3s8sHBHBHHBHHHII")
# FAT32 only: sectors in a FAT, mirroring flags, version, first cluster of the root directory,
# sector of FSInfo, sector of the boot sector's copy.
BOOT_FAT32 = struct.Struct("<IHHIHH12x")
# All types, after that: drive, reserved, signature 0x29, volume id, label, name of the type.
BOOT_EXTENDED = struct.Struct("<BBBI11s8s")
EXTENDED_SIGNATURE = 0x29
NO_LABEL = b"NO NAME    "

# FSInfo: signature, reserved, signature, free clusters, a cluster to start looking from, reserved, signature.
FSINFO = struct.Struct("<I480sIII12sI")
FSINFO_SIGNATURES = (0x41615252, 0x61417272, 0xAA550000)
FSINFO_SECTOR = 1
BACKUP_SECTOR = 6  # of the boot sector; FSInfo's copy follows

# Directory entry: name, attributes, case flags, time of creation (10 ms, time, date), date of access,
# high half of the first cluster, time and date of writing, low half of the first cluster, size in bytes.
ENTRY = struct.Struct("<11sBBBHHHHHHHI")
DELETED = 0xE5  # first byte of the name of an entry that is free
LOWER_BASE = 0x08  # case flags
LOWER_EXTENSION = 0x10

ATTRIBUTE_READ_ONLY = 0x01
ATTRIBUTE_VOLUME = 0x08
ATTRIBUTE_DIRECTORY = 0x10
ATTRIBUTE_ARCHIVE = 0x20
ATTRIBUTE_LONG_NAME = 0x0F

# Part of a long name: order, 5 characters, attributes, type (0), checksum of the short name,
# 6 characters, first cluster (0), 2 characters.
LONG_ENTRY = struct.Struct("<B10sBBB12sH4s")
LONG_LAST = 0x40  # in the order of the part that ends the name (and comes first)
LONG_UNITS = 13  # UTF-16 units in one part
LONG_NAME_MAX = 255  # UTF-16 units


def short_name_checksum(name: bytes) -> int:
    """What ties the parts of a long name to their short one (11 bytes)."""
    total = 0
    for byte in name:
        total = ((total & 1) << 7 | total >> 1) + byte & 0xFF
    return total
