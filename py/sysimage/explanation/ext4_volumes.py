"""ext4 against ext4: trees first, then what of inodes a tree does not hold, then where things lie, then the rest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sysimage import verity
from sysimage.errors import UserError
from sysimage.explanation import words
from sysimage.explanation.content import BLOCK, compare_bytes, differing
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.explanation.trees import Compare, Side, compare_trees
from sysimage.ext4.layout import JOURNAL_INODE, SUPERBLOCK_OFFSET, Superblock
from sysimage.ext4.read import names as entry_names
from sysimage.ext4.read import node_of, walk
from sysimage.ext4.read_inode import extra_size, join_time, stretches, xattr_block_of
from sysimage.ext4.volume import RawInode, Volume
from sysimage.extents import ImageReader
from sysimage.tree import NodeType, Tree

_TIMES = ("s_mtime", "s_wtime", "s_lastcheck", "s_mkfs_time")
_UUIDS = ("s_uuid", "s_journal_uuid", "s_hash_seed")
# What follows from files and their sizes, or is a checksum.
_COUNTERS = (
    "s_blocks_count_lo",
    "s_blocks_count_hi",
    "s_inodes_count",
    "s_inodes_per_group",
    "s_free_blocks_count_lo",
    "s_free_blocks_count_hi",
    "s_free_inodes_count",
    "s_jnl_blocks",
    "s_overhead_clusters",
    "s_checksum",
)
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


_BEHIND = "behind the end of "


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
        tree: Tree | None = None
        inodes = {}
        for path, inode, first in walk(volume):
            inodes[path] = inode
            if tree is None:
                tree = Tree(node_of(volume, inode))
            elif path != first:
                tree.link(path, first)
            else:
                tree.add(path, node_of(volume, inode))
        assert tree is not None
        return cls(volume, tree, inodes)

    def has_blocks(self, path: str) -> bool:
        """Whether an inode has blocks of its own for content."""
        node = self.tree[path]
        return node.type in (NodeType.FILE, NodeType.DIRECTORY) or (node.type is NodeType.SYMLINK and node.size > 59)

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


def compare_ext4(pair: Pair, place: Place, findings: Findings, inner: Compare) -> None:
    """Two volumes, with the hash trees behind them.

    Raises:
        UserError: a side is damaged in such a way that it cannot be read.
    """
    ours, theirs = findings.both(pair, FileSystem.open)
    before = findings.count
    holder = _holder(place)
    _superblocks(ours.volume, theirs.volume, place, findings)
    compare_trees(
        Side(ours.tree, pair.ours.sources),
        Side(theirs.tree, pair.theirs.sources),
        place,
        findings,
        inner,
        lambda path: f"inode {ours.inodes[path].number} {words.path(path)}",
        lambda here, path, label: here.mapped(label, holder, lambda byte: ours.byte(path, byte)),
    )
    common = [path for path in ours.inodes if path in theirs.inodes]
    _inodes(ours, theirs, common, place, findings)
    _layout(ours, theirs, common, place, findings)
    _blocks(pair, ours, place, findings, told=findings.count > before)
    _hash_trees(pair, ours.volume, theirs.volume, place, findings)


def _holder(place: Place) -> str:
    """What a volume is called as the holder of its files."""
    return "the partition" if place.chain else "the image"


def superblock_fields(block: Superblock) -> dict[str, str]:
    """The numbers, times and UUIDs of a superblock in words, under the kernel's names."""
    fields = {}
    for name, value in block._asdict().items():
        if name in _TIMES:
            text = words.seconds(value | getattr(block, f"{name}_hi") << 32)
        elif name in _UUIDS:
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


def _superblocks(ours: Volume, theirs: Volume, place: Place, findings: Findings) -> None:
    here = place.within("superblock")
    rows = [superblock_fields(volume.superblock) for volume in (ours, theirs)]
    for feature in sorted(set(ours.features) ^ set(theirs.features)):
        findings.only(Rank.ATTRIBUTE, "features", here, feature in ours.features, f"the feature {feature}")
    if ours.features != theirs.features:
        for row in rows:
            for name in ("s_feature_compat", "s_feature_incompat", "s_feature_ro_compat"):
                del row[name]
    rows_of_both: zip[tuple[str, Any, Any]] = zip(Superblock._fields, ours.superblock, theirs.superblock, strict=True)
    for name, mine, other in rows_of_both:
        if isinstance(mine, bytes) and name not in (*_UUIDS, *_COUNTERS) and mine != other:
            values = words.pair(
                *(value.rstrip(b"\0") if len(value) <= words.SHOWN else value for value in (mine, other))
            )
            findings.add(Rank.ATTRIBUTE, name, here, f"{name} {values}")
    counters = [{name: row.pop(name) for name in _COUNTERS if name in row} for row in rows]
    findings.fields(Rank.ATTRIBUTE, "superblock", here, *rows)
    for row in counters:
        del row["s_checksum"]
    findings.fields(Rank.CONSEQUENCE, "superblock", here, *counters)


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


def _inodes(ours: FileSystem, theirs: FileSystem, paths: list[str], place: Place, findings: Findings) -> None:
    seen: set[int] = set()
    for path in paths:
        mine, other = ours.inodes[path], theirs.inodes[path]
        if mine.number in seen or mine.data == other.data or ours.tree[path].type is not theirs.tree[path].type:
            continue
        seen.add(mine.number)
        rows = [inode_fields(inode) for inode in (mine, other)]
        # The links of a directory are the directories in it; those of files are told with their paths.
        if ours.tree[path].type is NodeType.DIRECTORY or ours.tree.links(path) != theirs.tree.links(path):
            for row in rows:
                del row["i_links_count"]
        _drop_copies(rows, (ours.tree[path].mtime, theirs.tree[path].mtime))
        here = place.alone(f"inode {mine.number} {words.path(path)}")
        findings.fields(Rank.ATTRIBUTE, "", here, *rows)


def _drop_copies(rows: list[dict[str, str]], mtimes: tuple[int, int]) -> None:
    """Times that are the mtime on both sides say nothing that the mtime does not."""
    texts = [words.time(mtime) for mtime in mtimes]
    for name in ("ctime", "atime", "crtime"):
        if [row.get(name) for row in rows] == texts:
            for row in rows:
                del row[name]


def _layout(ours: FileSystem, theirs: FileSystem, paths: list[str], place: Place, findings: Findings) -> None:
    """Things that are the same but lie in other places: one sentence for each kind."""

    def moved(what: str, of: list[tuple[str, str, str]]) -> None:
        if of:
            path, mine, other = of[0]
            first = "" if len(of) == 1 else "first "
            findings.add(Rank.LAYOUT, what, place, f"{what}: {first}{words.path(path)}, {mine} against {other}")

    numbers: list[tuple[str, str, str]] = []
    blocks: list[tuple[str, str, str]] = []
    orders: list[tuple[str, str, str]] = []
    for path in paths:
        mine, other = ours.inodes[path], theirs.inodes[path]
        if mine.number != other.number:
            numbers.append((path, f"inode {mine.number}", f"{other.number}"))
        if ours.tree[path].type is not theirs.tree[path].type:
            continue
        runs = ours.runs(path), theirs.runs(path)
        if runs[0] != runs[1]:
            blocks.append((path, _run_text(runs[0]), _run_text(runs[1])))
        if ours.tree[path].type is NodeType.DIRECTORY:
            lists = [[name for name, _ in entry_names(side.volume, side.inodes[path])] for side in (ours, theirs)]
            common = set(lists[0]) & set(lists[1])
            mine_names, other_names = ([name for name in each if name in common] for each in lists)
            if mine_names != other_names:
                at = next(i for i, (a, b) in enumerate(zip(mine_names, other_names, strict=True)) if a != b)
                first = f"entry {at + 1} is {words.data(mine_names[at])}"
                orders.append((path, first, words.data(other_names[at])))
    moved(f"{words.count(len(numbers), 'path')} with another inode number", numbers)
    moved(f"{words.count(len(orders), 'directory', 'directories')} with entries in another order", orders)
    moved(f"{words.count(len(blocks), 'path')} at other blocks", blocks)


def _run_text(runs: list[tuple[int, int, int]]) -> str:
    if not runs:
        return "no blocks"
    shown = ", ".join(f"{first}-{first + count - 1}" if count > 1 else f"{first}" for first, count, _ in runs[:3])
    return f"block{'' if len(runs) == 1 and runs[0][1] == 1 else 's'} {shown}{', ...' if len(runs) > 3 else ''}"


def roles(side: FileSystem) -> Iterator[tuple[int, int, str]]:
    """(first block, count, what they are for) of all blocks that are in use by something with a name."""
    volume = side.volume
    size, fields = volume.block_size, volume.superblock
    table_blocks = -(-volume.groups * volume.descriptor_size // size)
    for group in _copies(volume):
        start = volume.first_data_block + group * fields.s_blocks_per_group
        copy = "" if group == 0 else f" (backup in group {group})"
        yield start if group else SUPERBLOCK_OFFSET // size, 1, f"superblock{copy}"
        yield start + 1, table_blocks, f"group descriptors{copy}"
    inode_blocks = -(-fields.s_inodes_per_group * volume.inode_size // size)
    for group in range(volume.groups):
        row = volume.descriptor(group)
        yield row.bg_block_bitmap_lo | row.bg_block_bitmap_hi << 32, 1, "block bitmaps"
        yield row.bg_inode_bitmap_lo | row.bg_inode_bitmap_hi << 32, 1, "inode bitmaps"
        yield row.bg_inode_table_lo | row.bg_inode_table_hi << 32, inode_blocks, "inode tables"
    if volume.has("has_journal"):
        for each in stretches(volume, volume.inode(JOURNAL_INODE, "the journal")):
            yield each.physical, each.length, "the journal"
    for path, inode in side.inodes.items():
        what = "directories" if side.tree[path].type is NodeType.DIRECTORY else f"{_BEHIND}{words.path(path)}"
        for physical, count, _ in side.runs(path):
            yield physical, count, what
        if xattr_block_of(inode):
            yield xattr_block_of(inode), 1, "blocks of extended attributes"


def _copies(volume: Volume) -> list[int]:
    """Groups with a copy of the superblock (super.rst, "sparse_super")."""
    fields = volume.superblock
    if volume.has("sparse_super2"):
        return sorted({0, fields.s_backup_bgs_0, fields.s_backup_bgs_1})
    if not volume.has("sparse_super"):
        return list(range(volume.groups))
    powers = (base**power for base in (3, 5, 7) for power in range(1, 24))
    return sorted({0, 1, *powers} & set(range(volume.groups)))


def _blocks(pair: Pair, ours: FileSystem, place: Place, findings: Findings, told: bool) -> None:
    """Blocks that differ, by what they are for on our side.

    Where other differences are told already, only blocks that nothing accounts for are worth a sentence:
    those that are free, the journal's, and what lies behind a file's end.
    """
    size = ours.volume.block_size
    length = min(ours.volume.blocks * size, pair.theirs.size)
    blocks = [
        block for start, end in differing(pair.slice(0, length)) for block in range(start // size, -(-end // size))
    ]
    if not blocks:
        return
    role: dict[int, str] = {}
    wanted = set(blocks)
    for first, count, what in roles(ours):
        if count > len(wanted):
            role |= {block: what for block in wanted if first <= block < first + count}
        else:
            role |= {block: what for block in range(first, first + count) if block in wanted}
    by_role: dict[str, list[int]] = {}
    for block in blocks:
        by_role.setdefault(role.get(block, "free blocks"), []).append(block)
    for what, listed in by_role.items():
        loose = what in ("free blocks", "the journal")
        if told and not loose:
            continue
        rank = Rank.CONTENT if loose or what.startswith(_BEHIND) else Rank.CONSEQUENCE
        first = listed[0] * size
        here = place.part(f"{what}, {words.count(len(listed), 'block')}", _holder(place), first)
        compare_bytes(pair.slice(first, size), here, findings, f"block {listed[0]}", rank)


def _hash_trees(pair: Pair, ours: Volume, theirs: Volume, place: Place, findings: Findings) -> None:
    """The dm-verity superblocks and trees behind the file systems."""
    found: list[Mapping[str, Any] | None] = []
    for reader, volume in ((pair.ours, ours), (pair.theirs, theirs)):
        end = volume.blocks * volume.block_size
        try:
            found.append(verity.inspect(reader, end + -end % verity.BLOCK))
        except UserError:
            found.append(None)
    mine, other = found
    if mine is None or other is None:
        if mine is not other:
            findings.only(Rank.CONTENT, "verity", place, mine is not None, "a dm-verity hash tree")
        _behind(pair, max(volume.blocks * volume.block_size for volume in (ours, theirs)), place, findings)
        return
    here = place.within("dm-verity superblock")
    keys = ("salt", "uuid", "data_blocks", "hash_offset")
    rows = [{key.replace("_", " "): str(each[key]) or "none" for key in keys} for each in (mine, other)]
    findings.fields(Rank.ATTRIBUTE, "verity", here, *rows)
    if mine["root_hash"] != other["root_hash"]:
        sentence = f"root hash {mine['root_hash']} against {other['root_hash']}"
        findings.add(Rank.CONSEQUENCE, "root hash", place.within("dm-verity"), sentence)
    if rows[0] == rows[1]:
        start, end = mine["hash_start"] * verity.BLOCK, mine["end"]
        changed = [
            at // BLOCK for first, last in differing(pair.slice(start, end - start)) for at in range(first, last, BLOCK)
        ]
        if changed:
            total = (end - start) // verity.BLOCK
            sentence = f"{len(changed)} of {total} hash blocks differ, first block {mine['hash_start'] + changed[0]}"
            findings.add(Rank.CONSEQUENCE, "hash blocks", place.within("dm-verity"), sentence)
    _behind(pair, max(mine["end"], other["end"]), place, findings)


def _behind(pair: Pair, end: int, place: Place, findings: Findings) -> None:
    """What lies in a partition behind everything that is known."""
    size = max(pair.ours.size, pair.theirs.size)
    if end < size:
        here = place.part("behind the file system", _holder(place), end)
        compare_bytes(pair.slice(end, size - end), here, findings, "what lies there")
