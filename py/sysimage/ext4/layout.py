"""ext4 as it lies on disk: every structure once, and the constants that go with it.

Source: the kernel's Documentation/filesystems/ext4 (super.rst, group_descr.rst,
inodes.rst, ifork.rst, directory.rst, attributes.rst, journal.rst); the names of
the fields are its names. Numbers are little-endian, but for the journal's.

This is the one module that the writer and the verifier share.
"""

import struct
from typing import Annotated, Any, NamedTuple, get_type_hints

U8 = Annotated[int, "B"]
U16 = Annotated[int, "H"]
U32 = Annotated[int, "I"]
U64 = Annotated[int, "Q"]
Bytes16 = Annotated[bytes, "16s"]
Bytes60 = Annotated[bytes, "60s"]
Bytes64 = Annotated[bytes, "64s"]
Bytes68 = Annotated[bytes, "68s"]

SUPERBLOCK_OFFSET = 1024  # bytes from the start of the image
MAGIC = 0xEF53
CRC_SEED = 0xFFFFFFFF  # every checksum starts from it; none is inverted at the end
CHECKSUM_TYPE_CRC32C = 1

STATE_CLEAN = 1
ERRORS_CONTINUE = 1
DYNAMIC_REVISION = 1
MOUNT_XATTR_AND_ACL = 0x000C  # s_default_mount_opts: user_xattr, acl
FLAG_SIGNED_HASH = 1  # s_flags: names are hashed as signed bytes ...
FLAG_UNSIGNED_HASH = 2  # ... or as unsigned ones
NEVER_CHECK = 0xFFFF  # s_max_mnt_count: -1

COMPAT = {
    0x0001: "dir_prealloc",
    0x0002: "imagic_inodes",
    0x0004: "has_journal",
    0x0008: "ext_attr",
    0x0010: "resize_inode",
    0x0020: "dir_index",
    0x0200: "sparse_super2",
    0x0400: "fast_commit",
    0x0800: "stable_inodes",
    0x1000: "orphan_file",
}
INCOMPAT = {
    0x00001: "compression",
    0x00002: "filetype",
    0x00004: "needs_recovery",
    0x00008: "journal_dev",
    0x00010: "meta_bg",
    0x00040: "extents",
    0x00080: "64bit",
    0x00100: "mmp",
    0x00200: "flex_bg",
    0x00400: "ea_inode",
    0x01000: "dirdata",
    0x02000: "metadata_csum_seed",
    0x04000: "large_dir",
    0x08000: "inline_data",
    0x10000: "encrypt",
    0x20000: "casefold",
}
RO_COMPAT = {
    0x00001: "sparse_super",
    0x00002: "large_file",
    0x00004: "btree_dir",
    0x00008: "huge_file",
    0x00010: "uninit_bg",
    0x00020: "dir_nlink",
    0x00040: "extra_isize",
    0x00100: "quota",
    0x00200: "bigalloc",
    0x00400: "metadata_csum",
    0x00800: "replica",
    0x01000: "read-only",
    0x02000: "project",
    0x08000: "verity",
    0x10000: "orphan_present",
}
FEATURE = {name: bit for table in (COMPAT, INCOMPAT, RO_COMPAT) for bit, name in table.items()}

BG_INODE_UNINIT = 1  # the group's inode bitmap and table hold nothing
BG_BLOCK_UNINIT = 2  # the group's block bitmap follows from the geometry
BG_INODE_ZEROED = 4  # the unused part of the inode table is zero

ROOT_INODE = 2
JOURNAL_INODE = 8
FIRST_INODE = 11  # the first that is not reserved: lost+found

GOOD_OLD_INODE_SIZE = 128
EXTRA_ISIZE = 32  # bytes of Inode behind the first 128
LINK_MAX = 65000  # EXT4_LINK_MAX; a directory with more counts 1 (dir_nlink)
FAST_SYMLINK_MAX = 59  # bytes of target that fit into i_block, with a NUL
FLAG_INDEX = 0x00001000  # i_flags: a hashed directory
FLAG_HUGE_FILE = 0x00040000  # i_flags: i_blocks counts file system blocks
FLAG_EXTENTS = 0x00080000  # i_flags: i_block is the root of an extent tree
FLAG_EA_INODE = 0x00200000  # i_flags: the inode is the value of an extended attribute
FLAG_INLINE_DATA = 0x10000000  # i_flags: the content lies in the inode
SECTOR = 512  # bytes: the unit of i_blocks

EXTENT_MAGIC = 0xF30A
EXTENT_MAX_LENGTH = 32768  # blocks in an extent; a larger ee_len means unwritten, by as many blocks more
EXTENT_MAX_DEPTH = 5
EXTENT_ROOT_ENTRIES = 4  # in i_block
EXTENT_SIZE = 12  # bytes of a header, an extent, an index

DIRENT_HEADER = 8  # bytes of a directory entry before the name
DIRENT_TAIL = 12  # bytes of the checksum at the end of a leaf
DIRENT_TAIL_TYPE = 0xDE
FILE_TYPES = {"file": 1, "dir": 2, "char": 3, "block": 4, "fifo": 5, "socket": 6, "link": 7}

HASH_HALF_MD4 = 1
HASH_HALF_MD4_UNSIGNED = 4
HASH_EOF = 0xFFFFFFFE  # EXT4_HTREE_EOF_32BIT shifted: no name may have it
DX_ROOT_ENTRIES = 32  # offset of the index entries in the root block, after ".", ".." and DxRootInfo
DX_NODE_ENTRIES = 8  # offset of the index entries in an inner block, after an empty entry
DX_ENTRY = 8  # bytes: hash, block
DX_TAIL = 8  # bytes: reserved, checksum
DX_LEVELS = 2  # levels of index blocks without large_dir

XATTR_MAGIC = 0xEA020000
XATTR_HEADER = 32  # bytes before the first entry of an attribute block
XATTR_ENTRY = 16  # bytes of an entry before its name
XATTR_PAD = 4  # names and values are padded to it
XATTR_REFERENCES_MAX = 1024  # inodes that share one block
XATTR_PREFIXES = {
    1: "user.",
    2: "system.posix_acl_access",
    3: "system.posix_acl_default",
    4: "trusted.",
    6: "security.",
    7: "system.",
    8: "system.richacl",
}

JOURNAL_MAGIC = 0xC03B3998
JOURNAL_SUPERBLOCK_V2 = 4
JOURNAL_BACKUP_BLOCKS = 1  # s_jnl_backup_type: s_jnl_blocks holds i_block and i_size of the journal


class Superblock(NamedTuple):
    """The superblock: 1024 bytes at offset 1024, and at the start of the groups that hold a backup (super.rst)."""

    s_inodes_count: U32 = 0
    s_blocks_count_lo: U32 = 0
    s_r_blocks_count_lo: U32 = 0  # blocks for the superuser
    s_free_blocks_count_lo: U32 = 0
    s_free_inodes_count: U32 = 0
    s_first_data_block: U32 = 0  # 1 for blocks of 1024 bytes, else 0
    s_log_block_size: U32 = 0  # block size is 1024 << this
    s_log_cluster_size: U32 = 0
    s_blocks_per_group: U32 = 0
    s_clusters_per_group: U32 = 0
    s_inodes_per_group: U32 = 0
    s_mtime: U32 = 0  # last mount, seconds
    s_wtime: U32 = 0  # last write, seconds
    s_mnt_count: U16 = 0
    s_max_mnt_count: U16 = NEVER_CHECK
    s_magic: U16 = MAGIC
    s_state: U16 = STATE_CLEAN
    s_errors: U16 = ERRORS_CONTINUE
    s_minor_rev_level: U16 = 0
    s_lastcheck: U32 = 0  # seconds
    s_checkinterval: U32 = 0  # seconds, 0: never
    s_creator_os: U32 = 0  # Linux
    s_rev_level: U32 = DYNAMIC_REVISION
    s_def_resuid: U16 = 0
    s_def_resgid: U16 = 0
    s_first_ino: U32 = FIRST_INODE
    s_inode_size: U16 = 0
    s_block_group_nr: U16 = 0  # the group that this copy lies in
    s_feature_compat: U32 = 0
    s_feature_incompat: U32 = 0
    s_feature_ro_compat: U32 = 0
    s_uuid: Bytes16 = bytes(16)
    s_volume_name: Bytes16 = bytes(16)
    s_last_mounted: Bytes64 = bytes(64)
    s_algorithm_usage_bitmap: U32 = 0
    s_prealloc_blocks: U8 = 0
    s_prealloc_dir_blocks: U8 = 0
    s_reserved_gdt_blocks: U16 = 0
    s_journal_uuid: Bytes16 = bytes(16)
    s_journal_inum: U32 = 0
    s_journal_dev: U32 = 0
    s_last_orphan: U32 = 0
    s_hash_seed: Bytes16 = bytes(16)
    s_def_hash_version: U8 = 0
    s_jnl_backup_type: U8 = 0
    s_desc_size: U16 = 0
    s_default_mount_opts: U32 = 0
    s_first_meta_bg: U32 = 0
    s_mkfs_time: U32 = 0  # seconds
    s_jnl_blocks: Bytes68 = bytes(68)
    s_blocks_count_hi: U32 = 0
    s_r_blocks_count_hi: U32 = 0
    s_free_blocks_count_hi: U32 = 0
    s_min_extra_isize: U16 = 0
    s_want_extra_isize: U16 = 0
    s_flags: U32 = 0
    s_raid_stride: U16 = 0
    s_mmp_interval: U16 = 0
    s_mmp_block: U64 = 0
    s_raid_stripe_width: U32 = 0
    s_log_groups_per_flex: U8 = 0
    s_checksum_type: U8 = 0
    s_encryption_level: U8 = 0
    s_reserved_pad: U8 = 0
    s_kbytes_written: U64 = 0
    s_snapshot: Annotated[bytes, "20s"] = bytes(20)  # s_snapshot_*: unused
    s_errors_seen: Annotated[bytes, "108s"] = bytes(108)  # s_error_count, s_first_error_*, s_last_error_*
    s_mount_opts: Bytes64 = bytes(64)
    s_usr_quota_inum: U32 = 0
    s_grp_quota_inum: U32 = 0
    s_overhead_clusters: U32 = 0  # blocks of metadata whose place is fixed; 0: the kernel counts them
    s_backup_bgs_0: U32 = 0  # sparse_super2: groups with a backup, 0: none
    s_backup_bgs_1: U32 = 0
    s_encrypt: Annotated[bytes, "20s"] = bytes(20)  # s_encrypt_algos, s_encrypt_pw_salt
    s_lpf_ino: U32 = 0
    s_prj_quota_inum: U32 = 0
    s_checksum_seed: U32 = 0  # metadata_csum_seed: instead of the checksum of s_uuid
    s_wtime_hi: U8 = 0  # bits 32 to 39 of the times above
    s_mtime_hi: U8 = 0
    s_mkfs_time_hi: U8 = 0
    s_lastcheck_hi: U8 = 0
    s_error_times_hi: U16 = 0
    s_error_codes: U16 = 0
    s_encoding: U16 = 0
    s_encoding_flags: U16 = 0
    s_orphan_file_inum: U32 = 0
    s_reserved: Annotated[bytes, "376s"] = bytes(376)
    s_checksum: U32 = 0  # crc32c of the 1020 bytes before it


class GroupDescriptor(NamedTuple):
    """One block group, in the table behind the superblock (group_descr.rst); places are in blocks.

    It has 64 bytes with the feature 64bit, else only the first 32.
    """

    bg_block_bitmap_lo: U32 = 0
    bg_inode_bitmap_lo: U32 = 0
    bg_inode_table_lo: U32 = 0
    bg_free_blocks_count_lo: U16 = 0
    bg_free_inodes_count_lo: U16 = 0
    bg_used_dirs_count_lo: U16 = 0
    bg_flags: U16 = 0
    bg_exclude_bitmap_lo: U32 = 0
    bg_block_bitmap_csum_lo: U16 = 0
    bg_inode_bitmap_csum_lo: U16 = 0
    bg_itable_unused_lo: U16 = 0  # inodes at the end of the table that were never used
    bg_checksum: U16 = 0  # low half of crc32c(seed, group number, this with a checksum of 0)
    bg_block_bitmap_hi: U32 = 0
    bg_inode_bitmap_hi: U32 = 0
    bg_inode_table_hi: U32 = 0
    bg_free_blocks_count_hi: U16 = 0
    bg_free_inodes_count_hi: U16 = 0
    bg_used_dirs_count_hi: U16 = 0
    bg_itable_unused_hi: U16 = 0
    bg_exclude_bitmap_hi: U32 = 0
    bg_block_bitmap_csum_hi: U16 = 0
    bg_inode_bitmap_csum_hi: U16 = 0
    bg_reserved: U32 = 0


class Inode(NamedTuple):
    """One inode: 128 bytes and EXTRA_ISIZE more; the rest of s_inode_size is for extended attributes (inodes.rst)."""

    i_mode: U16 = 0
    i_uid: U16 = 0
    i_size_lo: U32 = 0  # bytes
    i_atime: U32 = 0  # low 32 bits of the seconds, signed; times go on in the *_extra fields
    i_ctime: U32 = 0
    i_mtime: U32 = 0
    i_dtime: U32 = 0
    i_gid: U16 = 0
    i_links_count: U16 = 0
    i_blocks_lo: U32 = 0  # sectors
    i_flags: U32 = 0
    i_version: U32 = 0
    i_block: Bytes60 = bytes(60)  # extent tree, fast symbolic link, or device number
    i_generation: U32 = 0
    i_file_acl_lo: U32 = 0  # block of extended attributes
    i_size_high: U32 = 0
    i_obso_faddr: U32 = 0
    i_blocks_high: U16 = 0
    i_file_acl_high: U16 = 0
    i_uid_high: U16 = 0
    i_gid_high: U16 = 0
    i_checksum_lo: U16 = 0  # crc32c(seed, inode number, generation, whole inode with checksums of 0)
    i_reserved: U16 = 0
    i_extra_isize: U16 = 0
    i_checksum_hi: U16 = 0
    i_ctime_extra: U32 = 0  # bits 0, 1: bits 32, 33 of the seconds; the rest: nanoseconds
    i_mtime_extra: U32 = 0
    i_atime_extra: U32 = 0
    i_crtime: U32 = 0
    i_crtime_extra: U32 = 0
    i_version_hi: U32 = 0
    i_projid: U32 = 0


class ExtentHeader(NamedTuple):
    """The head of a node of an extent tree (ifork.rst)."""

    eh_magic: U16
    eh_entries: U16
    eh_max: U16
    eh_depth: U16  # 0: the entries are extents
    eh_generation: U32


class XattrBlockHeader(NamedTuple):
    """The head of a block of extended attributes (attributes.rst)."""

    h_magic: U32
    h_refcount: U32  # inodes that point here
    h_blocks: U32
    h_hash: U32  # over the hashes of the entries
    h_checksum: U32  # crc32c(seed, block number as 64 bits, whole block with a checksum of 0)
    h_reserved: Annotated[bytes, "12s"] = bytes(12)


class XattrEntry(NamedTuple):
    """An extended attribute, before the bytes of its name (attributes.rst)."""

    e_name_len: U8
    e_name_index: U8  # key of XATTR_PREFIXES
    e_value_offs: U16  # from the start of the block, or from the first entry in an inode
    e_value_inum: U32
    e_value_size: U32
    e_hash: U32  # over name and value


class JournalSuperblock(NamedTuple):
    """The first 1024 bytes of the journal, big-endian (journal.rst)."""

    h_magic: U32 = JOURNAL_MAGIC
    h_blocktype: U32 = JOURNAL_SUPERBLOCK_V2
    h_sequence: U32 = 0
    s_blocksize: U32 = 0
    s_maxlen: U32 = 0  # blocks
    s_first: U32 = 1  # first block of the log
    s_sequence: U32 = 1
    s_start: U32 = 0  # 0: nothing to replay
    s_errno: U32 = 0
    s_feature_compat: U32 = 0
    s_feature_incompat: U32 = 0
    s_feature_ro_compat: U32 = 0
    s_uuid: Bytes16 = bytes(16)
    s_nr_users: U32 = 1
    s_rest: Annotated[bytes, "956s"] = bytes(956)


def _struct(fields: type[Any], order: str = "<") -> struct.Struct:
    hints = get_type_hints(fields, include_extras=True)
    return struct.Struct(order + "".join(hint.__metadata__[0] for hint in hints.values()))


SUPERBLOCK = _struct(Superblock)
GROUP_DESCRIPTOR = _struct(GroupDescriptor)
INODE = _struct(Inode)
EXTENT_HEADER = _struct(ExtentHeader)
EXTENT = struct.Struct("<IHHI")  # ee_block, ee_len, ee_start_hi, ee_start_lo
EXTENT_INDEX = struct.Struct("<IIHH")  # ei_block, ei_leaf_lo, ei_leaf_hi, unused
XATTR_BLOCK_HEADER = _struct(XattrBlockHeader)
XATTR_ENTRY_STRUCT = _struct(XattrEntry)
DIRENT = struct.Struct("<IHBB")  # inode, rec_len, name_len, file_type; then the name, padded to 4 (directory.rst)
DIRENT_TAIL_STRUCT = struct.Struct("<IHBBI")  # 0, 12, 0, DIRENT_TAIL_TYPE, checksum of what is before
DX_ROOT_INFO = struct.Struct("<IBBBB")  # reserved, hash_version, info_length, indirect_levels, unused_flags
DX_COUNT_LIMIT = struct.Struct("<HHI")  # limit, count, block of the first entry (its hash is 0)
DX_ENTRY_STRUCT = struct.Struct("<II")  # hash, block
JOURNAL_SUPERBLOCK = _struct(JournalSuperblock, ">")

SUPERBLOCK_SIZE = SUPERBLOCK.size  # 1024
GROUP_DESCRIPTOR_SIZE = GROUP_DESCRIPTOR.size  # 64, with 64bit
OLD_GROUP_DESCRIPTOR_SIZE = 32
INODE_CHECKSUM_LO = 0x7C  # offsets in an inode
INODE_CHECKSUM_HI = 0x82
GROUP_CHECKSUM = 0x1E  # offset in a group descriptor
XATTR_CHECKSUM = 16  # offset in a block of extended attributes
