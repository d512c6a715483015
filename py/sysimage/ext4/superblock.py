"""The superblock, the group descriptors, the bitmaps: what says where everything is."""

import struct
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from sysimage.ext4.allocate import bitmap, count_in
from sysimage.ext4.checksum import crc32c, crc32c_rows
from sysimage.ext4.geometry import Geometry
from sysimage.ext4.layout import (
    BG_BLOCK_UNINIT,
    BG_INODE_UNINIT,
    BG_INODE_ZEROED,
    CHECKSUM_TYPE_CRC32C,
    EXTRA_ISIZE,
    FEATURE,
    FIRST_INODE,
    FLAG_UNSIGNED_HASH,
    GROUP_CHECKSUM,
    GROUP_DESCRIPTOR,
    GROUP_DESCRIPTOR_SIZE,
    HASH_HALF_MD4,
    JOURNAL_BACKUP_BLOCKS,
    JOURNAL_INODE,
    MOUNT_XATTR_AND_ACL,
    SUPERBLOCK,
    GroupDescriptor,
    Superblock,
)
from sysimage.ext4.options import Ext4Options

_COMPAT = ("ext_attr", "dir_index", "sparse_super2")
_INCOMPAT = ("filetype", "extents", "64bit", "flex_bg")
_RO_COMPAT = ("sparse_super", "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the fixed metadata of each group lies, in blocks."""

    block_bitmaps: Sequence[int]
    inode_bitmaps: Sequence[int]
    inode_tables: Sequence[int]


@dataclass(frozen=True, slots=True)
class Usage:
    """What is in use.

    used: (start, end) of the blocks, sorted.
    last_inode: all inodes up to it are in use.
    directories: inode numbers, sorted.
    """

    used: Sequence[tuple[int, int]]
    last_inode: int
    directories: Sequence[int]


@dataclass(frozen=True, slots=True)
class GroupTable:
    """Descriptors, the bitmaps that are not implied, and the sums for the superblock."""

    descriptors: bytes
    bitmaps: dict[int, bytes]
    free_blocks: int
    free_inodes: int


def group_table(geometry: Geometry, places: Places, usage: Usage, seed: int) -> GroupTable:
    """Describes all groups.

    A group that holds nothing but its share of the backup is left uninitialised,
    but for the last one, which e2fsck wants to see initialised.
    """
    size = geometry.block_size
    per_group = geometry.inodes_per_group
    block_maps: list[bytes] = []
    inode_maps: list[bytes] = []
    rows: list[GroupDescriptor] = []
    free_blocks = 0
    last_used = usage.used[-1][1]
    bitmaps: dict[int, bytes] = {}
    for group in range(geometry.groups):
        start, end = geometry.group_range(group)
        near = usage.used if start < last_used else ()
        free = end - start - count_in(near, start, end)
        inodes = min(max(usage.last_inode - group * per_group, 0), per_group)
        flags = BG_INODE_ZEROED
        if not inodes:
            flags |= BG_INODE_UNINIT
            if group != geometry.groups - 1 and (start >= last_used or _only_backup(geometry, group, usage)):
                flags |= BG_BLOCK_UNINIT
        if not flags & BG_BLOCK_UNINIT:
            block_maps.append(bitmap(near, start, end, size))
            bitmaps[places.block_bitmaps[group]] = block_maps[-1]
        if not flags & BG_INODE_UNINIT:
            inode_maps.append(bitmap([(0, inodes)], 0, per_group, size))
            bitmaps[places.inode_bitmaps[group]] = inode_maps[-1]
        first = group * per_group + 1
        folders = bisect_left(usage.directories, first + per_group) - bisect_left(usage.directories, first)
        rows.append(_descriptor(places, group, free, per_group - inodes, folders, flags))
        free_blocks += free
    block_sums = iter(_checksums(block_maps, geometry.blocks_per_group, seed))
    inode_sums = iter(_checksums(inode_maps, per_group, seed))
    sealed = [
        _with_sums(
            row,
            0 if row.bg_flags & BG_BLOCK_UNINIT else next(block_sums),
            0 if row.bg_flags & BG_INODE_UNINIT else next(inode_sums),
        )
        for row in rows
    ]
    free_inodes = geometry.inodes - usage.last_inode
    return GroupTable(_seal([GROUP_DESCRIPTOR.pack(*row) for row in sealed], seed), bitmaps, free_blocks, free_inodes)


def _only_backup(geometry: Geometry, group: int, usage: Usage) -> bool:
    start, end = geometry.group_range(group)
    backup = 1 + geometry.descriptor_blocks if group == geometry.backup_group else 0
    return count_in(usage.used, start, end) == backup


def _descriptor(places: Places, group: int, blocks: int, inodes: int, folders: int, flags: int) -> GroupDescriptor:
    block_map, inode_map, table = (
        places.block_bitmaps[group],
        places.inode_bitmaps[group],
        places.inode_tables[group],
    )
    return GroupDescriptor(
        bg_block_bitmap_lo=block_map & 0xFFFFFFFF,
        bg_inode_bitmap_lo=inode_map & 0xFFFFFFFF,
        bg_inode_table_lo=table & 0xFFFFFFFF,
        bg_free_blocks_count_lo=blocks & 0xFFFF,
        bg_free_inodes_count_lo=inodes & 0xFFFF,
        bg_used_dirs_count_lo=folders & 0xFFFF,
        bg_flags=flags,
        bg_itable_unused_lo=inodes & 0xFFFF,
        bg_block_bitmap_hi=block_map >> 32,
        bg_inode_bitmap_hi=inode_map >> 32,
        bg_inode_table_hi=table >> 32,
        bg_free_blocks_count_hi=blocks >> 16,
        bg_free_inodes_count_hi=inodes >> 16,
        bg_used_dirs_count_hi=folders >> 16,
        bg_itable_unused_hi=inodes >> 16,
    )


def _with_sums(row: GroupDescriptor, block_sum: int, inode_sum: int) -> GroupDescriptor:
    if not block_sum and not inode_sum:
        return row
    return row._replace(
        bg_block_bitmap_csum_lo=block_sum & 0xFFFF,
        bg_block_bitmap_csum_hi=block_sum >> 16,
        bg_inode_bitmap_csum_lo=inode_sum & 0xFFFF,
        bg_inode_bitmap_csum_hi=inode_sum >> 16,
    )


def _checksums(maps: Sequence[bytes], bits: int, seed: int) -> list[int]:
    """Checksums of bitmaps, over the bits in question; most maps are full, and equal."""
    width = bits // 8
    unique = dict.fromkeys(each[:width] for each in maps)
    sums = dict(zip(unique, crc32c_rows(list(unique), seed), strict=True))
    return [sums[each[:width]] for each in maps]


def _seal(rows: Sequence[bytes], seed: int) -> bytes:
    numbered = [struct.pack("<I", group) + row for group, row in enumerate(rows)]
    table = bytearray(b"".join(rows))
    for group, value in enumerate(crc32c_rows(numbered, seed)):
        struct.pack_into("<H", table, group * GROUP_DESCRIPTOR_SIZE + GROUP_CHECKSUM, value & 0xFFFF)
    return bytes(table)


def superblock(geometry: Geometry, groups: GroupTable, options: Ext4Options, journal: bytes) -> Superblock:
    """The superblock, without checksum.

    Args:
        journal: i_block, then i_size_high and i_size_lo of the journal's inode; empty without a journal.
    """
    names = [*_COMPAT, *(["has_journal"] if journal else [])]
    ro_names = [*_RO_COMPAT, *(["read-only"] if options.read_only else [])]
    log_size = geometry.block_size.bit_length() - 11
    epoch, epoch_hi = options.epoch & 0xFFFFFFFF, options.epoch >> 32
    return Superblock(
        s_inodes_count=geometry.inodes,
        s_blocks_count_lo=geometry.blocks & 0xFFFFFFFF,
        s_blocks_count_hi=geometry.blocks >> 32,
        s_free_blocks_count_lo=groups.free_blocks & 0xFFFFFFFF,
        s_free_blocks_count_hi=groups.free_blocks >> 32,
        s_free_inodes_count=groups.free_inodes,
        s_first_data_block=geometry.first_data_block,
        s_log_block_size=log_size,
        s_log_cluster_size=log_size,
        s_blocks_per_group=geometry.blocks_per_group,
        s_clusters_per_group=geometry.blocks_per_group,
        s_inodes_per_group=geometry.inodes_per_group,
        s_wtime=epoch,
        s_lastcheck=epoch,
        s_mkfs_time=epoch,
        s_wtime_hi=epoch_hi,
        s_lastcheck_hi=epoch_hi,
        s_mkfs_time_hi=epoch_hi,
        s_first_ino=FIRST_INODE,
        s_inode_size=geometry.inode_size,
        s_feature_compat=sum(FEATURE[name] for name in names),
        s_feature_incompat=sum(FEATURE[name] for name in _INCOMPAT),
        s_feature_ro_compat=sum(FEATURE[name] for name in ro_names),
        s_uuid=options.uuid.bytes,
        s_volume_name=options.label.encode("utf-8", "surrogateescape"),
        s_journal_inum=JOURNAL_INODE if journal else 0,
        s_jnl_backup_type=JOURNAL_BACKUP_BLOCKS if journal else 0,
        s_jnl_blocks=journal,
        s_hash_seed=options.hash_seed.bytes,
        s_def_hash_version=HASH_HALF_MD4,
        s_flags=FLAG_UNSIGNED_HASH,
        s_desc_size=GROUP_DESCRIPTOR_SIZE,
        s_default_mount_opts=MOUNT_XATTR_AND_ACL,
        s_min_extra_isize=EXTRA_ISIZE,
        s_want_extra_isize=EXTRA_ISIZE,
        s_log_groups_per_flex=geometry.log_groups_per_flex,
        s_checksum_type=CHECKSUM_TYPE_CRC32C,
        s_overhead_clusters=geometry.overhead,
        s_backup_bgs_0=geometry.backup_group,
    )


def pack_superblock(fields: Superblock, group: int) -> bytes:
    """The copy of the superblock that lies in a group."""
    data = SUPERBLOCK.pack(*fields._replace(s_block_group_nr=group))
    return data[:-4] + struct.pack("<I", crc32c(data[:-4]))
