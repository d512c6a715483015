"""Differences planted in disks and their partitions, each with the exact sentence."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage.explanation.testing import (
    HOSTNAME,
    MIB,
    OTHER_TIME,
    PARTITION,
    bytes_of,
    change,
    content,
    disk,
    fat_volume,
    patched,
    root,
    told,
    volume,
)
from sysimage.extents import ExtentMap

DISK = disk()
SECTORS = PARTITION * 512

# What stands on the other side, and what is said of it.
DISKS = [
    (
        lambda: disk(volume(root(change("etc/hostname", mtime=OTHER_TIME)))),
        [
            (
                "root (partition 3, ext4) inode 15 /etc/hostname: mtime 2025-08-09T00:00:00Z against "
                "2001-01-01T00:00:00Z"
            ),
            "boot (partition 2, ext4) inode 12 /args: has the root hash of root, which differs",
            (
                "root (partition 3, ext4) dm-verity: root hash "
                "dc670a54561af93d6243e8d554194cb1f86a223b4a5f4b403ed753e6ba654a98 against "
                "2521611bf99ca090a1e543db2655f53c228c02b123a6ff2766d6ac84a00919db"
            ),
            "root (partition 3, ext4) dm-verity: 1 of 1 hash blocks differ, first block 20",
        ],
    ),
    (
        lambda: disk(volume(root(content("etc/hostname", HOSTNAME.replace(b"long", b"Long"))))),
        [
            (
                "root (partition 3, ext4) inode 15 /etc/hostname: content differs first at byte 17 of 48 (line "
                '1, byte 69649 of the partition, byte 25235473 of the disk): "l" against "L"'
            ),
            "boot (partition 2, ext4) inode 12 /args: has the root hash of root, which differs",
            (
                "root (partition 3, ext4) dm-verity: root hash "
                "dc670a54561af93d6243e8d554194cb1f86a223b4a5f4b403ed753e6ba654a98 against "
                "9c6711a1eb0a50958a609f08b168adc8889245403b432b6f71d49472a4f12629"
            ),
            "root (partition 3, ext4) dm-verity: 1 of 1 hash blocks differ, first block 20",
        ],
    ),
    (
        lambda: disk(esp=fat_volume(content("grub.cfg", b"set timeout=7\n# \n"))),
        [
            (
                "esp (partition 1, FAT) /grub.cfg: content differs first at byte 12 of 14 against 17 (line 1, "
                'byte 54284 of the partition, byte 8442892 of the disk): "1" against "7"'
            ),
        ],
    ),
    (
        lambda: disk(salt=b"\2" * 32),
        [
            (
                "root (partition 3, ext4) dm-verity superblock: salt "
                "0101010101010101010101010101010101010101010101010101010101010101 against "
                "0202020202020202020202020202020202020202020202020202020202020202"
            ),
            "boot (partition 2, ext4) inode 12 /args: has the root hash of root, which differs",
            (
                "root (partition 3, ext4) dm-verity: root hash "
                "dc670a54561af93d6243e8d554194cb1f86a223b4a5f4b403ed753e6ba654a98 against "
                "150e9d63f82d92cdc8e6ce455e30f3c087a0a90b9097d8387ed4c26cca10b670"
            ),
        ],
    ),
    (
        lambda: disk(guid=10),
        [
            ("GPT header: DiskGUID 00000000-0000-0000-0000-000000000009 against 00000000-0000-0000-0000-00000000000A"),
        ],
    ),
    (
        lambda: disk(entries=lambda number: {"guid": UUID(int=30)} if number == 3 else {}),
        [
            (
                "GPT entry 3: UniquePartitionGUID 00000000-0000-0000-0000-000000000003 against "
                "00000000-0000-0000-0000-00000000001E"
            ),
        ],
    ),
    (
        lambda: disk(entries=lambda number: {"name": "data", "attributes": 4} if number == 4 else {}),
        [
            'GPT entry 4: PartitionName "var" against "data"',
            "GPT entry 4: Attributes 0x0 against 0x4",
        ],
    ),
    (
        lambda: disk(entries=lambda number: {"number": 7} if number == 4 else {}),
        [
            'partition 4 "var" is only in ours',
            'partition 7 "var" is only in theirs',
        ],
    ),
    (
        lambda: patched(DISK, (5, b"abc")),
        [
            'protective MBR: BootCode differs first at byte 5 of 440: 00 00 00 against "abc"',
        ],
    ),
    (
        lambda: patched(DISK, (440, b"abc")),
        [
            "protective MBR: UniqueMBRDiskSignature 0x0 against 0x636261",
        ],
    ),
    (
        lambda: patched(DISK, (512 + 60, b"abc")),
        [
            "GPT of theirs: the primary header (sector 1) has a wrong checksum",
        ],
    ),
    (
        lambda: patched(DISK, (512 + 60, b"abc"), (48 * MIB - 512 + 60, b"abc")),
        [
            "GPT of theirs: the primary header (sector 1) has a wrong checksum",
            (
                "cannot be compared as a disk with a GUID partition table: theirs: no GUID partition table: the "
                "primary header (sector 1) has a wrong checksum; the backup header (sector 98303) has a wrong "
                "checksum"
            ),
            'content differs first at byte 572 of 50331648: 00 00 00 against "abc"',
            "GPT of theirs: the backup header (sector 98303) has a wrong checksum",
        ],
    ),
    (
        lambda: patched(DISK, (100 * 512, b"abc")),
        [
            (
                "between the partitions: what lies there differs first at byte 33792 of 8371200 (byte 51200 of "
                'the disk): 00 00 00 against "abc"'
            ),
        ],
    ),
    (
        lambda: patched(DISK, (4 * SECTORS + 77, b"abc")),
        [
            "var (partition 4): empty against not empty",
            (
                "var (partition 4): content differs first at byte 77 of 8388608 (byte 33554509 of the disk): 00 "
                '00 00 against "abc"'
            ),
        ],
    ),
    (
        lambda: patched(DISK, (3 * SECTORS + 20 * 4096 + 1, b"abc")),
        [
            (
                "root (partition 3, ext4) dm-verity: root hash "
                "dc670a54561af93d6243e8d554194cb1f86a223b4a5f4b403ed753e6ba654a98 against "
                "d972bec5625cf1ca20908c5573d1736d9283a26baa0456a97d06d885c0af9099"
            ),
            "root (partition 3, ext4) dm-verity: 1 of 1 hash blocks differ, first block 20",
        ],
    ),
    (
        lambda: patched(DISK, (3 * SECTORS + 21 * 4096 + 1, b"abc")),
        [
            (
                "root (partition 3, ext4) behind the file system: what lies there differs first at byte 1 of "
                '8302592 (byte 86017 of the partition, byte 25251841 of the disk): 00 00 00 against "abc"'
            ),
        ],
    ),
    (
        lambda: patched(DISK, (3 * SECTORS + 1024 + 56, b"xy")),
        [
            "root (partition 3, ext4): an ext4 file system against neither an image nor an archive",
            (
                "root (partition 3, ext4): content differs first at byte 1080 of 8388608 (byte 25166904 of the "
                'disk): 53 ef against "xy"'
            ),
        ],
    ),
    (
        lambda: patched(DISK, (2 * SECTORS + 1024 + 24, b"\x77")),
        [
            (
                "boot (partition 2, ext4): cannot be compared as an ext4 file system: theirs: the ext4 file "
                "system is damaged: block size 1024 << 119"
            ),
            (
                "boot (partition 2, ext4): content differs first at byte 1048 of 8388608 (byte 16778264 of the "
                'disk): 02 against "w"'
            ),
        ],
    ),
    (
        lambda: bytes_of(DISK)[: 44 * MIB],
        [
            "GPT of theirs: the backup header (sector 90111) has no signature",
            "the disk has 50331648 bytes against 46137344",
        ],
    ),
]


@pytest.mark.parametrize(("other", "sentences"), DISKS)
def test_disks(tmp_path: Path, other: Callable[[], ExtentMap | bytes], sentences: list[str]) -> None:
    assert told(tmp_path, DISK, other()) == sentences


@settings(deadline=None, max_examples=15)
@given(
    at=st.one_of(st.integers(0, 20000), *(st.integers(n * SECTORS, n * SECTORS + 90000) for n in range(1, 4))),
    noise=st.binary(min_size=1, max_size=64),
)
def test_any_damage_is_answered(tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes) -> None:
    damaged = patched(DISK, (at, noise))
    sentences = told(tmp_path_factory.mktemp("damage"), DISK, damaged)
    assert bool(sentences) == (damaged != bytes_of(DISK))
