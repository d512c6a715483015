"""What an edit of an ext4 writes: blocks and inodes that are taken and let go, and the sums that follow from that.

Everything stays in memory until `patches`. Blocks are taken from low to high, so the same edit of the same image
gives the same bytes. A block or an inode that is let go becomes zeros: what a file held is nowhere afterwards.
"""

from sysimage.edit.changes import joined
from sysimage.errors import UserError
from sysimage.ext4.checksum import crc32c
from sysimage.ext4.layout import (
    BG_BLOCK_UNINIT,
    BG_INODE_UNINIT,
    BG_INODE_ZEROED,
    GROUP_CHECKSUM,
    GROUP_DESCRIPTOR,
    INODE_CHECKSUM_HI,
    INODE_CHECKSUM_LO,
    SUPERBLOCK,
    SUPERBLOCK_OFFSET,
)
from sysimage.ext4.volume import Volume


class Store:
    """The changed blocks of a volume that was found sound; with sparse_super2, 64bit and metadata_csum."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.seed = crc32c(volume.superblock.s_uuid)
        self._blocks: dict[int, bytearray] = {}
        self._descriptors = [volume.descriptor(group) for group in range(volume.groups)]
        self._used: dict[int, int] = {}  # by group: the bits of its block bitmap
        self._inodes: dict[int, int] = {}  # by group: the bits of its inode bitmap
        self._free_blocks = self._free_inodes = 0  # more than there were

    def seed_of(self, number: int, generation: int) -> int:
        """What checksums of an inode's blocks begin with."""
        return crc32c(number.to_bytes(4, "little") + generation.to_bytes(4, "little"), self.seed)

    def put(self, number: int, data: bytes) -> None:
        """Gives a block its content."""
        self._blocks[number] = bytearray(data.ljust(self.volume.block_size, b"\0"))

    def take(self, count: int) -> list[tuple[int, int]]:
        """(first, count) pieces, together so many blocks: the lowest that are free.

        Raises:
            UserError: so many are not free.
        """
        pieces: list[tuple[int, int]] = []
        missing = count
        for group, descriptor in enumerate(self._descriptors):
            start, end = self._range(group)
            if not missing or not descriptor.bg_free_blocks_count_lo | descriptor.bg_free_blocks_count_hi:
                continue
            free = ~self._block_bits(group) & (1 << end - start) - 1
            while missing and free:
                low = (free & -free).bit_length() - 1
                run = free >> low
                length = min((~run & run + 1).bit_length() - 1, missing)
                bits = (1 << low + length) - (1 << low)
                free &= ~bits
                self._count_blocks(group, self._used[group] | bits)
                pieces.append((start + low, length))
                missing -= length
        if missing:
            raise UserError(
                f"{missing * self.volume.block_size} bytes more are needed than the ext4 file system has free",
                hint="take other files out, or build it with a larger reserve",
            )
        return pieces

    def let_go(self, first: int, count: int) -> None:
        """Frees blocks, and fills them with zeros."""
        for number in range(first, first + count):
            group = (number - self.volume.first_data_block) // self.volume.superblock.s_blocks_per_group
            bits = self._block_bits(group)
            self._count_blocks(group, bits & ~(1 << number - self._range(group)[0]))
            self.put(number, b"")

    def take_inode(self, is_directory: bool) -> int:
        """The lowest number that is free. Errors: there is none."""
        per_group = self.volume.superblock.s_inodes_per_group
        for group, descriptor in enumerate(self._descriptors):
            zeroed = descriptor.bg_flags & BG_INODE_ZEROED or not descriptor.bg_flags & BG_INODE_UNINIT
            free = ~self._inode_bits(group) & (1 << per_group) - 1
            if zeroed and free:
                index = (free & -free).bit_length() - 1
                self._count_inodes(group, self._inodes[group] | 1 << index, is_directory)
                return group * per_group + index + 1
        raise UserError("the ext4 file system has no inode free", hint="build it with a larger reserve")

    def let_go_inode(self, number: int) -> None:
        """Frees the inode of a file, and fills it with zeros."""
        group, index = divmod(number - 1, self.volume.superblock.s_inodes_per_group)
        self._count_inodes(group, self._inode_bits(group) & ~(1 << index), False)
        self._write_inode(number, bytes(self.volume.inode_size))

    def put_inode(self, number: int, data: bytes, generation: int) -> None:
        """Writes all bytes of an inode, with its checksum."""
        raw = bytearray(data.ljust(self.volume.inode_size, b"\0"))
        for place in (INODE_CHECKSUM_LO, INODE_CHECKSUM_HI):
            raw[place : place + 2] = bytes(2)
        value = crc32c(bytes(raw), self.seed_of(number, generation))
        raw[INODE_CHECKSUM_LO : INODE_CHECKSUM_LO + 2] = (value & 0xFFFF).to_bytes(2, "little")
        raw[INODE_CHECKSUM_HI : INODE_CHECKSUM_HI + 2] = (value >> 16).to_bytes(2, "little")
        self._write_inode(number, raw)

    def patches(self) -> dict[int, bytes]:
        """All that becomes different, by its offset in bytes."""
        self._seal_groups()
        self._seal_superblock()
        size = self.volume.block_size
        changed = (
            (number * size, bytes(data))
            for number, data in sorted(self._blocks.items())
            if data != self.volume.reader.read(number * size, size)
        )
        return joined(changed)

    def _block(self, number: int) -> bytearray:
        size = self.volume.block_size
        if number not in self._blocks:
            self._blocks[number] = bytearray(self.volume.reader.read(number * size, size))
        return self._blocks[number]

    def _write(self, offset: int, data: bytes | bytearray) -> None:
        """Bytes within one block."""
        number, place = divmod(offset, self.volume.block_size)
        self._block(number)[place : place + len(data)] = data

    def _write_inode(self, number: int, data: bytes | bytearray) -> None:
        group, index = divmod(number - 1, self.volume.superblock.s_inodes_per_group)
        fields = self._descriptors[group]
        table = fields.bg_inode_table_lo | fields.bg_inode_table_hi << 32
        self._write(table * self.volume.block_size + index * self.volume.inode_size, data)

    def _range(self, group: int) -> tuple[int, int]:
        per_group = self.volume.superblock.s_blocks_per_group
        start = self.volume.first_data_block + group * per_group
        return start, min(start + per_group, self.volume.blocks)

    def _block_bits(self, group: int) -> int:
        if group not in self._used:
            fields = self._descriptors[group]
            if fields.bg_flags & BG_BLOCK_UNINIT:
                self._used[group] = self._fixed(group)
            else:
                place = fields.bg_block_bitmap_lo | fields.bg_block_bitmap_hi << 32
                start, end = self._range(group)
                bits = int.from_bytes(self.volume.block(place, "a block bitmap"), "little")
                self._used[group] = bits & (1 << end - start) - 1
        return self._used[group]

    def _fixed(self, group: int) -> int:
        """The bits of a group without a bitmap: its backup, and what it holds of bitmaps and inode tables."""
        volume = self.volume
        start, end = self._range(group)
        places: list[tuple[int, int]] = []
        if group in (volume.superblock.s_backup_bgs_0, volume.superblock.s_backup_bgs_1):
            places.append((start, 1 - (-volume.groups * volume.descriptor_size // volume.block_size)))
        table = -(-volume.superblock.s_inodes_per_group * volume.inode_size // volume.block_size)
        for fields in self._descriptors:
            places.append((fields.bg_block_bitmap_lo | fields.bg_block_bitmap_hi << 32, 1))
            places.append((fields.bg_inode_bitmap_lo | fields.bg_inode_bitmap_hi << 32, 1))
            places.append((fields.bg_inode_table_lo | fields.bg_inode_table_hi << 32, table))
        bits = 0
        for first, count in places:
            low, high = max(first, start) - start, min(first + count, end) - start
            if low < high:
                bits |= (1 << high) - (1 << low)
        return bits

    def _inode_bits(self, group: int) -> int:
        if group not in self._inodes:
            fields = self._descriptors[group]
            place = fields.bg_inode_bitmap_lo | fields.bg_inode_bitmap_hi << 32
            bits = 0
            if not fields.bg_flags & BG_INODE_UNINIT:
                bits = int.from_bytes(self.volume.block(place, "an inode bitmap"), "little")
            self._inodes[group] = bits & (1 << self.volume.superblock.s_inodes_per_group) - 1
        return self._inodes[group]

    def _count_blocks(self, group: int, bits: int) -> None:
        change = self._used[group].bit_count() - bits.bit_count()
        self._used[group] = bits
        self._free_blocks += change
        fields = self._descriptors[group]
        free = (fields.bg_free_blocks_count_lo | fields.bg_free_blocks_count_hi << 16) + change
        self._descriptors[group] = fields._replace(
            bg_free_blocks_count_lo=free & 0xFFFF,
            bg_free_blocks_count_hi=free >> 16,
            bg_flags=fields.bg_flags & ~BG_BLOCK_UNINIT,
        )

    def _count_inodes(self, group: int, bits: int, is_directory: bool) -> None:
        change = self._inodes[group].bit_count() - bits.bit_count()
        self._inodes[group] = bits
        self._free_inodes += change
        fields = self._descriptors[group]
        free = (fields.bg_free_inodes_count_lo | fields.bg_free_inodes_count_hi << 16) + change
        folders = (fields.bg_used_dirs_count_lo | fields.bg_used_dirs_count_hi << 16) + is_directory
        unused = fields.bg_itable_unused_lo | fields.bg_itable_unused_hi << 16
        unused = min(unused, self.volume.superblock.s_inodes_per_group - bits.bit_length())
        self._descriptors[group] = fields._replace(
            bg_free_inodes_count_lo=free & 0xFFFF,
            bg_free_inodes_count_hi=free >> 16,
            bg_used_dirs_count_lo=folders & 0xFFFF,
            bg_used_dirs_count_hi=folders >> 16,
            bg_itable_unused_lo=unused & 0xFFFF,
            bg_itable_unused_hi=unused >> 16,
            bg_flags=fields.bg_flags & ~BG_INODE_UNINIT,
        )

    def _seal_groups(self) -> None:
        """Bitmaps, their checksums, and the descriptors that have them."""
        volume = self.volume
        per_group = volume.superblock.s_inodes_per_group
        for group, fields in enumerate(self._descriptors):
            if group in self._used and not fields.bg_flags & BG_BLOCK_UNINIT:
                start, end = self._range(group)
                place = fields.bg_block_bitmap_lo | fields.bg_block_bitmap_hi << 32
                value = self._seal_bitmap(
                    place, self._used[group], end - start, volume.superblock.s_blocks_per_group // 8
                )
                fields = fields._replace(bg_block_bitmap_csum_lo=value & 0xFFFF, bg_block_bitmap_csum_hi=value >> 16)
            if group in self._inodes and not fields.bg_flags & BG_INODE_UNINIT:
                place = fields.bg_inode_bitmap_lo | fields.bg_inode_bitmap_hi << 32
                value = self._seal_bitmap(place, self._inodes[group], per_group, per_group // 8)
                fields = fields._replace(bg_inode_bitmap_csum_lo=value & 0xFFFF, bg_inode_bitmap_csum_hi=value >> 16)
            data = GROUP_DESCRIPTOR.pack(*fields._replace(bg_checksum=0))
            data += volume.descriptor_bytes(group)[len(data) :]
            value = crc32c(group.to_bytes(4, "little") + data, self.seed) & 0xFFFF
            data = data[:GROUP_CHECKSUM] + value.to_bytes(2, "little") + data[GROUP_CHECKSUM + 2 :]
            self._write(volume.descriptor_start + group * volume.descriptor_size, data)

    def _seal_bitmap(self, place: int, bits: int, count: int, covered: int) -> int:
        full = bits | (1 << 8 * self.volume.block_size) - (1 << count)
        data = full.to_bytes(self.volume.block_size, "little")
        self.put(place, data)
        return crc32c(data[:covered], self.seed)

    def _seal_superblock(self) -> None:
        fields = self.volume.superblock
        free = (fields.s_free_blocks_count_lo | fields.s_free_blocks_count_hi << 32) + self._free_blocks
        changed = fields._replace(
            s_free_blocks_count_lo=free & 0xFFFFFFFF,
            s_free_blocks_count_hi=free >> 32,
            s_free_inodes_count=fields.s_free_inodes_count + self._free_inodes,
        )
        data = SUPERBLOCK.pack(*changed)[:-4]
        self._write(SUPERBLOCK_OFFSET, data + crc32c(data).to_bytes(4, "little"))
