"""How large a file system is, and how it is divided into groups.

Three choices keep the cost of a plan with its content, whatever the size:

- All bitmaps and inode tables lie packed at the start (flex_bg with one flex group over
  everything). So the metadata in use is one stretch, and every group behind
  the content is untouched: BLOCK_UNINIT, without a bitmap.
- One backup of superblock and descriptors, in group 1 (sparse_super2). With sparse_super a
  file system of 1 TiB would carry 18 copies of its 512 KiB of descriptors.
- Inodes as many as the content has, and one for each 16 KiB that is free.
"""

import math
from dataclasses import dataclass

from sysimage.errors import UserError
from sysimage.ext4.layout import FIRST_INODE, GROUP_DESCRIPTOR_SIZE
from sysimage.ext4.options import BYTES_PER_FREE_INODE, Ext4Options

_JOURNAL_SIZES = (  # file system blocks below which a journal has so many blocks, as mke2fs has it
    (32768, 1024),
    (256 << 10, 4096),
    (512 << 10, 8192),
    (4096 << 10, 16384),
    (8192 << 10, 32768),
    (16384 << 10, 65536),
    (32768 << 10, 131072),
)
_JOURNAL_MAX = 262144
_MAX_BLOCKS = 1 << 48
_EXTRA_NODES = 3  # one extent more in a full tree: a node on each level, and a level
_LEAST_INODES_PER_GROUP = 16  # group 0 holds the reserved ones


@dataclass(frozen=True, slots=True)
class Geometry:
    """The shape of a file system; places and sizes in blocks."""

    block_size: int  # bytes
    inode_size: int  # bytes
    blocks: int
    blocks_per_group: int
    inodes_per_group: int
    journal_blocks: int

    @property
    def first_data_block(self) -> int:
        """The block of the superblock: with small blocks the boot sector has one of its own."""
        return 1 if self.block_size == 1024 else 0

    @property
    def groups(self) -> int:
        """How many groups; the last may be shorter."""
        return -(-(self.blocks - self.first_data_block) // self.blocks_per_group)

    @property
    def inodes(self) -> int:
        """How many inodes, in use or not."""
        return self.inodes_per_group * self.groups

    @property
    def descriptor_blocks(self) -> int:
        """Blocks of one copy of the group descriptors."""
        return -(-self.groups * GROUP_DESCRIPTOR_SIZE // self.block_size)

    @property
    def table_blocks(self) -> int:
        """Blocks of one group's inode table."""
        return self.inodes_per_group * self.inode_size // self.block_size

    @property
    def backup_group(self) -> int:
        """The group with the backup; 0 if there is none (one group, or a second one too small)."""
        start, end = self.group_range(1)
        return 1 if end - start > 1 + self.descriptor_blocks else 0

    @property
    def log_groups_per_flex(self) -> int:
        """log2 of a number of groups that holds them all; a flex group of one would mean none."""
        return max(1, (self.groups - 1).bit_length())

    @property
    def overhead(self) -> int:
        """Blocks that are no file's: superblocks, descriptors, bitmaps, inode tables, journal."""
        copies = 2 if self.backup_group else 1
        fixed = self.first_data_block + copies * (1 + self.descriptor_blocks)
        return fixed + self.groups * (2 + self.table_blocks) + self.journal_blocks

    @property
    def slack(self) -> int:
        """Blocks that the backup may cost beside its own: nodes for one more extent, a table moved behind it."""
        if not self.backup_group:
            return 0
        tables_end = self.first_data_block + 1 + self.descriptor_blocks + self.groups * (2 + self.table_blocks)
        reaches_backup = tables_end > self.group_range(self.backup_group)[0]
        return _EXTRA_NODES + (self.table_blocks if reaches_backup else 0)

    def group_range(self, group: int) -> tuple[int, int]:
        """First block of a group, and the block behind it."""
        start = min(self.first_data_block + group * self.blocks_per_group, self.blocks)
        return start, min(start + self.blocks_per_group, self.blocks)


def fit(content_blocks: int, content_inodes: int, options: Ext4Options) -> Geometry:
    """The geometry for a content.

    Args:
        content_blocks: all blocks of files, directories, extent trees and attributes.
        content_inodes: the last inode number in use.
        options: size, reserve, inodes, journal.

    Raises:
        UserError: the content does not fit into the size; it says how much is missing.
    """
    reserve = -(-options.reserve // options.block_size)
    least = max(content_inodes + options.reserve // BYTES_PER_FREE_INODE, FIRST_INODE)
    if options.inodes is not None:
        if options.inodes < content_inodes:
            raise UserError(
                f"{options.inodes} inodes are too few for this content",
                hint=f"{content_inodes} are needed; leave the number out to have enough",
            )
        least = options.inodes
    needed = content_blocks + reserve
    if options.size is None:
        return _compact(needed, least, options)
    blocks = min(options.size // options.block_size, _MAX_BLOCKS)
    geometry = _shape(blocks, least, options)
    missing = _needs(geometry, needed) - blocks
    if missing > 0:
        total = _compact(needed, least, options).blocks * options.block_size
        what = "content with its reserve" if options.reserve else "content"
        raise UserError(
            f"{what} is larger than its partition: {total} bytes are needed, "
            f"{max(total - options.size, missing * options.block_size)} more than the {options.size} there are",
            hint="make the partition larger or the content smaller",
        )
    if options.inodes is None:
        # As many for what is left; should their tables not fit beside the reserve, those needed must do.
        left = -missing * options.block_size // BYTES_PER_FREE_INODE
        roomy = _shape(blocks, min(least + left, (1 << 32) - 1 - (1 << 16)), options)
        if _needs(roomy, needed) <= blocks:
            return roomy
    return geometry


def _needs(geometry: Geometry, blocks: int) -> int:
    return geometry.overhead + geometry.slack + blocks


def _compact(needed: int, inodes: int, options: Ext4Options) -> Geometry:
    blocks = needed + 1
    while True:
        geometry = _shape(blocks, inodes, options)
        if _needs(geometry, needed) <= blocks:
            return geometry
        blocks = _needs(geometry, needed)


def _shape(blocks: int, inodes: int, options: Ext4Options) -> Geometry:
    """Groups for so many blocks and at least so many inodes."""
    block_size = options.block_size
    bits = 8 * block_size  # blocks, and inodes, that a bitmap of one block can count
    per_block = block_size // options.inode_size
    step = math.lcm(8, per_block)
    most = bits // step * step
    first = 1 if block_size == 1024 else 0
    least_groups = -(-inodes // most)
    # Many inodes in few blocks: smaller groups, so that there are enough of them.
    per_group = bits if least_groups == 1 else max(min(bits, (blocks - first) // least_groups // 8 * 8), 256)
    groups = max(-(-(blocks - first) // per_group), 1)
    per_table = max(-(-inodes // groups), _LEAST_INODES_PER_GROUP)
    if per_table > most:
        per_table = most
    return Geometry(
        block_size,
        options.inode_size,
        blocks,
        per_group,
        -(-per_table // step) * step,
        _journal_blocks(blocks) if options.journal else 0,
    )


def _journal_blocks(blocks: int) -> int:
    return next((size for limit, size in _JOURNAL_SIZES if blocks < limit), _JOURNAL_MAX)
