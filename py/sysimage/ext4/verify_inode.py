"""Judges inodes one by one: checksum, extents, sizes, attributes; notes who owns which block."""

import stat

from sysimage.errors import UserError
from sysimage.ext4.layout import (
    EXTENT_HEADER,
    EXTENT_SIZE,
    FIRST_INODE,
    FLAG_EXTENTS,
    FLAG_HUGE_FILE,
    GOOD_OLD_INODE_SIZE,
    INODE_CHECKSUM_HI,
    INODE_CHECKSUM_LO,
    ROOT_INODE,
    SECTOR,
    XATTR_BLOCK_HEADER,
    XATTR_CHECKSUM,
    XattrBlockHeader,
)
from sysimage.ext4.read_inode import (
    StoredXattr,
    block_xattrs,
    extent_nodes,
    inline_xattrs,
    size_of,
    xattr_block_of,
)
from sysimage.ext4.verify_sums import crc, xattr_block_hash, xattr_hashes
from sysimage.ext4.volume import RawInode, Volume

_RESIZE_INODE = 7
_DOUBLE_INDIRECT = 13 * 4  # offset of that block's number in i_block
_WITH_EXTENTS = (stat.S_IFREG, stat.S_IFDIR)
_TYPES = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)


class InodeChecker:
    """Checks inodes and gathers what the other checks need.

    inodes: those in use, by number; reserved ones without content are left out.
    ranges: (start, end, owner) of all blocks in use.
    directories: how many were seen.
    """

    def __init__(self, volume: Volume, seed: int, own: list[tuple[int, int, str]], findings: list[str]) -> None:
        self.volume = volume
        self.findings = findings
        self.inodes: dict[int, RawInode] = {}
        self.ranges = own
        self.directories = 0
        self._seed = seed
        self._sums = volume.has("metadata_csum")
        self._shared: dict[int, list[int]] = {}  # attribute block: inodes
        self._references: dict[int, int] = {}  # attribute block: as many as it says

    def check(self, number: int) -> None:
        """Judges one inode that is in use."""
        try:
            inode = self.volume.inode(number, f"inode {number}")
            if number < FIRST_INODE and not any(inode.data):
                return
            self._check_checksum(inode)
            if number == _RESIZE_INODE:
                place = int.from_bytes(inode.fields.i_block[_DOUBLE_INDIRECT : _DOUBLE_INDIRECT + 4], "little")
                self.ranges.append((place, place + 1, "the resize inode"))
                return
            if number < FIRST_INODE and number != ROOT_INODE and not inode.fields.i_links_count:
                return
            self._check_fields(inode)
        except UserError as error:
            self.findings.append(f"inode {number}: {error.message}")

    def _check_checksum(self, inode: RawInode) -> None:
        if not self._sums:
            return
        data = bytearray(inode.data)
        fields = inode.fields
        said = fields.i_checksum_lo
        data[INODE_CHECKSUM_LO : INODE_CHECKSUM_LO + 2] = bytes(2)
        mask = 0xFFFF
        if len(data) > GOOD_OLD_INODE_SIZE and fields.i_extra_isize >= INODE_CHECKSUM_HI + 2 - GOOD_OLD_INODE_SIZE:
            data[INODE_CHECKSUM_HI : INODE_CHECKSUM_HI + 2] = bytes(2)
            said |= fields.i_checksum_hi << 16
            mask = 0xFFFFFFFF
        if crc(bytes(data), self.seed_of(inode)) & mask != said:
            self.findings.append(f"inode {inode.number}: wrong checksum")

    def seed_of(self, inode: RawInode) -> int:
        """What checksums of an inode's blocks start from."""
        return crc(inode.number.to_bytes(4, "little") + inode.fields.i_generation.to_bytes(4, "little"), self._seed)

    def _check_fields(self, inode: RawInode) -> None:
        fields, number = inode.fields, inode.number
        kind = stat.S_IFMT(fields.i_mode)
        if kind not in _TYPES:
            self.findings.append(f"inode {number}: mode {fields.i_mode:o} is of no known type")
            return
        self.inodes[number] = inode
        self.directories += kind == stat.S_IFDIR
        if not fields.i_links_count:
            self.findings.append(f"inode {number}: in use, but without links")
        blocks = 0
        if fields.i_flags & FLAG_EXTENTS:
            blocks = self._check_extents(inode, kind)
        elif kind in _WITH_EXTENTS:
            self.findings.append(f"inode {number}: without extents")
        blocks += self._check_xattrs(inode)
        unit = 1 if fields.i_flags & FLAG_HUGE_FILE else self.volume.block_size // SECTOR
        said = fields.i_blocks_lo | fields.i_blocks_high << 32
        if said != blocks * unit:
            self.findings.append(f"inode {number}: i_blocks is {said}, expected {blocks * unit}")

    def _check_extents(self, inode: RawInode, kind: int) -> int:
        """The number of blocks in use, those of the tree among them."""
        total = end = 0
        number, size = inode.number, self.volume.block_size
        for place, data, found in extent_nodes(self.volume, inode):
            if place:
                self.ranges.append((place, place + 1, f"the extent tree of inode {number}"))
                total += 1
                # The checksum lies behind as many entries as fit.
                tail = EXTENT_HEADER.size + (size - EXTENT_HEADER.size) // EXTENT_SIZE * EXTENT_SIZE
                said = int.from_bytes(data[tail : tail + 4], "little")
                if self._sums and crc(data[:tail], self.seed_of(inode)) != said:
                    self.findings.append(f"inode {number}: wrong checksum of extent tree node {place}")
            for stretch in found:
                self.ranges.append((stretch.physical, stretch.physical + stretch.length, f"inode {number}"))
                total += stretch.length
                if not stretch.unwritten:
                    end = stretch.logical + stretch.length
        if end > -(-size_of(inode) // size):
            self.findings.append(f"inode {number}: has block {end - 1}, its size is {size_of(inode)} bytes")
        if kind == stat.S_IFDIR and size_of(inode) != end * size:
            self.findings.append(f"inode {number}: a directory of {size_of(inode)} bytes in {end} blocks")
        return total

    def _check_xattrs(self, inode: RawInode) -> int:
        """1 if there is a block of attributes, else 0."""
        self._check_hashes(inode.number, inline_xattrs(inode))
        place = xattr_block_of(inode)
        if not place:
            return 0
        users = self._shared.setdefault(place, [])
        users.append(inode.number)
        if len(users) > 1:
            return 1
        found = block_xattrs(self.volume, inode)
        data = self.volume.block(place, "an attribute block")
        header = XattrBlockHeader._make(XATTR_BLOCK_HEADER.unpack_from(data))
        self._references[place] = header.h_refcount
        self._check_hashes(inode.number, found)
        bare = data[:XATTR_CHECKSUM] + bytes(4) + data[XATTR_CHECKSUM + 4 :]
        if self._sums and crc(place.to_bytes(8, "little") + bare, self._seed) != header.h_checksum:
            self.findings.append(f"attribute block {place}: wrong checksum")
        if header.h_hash != xattr_block_hash([each.hash for each in found]):
            self.findings.append(f"attribute block {place}: wrong hash")
        keys = [(each.index, len(each.name), each.name) for each in found]
        if keys != sorted(keys):
            self.findings.append(f"attribute block {place}: entries out of order")
        self.ranges.append((place, place + 1, f"attributes of inode {inode.number}"))
        return 1

    def _check_hashes(self, number: int, found: list[StoredXattr]) -> None:
        names = [(each.index, each.name) for each in found]
        if len(set(names)) < len(names):
            self.findings.append(f"inode {number}: an extended attribute appears twice")
        for each in found:
            if each.hash and each.hash not in xattr_hashes(each.name, each.value):
                self.findings.append(f"inode {number}: wrong hash of extended attribute {each.full_name!r}")

    def check_shared(self) -> None:
        """Compares the reference counts of attribute blocks with the inodes that name them."""
        for place, users in sorted(self._shared.items()):
            said = self._references.get(place)
            if said is not None and said != len(users):
                self.findings.append(f"attribute block {place}: {said} references, {len(users)} inodes have it")
