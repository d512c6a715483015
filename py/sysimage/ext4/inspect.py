"""What an ext4 file system says of itself."""

from dataclasses import dataclass
from uuid import UUID

from sysimage.ext4.layout import JOURNAL_INODE, MAGIC, SUPERBLOCK_OFFSET
from sysimage.ext4.read_inode import size_of
from sysimage.ext4.volume import Volume
from sysimage.extents import ImageReader

_MAGIC_OFFSET = 0x38  # in the superblock


@dataclass(frozen=True, slots=True)
class Ext4Info:
    """The superblock in plain terms. Sizes are in bytes, times in seconds since 1970."""

    label: str
    uuid: str
    hash_seed: str
    size: int
    block_size: int
    blocks: int
    free_blocks: int
    used: int
    inodes: int
    free_inodes: int
    inode_size: int
    groups: int
    blocks_per_group: int
    inodes_per_group: int
    journal_size: int
    features: list[str]
    clean: bool
    created: int
    written: int


def find(reader: ImageReader) -> bool:
    """Whether the image begins with a file system of the ext family."""
    return reader.read(SUPERBLOCK_OFFSET + _MAGIC_OFFSET, 2) == MAGIC.to_bytes(2, "little")


def inspect(reader: ImageReader) -> Ext4Info:
    """Looks at the superblock.

    Raises:
        UserError: not ext4, or features that cannot be read here.
    """
    volume = Volume(reader)
    fields = volume.superblock
    high = fields.s_free_blocks_count_hi << 32 if volume.has("64bit") else 0
    free = fields.s_free_blocks_count_lo | high
    journal = size_of(volume.inode(JOURNAL_INODE, "the journal")) if volume.has("has_journal") else 0
    return Ext4Info(
        label=fields.s_volume_name.rstrip(b"\0").decode("utf-8", "backslashreplace"),
        uuid=str(UUID(bytes=fields.s_uuid)),
        hash_seed=str(UUID(bytes=fields.s_hash_seed)),
        size=volume.blocks * volume.block_size,
        block_size=volume.block_size,
        blocks=volume.blocks,
        free_blocks=free,
        used=(volume.blocks - free) * volume.block_size,
        inodes=fields.s_inodes_count,
        free_inodes=fields.s_free_inodes_count,
        inode_size=volume.inode_size,
        groups=volume.groups,
        blocks_per_group=fields.s_blocks_per_group,
        inodes_per_group=fields.s_inodes_per_group,
        journal_size=journal,
        features=volume.features,
        clean=bool(fields.s_state & 1),
        created=fields.s_mkfs_time | fields.s_mkfs_time_hi << 32,
        written=fields.s_wtime | fields.s_wtime_hi << 32,
    )
