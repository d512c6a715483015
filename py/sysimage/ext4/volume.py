"""An ext4 file system opened for reading: superblock, descriptors, inodes, blocks.

Everything that comes from the image is checked before it is used: damage is a
UserError, never a traceback or a loop without end. Nothing here is shared with the
writer but the layout.
"""

from dataclasses import dataclass

from sysimage.errors import UserError
from sysimage.ext4.layout import (
    COMPAT,
    FEATURE,
    GOOD_OLD_INODE_SIZE,
    GROUP_DESCRIPTOR,
    GROUP_DESCRIPTOR_SIZE,
    INCOMPAT,
    INODE,
    MAGIC,
    OLD_GROUP_DESCRIPTOR_SIZE,
    RO_COMPAT,
    SUPERBLOCK,
    SUPERBLOCK_OFFSET,
    SUPERBLOCK_SIZE,
    GroupDescriptor,
    Inode,
    Superblock,
)
from sysimage.extents import ImageReader

_READABLE = ("filetype", "extents", "64bit", "flex_bg", "metadata_csum_seed", "large_dir", "casefold", "mmp")
_LOG_BLOCK_SIZE_MAX = 5  # 32 KiB
_REVISION_0_INODE_SIZE = 128


@dataclass(frozen=True, slots=True)
class RawInode:
    """An inode as it lies on disk: its fields, and all its bytes."""

    number: int
    fields: Inode
    data: bytes


class Volume:
    """A file system in an image.

    Raises:
        UserError: it is not ext4, has features that cannot be read here, or contradicts itself.
    """

    def __init__(self, reader: ImageReader) -> None:
        self.reader = reader
        data = reader.read(SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE)
        if len(data) < SUPERBLOCK_SIZE:
            raise UserError(f"not an ext4 file system: {reader.size} bytes have no room for a superblock")
        self.superblock_bytes = data
        self.superblock = Superblock._make(SUPERBLOCK.unpack(data))
        if self.superblock.s_magic != MAGIC:
            raise UserError(f"not an ext4 file system: magic {self.superblock.s_magic:#06x}, expected {MAGIC:#06x}")
        self._check_features()
        self._check_geometry()

    def _check_features(self) -> None:
        unknown = [name for name in self.features if name in INCOMPAT.values() and name not in _READABLE]
        rest = self.superblock.s_feature_incompat & ~sum(INCOMPAT)
        if rest:
            unknown.append(f"{rest:#x}")
        if "needs_recovery" in unknown:
            raise damaged("the journal holds changes that are not in place", "let e2fsck or a mount replay it first")
        if unknown:
            raise UserError(
                f"this ext4 file system has features that cannot be read here: {', '.join(unknown)}",
                hint=f"what can be read: {', '.join(_READABLE)}",
            )

    def _check_geometry(self) -> None:
        fields = self.superblock
        if fields.s_log_block_size > _LOG_BLOCK_SIZE_MAX:
            raise damaged(f"block size 1024 << {fields.s_log_block_size}")
        high = bool(fields.s_feature_incompat & FEATURE["64bit"])
        self.block_size = 1024 << fields.s_log_block_size
        self.blocks = fields.s_blocks_count_lo | (fields.s_blocks_count_hi << 32 if high else 0)
        self.inode_size = fields.s_inode_size if fields.s_rev_level else _REVISION_0_INODE_SIZE
        self.descriptor_size = fields.s_desc_size if high else OLD_GROUP_DESCRIPTOR_SIZE
        if self.inode_size < GOOD_OLD_INODE_SIZE or self.inode_size & (self.inode_size - 1):
            raise damaged(f"inode size {self.inode_size}")
        if self.inode_size > self.block_size:
            raise damaged(f"inode size {self.inode_size} with blocks of {self.block_size}")
        if high and not (GROUP_DESCRIPTOR_SIZE <= self.descriptor_size <= self.block_size):
            raise damaged(f"group descriptors of {self.descriptor_size} bytes")
        bits = 8 * self.block_size
        if not 0 < fields.s_inodes_per_group <= bits:
            raise damaged(f"{fields.s_inodes_per_group} inodes in a group")
        # With bigalloc a bit of the bitmap stands for a cluster of blocks.
        shift = fields.s_log_cluster_size - fields.s_log_block_size
        if not (0 <= shift <= 20 and 0 < fields.s_blocks_per_group <= bits << shift):
            raise damaged(f"{fields.s_blocks_per_group} blocks in a group")
        self.first_data_block = fields.s_first_data_block
        if self.first_data_block != (1 if self.block_size == 1024 and not shift else 0):
            raise damaged(f"first data block {self.first_data_block}")
        # The descriptors begin in the block behind the superblock.
        self.descriptor_start = (SUPERBLOCK_OFFSET // self.block_size + 1) * self.block_size  # bytes
        if self.blocks <= self.first_data_block:
            raise damaged(f"{self.blocks} blocks")
        if self.blocks * self.block_size > self.reader.size:
            raise UserError(
                f"the ext4 file system is cut: it says {self.blocks * self.block_size} bytes, "
                f"the image has {self.reader.size}"
            )
        self.groups = -(-(self.blocks - self.first_data_block) // fields.s_blocks_per_group)
        if fields.s_inodes_count != self.groups * fields.s_inodes_per_group:
            raise damaged(f"{fields.s_inodes_count} inodes in {self.groups} groups of {fields.s_inodes_per_group}")

    @property
    def features(self) -> list[str]:
        """Names of the features that are set."""
        fields = self.superblock
        tables = (
            (COMPAT, fields.s_feature_compat),
            (INCOMPAT, fields.s_feature_incompat),
            (RO_COMPAT, fields.s_feature_ro_compat),
        )
        return [name for table, bits in tables for bit, name in table.items() if bits & bit]

    def has(self, feature: str) -> bool:
        """Whether a feature is set."""
        return feature in self.features

    def descriptor_bytes(self, group: int) -> bytes:
        """A group's descriptor as it lies on disk."""
        start = self.descriptor_start + group * self.descriptor_size
        return self.reader.read(start, self.descriptor_size)

    def descriptor(self, group: int) -> GroupDescriptor:
        """A group's descriptor; one of 32 bytes has zeros for the rest."""
        data = self.descriptor_bytes(group).ljust(GROUP_DESCRIPTOR_SIZE, b"\0")
        return GroupDescriptor._make(GROUP_DESCRIPTOR.unpack(data[:GROUP_DESCRIPTOR_SIZE]))

    def block(self, number: int, what: str) -> bytes:
        """One block; `what` names its use in a message.

        Raises:
            UserError: the number lies outside of the file system.
        """
        self.check_blocks(number, 1, what)
        return self.reader.read(number * self.block_size, self.block_size)

    def check_blocks(self, first: int, count: int, what: str) -> None:
        """Raises UserError unless the blocks lie within the file system."""
        if not (self.first_data_block < first and first + count <= self.blocks):
            raise damaged(f"{what} is at block {first}, outside of {self.blocks} blocks")

    def inode(self, number: int, what: str) -> RawInode:
        """An inode by its number.

        Raises:
            UserError: there is no such inode.
        """
        if not 0 < number <= self.superblock.s_inodes_count:
            raise damaged(f"{what} is inode {number}, of {self.superblock.s_inodes_count}")
        group, index = divmod(number - 1, self.superblock.s_inodes_per_group)
        descriptor = self.descriptor(group)
        table = descriptor.bg_inode_table_lo | descriptor.bg_inode_table_hi << 32
        place = table * self.block_size + index * self.inode_size
        self.check_blocks(place // self.block_size, 1, f"the inode table of group {group}")
        data = self.reader.read(place, self.inode_size)
        return RawInode(number, Inode._make(INODE.unpack(data.ljust(INODE.size, b"\0")[: INODE.size])), data)


def damaged(what: str, hint: str = "") -> UserError:
    """The error for an image that contradicts itself."""
    return UserError(f"the ext4 file system is damaged: {what}", hint)
