"""What an LVM2 physical volume with text metadata looks like on disk.

Source: the headers of LVM2 itself, lib/label/label.c, lib/format_text/layout.h and format-text.c, and the manual pages
lvm(8) (names) and pvck(8) (how headers and areas refer to each other). All numbers are little-endian.

    byte 512    label header and PV header, one sector
    byte 4096   metadata area: its header, one sector, then a ring of text up to the end of the area
    pe_start    extent 0
"""

import struct
import zlib

SECTOR = 512
LABEL_SECTORS = 4  # the label is in one of the first four sectors; LVM itself writes the second
LABEL_AT = 1  # sector

LABEL_ID = b"LABELONE"
LABEL_TYPE = b"LVM2 001"
# id, sector it is in, CRC of all behind this field up to the end of the sector, offset of the PV header, type.
LABEL = struct.Struct("<8sQII8s")
LABEL_CRC_END = 20

# UUID without hyphens, size of the device in bytes; then locations: data areas, metadata areas, each list with a zero
# entry at its end.
PV_HEADER = struct.Struct("<32sQ")
LOCATION = struct.Struct("<QQ")  # offset and size in bytes; size 0: up to the end of the device
# version, flags; then locations of boot loader areas, with a zero entry at the end.
EXTENSION = struct.Struct("<II")
EXTENSION_VERSION = 2
EXTENSION_USED = 1  # flag: the PV belongs to a volume group

# CRC of all behind this field in the sector, magic, version, offset of this header, size of the area; then where texts
# lie, with a zero entry at the end.
AREA = struct.Struct("<I16sIQQ")
AREA_CRC_END = 4
AREA_MAGIC = b" LVM2 x[5A%r0N*>"
AREA_VERSION = 1
AREA_AT = 4096  # byte
AREA_HEADER = 512  # bytes: the ring begins behind it
# Offset from the start of the area, size with the zero byte at the end, CRC, flags.
TEXT_LOCATION = struct.Struct("<QQII")
TEXT_IGNORED = 1  # flag: the area is not in use
TEXTS_IN_HEADER = (AREA_HEADER - AREA.size) // TEXT_LOCATION.size

TEXT_CONTENTS = "Text Format Volume Group"
TEXT_VERSION = 1

UUID_GROUPS = (6, 4, 4, 4, 4, 4, 6)
UUID_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#"

NAME_MAX = 127  # of a volume group or a volume
MAPPED_NAME_MAX = 127  # of the device-mapper device: both names with their hyphens doubled, a hyphen between them
EXTENTS_MAX = (1 << 32) - 1

_CRC_START = 0xF597A6CF
_ALL = 0xFFFFFFFF


def crc(data: bytes) -> int:
    """LVM's checksum: CRC-32 with a start value of its own, and not inverted at the end."""
    return zlib.crc32(data, _CRC_START ^ _ALL) ^ _ALL


def hyphenated(uuid: str) -> str:
    """A UUID of 32 characters in the form that texts have."""
    groups, position = [], 0
    for length in UUID_GROUPS:
        groups.append(uuid[position : position + length])
        position += length
    return "-".join(groups)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID with its hyphens."""
    groups = text.split("-")
    return tuple(map(len, groups)) == UUID_GROUPS and not set("".join(groups)) - set(UUID_CHARACTERS)


def mapped_name(group: str, volume: str) -> str:
    """The name that device-mapper gives a volume's device."""
    return f"{group.replace('-', '--')}-{volume.replace('-', '--')}"
