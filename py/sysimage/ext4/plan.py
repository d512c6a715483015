"""From a tree to the map of an ext4 file system that holds it.

Contents are neither read nor copied: the blocks of a file are slices of its
content's sources. Everything else comes out as literals, and blocks of zeros
(unused inodes, the journal's log, bitmaps of unused groups) as holes. So a plan
costs what the content has in inodes and extents, whatever the size.

Order in the image: superblock and descriptors, bitmaps, inode tables; then
directories and long symbolic links, blocks of attributes, the journal,
contents, and nodes of extent trees.
"""

from collections.abc import Iterable, Iterator, Sequence

from sysimage.ext4 import extent_tree, inode, xattr
from sysimage.ext4.allocate import Allocator
from sysimage.ext4.checksum import crc32c, crc32c_rows
from sysimage.ext4.directory import seal_index
from sysimage.ext4.extent_tree import Run
from sysimage.ext4.geometry import Geometry, fit
from sysimage.ext4.layout import (
    DIRENT_TAIL,
    FLAG_EXTENTS,
    FLAG_INDEX,
    INODE_CHECKSUM_HI,
    INODE_CHECKSUM_LO,
    JOURNAL_INODE,
    JOURNAL_SUPERBLOCK,
    SUPERBLOCK_OFFSET,
    XATTR_REFERENCES_MAX,
    JournalSuperblock,
)
from sysimage.ext4.members import Member, gather
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.superblock import Places, Usage, group_table, pack_superblock, superblock
from sysimage.extents import Extent, ExtentMap
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree


def plan(tree: Tree, options: Ext4Options) -> ExtentMap:
    """The map of a file system with the content of `tree`, and `lost+found`.

    Raises:
        UserError: something in the tree that ext4 cannot hold, or more than the size holds.
    """
    members = gather(tree, options)
    blocks = _content_blocks(members, options.block_size)
    writer = _Writer(fit(blocks, members[-1].number, options), options)
    return writer.write(members)


def _content_blocks(members: Iterable[Member], block_size: int) -> int:
    """Blocks for everything but the fixed metadata."""
    total = 0
    attribute_blocks: dict[bytes, int] = {}
    for member in members:
        total += len(member.blocks)
        if member.stretches:
            total += sum(count for _, count in member.stretches)
            total += extent_tree.tree_blocks(extent_tree.entries_needed(member.stretches), block_size)
        if member.xattrs.block:
            attribute_blocks[member.xattrs.block] = attribute_blocks.get(member.xattrs.block, 0) + 1
    return total + sum(-(-count // XATTR_REFERENCES_MAX) for count in attribute_blocks.values())


class _Writer:
    """Gives everything its place in one geometry, and collects the pieces of the map."""

    def __init__(self, geometry: Geometry, options: Ext4Options) -> None:
        self.geometry = geometry
        self.options = options
        self.block_size = geometry.block_size
        self.seed = crc32c(options.uuid.bytes)
        # Blocks of metadata by number; joined into long literals at the end.
        self.blocks: dict[int, bytes] = {}
        self.contents: list[Extent] = []
        self.tree_nodes: list[tuple[int, int, bytes]] = []  # inode, block number, node without checksum
        self.leaves: list[tuple[int, int, bytes]] = []  # the same for directories
        self.places, self.allocator = self._lay_out()

    def _lay_out(self) -> tuple[Places, Allocator]:
        """Places for the fixed metadata: in order from the start, around the backup."""
        geometry = self.geometry
        head = 1 + geometry.descriptor_blocks
        first = geometry.first_data_block
        reserved = [(0, first + head)]
        if geometry.backup_group:
            start = geometry.group_range(geometry.backup_group)[0]
            reserved.append((start, start + head))
        allocator = Allocator(first + head, geometry.blocks, reserved)
        groups = geometry.groups
        places = Places(
            _numbers(allocator.take(groups)),
            _numbers(allocator.take(groups)),
            [allocator.take_whole(geometry.table_blocks) for _ in range(groups)],
        )
        return places, allocator

    def write(self, members: Sequence[Member]) -> ExtentMap:
        own = [_numbers(self.allocator.take(len(member.blocks))) if member.blocks else [] for member in members]
        shared = self._place_attributes(members)
        journal = self._journal()
        table = bytearray(members[-1].number * self.geometry.inode_size)
        if journal:
            self._put_inode(table, JOURNAL_INODE, journal[0], b"")
        rows = [self._place(member, numbers) for member, numbers in zip(members, own, strict=True)]
        for member, runs, attributes in zip(members, rows, shared, strict=True):
            self._put_inode(table, member.number, self._fields(member, runs, attributes), member.xattrs.inline)
        self._seal_leaves()
        self._seal_tree_nodes()
        self._write_inodes(table)
        self._write_groups(members, journal[1] if journal else b"")
        return ExtentMap(
            self.geometry.blocks * self.block_size if self.options.size is None else self.options.size,
            [*self.contents, *self._literals()],
        )

    def _place(self, member: Member, own: Sequence[int]) -> list[Run]:
        """The runs of a member: of its own blocks, or of its content, which goes to the map."""
        if member.blocks:
            self._place_own(member, own)
            return _runs(0, _pieces(own))
        runs: list[Run] = []
        for logical, count in member.stretches:
            runs += _runs(logical, self.allocator.take(count))
        if runs:
            self._map_content(member.node.data, runs)
        return runs

    def _place_own(self, member: Member, own: Sequence[int]) -> None:
        if member.node.type is NodeType.SYMLINK:
            self.blocks[own[0]] = member.blocks[0]
            return
        for index, (number, block) in enumerate(zip(own, member.blocks, strict=True)):
            used = member.index_used.get(index)
            if used is None:
                self.leaves.append((member.number, number, block))
            else:
                self.blocks[number] = seal_index(block, used, crc32c(_inode_prefix(member.number), self.seed))

    def _map_content(self, content: ExtentMap, runs: Sequence[Run]) -> None:
        size = self.block_size
        if len(runs) == 1 and len(content.extents) == 1:
            extent = content.extents[0]
            shift = (runs[0].physical - runs[0].logical) * size
            self.contents.append(Extent(extent.offset + shift, extent.length, extent.source))
            return
        for run in runs:
            shift = (run.physical - run.logical) * size
            for extent in content.overlapping(run.logical * size, run.length * size):
                self.contents.append(Extent(extent.offset + shift, extent.length, extent.source))

    def _fields(self, member: Member, runs: Sequence[Run], attributes: int) -> bytes:
        """The inode of a member; what its extent tree needs is placed on the way."""
        node, kind = member.node, member.node.type
        used = sum(run.length for run in runs) + (1 if attributes else 0)
        flags = 0
        size = 0
        if runs or kind is NodeType.FILE:
            block, tree_blocks = self._extent_tree(member.number, runs)
            used += tree_blocks
            flags = FLAG_EXTENTS | (FLAG_INDEX if member.indexed else 0)
            size = len(member.blocks) * self.block_size if kind is NodeType.DIRECTORY else node.size
        else:
            block = inode.special_block(node)
            size = node.size
        return inode.pack(
            node, member.links, size, used, flags, block, attributes, inode.sectors_per_block(self.block_size)
        )

    def _extent_tree(self, number: int, runs: Sequence[Run]) -> tuple[bytes, int]:
        """i_block and the count of the tree's blocks, which are kept until their checksums are made."""
        extents = extent_tree.split(runs)
        count = extent_tree.tree_blocks(len(extents), self.block_size)
        numbers = _numbers(self.allocator.take(count)) if count else []
        root, nodes = extent_tree.build(extents, numbers, self.block_size)
        self.tree_nodes += [(number, place, node) for place, node in zip(numbers, nodes, strict=True)]
        return root, count

    def _place_attributes(self, members: Sequence[Member]) -> list[int]:
        """The block of attributes of each member, or 0; equal ones are shared as far as the count goes."""
        places: list[int] = []
        current: dict[bytes, int] = {}
        references: dict[int, int] = {}
        content: dict[int, bytes] = {}
        for member in members:
            block = member.xattrs.block
            if not block:
                places.append(0)
                continue
            place = current.get(block, 0)
            if not place or references[place] == XATTR_REFERENCES_MAX:
                place = self.allocator.take(1)[0][0]
                current[block], references[place], content[place] = place, 0, block
            references[place] += 1
            places.append(place)
        numbers = list(content)
        finished = [xattr.finish_block(content[number], references[number]) for number in numbers]
        data = [number.to_bytes(8, "little") + block for number, block in zip(numbers, finished, strict=True)]
        sums = crc32c_rows(data, self.seed)
        for number, block, value in zip(numbers, finished, sums, strict=True):
            self.blocks[number] = xattr.seal_block(block, value)
        return places

    def _journal(self) -> tuple[bytes, bytes] | None:
        """The journal's inode, and what the superblock keeps of it; the log itself is empty, so a hole."""
        count = self.geometry.journal_blocks
        if not count:
            return None
        runs = _runs(0, self.allocator.take(count))
        block, _ = self._extent_tree(JOURNAL_INODE, runs)
        header = JournalSuperblock(s_blocksize=self.block_size, s_maxlen=count, s_uuid=self.options.uuid.bytes)
        self.blocks[runs[0].physical] = JOURNAL_SUPERBLOCK.pack(*header).ljust(self.block_size, b"\0")
        size = count * self.block_size
        node = Node(NodeType.FILE, 0o600, mtime=self.options.epoch * NANOSECONDS)
        per_block = inode.sectors_per_block(self.block_size)
        fields = inode.pack(node, 1, size, count, FLAG_EXTENTS, block, 0, per_block)
        return fields, block + (size >> 32).to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")

    def _put_inode(self, table: bytearray, number: int, fields: bytes, attributes: bytes) -> None:
        at = (number - 1) * self.geometry.inode_size
        table[at : at + len(fields) + len(attributes)] = fields + attributes

    def _write_inodes(self, table: bytearray) -> None:
        """Checksums, then each group's part of the table at its place."""
        size = self.geometry.inode_size
        places = [at for at in range(0, len(table), size) if table[at] or table[at + 1]]
        rows = [_inode_prefix(at // size + 1) + table[at : at + size] for at in places]
        for at, value in zip(places, crc32c_rows(rows, self.seed), strict=True):
            table[at + INODE_CHECKSUM_LO : at + INODE_CHECKSUM_LO + 2] = (value & 0xFFFF).to_bytes(2, "little")
            table[at + INODE_CHECKSUM_HI : at + INODE_CHECKSUM_HI + 2] = (value >> 16).to_bytes(2, "little")
        per_group = self.geometry.inodes_per_group * size
        for group, start in enumerate(range(0, len(table), per_group)):
            part = bytes(table[start : start + per_group])
            for index, at in enumerate(range(0, len(part), self.block_size)):
                block = part[at : at + self.block_size]
                self.blocks[self.places.inode_tables[group] + index] = block.ljust(self.block_size, b"\0")

    def _seal_leaves(self) -> None:
        self._seal(self.leaves, self.block_size - DIRENT_TAIL, self.block_size - 4)

    def _seal_tree_nodes(self) -> None:
        tail = extent_tree.tail_offset(self.block_size)
        self._seal(self.tree_nodes, tail, tail)

    def _seal(self, pieces: Sequence[tuple[int, int, bytes]], covered: int, place: int) -> None:
        """Puts a checksum over the first `covered` bytes of each block, from its inode's seed, at `place`."""
        data = [_inode_prefix(number) + block[:covered] for number, _, block in pieces]
        for (_, at, block), value in zip(pieces, crc32c_rows(data, self.seed), strict=True):
            self.blocks[at] = block[:place] + value.to_bytes(4, "little") + block[place + 4 :]

    def _write_groups(self, members: Sequence[Member], journal: bytes) -> None:
        geometry = self.geometry
        directories = [member.number for member in members if member.node.type is NodeType.DIRECTORY]
        usage = Usage(self.allocator.used, members[-1].number, sorted(directories))
        groups = group_table(geometry, self.places, usage, self.seed)
        self.blocks |= groups.bitmaps
        fields = superblock(geometry, groups, self.options, journal)
        first = geometry.first_data_block
        for group in {0, geometry.backup_group}:
            start = geometry.group_range(group)[0]
            block = pack_superblock(fields, group)
            offset = SUPERBLOCK_OFFSET if group == 0 and first == 0 else 0
            self.blocks[start] = (bytes(offset) + block).ljust(self.block_size, b"\0")
            for index, at in enumerate(range(0, len(groups.descriptors), self.block_size)):
                part = groups.descriptors[at : at + self.block_size]
                self.blocks[start + 1 + index] = part.ljust(self.block_size, b"\0")

    def _literals(self) -> Iterator[Extent]:
        """Neighbouring blocks as one literal; blocks of zeros stay holes."""
        zeros = bytes(self.block_size)
        numbers = sorted(number for number, block in self.blocks.items() if block != zeros)
        for start, count in _pieces(numbers):
            data = b"".join([self.blocks[number] for number in range(start, start + count)])
            yield Extent(start * self.block_size, len(data), data)


def _inode_prefix(number: int) -> bytes:
    """What checksums of an inode's blocks begin with: its number and its generation, 0."""
    return number.to_bytes(4, "little") + bytes(4)


def _numbers(pieces: Iterable[tuple[int, int]]) -> list[int]:
    return [number for start, count in pieces for number in range(start, start + count)]


def _pieces(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """(first, count) of the numbers that follow each other."""
    pieces: list[tuple[int, int]] = []
    start = previous = -1
    for number in numbers:
        if number != previous + 1 or start < 0:
            if start >= 0:
                pieces.append((start, previous + 1 - start))
            start = number
        previous = number
    if start >= 0:
        pieces.append((start, previous + 1 - start))
    return pieces


def _runs(logical: int, pieces: Iterable[tuple[int, int]]) -> list[Run]:
    runs: list[Run] = []
    for start, count in pieces:
        runs.append(Run(logical, start, count))
        logical += count
    return runs
