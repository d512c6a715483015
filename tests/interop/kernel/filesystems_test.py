"""The kernel's own drivers read what our writers wrote, and everything they say is compared.

One machine, four disks: ext4 with blocks of 4096 and of 1024 bytes, with the tree that is made to be hostile;
FAT32 and FAT16 with all that FAT can hold.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest

from sysimage import fat, tree
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan as plan_ext4
from sysimage.extents import ExtentMap, Sources
from sysimage.materialise import write_raw
from sysimage.tree import NANOSECONDS, NodeType, Tree
from tests.interop.ext4 import hostile_tree
from tests.interop.kernel.judge import FAT_MOUNT, Rows, differences, digest, expected_row, look, report

EPOCH = 1754697600
FAT_MODE = 0o755  # as the mount options of the kernel have it; FAT has no modes
# What blocks of 1024 bytes have no room for: attributes, targets and a file of 16 TiB.
TOO_LARGE = ("largest", "both", "many", "to-1024", "to-4094", "to-4095", "last-block")

SMALL_BLOCK = 1024
EXT4_BLOCKS = {"vda": 4096, "vdb": SMALL_BLOCK}
FAT_TYPES = {"vdc": fat.FatType.FAT32, "vdd": fat.FatType.FAT16}


def fat_tree() -> Tree:
    """What FAT can hold: long and short names, any case, deep and large directories, sizes around clusters."""
    content = Tree()
    second = 2 * NANOSECONDS  # the finest that FAT keeps
    names = [
        "A",
        "a.b",
        "README.TXT",
        "readme2.txt",
        "Mixed Case.Txt",
        "no-extension",
        ".hidden",
        "two..dots",
        "x" * 255,
    ]
    names += [
        "ü.txt",
        "日本語の名前.txt",
        "emoji \U0001f600",
        "TRAILING~1.TXT",
        "trailing long one.txt",
        "plus+comma,semi;=[].t",
    ]
    for index, name in enumerate(names):
        data = ExtentMap.of_slice(hostile_tree.PATTERN_KEY, index * 512, index * 300)
        content.put(f"names/{name}", tree.file(data, mtime=EPOCH * NANOSECONDS + index * second))
    for size in (0, 1, 511, 512, 513, 4095, 4096, 4097, 65536, 1 << 20, 3_000_000):
        data = ExtentMap.of_slice(hostile_tree.PATTERN_KEY, 7, size)
        content.put(f"sizes/{size}", tree.file(data, mtime=315532800 * NANOSECONDS))
    for index in range(2000):
        content.put(f"many/entry number {index}", tree.file(b"%d" % index, mtime=4354819198 * NANOSECONDS))
    deep = "deep/" + "/".join(f"level {level}" for level in range(40))
    content.put(f"{deep}/bottom", tree.file(b"bottom", mtime=EPOCH * NANOSECONDS))
    content.put("empty", tree.directory(mtime=EPOCH * NANOSECONDS))
    return content


def ext4_image(block_size: int) -> ExtentMap:
    options = Ext4Options(UUID(int=1), UUID(int=2), EPOCH, block_size=block_size, label="hostile")
    return plan_ext4(ext4_tree(block_size), options)


def ext4_tree(block_size: int) -> Tree:
    """The hostile tree, less what smaller blocks cannot hold."""
    content = hostile_tree.build()
    if block_size == SMALL_BLOCK:
        for at in [at for at, _ in content.walk() if tree.basename(at) in TOO_LARGE]:
            content.remove(at)
    return content


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    pattern = tmp_path_factory.mktemp("pattern") / "pattern"
    hostile_tree.write_pattern(pattern)
    with Sources({hostile_tree.PATTERN_KEY: pattern}) as found:
        yield found


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory, sources: Sources) -> Mapping[str, Rows]:
    """What the kernel said: for each disk, path to row."""
    scratch = tmp_path_factory.mktemp("machine")
    images = {disk: ext4_image(block_size) for disk, block_size in EXT4_BLOCKS.items()}
    images |= {disk: fat.plan(fat_tree(), fat.Options(type=kind, label="FAT")) for disk, kind in FAT_TYPES.items()}
    for disk, image in images.items():
        write_raw(image, sources, scratch / disk)
    disks = {disk: (scratch / disk, "ext4") for disk in EXT4_BLOCKS}
    disks |= {disk: (scratch / disk, FAT_MOUNT) for disk in FAT_TYPES}
    return look(disks, scratch, "filesystems")


@pytest.mark.parametrize("disk", EXT4_BLOCKS)
def test_ext4_reads_back_as_it_was_written(disk: str, dumps: Mapping[str, Rows], sources: Sources) -> None:
    block_size = EXT4_BLOCKS[disk]
    content = ext4_tree(block_size)
    wanted = {at: expected_row(content, at, block_size, sources) for at, _ in content.walk()}
    found = dict(dumps[disk])
    assert found.pop("lost+found")["mode"] == 0o40700
    wanted[""]["links"] += 1
    lines = differences(wanted, found)
    assert not lines, report(lines)


@pytest.mark.parametrize("disk", EXT4_BLOCKS)
def test_ext4_hard_links_are_one_inode(disk: str, dumps: Mapping[str, Rows]) -> None:
    content = ext4_tree(EXT4_BLOCKS[disk])
    found = dumps[disk]
    by_inode: dict[int, set[str]] = defaultdict(set)
    for at, row in found.items():
        by_inode[row["inode"]].add(at)
    for at, _ in content.walk():
        assert by_inode[found[at]["inode"]] == set(content.links(at)), at


@pytest.mark.parametrize("disk", FAT_TYPES)
def test_fat_reads_back_as_it_was_written(disk: str, dumps: Mapping[str, Rows], sources: Sources) -> None:
    content = fat_tree()
    wanted: dict[str, dict[str, Any]] = {}
    for at, node in content.walk():
        row: dict[str, Any] = {"mode": node.type.format_bits | FAT_MODE, "uid": 0, "gid": 0}
        if at:  # the root has no entry, so no time
            row["mtime"] = max(node.mtime, 315532800 * NANOSECONDS)
        if node.type is NodeType.FILE:
            pieces = [[0, node.size]] if node.size else []
            row |= {"size": node.size, "data": pieces, "sha256": digest(node, pieces, sources)}
        wanted[at] = row
    lines = differences(wanted, dumps[disk])
    assert not lines, report(lines)


@pytest.mark.parametrize("field", ["mode", "uid", "gid", "mtime", "links", "xattrs", "size", "data", "sha256"])
def test_comparison_sees_every_field(field: str, dumps: Mapping[str, Rows], sources: Sources) -> None:
    """A comparison that looks away would pass everything."""
    at = "contents/hole-middle"
    wanted = expected_row(ext4_tree(4096), at, 4096, sources)
    found = dumps["vda"][at]
    assert differences({at: wanted}, {at: found}) == []
    assert len(differences({at: wanted}, {at: found | {field: "something else"}})) == 1
