"""Differences planted in logical volumes, each with the exact sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import materialise, verity, volumes_testing
from sysimage.explanation import picture
from sysimage.explanation.testing import HOSTNAME, MTIME, NONE, bytes_of, change, content, patched, root, told, volume
from sysimage.extents import ExtentMap
from sysimage.places import EMPTY, Content
from sysimage.tree import Tree, directory, file
from sysimage.volumes_testing import MIB, physical_volume

PLACE = 9 * MIB  # of the physical volume
FIRST = PLACE + MIB  # of its first volume
SIZE = 8 * MIB  # of each


def group(root_volume: ExtentMap | None = None, others: dict[str, Content] | None = None, **fields: Any) -> ExtentMap:
    """A physical volume with boot (ext4, with the root hash), root (ext4 with verity) and var (empty)."""
    protected = verity.plan(root_volume or volume(), NONE, b"\1" * 32, UUID(int=3))
    boot = Tree(directory(mtime=MTIME))
    boot.add("args", file(f"root_hash={protected.root_hash.hex()} quiet\n".encode(), mtime=MTIME))
    volumes: dict[str, Content] = {"boot": volume(boot, label="boot"), "root": protected.map, "var": EMPTY}
    return physical_volume(volumes | (others or {}), **fields)


def disk(held: ExtentMap) -> ExtentMap:
    return volumes_testing.disk(held, esp=ExtentMap.of_bytes(b"esp"))


GROUP = group()
DISK = disk(GROUP)
CASES: list[tuple[Callable[[], ExtentMap | bytes], list[str]]] = [
    (
        lambda: disk(group(volume(root(content("etc/hostname", HOSTNAME.replace(b"long", b"Long")))))),
        [
            (
                "lvm (partition 2, LVM) root (volume, ext4) inode 15 /etc/hostname: content differs first at byte "
                "17 of 48 (line 1, byte 69649 of the volume, byte 9506833 of the partition, byte 18944017 of the "
                'disk): "l" against "L"'
            ),
            ("lvm (partition 2, LVM) boot (volume, ext4) inode 12 /args: has the root hash of lvm/root, which differs"),
            (
                "lvm (partition 2, LVM) root (volume, ext4) dm-verity: root hash "
                "dc670a54561af93d6243e8d554194cb1f86a223b4a5f4b403ed753e6ba654a98 against "
                "9c6711a1eb0a50958a609f08b168adc8889245403b432b6f71d49472a4f12629"
            ),
            "lvm (partition 2, LVM) root (volume, ext4) dm-verity: 1 of 1 hash blocks differ, first block 20",
        ],
    ),
    (
        lambda: disk(group(volume(root(change("etc/hostname", mode=0o600))))),
        [
            "lvm (partition 2, LVM) root (volume, ext4) inode 15 /etc/hostname: mode 0644 against 0600",
            ("lvm (partition 2, LVM) boot (volume, ext4) inode 12 /args: has the root hash of lvm/root, which differs"),
            (
                "lvm (partition 2, LVM) root (volume, ext4) dm-verity: root hash "
                "dc670a54561af93d6243e8d554194cb1f86a223b4a5f4b403ed753e6ba654a98 against "
                "f37100c4d0e208a1ee027c53ec6a98737841029b4f764922764b42c7e408ff92"
            ),
            "lvm (partition 2, LVM) root (volume, ext4) dm-verity: 1 of 1 hash blocks differ, first block 20",
        ],
    ),
    (
        lambda: disk(group(vg_uuid=volumes_testing.uuid(77))),
        [
            (
                'lvm (partition 2, LVM) LVM metadata: id "000001-0000-0000-0000-0000-0000-000000" against '
                '"000077-0000-0000-0000-0000-0000-000000"'
            ),
        ],
    ),
    (
        lambda: disk(group(creation_time=1)),
        [
            "lvm (partition 2, LVM) LVM metadata: creation_time 1754697600 against 1",
            "lvm (partition 2, LVM) LVM metadata: boot/creation_time 1754697600 against 1",
            "lvm (partition 2, LVM) LVM metadata: root/creation_time 1754697600 against 1",
            "lvm (partition 2, LVM) LVM metadata: var/creation_time 1754697600 against 1",
        ],
    ),
    (
        lambda: disk(group(vg="other")),
        [
            'lvm (partition 2, LVM) LVM metadata: name "group" against "other"',
        ],
    ),
    (
        lambda: disk(group(others={"more": EMPTY})),
        [
            "the disk has 38797312 bytes against 47185920",
            'lvm (partition 2, LVM): volume "more" is only in theirs',
            (
                "protective MBR: PartitionRecord[0] 00000200eeffffff01000000ff270100 against "
                "00000200eeffffff01000000ff670100"
            ),
            "GPT header: LastUsableLBA 75742 against 92126",
            "GPT entry 2: EndingLBA 73727 against 90111",
            "lvm (partition 2, LVM) LVM label: device size 28311552 against 36700160",
            "lvm (partition 2, LVM) LVM metadata: physical_volumes/pv0/dev_size 55296 against 71680",
            "lvm (partition 2, LVM) LVM metadata: physical_volumes/pv0/pe_count 26 against 34",
        ],
    ),
    (
        lambda: disk(group(extents=9)),
        [
            "the disk has 38797312 bytes against 41943040",
            (
                "protective MBR: PartitionRecord[0] 00000200eeffffff01000000ff270100 against "
                "00000200eeffffff01000000ff3f0100"
            ),
            "GPT header: LastUsableLBA 75742 against 81886",
            "GPT entry 2: EndingLBA 73727 against 79871",
            "lvm (partition 2, LVM) LVM label: device size 28311552 against 31457280",
            "lvm (partition 2, LVM) LVM metadata: physical_volumes/pv0/dev_size 55296 against 61440",
            "lvm (partition 2, LVM) LVM metadata: physical_volumes/pv0/pe_count 26 against 29",
            "lvm (partition 2, LVM) LVM metadata: boot/segment1/extent_count 8 against 9",
            "lvm (partition 2, LVM) LVM metadata: root/segment1/extent_count 8 against 9",
            'lvm (partition 2, LVM) LVM metadata: root/segment1/stripes "pv0", 8 against "pv0", 9',
            "lvm (partition 2, LVM) LVM metadata: var/segment1/extent_count 8 against 9",
            'lvm (partition 2, LVM) LVM metadata: var/segment1/stripes "pv0", 16 against "pv0", 18',
        ],
    ),
    (
        lambda: patched(DISK, (FIRST + 2 * SIZE + 77, b"abc")),
        [
            "lvm (partition 2, LVM) var (volume): empty against not empty",
            (
                "lvm (partition 2, LVM) var (volume): content differs first at byte 77 of 8388608 (byte 17825869 "
                'of the partition, byte 27263053 of the disk): 00 00 00 against "abc"'
            ),
        ],
    ),
    (
        lambda: patched(DISK, (FIRST + 3 * SIZE + 5, b"abc")),
        [
            (
                "lvm (partition 2, LVM) between the volumes: what lies there differs first at byte 5 of 2097152 "
                '(byte 26214405 of the partition, byte 35651589 of the disk): 00 00 00 against "abc"'
            ),
        ],
    ),
    (
        lambda: patched(DISK, (PLACE + 65536, b"abc")),
        [
            (
                "lvm (partition 2, LVM) label and metadata: what lies there differs first at byte 65536 of 1048576 "
                '(byte 65536 of the partition, byte 9502720 of the disk): 00 00 00 against "abc"'
            ),
        ],
    ),
    (
        lambda: patched(DISK, (PLACE + 512 + 40, b"abc")),
        [
            (
                "lvm (partition 2, LVM): cannot be compared as an LVM physical volume: theirs: the LVM label in "
                "sector 1 has a wrong checksum"
            ),
            (
                "lvm (partition 2, LVM): content differs first at byte 552 of 28311552 (byte 9437736 of the disk): "
                '"000" against "abc"'
            ),
        ],
    ),
    (
        lambda: patched(DISK, (FIRST + 1024 + 56, b"xy")),
        [
            ("lvm (partition 2, LVM) boot (volume, ext4): an ext4 file system against neither an image nor an archive"),
            (
                "lvm (partition 2, LVM) boot (volume, ext4): content differs first at byte 1080 of 8388608 (byte "
                '1049656 of the partition, byte 10486840 of the disk): 53 ef against "xy"'
            ),
        ],
    ),
]


@pytest.mark.parametrize(("other", "sentences"), CASES)
def test_groups(tmp_path: Path, other: Callable[[], ExtentMap | bytes], sentences: list[str]) -> None:
    assert told(tmp_path, DISK, other()) == sentences


def test_a_physical_volume_alone(tmp_path: Path) -> None:
    other = group(volume(root(content("etc/hostname", HOSTNAME.replace(b"long", b"Long")))))
    assert told(tmp_path, GROUP, other)[:2] == [
        "root (volume, ext4) inode 15 /etc/hostname: content differs first at byte 17 of 48 (line 1, byte 69649 of the "
        'volume, byte 9506833 of the image): "l" against "L"',
        "boot (volume, ext4) inode 12 /args: has the root hash of root, which differs",
    ]


def test_volumes_that_differ_are_marked(tmp_path: Path) -> None:
    for name, image in (("ours", DISK), ("theirs", disk(group(others={"more": EMPTY, "root": EMPTY})))):
        materialise.write_raw(image, NONE, tmp_path / name)
    assert picture(tmp_path / "ours", tmp_path / "theirs").splitlines() == [
        "+---------------------------+-------------------------------------------------------------------------------+",
        "|            esp            |                                      lvm                                      |",
        "|                           |###############################################################################|",
        "+---------------------------+-------------------------------------------------------------------------------+",
        "",
        "lvm:",
        "+-----------------------------------+-----------------------------------+----------------------------------+",
        "|                boot               |                root               |               var                |",
        "|                                   |###################################|                                  |",
        "+-----------------------------------+-----------------------------------+----------------------------------+",
        "#: differs",
    ]


@settings(deadline=None, max_examples=15)
@given(
    at=st.one_of(
        st.integers(PLACE, PLACE + 8192), *(st.integers(FIRST + n * SIZE, FIRST + n * SIZE + 90000) for n in range(3))
    ),
    noise=st.binary(min_size=1, max_size=64),
)
def test_any_damage_is_answered(tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes) -> None:
    damaged = patched(DISK, (at, noise))
    sentences = told(tmp_path_factory.mktemp("damage"), DISK, damaged)
    assert bool(sentences) == (damaged != bytes_of(DISK))
