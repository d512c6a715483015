"""What dm-verity, format 1 with sha256 and blocks of 4096 bytes, looks like on disk.

The hash of a block is sha256(salt + block). A hash block holds 128 of them, the rest
of the last one of a level is zeros. The levels lie one behind the other, the root's
first; a level stands for the one below it, the lowest for the data.

Sources: Linux, Documentation/admin-guide/device-mapper/verity.rst; cryptsetup's wiki,
page DMVerity, and the struct verity_sb that it describes.
"""

import struct

BLOCK = 4096  # bytes in a data block and in a hash block
DIGEST = 32  # bytes of a sha256
PER_BLOCK = BLOCK // DIGEST  # digests in a hash block
SALT_MAX = 256  # bytes

SIGNATURE = b"verity\0\0"
VERSION = 1  # of the superblock
HASH_TYPE = 1  # 1: the salt comes first; 0 is Chrome OS's
ALGORITHM = "sha256"
# signature, version, hash type, UUID, algorithm, data block size, hash block size, data blocks,
# salt size, padding, salt, padding.
SUPERBLOCK = struct.Struct("<8sII16s32sIIQH6x256s168x")


def level_blocks(data_blocks: int) -> list[int]:
    """Hash blocks of each level, the lowest first. One data block needs none: its hash is the root hash."""
    levels = []
    count = data_blocks
    while count > 1:
        count = -(-count // PER_BLOCK)
        levels.append(count)
    return levels
