"""ext4 against ext4: trees first, then what of inodes a tree does not hold, then where things lie, then the rest."""

from collections.abc import Mapping
from typing import Any

from sysimage import verity
from sysimage.errors import UserError
from sysimage.explanation import words
from sysimage.explanation.content import BLOCK, compare_bytes, differing, equal
from sysimage.explanation.ext4_fields import UUIDS, inode_fields, superblock_fields
from sysimage.explanation.ext4_side import JOURNAL, FileSystem, role_of
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.explanation.trees import Compare, Side, compare_trees
from sysimage.ext4.layout import Superblock
from sysimage.ext4.read import names as entry_names
from sysimage.ext4.volume import Volume
from sysimage.extents import ImageReader
from sysimage.tree import NodeType

_FREE = "free blocks"
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


def compare_ext4(pair: Pair, place: Place, findings: Findings, inner: Compare) -> None:
    """Two volumes, with the hash trees behind them.

    Raises:
        UserError: a side is damaged in such a way that it cannot be read.
    """
    ours, theirs = findings.both(pair, FileSystem.open)
    before = findings.count
    _superblocks(ours.volume, theirs.volume, place, findings)
    compare_trees(
        Side(ours.tree, pair.ours.sources),
        Side(theirs.tree, pair.theirs.sources),
        place,
        findings,
        inner,
        lambda path: f"inode {ours.inodes[path].number} {words.path(path)}",
        lambda here, path, label: here.mapped(label, place.called, lambda byte: ours.byte(path, byte)),
    )
    common = sorted(ours.inodes.keys() & theirs.inodes.keys(), key=lambda path: (ours.inodes[path].number, path))
    _inodes(ours, theirs, common, place, findings)
    _layout(ours, theirs, common, place, findings)
    _blocks(pair, ours, theirs, place, findings, told=findings.count > before)
    _hash_trees(pair, ours.volume, theirs.volume, place, findings)


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
        if isinstance(mine, bytes) and name not in (*UUIDS, *_COUNTERS) and mine != other:
            values = words.pair(
                *(value.rstrip(b"\0") if len(value) <= words.SHOWN else value for value in (mine, other))
            )
            findings.add(Rank.ATTRIBUTE, name, here, f"{name} {values}")
    counters = [{name: row.pop(name) for name in _COUNTERS if name in row} for row in rows]
    findings.fields(Rank.ATTRIBUTE, "superblock", here, *rows)
    for row in counters:
        del row["s_checksum"]
    findings.fields(Rank.CONSEQUENCE, "superblock", here, *counters)


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


def _blocks(pair: Pair, ours: FileSystem, theirs: FileSystem, place: Place, findings: Findings, told: bool) -> None:
    """Blocks that differ, by what they are for.

    Where other differences are told already, only blocks that these cannot account for are worth a sentence:
    those that are free on both sides, the journal's, and what lies behind the end of a file that is the same.
    """
    size = ours.volume.block_size
    shared = pair.slice(0, min(side.volume.blocks * side.volume.block_size for side in (ours, theirs)))
    blocks = [block for start, end in differing(shared) for block in range(start // size, -(-end // size))]
    if not blocks:
        return
    role = role_of(blocks, ours, theirs)
    by_role: dict[tuple[str, str], list[int]] = {}
    for block in blocks:
        by_role.setdefault(role.get(block, (_FREE, "")), []).append(block)
    for (what, path), listed in by_role.items():
        loose = what in (_FREE, JOURNAL) or bool(path)
        if told and not (loose and (not path or _same_file(pair, ours, theirs, path))):
            continue
        first = listed[0] * size
        name = f"behind the end of {words.path(path)}" if path else what
        here = place.part(f"{name}, {words.count(len(listed), 'block')}", place.called, first)
        rank = Rank.CONTENT if loose else Rank.CONSEQUENCE
        compare_bytes(pair.slice(first, size), here, findings, f"block {listed[0]}", rank)


def _same_file(pair: Pair, ours: FileSystem, theirs: FileSystem, path: str) -> bool:
    """Whether a file is the same at the same blocks on both sides, so that only what lies behind its end can differ."""
    if path not in theirs.inodes or ours.runs(path) != theirs.runs(path):
        return False
    contents = [
        ImageReader(side.tree[path].data, reader.sources) for side, reader in ((ours, pair.ours), (theirs, pair.theirs))
    ]
    return ours.tree[path].type is theirs.tree[path].type and equal(Pair(*contents))


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
        here = place.part("behind the file system", place.called, end)
        compare_bytes(pair.slice(end, size - end), here, findings, "what lies there")
