"""Judges the directories: entries, links, and the index of hashed ones."""

import stat
import struct
from collections.abc import Mapping

from sysimage.errors import UserError
from sysimage.ext4.layout import (
    DIRENT,
    DIRENT_HEADER,
    DIRENT_TAIL,
    DIRENT_TAIL_STRUCT,
    DIRENT_TAIL_TYPE,
    DX_ENTRY,
    DX_ENTRY_STRUCT,
    DX_NODE_ENTRIES,
    DX_ROOT_ENTRIES,
    DX_ROOT_INFO,
    DX_TAIL,
    FILE_TYPES,
    FIRST_INODE,
    FLAG_INDEX,
    FLAG_UNSIGNED_HASH,
    LINK_MAX,
    ROOT_INODE,
)
from sysimage.ext4.read import entries
from sysimage.ext4.read_inode import stretches
from sysimage.ext4.verify_sums import crc, directory_hash
from sysimage.ext4.volume import RawInode, Volume, damaged

_TYPE_OF_MODE = {
    stat.S_IFREG: FILE_TYPES["file"],
    stat.S_IFDIR: FILE_TYPES["dir"],
    stat.S_IFCHR: FILE_TYPES["char"],
    stat.S_IFBLK: FILE_TYPES["block"],
    stat.S_IFIFO: FILE_TYPES["fifo"],
    stat.S_IFSOCK: FILE_TYPES["socket"],
    stat.S_IFLNK: FILE_TYPES["link"],
}
_ROOT_INFO_OFFSET = 24  # behind "." and ".."
_HASH_END = 1 << 32


class TreeChecker:
    """Checks all directories of a file system, and that every inode is in one."""

    def __init__(self, volume: Volume, seed: int, inodes: Mapping[int, RawInode], findings: list[str]) -> None:
        self._volume = volume
        self._inodes = inodes
        self._findings = findings
        self._seed = seed
        self._sums = volume.has("metadata_csum")
        self._entries = dict.fromkeys(inodes, 0)  # entries that name an inode
        self._subdirectories: dict[int, int] = {}
        self._parents: dict[int, int] = {ROOT_INODE: ROOT_INODE}

    def check(self) -> None:
        """Judges every directory, then the counts."""
        dots: dict[int, int] = {}
        for number, inode in self._inodes.items():
            if stat.S_ISDIR(inode.fields.i_mode):
                try:
                    dots[number] = self._check_directory(inode)
                except UserError as error:
                    self._findings.append(f"directory inode {number}: {error.message}")
        for number, parent in dots.items():
            if self._parents.get(number, parent) != parent:
                self._findings.append(f"directory inode {number}: '..' is {parent}, expected {self._parents[number]}")
        fields = self._volume.superblock
        # The file system's own files: no directory names them.
        own = {fields.s_orphan_file_inum, fields.s_usr_quota_inum, fields.s_grp_quota_inum, fields.s_prj_quota_inum}
        for number, inode in self._inodes.items():
            if (number >= FIRST_INODE and number not in own) or number == ROOT_INODE:
                self._check_links(number, inode)
        self._check_connected()

    def _check_links(self, number: int, inode: RawInode) -> None:
        expected = self._entries[number]
        if stat.S_ISDIR(inode.fields.i_mode):
            if number != ROOT_INODE and expected != 1:
                self._findings.append(f"directory inode {number}: {expected} entries name it")
            expected = 2 + self._subdirectories.get(number, 0)
            if expected > LINK_MAX:
                expected = 1
        elif not expected:
            self._findings.append(f"inode {number}: no entry names it")
        if inode.fields.i_links_count != expected:
            self._findings.append(f"inode {number}: {inode.fields.i_links_count} links, expected {expected}")

    def _check_connected(self) -> None:
        """Every directory must lead up to the root."""
        good = {ROOT_INODE}
        for number in self._parents:
            way: list[int] = []
            here = number
            while here not in good and here in self._parents and len(way) <= len(self._parents):
                way.append(here)
                here = self._parents[here]
            if here in good:
                good.update(way)
            else:
                self._findings.append(f"directory inode {number}: not below the root")

    def _check_directory(self, inode: RawInode) -> int:
        """Looks at all blocks; returns the inode of `..`."""
        blocks: list[bytes] = []
        places: set[int] = set()
        for stretch in stretches(self._volume, inode):
            if stretch.logical != len(blocks):
                self._findings.append(f"directory inode {inode.number}: has a hole at block {len(blocks)}")
            for place in range(stretch.physical, stretch.physical + stretch.length):
                if place in places:
                    raise damaged(f"block {place} appears twice in it")
                places.add(place)
                blocks.append(self._volume.block(place, "a directory block"))
                for _ in entries(blocks[-1], inode.number):
                    pass  # a block that is none ends it here
        if not blocks:
            self._findings.append(f"directory inode {inode.number}: is without blocks")
            return inode.number
        index_blocks: set[int] = set()
        if inode.fields.i_flags & FLAG_INDEX:
            index_blocks = _Index(self._volume, inode, blocks, self._seed_of(inode), self._findings).check()
        for number, block in enumerate(blocks):
            self._check_block(inode, block, number, number in index_blocks)
        return self._check_dots(inode, blocks[0])

    def _seed_of(self, inode: RawInode) -> int:
        return crc(struct.pack("<II", inode.number, inode.fields.i_generation), self._seed)

    def _check_dots(self, inode: RawInode, block: bytes) -> int:
        first = list(entries(block, inode.number))[:2]
        if [name for name, _ in first] != [b".", b".."] or first[0][1] != inode.number:
            self._findings.append(f"directory inode {inode.number}: '.' and '..' are not its first entries")
            return inode.number
        return first[1][1]

    def _check_block(self, inode: RawInode, block: bytes, number: int, is_index: bool) -> None:
        what = f"directory inode {inode.number}, block {number}"
        if self._sums and not is_index:
            tail = DIRENT_TAIL_STRUCT.unpack_from(block, len(block) - DIRENT_TAIL)
            if tail[:4] != (0, DIRENT_TAIL, 0, DIRENT_TAIL_TYPE):
                self._findings.append(f"{what}: has no checksum")
            elif crc(block[:-DIRENT_TAIL], self._seed_of(inode)) != tail[4]:
                self._findings.append(f"{what}: wrong checksum")
        for name, target, kind in _typed(block, inode.number):
            if name in (b".", b".."):
                continue
            if target not in self._inodes:
                self._findings.append(f"{what}: {name!r} names inode {target}, which is not in use")
                continue
            self._entries[target] += 1
            mode = self._inodes[target].fields.i_mode
            if kind != _TYPE_OF_MODE[stat.S_IFMT(mode)]:
                self._findings.append(f"{what}: {name!r} has type {kind}, its inode has mode {mode:o}")
            if b"/" in name or b"\0" in name:
                self._findings.append(f"{what}: the name {name!r} is not possible")
            if stat.S_ISDIR(mode):
                self._subdirectories[inode.number] = self._subdirectories.get(inode.number, 0) + 1
                self._parents[target] = inode.number


def _typed(block: bytes, number: int) -> list[tuple[bytes, int, int]]:
    """(name, inode, file type); `entries` finds where they are, and whether they fit."""
    found: list[tuple[bytes, int, int]] = []
    list(entries(block, number))
    position = 0
    while position < len(block):
        inode, length, size, kind = DIRENT.unpack_from(block, position)
        if inode:
            start = position + DIRENT_HEADER
            found.append((block[start : start + size], inode, kind))
        position += length
    return found


class _Index:
    """The index of one hashed directory."""

    def __init__(self, volume: Volume, inode: RawInode, blocks: list[bytes], seed: int, findings: list[str]) -> None:
        self._blocks = blocks
        self._findings = findings
        self._what = f"hashed directory inode {inode.number}"
        self._seed = seed
        self._sums = volume.has("metadata_csum")
        self._hash_seed = list(struct.unpack("<4I", volume.superblock.s_hash_seed))
        self._unsigned = bool(volume.superblock.s_flags & FLAG_UNSIGNED_HASH)
        self._number = inode.number
        _, self._version, self._info_length, self._levels, _ = DX_ROOT_INFO.unpack_from(blocks[0], _ROOT_INFO_OFFSET)

    def check(self) -> set[int]:
        """Checks order and completeness; returns the numbers of the index blocks."""
        if self._info_length != DX_ROOT_INFO.size or self._levels > 2:
            self._findings.append(f"{self._what}: index of {self._levels} levels, head of {self._info_length} bytes")
            return {0}
        index_blocks = {0}
        rows = self._rows(0, DX_ROOT_ENTRIES, 0, _HASH_END)
        for _ in range(self._levels):
            below: list[tuple[int, int, int]] = []
            for block, low, high in rows:
                if block in index_blocks or not 0 < block < len(self._blocks):
                    self._findings.append(f"{self._what}: index names block {block} as an index block")
                    continue
                index_blocks.add(block)
                below += self._rows(block, DX_NODE_ENTRIES, low, high)
            rows = below
        seen: set[int] = set()
        for block, low, high in rows:
            if block in seen or block in index_blocks or not 0 < block < len(self._blocks):
                self._findings.append(f"{self._what}: index names block {block} wrongly, or twice")
                continue
            seen.add(block)
            self._check_leaf(block, low, high)
        missing = len(self._blocks) - len(seen) - len(index_blocks)
        if missing:
            self._findings.append(f"{self._what}: {missing} blocks are not in the index")
        return index_blocks

    def _rows(self, number: int, offset: int, low: int, high: int) -> list[tuple[int, int, int]]:
        """(block, lowest hash, hash behind the highest) of an index block's entries."""
        block = self._blocks[number]
        limit, count = struct.unpack_from("<HH", block, offset)
        room = (len(block) - offset - (DX_TAIL if self._sums else 0)) // DX_ENTRY
        if limit != room or not 0 < count <= limit:
            self._findings.append(f"{self._what}: index block {number} has {count} of {limit} entries, room for {room}")
            return []
        if self._sums:
            tail = offset + limit * DX_ENTRY
            covered = block[: offset + count * DX_ENTRY] + block[tail : tail + 4] + bytes(4)
            if crc(covered, self._seed) != int.from_bytes(block[tail + 4 : tail + 8], "little"):
                self._findings.append(f"{self._what}: wrong checksum of index block {number}")
        places = [DX_ENTRY_STRUCT.unpack_from(block, offset + DX_ENTRY * index) for index in range(count)]
        starts = [low, *(value for value, _ in places[1:])]
        ends = [*starts[1:], high]
        if any(start >= end for start, end in zip(starts, ends, strict=True)):
            self._findings.append(f"{self._what}: index block {number} is not in the order of its hashes")
        return [(place[1], start, end) for place, start, end in zip(places, starts, ends, strict=True)]

    def _check_leaf(self, number: int, low: int, high: int) -> None:
        for name, _ in entries(self._blocks[number], self._number):
            value = directory_hash(name, self._hash_seed, self._version, self._unsigned)
            # An odd border says that names with the even hash below it lie on both sides.
            if value is not None and not (low & ~1) <= value < high:
                self._findings.append(f"{self._what}: {name!r} with hash {value:#x} is in the wrong block {number}")
