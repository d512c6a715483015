"""Differences planted in file systems, each named with the exact sentence."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sysimage.explanation.testing import (
    HOSTNAME,
    MTIME,
    OTHER_TIME,
    Change,
    change,
    content,
    fat_volume,
    patched,
    root,
    told,
    volume,
)
from sysimage.tree import Tree, file


def link_moved(tree: Tree) -> None:
    tree.remove("usr/bin/link")
    tree.link("usr/bin/link", "usr/bin/tool")


# What is changed in the tree, and what is said of it.
EXT4 = [
    (
        change("etc/hostname", mtime=OTHER_TIME),
        [
            "inode 15 /etc/hostname: mtime 2025-08-09T00:00:00Z against 2001-01-01T00:00:00Z",
        ],
    ),
    (
        change("etc/hostname", mtime=MTIME + 5),
        [
            "inode 15 /etc/hostname: mtime 2025-08-09T00:00:00Z against 2025-08-09T00:00:00.000000005Z",
        ],
    ),
    (
        change("etc/hostname", mode=0o4755),
        [
            "inode 15 /etc/hostname: mode 0644 against 4755",
        ],
    ),
    (
        change("etc/hostname", uid=1000, gid=70000),
        [
            "inode 15 /etc/hostname: uid 0 against 1000",
            "inode 15 /etc/hostname: gid 0 against 70000",
        ],
    ),
    (
        change("etc/hostname", xattrs={"user.x": b"1"}),
        [
            'inode 15 /etc/hostname: xattr user.x "1" is only in theirs',
        ],
    ),
    (
        content("etc/hostname", HOSTNAME.replace(b"long", b"Long")),
        [
            (
                "inode 15 /etc/hostname: content differs first at byte 17 of 48 (line 1, byte 69649 of the "
                'image): "l" against "L"'
            ),
        ],
    ),
    (
        content("etc/hostname", HOSTNAME.replace(b"second", b"s\xffcond")),
        [
            (
                'inode 15 /etc/hostname: content differs first at byte 37 of 48 (byte 69669 of the image): "e" '
                "against ff"
            ),
        ],
    ),
    (
        content("etc/blob", bytes(range(256)) * 39 + bytes(256)),
        [
            (
                "inode 14 /etc/blob: content differs first at byte 9985 of 10240 (byte 67329 of the image): 01 "
                "02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 ... against 00 00 00 00 00 00 00 00 00 00 00 00 00 "
                "00 00 00 ..."
            ),
        ],
    ),
    (
        content("etc/hostname", HOSTNAME[:-6]),
        [
            (
                "inode 15 /etc/hostname: content differs first at byte 42 of 48 against 42 (line 2, byte 69674 "
                'of the image): " line\\n" against the end'
            ),
        ],
    ),
    (
        content("etc/hostname", HOSTNAME * 200),
        [
            (
                "inode 15 /etc/hostname: content differs first at byte 48 of 48 against 9600 (line 3, byte 69680 "
                'of the image): the end against "a machine with a..."'
            ),
            "2 paths at other blocks: first /etc/hostname, block 17 against blocks 17-19",
            "superblock: s_blocks_count_lo 19 against 21",
        ],
    ),
    (
        lambda tree: tree.remove("usr"),
        [
            "/usr: a directory, with 3 more below, is only in ours",
            "2 paths with another inode number: first /etc/blob, inode 14 against 13",
            "5 paths at other blocks: first /, block 6 against block 5",
            "superblock: s_blocks_count_lo 19 against 15",
            "superblock: s_inodes_count 32 against 16",
            "superblock: s_inodes_per_group 32 against 16",
            "superblock: s_free_inodes_count 14 against 2",
            "superblock: s_overhead_clusters 6 against 5",
        ],
    ),
    (
        lambda tree: tree.add("usr/bin/new", file(b"")),
        [
            "/usr/bin/new: a file is only in theirs",
            "1 path with another inode number: /usr/bin/tool, inode 18 against 19",
            "superblock: s_free_inodes_count 14 against 13",
        ],
    ),
    (
        change("usr/bin/link", target="tail"),
        [
            'inode 17 /usr/bin/link: target "tool" against "tail"',
        ],
    ),
    (
        lambda tree: tree.put("usr/bin/link", file(b"", mtime=MTIME)),
        [
            "inode 17 /usr/bin/link: a symbolic link against a file",
        ],
    ),
    (
        link_moved,
        [
            "inode 17 /usr/bin/link: a symbolic link against a file",
            "inode 18 /usr/bin/tool: one inode under /usr/bin/tool against /usr/bin/link, /usr/bin/tool",
            "1 path with another inode number: /usr/bin/tool, inode 18 against 17",
            "superblock: s_free_inodes_count 14 against 15",
        ],
    ),
]

EXT4_OPTIONS = [
    (
        {"uuid": UUID(int=9)},
        [
            ("superblock: s_uuid 00000000-0000-0000-0000-000000000001 against 00000000-0000-0000-0000-000000000009"),
        ],
    ),
    (
        {"hash_seed": UUID(int=9)},
        [
            (
                "superblock: s_hash_seed 00000000-0000-0000-0000-000000000002 against "
                "00000000-0000-0000-0000-000000000009"
            ),
        ],
    ),
    (
        {"label": "other"},
        [
            'superblock: s_volume_name "root" against "other"',
        ],
    ),
    (
        {"epoch": 1},
        [
            "superblock: s_wtime 2025-08-09T00:00:00Z against 1970-01-01T00:00:01Z",
            "superblock: s_lastcheck 2025-08-09T00:00:00Z against 1970-01-01T00:00:01Z",
            "superblock: s_mkfs_time 2025-08-09T00:00:00Z against 1970-01-01T00:00:01Z",
            "inode 11 /lost+found: mtime 2025-08-09T00:00:00Z against 1970-01-01T00:00:01Z",
        ],
    ),
    (
        {"read_only": True},
        [
            "superblock: the feature read-only is only in theirs",
        ],
    ),
    (
        {"size": 1 << 24},
        [
            "8 paths at other blocks: first /, block 6 against block 69",
            "superblock: s_blocks_count_lo 19 against 4096",
            "superblock: s_inodes_count 32 against 1040",
            "superblock: s_inodes_per_group 32 against 1040",
            "superblock: s_free_blocks_count_lo 0 against 4014",
            "superblock: s_free_inodes_count 14 against 1022",
            "superblock: s_overhead_clusters 6 against 69",
        ],
    ),
]

# Bytes of the volume: superblock, group descriptors, bitmaps, inode 15, a free inode, slack.
EXT4_PATCHES = [
    (
        (18 * 4096 + 96, b"abc"),
        [
            (
                "behind the end of /usr/bin/tool, 1 block: block 18 differs first at byte 96 of 4096 (byte 73824 "
                'of the image): 00 00 00 against "abc"'
            ),
        ],
    ),
    (
        (1024 + 0x2C, b"abcd"),
        [
            "superblock: s_mtime 1970-01-01T00:00:00Z against 2023-05-16T11:00:49Z",
        ],
    ),
    (
        (1024 + 1000, b"x"),
        [
            (
                "superblock: s_reserved from byte 356 on 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ... "
                "against 78 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ..."
            ),
        ],
    ),
    (
        (4096 * 1 + 5, b"abc"),
        [
            (
                "group descriptors, 1 block: block 1 differs first at byte 5 of 4096 (byte 4101 of the image): "
                '00 00 00 against "abc"'
            ),
        ],
    ),
    (
        (4096 * 2, b"x"),
        [
            (
                "block bitmaps, 1 block: block 2 differs first at byte 0 of 4096 (byte 8192 of the image): ff "
                'against "x"'
            ),
        ],
    ),
    (
        (4096 * 3, b"abc"),
        [
            (
                "inode bitmaps, 1 block: block 3 differs first at byte 0 of 4096 (byte 12288 of the image): ff "
                'ff 03 against "abc"'
            ),
        ],
    ),
    (
        (4096 * 4 + 14 * 256 + 0x64, b"abcd"),
        [
            "inode 15 /etc/hostname: i_generation 0 against 1684234849",
        ],
    ),
    (
        (4096 * 4 + 14 * 256 + 0x20, b"\1\2"),
        [
            "inode 15 /etc/hostname: i_flags 0x80000 against 0x80201",
        ],
    ),
    (
        (4096 * 4 + 14 * 256 + 0x0C, b"zz"),
        [
            "inode 15 /etc/hostname: ctime 2025-08-09T00:00:00Z against 2025-08-08T22:30:18Z",
        ],
    ),
    (
        (4096 * 4 + 20 * 256, b"abcd"),
        [
            (
                "inode tables, 1 block: block 5 differs first at byte 1024 of 4096 (byte 21504 of the image): 00 "
                '00 00 00 against "abcd"'
            ),
        ],
    ),
    (
        (4096 * 17 + 48, b"x"),
        [
            (
                "behind the end of /etc/hostname, 1 block: block 17 differs first at byte 48 of 4096 (byte 69680 "
                'of the image): 00 against "x"'
            ),
        ],
    ),
]

FAT = [
    (
        change("grub.cfg", mtime=OTHER_TIME),
        [
            "/grub.cfg: mtime 2025-08-09T00:00:00Z against 2001-01-01T00:00:00Z",
        ],
    ),
    (
        content("grub.cfg", b"set timeout=2\n"),
        [
            '/grub.cfg: the word "timeout=1" against "timeout=2"',
        ],
    ),
    (
        content("grub.cfg", b""),
        [
            (
                "/grub.cfg: content differs first at byte 0 of 14 against 0 (line 1, byte 54272 of the image): "
                '"set timeout=1\\n" against the end'
            ),
            "1 file at other clusters: /grub.cfg, cluster 3 against 0",
        ],
    ),
    (
        lambda tree: tree.add("more", file(b"")),
        [
            "/more: a file is only in theirs",
        ],
    ),
    (
        lambda tree: tree.remove("efi"),
        [
            "/efi: a directory is only in ours",
            "1 file at other clusters: /grub.cfg, cluster 3 against 2",
        ],
    ),
]

FAT_OPTIONS = [
    (
        {"label": "OTHER"},
        [
            'boot sector: BS_VolLab "ESP" against "OTHER"',
        ],
    ),
    (
        {"volume_id": 0xDEADBEEF},
        [
            "boot sector: BS_VolID 00000001 against DEADBEEF",
        ],
    ),
    (
        {"hidden_sectors": 5},
        [
            "boot sector: BPB_HiddSec 0 against 5",
        ],
    ),
]

FAT_PATCHES = [
    (
        (600, b"x"),
        [
            (
                "reserved sectors: what lies there differs first at byte 600 of 4096 (byte 600 of the image): 00 "
                'against "x"'
            ),
        ],
    ),
    (
        (4096 + 300, b"x"),
        [
            (
                "first table: what lies there differs first at byte 300 of 16384 (byte 4396 of the image): 00 "
                'against "x"'
            ),
        ],
    ),
    (
        (20480 + 300, b"x"),
        [
            (
                "second table: what lies there differs first at byte 300 of 16384 (byte 20780 of the image): 00 "
                'against "x"'
            ),
        ],
    ),
    (
        (36864 + 16000, b"x"),
        [
            (
                "root directory: what lies there differs first at byte 16000 of 16384 (byte 52864 of the image): "
                '00 against "x"'
            ),
        ],
    ),
    (
        (53248 + 4096, b"x"),
        [
            (
                "clusters: what lies there differs first at byte 4096 of 8335360 (byte 57344 of the image): 00 "
                'against "x"'
            ),
        ],
    ),
    (
        (36864 + 64 + 12, b"A"),
        [
            "directory entry of /efi: case flags 0x00 against 0x41",
        ],
    ),
    (
        (36864 + 64 + 14, b"A"),
        [
            "directory entry of /efi: time of creation 2025-08-09 00:00:00 against 2025-08-09 00:02:02",
        ],
    ),
    (
        (36864 + 64 + 18, b"A"),
        [
            "directory entry of /efi: date of access 2025-08-09 against 2025-10-01",
        ],
    ),
]


@pytest.mark.parametrize(("plant", "sentences"), EXT4)
def test_ext4_trees(tmp_path: Path, plant: Change, sentences: list[str]) -> None:
    assert told(tmp_path, volume(), volume(root(plant))) == sentences


@pytest.mark.parametrize(("options", "sentences"), EXT4_OPTIONS)
def test_ext4_options(tmp_path: Path, options: dict[str, Any], sentences: list[str]) -> None:
    assert told(tmp_path, volume(), volume(**options)) == sentences


@pytest.mark.parametrize(("patch", "sentences"), EXT4_PATCHES)
def test_ext4_bytes(tmp_path: Path, patch: tuple[int, bytes], sentences: list[str]) -> None:
    assert told(tmp_path, volume(), patched(volume(), patch)) == sentences


@pytest.mark.parametrize(("plant", "sentences"), FAT)
def test_fat_trees(tmp_path: Path, plant: Change, sentences: list[str]) -> None:
    assert told(tmp_path, fat_volume(), fat_volume(plant)) == sentences


@pytest.mark.parametrize(("options", "sentences"), FAT_OPTIONS)
def test_fat_options(tmp_path: Path, options: dict[str, Any], sentences: list[str]) -> None:
    assert told(tmp_path, fat_volume(), fat_volume(**options)) == sentences


@pytest.mark.parametrize(("patch", "sentences"), FAT_PATCHES)
def test_fat_bytes(tmp_path: Path, patch: tuple[int, bytes], sentences: list[str]) -> None:
    assert told(tmp_path, fat_volume(), patched(fat_volume(), patch)) == sentences


def test_equal_volumes(tmp_path: Path) -> None:
    assert told(tmp_path, volume(), volume()) == told(tmp_path, fat_volume(), fat_volume()) == []


def test_what_is_left_out(tmp_path: Path) -> None:
    def everything(tree: Tree) -> None:
        for path, _ in list(tree.walk()):
            tree.change(path, mtime=OTHER_TIME, uid=5)

    sentences = told(tmp_path, volume(), volume(root(everything)), limit=3)
    # One of each kind before a second of any.
    assert sentences == [
        "inode 2 /: uid 0 against 5",
        "inode 2 /: mtime 2025-08-09T00:00:00Z against 2001-01-01T00:00:00Z",
        "inode 12 /etc: uid 0 against 5",
        "13 more differences are left out",
    ]


def test_bytes_that_no_other_difference_accounts_for(tmp_path: Path) -> None:
    size = 4 << 20
    planted = volume(root(change("usr/bin/tool", uid=5)), size=size)
    # Block 33 is /usr/bin/tool's, with 10 bytes of content; block 900 is nobody's.
    theirs = patched(planted, (33 * 4096 + 100, b"slack"), (900 * 4096, b"left over"))
    assert told(tmp_path, volume(size=size), theirs) == [
        "behind the end of /usr/bin/tool, 1 block: block 33 differs first at byte 100 of 4096 (byte 135268 of the "
        'image): 00 00 00 00 00 against "slack"',
        "free blocks, 1 block: block 900 differs first at byte 0 of 4096 (byte 3686400 of the image): "
        '00 00 00 00 00 00 00 00 00 against "left over"',
        "inode 18 /usr/bin/tool: uid 0 against 5",
    ]


def test_files_that_moved_are_not_told_one_by_one(tmp_path: Path) -> None:
    def insert(tree: Tree) -> None:
        tree.add("a", file(bytes(5000), mtime=MTIME))

    assert told(tmp_path, volume(), volume(root(insert))) == [
        "/a: a file is only in theirs",
        "7 paths with another inode number: first /etc, inode 12 against 13",
        "3 paths at other blocks: first /etc/blob, blocks 14-16 against blocks 16-18",
        "superblock: s_blocks_count_lo 19 against 21",
        "superblock: s_free_inodes_count 14 against 13",
    ]
