"""An ext4 file system, read: its tree, its inodes, and what each of its blocks is for."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sysimage.ext4.layout import FAST_SYMLINK_MAX, JOURNAL_INODE, SUPERBLOCK_OFFSET
from sysimage.ext4.read import read_volume
from sysimage.ext4.read_inode import extent_nodes, stretches, xattr_block_of
from sysimage.ext4.volume import RawInode, Volume
from sysimage.extents import ImageReader
from sysimage.tree import NodeType, Tree

JOURNAL = "the journal"


@dataclass(slots=True)
class FileSystem:
    """One side, read: volume, tree, inode of each path, runs (first block, count, logical block) of each inode."""

    volume: Volume
    tree: Tree
    inodes: dict[str, RawInode]
    _runs: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)

    @classmethod
    def open(cls, reader: ImageReader) -> "FileSystem":
        """Errors: as `ext4.read`."""
        volume = Volume(reader)
        tree, inodes = read_volume(volume)
        return cls(volume, tree, inodes)

    def has_blocks(self, path: str) -> bool:
        """Whether an inode has blocks of its own for content."""
        node = self.tree[path]
        return node.type in (NodeType.FILE, NodeType.DIRECTORY) or (
            node.type is NodeType.SYMLINK and node.size > FAST_SYMLINK_MAX
        )

    def runs(self, path: str) -> list[tuple[int, int, int]]:
        """(physical, count, logical) of a path's blocks."""
        inode = self.inodes[path]
        if inode.number not in self._runs:
            found = stretches(self.volume, inode) if self.has_blocks(path) else []
            self._runs[inode.number] = [(each.physical, each.length, each.logical) for each in found]
        return self._runs[inode.number]

    def byte(self, path: str, offset: int) -> int | None:
        """Where a byte of a file lies in the volume."""
        size = self.volume.block_size
        block = offset // size
        for physical, count, logical in self.runs(path):
            if logical <= block < logical + count:
                return (physical + block - logical) * size + offset % size
        return None


def roles(side: FileSystem) -> Iterator[tuple[int, int, str, str]]:
    """(first block, count, what they are for, the path of a file or symbolic link) of all blocks that are in use."""
    volume = side.volume
    size, fields = volume.block_size, volume.superblock
    table_blocks = -(-volume.groups * volume.descriptor_size // size)
    for group in _copies(volume):
        start = volume.first_data_block + group * fields.s_blocks_per_group
        copy = "" if group == 0 else f" (backup in group {group})"
        yield start if group else SUPERBLOCK_OFFSET // size, 1, f"superblock{copy}", ""
        yield start + 1, table_blocks, f"group descriptors{copy}", ""
    inode_blocks = -(-fields.s_inodes_per_group * volume.inode_size // size)
    for group in range(volume.groups):
        row = volume.descriptor(group)
        yield row.bg_block_bitmap_lo | row.bg_block_bitmap_hi << 32, 1, "block bitmaps", ""
        yield row.bg_inode_bitmap_lo | row.bg_inode_bitmap_hi << 32, 1, "inode bitmaps", ""
        yield row.bg_inode_table_lo | row.bg_inode_table_hi << 32, inode_blocks, "inode tables", ""
    if volume.has("has_journal"):
        for each in stretches(volume, volume.inode(JOURNAL_INODE, "the journal")):
            yield each.physical, each.length, JOURNAL, ""
    for path, inode in side.inodes.items():
        folder = side.tree[path].type is NodeType.DIRECTORY
        for physical, count, _ in side.runs(path):
            yield physical, count, "directories" if folder else "files", "" if folder else path
        if side.has_blocks(path):
            for block, _, _ in extent_nodes(volume, inode):
                yield block, 1, "extent trees", ""  # block 0, the root in the inode, is the superblock's
        if xattr_block_of(inode):
            yield xattr_block_of(inode), 1, "blocks of extended attributes", ""


def role_of(blocks: list[int], *sides: FileSystem) -> dict[int, tuple[str, str]]:
    """What each of some blocks is for, and the file whose it is, on the first side that uses it."""
    found: dict[int, tuple[str, str]] = {}
    wanted = set(blocks)
    for side in sides:
        for first, count, what, path in roles(side):
            if count > len(wanted):
                hit = [block for block in wanted if first <= block < first + count]
            else:
                hit = [block for block in range(first, first + count) if block in wanted]
            for block in hit:
                found.setdefault(block, (what, path))
    return found


def _copies(volume: Volume) -> list[int]:
    """Groups with a copy of the superblock (super.rst, "sparse_super")."""
    fields = volume.superblock
    if volume.has("sparse_super2"):
        return sorted({0, fields.s_backup_bgs_0, fields.s_backup_bgs_1})
    if not volume.has("sparse_super"):
        return list(range(volume.groups))
    powers = (base**power for base in (3, 5, 7) for power in range(1, 24))
    return sorted({0, 1, *powers} & set(range(volume.groups)))
