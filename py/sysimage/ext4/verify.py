"""Judges an ext4 file system: does everything in it agree with everything else?

Shares nothing with the writer but the layout.
"""

from collections.abc import Iterable

from sysimage.errors import UserError
from sysimage.ext4.layout import (
    BG_BLOCK_UNINIT,
    BG_INODE_UNINIT,
    GROUP_CHECKSUM,
    GROUP_DESCRIPTOR,
    GROUP_DESCRIPTOR_SIZE,
    STATE_CLEAN,
    SUPERBLOCK,
    SUPERBLOCK_SIZE,
    GroupDescriptor,
    Superblock,
)
from sysimage.ext4.verify_inode import InodeChecker
from sysimage.ext4.verify_sums import crc
from sysimage.ext4.verify_tree import TreeChecker
from sysimage.ext4.volume import Volume
from sysimage.extents import ImageReader

_MAX_FINDINGS = 100
_CONSTANT_FIELDS = (
    "s_magic",
    "s_inodes_count",
    "s_blocks_count_lo",
    "s_blocks_count_hi",
    "s_log_block_size",
    "s_blocks_per_group",
    "s_inodes_per_group",
    "s_inode_size",
    "s_desc_size",
    "s_feature_compat",
    "s_feature_incompat",
    "s_feature_ro_compat",
    "s_uuid",
    "s_hash_seed",
    "s_log_groups_per_flex",
)
_SPARSE_BASES = (3, 5, 7)


def verify(reader: ImageReader) -> list[str]:
    """What is wrong with the file system; nothing if it is all right.

    Checked: all metadata checksums; superblock and descriptors against their backups; that no block has
    two owners; bitmaps and counts against what is in use; extent trees, sizes and block counts; extended
    attributes, their hashes and shares; `.` and `..`, entry types, link counts, and that all inodes in use
    are reachable; the order of hashed directories. At most 100 findings are returned.
    """
    try:
        volume = Volume(reader)
    except UserError as error:
        return [error.message]
    if volume.has("bigalloc"):
        return ["the file system allocates clusters of blocks (bigalloc), which cannot be judged here"]
    findings: list[str] = []
    checker = _Checker(volume, findings)
    checker.check_superblock()
    checker.check_groups()
    inodes = InodeChecker(volume, checker.seed, checker.own(), findings)
    checker.check_inodes(inodes)
    inodes.check_shared()
    checker.check_bitmaps(inodes)
    TreeChecker(volume, checker.seed, inodes.inodes, findings).check()
    return findings[:_MAX_FINDINGS]


class _Checker:
    """Superblock, groups and bitmaps."""

    def __init__(self, volume: Volume, findings: list[str]) -> None:
        self.volume = volume
        self.findings = findings
        self.sums = volume.has("metadata_csum")
        fields = volume.superblock
        self.seed = fields.s_checksum_seed if volume.has("metadata_csum_seed") else crc(fields.s_uuid, 0xFFFFFFFF)
        self.descriptors = [volume.descriptor(group) for group in range(volume.groups)]
        self.backups = {0, *(group for group in range(1, volume.groups) if self._has_backup(group))}

    def _has_backup(self, group: int) -> bool:
        fields = self.volume.superblock
        if self.volume.has("sparse_super2"):
            return group in (fields.s_backup_bgs_0, fields.s_backup_bgs_1)
        if not self.volume.has("sparse_super") or group == 1:
            return True
        return any(_is_power(group, base) for base in _SPARSE_BASES)

    def range_of(self, group: int) -> tuple[int, int]:
        """First block of a group, and the block behind it."""
        per_group = self.volume.superblock.s_blocks_per_group
        start = self.volume.first_data_block + group * per_group
        return start, min(start + per_group, self.volume.blocks)

    def check_superblock(self) -> None:
        """Checksum, state, and the backups of superblock and descriptors."""
        volume, data = self.volume, self.volume.superblock_bytes
        if self.sums and crc(data[:-4], 0xFFFFFFFF) != volume.superblock.s_checksum:
            self.findings.append("superblock: wrong checksum")
        if volume.superblock.s_state != STATE_CLEAN:
            self.findings.append(f"superblock: state {volume.superblock.s_state}, expected {STATE_CLEAN} (clean)")
        size = volume.groups * volume.descriptor_size
        table = volume.reader.read(volume.descriptor_start, size)
        for group in sorted(self.backups - {0}):
            start = self.range_of(group)[0] * volume.block_size
            copy = volume.reader.read(start, SUPERBLOCK_SIZE)
            if self.sums and crc(copy[:-4], 0xFFFFFFFF) != int.from_bytes(copy[-4:], "little"):
                self.findings.append(f"backup superblock in group {group}: wrong checksum")
            self._check_copy(Superblock._make(SUPERBLOCK.unpack(copy.ljust(SUPERBLOCK_SIZE, b"\0"))), group)
            backup = volume.reader.read(start + volume.block_size, size)
            if backup != table and self._places(backup) != self._places(table):
                self.findings.append(f"backup descriptors in group {group}: have bitmaps or inode tables elsewhere")

    def _check_copy(self, copy: Superblock, group: int) -> None:
        """What a running system changes, it need not change in the backups: only the rest must be equal."""
        if copy.s_block_group_nr != group:
            self.findings.append(f"backup superblock in group {group}: says it is in group {copy.s_block_group_nr}")
        for name in _CONSTANT_FIELDS:
            said, expected = getattr(copy, name), getattr(self.volume.superblock, name)
            if said != expected:
                self.findings.append(f"backup superblock in group {group}: {name} is {said!r}, expected {expected!r}")

    def _places(self, table: bytes) -> list[tuple[object, ...]]:
        size = self.volume.descriptor_size
        rows = (table[at : at + size].ljust(GROUP_DESCRIPTOR_SIZE, b"\0") for at in range(0, len(table), size))
        fields = (GroupDescriptor._make(GROUP_DESCRIPTOR.unpack(row[:GROUP_DESCRIPTOR_SIZE])) for row in rows)
        return [(_block_bitmap(row), _inode_bitmap(row), _inode_table(row)) for row in fields]

    def check_groups(self) -> None:
        """Checksums of the descriptors."""
        if not self.sums:
            return
        for group, descriptor in enumerate(self.descriptors):
            data = self.volume.descriptor_bytes(group)
            data = data[:GROUP_CHECKSUM] + b"\0\0" + data[GROUP_CHECKSUM + 2 :]
            if crc(group.to_bytes(4, "little") + data, self.seed) & 0xFFFF != descriptor.bg_checksum:
                self.findings.append(f"group {group}: wrong checksum of its descriptor")

    def own(self) -> list[tuple[int, int, str]]:
        """(start, end, what) of the fixed metadata; what lies outside is a finding and left out."""
        volume = self.volume
        first = volume.first_data_block
        table_blocks = -(-volume.superblock.s_inodes_per_group * volume.inode_size // volume.block_size)
        descriptors = -(-volume.groups * volume.descriptor_size // volume.block_size)
        head = 1 + descriptors + volume.superblock.s_reserved_gdt_blocks
        found: list[tuple[int, int, str]] = []
        for group in sorted(self.backups):
            start = self.range_of(group)[0]
            found.append((start, start + head, f"superblock and descriptors in group {group}"))
        for group, fields in enumerate(self.descriptors):
            for place, count, what in (
                (_block_bitmap(fields), 1, "block bitmap"),
                (_inode_bitmap(fields), 1, "inode bitmap"),
                (_inode_table(fields), table_blocks, "inode table"),
            ):
                if first < place and place + count <= volume.blocks:
                    found.append((place, place + count, f"{what} of group {group}"))
                else:
                    self.findings.append(f"group {group}: {what} at block {place}, outside of the file system")
        return found

    def check_inodes(self, inodes: InodeChecker) -> None:
        """Looks at every inode that a bitmap says is in use, and at the inode bitmaps themselves."""
        per_group = self.volume.superblock.s_inodes_per_group
        free = 0
        for group, fields in enumerate(self.descriptors):
            unused = fields.bg_itable_unused_lo | fields.bg_itable_unused_hi << 16
            said_free = fields.bg_free_inodes_count_lo | fields.bg_free_inodes_count_hi << 16
            free += said_free
            if fields.bg_flags & BG_INODE_UNINIT:
                if said_free != per_group:
                    self.findings.append(f"group {group}: {said_free} free inodes, but none is in use")
                continue
            data = self._bitmap(_inode_bitmap(fields), group, "inode")
            self._check_sum(
                data, per_group, (fields.bg_inode_bitmap_csum_lo, fields.bg_inode_bitmap_csum_hi), group, "inode"
            )
            bits = int.from_bytes(data, "little")
            if bits >> per_group != (1 << 8 * self.volume.block_size - per_group) - 1:
                self.findings.append(f"group {group}: inode bitmap is not filled up behind the last inode")
            bits &= (1 << per_group) - 1
            if bits.bit_count() != per_group - said_free:
                self.findings.append(
                    f"group {group}: {said_free} free inodes, {per_group - bits.bit_count()} by its bitmap"
                )
            if self.sums and bits.bit_length() > per_group - unused:
                self.findings.append(f"group {group}: inodes in use among the {unused} never used ones")
            before = inodes.directories
            for index in range(bits.bit_length()):
                if bits >> index & 1:
                    inodes.check(group * per_group + index + 1)
            said = fields.bg_used_dirs_count_lo | fields.bg_used_dirs_count_hi << 16
            if inodes.directories - before != said:
                self.findings.append(f"group {group}: {said} directories, {inodes.directories - before} by its inodes")
        if free != self.volume.superblock.s_free_inodes_count:
            said_free = self.volume.superblock.s_free_inodes_count
            self.findings.append(f"superblock: {said_free} free inodes, {free} by the groups")

    def check_bitmaps(self, inodes: InodeChecker) -> None:
        """Compares block bitmaps and counts with what has an owner."""
        ranges = _without_overlaps(inodes.ranges, self.findings)
        free = 0
        position = 0
        for group, fields in enumerate(self.descriptors):
            start, end = self.range_of(group)
            while position < len(ranges) and ranges[position][1] <= start:
                position += 1
            bits = 0
            at = position
            while at < len(ranges) and ranges[at][0] < end:
                bits |= (1 << min(ranges[at][1], end) - start) - (1 << max(ranges[at][0], start) - start)
                at += 1
            left = end - start - bits.bit_count()
            said = fields.bg_free_blocks_count_lo | fields.bg_free_blocks_count_hi << 16
            free += said
            if said != left:
                self.findings.append(f"group {group}: {said} free blocks, {left} have no owner")
            if fields.bg_flags & BG_BLOCK_UNINIT:
                continue
            data = self._bitmap(_block_bitmap(fields), group, "block")
            per_group = self.volume.superblock.s_blocks_per_group
            self._check_sum(
                data, per_group, (fields.bg_block_bitmap_csum_lo, fields.bg_block_bitmap_csum_hi), group, "block"
            )
            full = 8 * self.volume.block_size
            different = int.from_bytes(data, "little") ^ (bits | (1 << full) - (1 << end - start))
            if different:
                first = (different & -different).bit_length() - 1
                self.findings.append(
                    f"group {group}: block bitmap differs from use in {different.bit_count()} bits, "
                    f"the first is block {start + first}"
                )
        said = self.volume.superblock.s_free_blocks_count_lo
        said |= (self.volume.superblock.s_free_blocks_count_hi << 32) if self.volume.has("64bit") else 0
        if free != said:
            self.findings.append(f"superblock: {said} free blocks, {free} by the groups")

    def _bitmap(self, place: int, group: int, what: str) -> bytes:
        try:
            return self.volume.block(place, f"the {what} bitmap of group {group}")
        except UserError:
            return bytes(self.volume.block_size)  # `own` has said it already

    def _check_sum(self, data: bytes, bits: int, said: tuple[int, int], group: int, what: str) -> None:
        if not self.sums:
            return
        value = crc(data[: bits // 8], self.seed)
        wide = self.volume.descriptor_size > 32
        if (value & 0xFFFF, value >> 16 if wide else said[1]) != said:
            self.findings.append(f"group {group}: wrong checksum of its {what} bitmap")


def _block_bitmap(fields: GroupDescriptor) -> int:
    return fields.bg_block_bitmap_lo | fields.bg_block_bitmap_hi << 32


def _inode_bitmap(fields: GroupDescriptor) -> int:
    return fields.bg_inode_bitmap_lo | fields.bg_inode_bitmap_hi << 32


def _inode_table(fields: GroupDescriptor) -> int:
    return fields.bg_inode_table_lo | fields.bg_inode_table_hi << 32


def _is_power(value: int, base: int) -> bool:
    while value > 1 and value % base == 0:
        value //= base
    return value == 1


def _without_overlaps(ranges: Iterable[tuple[int, int, str]], findings: list[str]) -> list[tuple[int, int]]:
    """The ranges sorted and joined; two owners of one block are a finding."""
    joined: list[tuple[int, int]] = []
    owner = ""
    for start, end, what in sorted(ranges):
        if joined and start < joined[-1][1]:
            findings.append(f"block {start} belongs to {owner}, and to {what}")
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
        owner = what
    return joined
