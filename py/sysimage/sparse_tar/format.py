"""What an old GNU tar archive looks like.

Source: GNU tar manual, appendix "Basic Tar Format" (struct oldgnu_header, sparse,
sparse_header, and numbers in base 256).
"""

import struct

BLOCK = 512  # bytes
RECORD = 20 * BLOCK  # archives are padded to this, as every tar does
HEADER_ENTRIES = 4  # segments in the header itself
EXTENSION_ENTRIES = 21  # segments in each extension block

# oldgnu_header: name, mode, uid, gid, size, mtime, checksum, type, link name, magic and
# version, user, group, device major and minor, atime, ctime, offset (of a multi-volume
# member), long names, unused, 4 segments, is_extended, real size, padding.
HEADER = struct.Struct("<100s8s8s8s12s12s8sc100s8s32s32s8s8s12s12s12s4sx96sB12s17x")
EXTENSION = struct.Struct("<504sB7x")  # sparse_header: 21 segments, is_extended, padding
SEGMENT = struct.Struct("<12s12s")  # sparse: offset, bytes stored
CHECKSUM = slice(148, 156)  # where the checksum stands; it counts as blanks in itself
MAGIC = b"ustar  \0"  # GNU's: magic and version in one
TYPE_FILE = b"0"
TYPE_SPARSE = b"S"
BASE_256 = 0x80  # first byte of a number that octal digits cannot hold
