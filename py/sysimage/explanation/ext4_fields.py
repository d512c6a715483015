"""What ext4's superblocks and inodes say, in words."""

from uuid import UUID

from sysimage.explanation import words
from sysimage.ext4.layout import Superblock
from sysimage.ext4.read_inode import extra_size, join_time
from sysimage.ext4.volume import RawInode

_TIMES = ("s_mtime", "s_wtime", "s_lastcheck", "s_mkfs_time")
UUIDS = ("s_uuid", "s_journal_uuid", "s_hash_seed")
# Fields of an inode that are compared by name; the others are what the tree has, places of blocks, and checksums.
_INODE_FIELDS = (
    "i_dtime",
    "i_links_count",
    "i_flags",
    "i_version",
    "i_generation",
    "i_obso_faddr",
    "i_version_hi",
    "i_projid",
)


def superblock_fields(block: Superblock) -> dict[str, str]:
    """The numbers, times and UUIDs of a superblock in words, under the kernel's names."""
    fields = {}
    for name, value in block._asdict().items():
        if name in _TIMES:
            text = words.seconds(value | getattr(block, f"{name}_hi") << 32)
        elif name in UUIDS:
            text = str(UUID(bytes=value))
        elif isinstance(value, bytes):
            continue
        elif name.startswith("s_feature"):
            text = f"{value:#x}"
        else:
            text = str(value)
        if not name.endswith("time_hi") and name != "s_lastcheck_hi":
            fields[name] = text
    return fields


def inode_fields(inode: RawInode) -> dict[str, str]:
    """What an inode has besides what a tree holds, in words, under the kernel's names."""
    fields = inode.fields
    has = extra_size(inode)
    row = {name: str(getattr(fields, name)) for name in _INODE_FIELDS}
    row["ctime"] = words.time(join_time(fields.i_ctime, fields.i_ctime_extra if has >= 8 else 0))
    row["atime"] = words.time(join_time(fields.i_atime, fields.i_atime_extra if has >= 16 else 0))
    if has >= 24:
        row["crtime"] = words.time(join_time(fields.i_crtime, fields.i_crtime_extra))
    row["i_flags"] = f"{fields.i_flags:#x}"
    return row
