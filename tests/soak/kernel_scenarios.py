"""The kernel itself: a machine mounts a batch of images, and tells what it sees."""

from pathlib import Path
from random import Random
from typing import Any

from sysimage import fat
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.materialise import write_raw
from sysimage.tree import NodeType, Tree
from tests.interop.kernel.judge import FAT_MOUNT, Rows, differences, digest, expected_row, look, report
from tests.soak import draw, ext4_scenarios, fat_scenarios
from tests.soak.draw import Limits
from tests.soak.scenario import Finding, Scenario

_EXT4_DISKS = ("vda", "vdb", "vdc", "vdd")
_FAT_DISK = "vde"


def batch(random: Random, scratch: Path) -> None:
    """Four ext4 file systems and a FAT in one machine, as hostile as paths of 4096 bytes allow."""
    trees: dict[str, tuple[Tree, int]] = {}
    disks: dict[str, tuple[Path, str]] = {}
    with draw.pattern(random, scratch) as sources:
        for disk in _EXT4_DISKS:
            wanted = ext4_scenarios.options(random)
            tree = draw.tree(random, Limits(nodes=random.choice((30, 300)), sparse=1 << 38, path_max=3000))
            image = ext4_scenarios.plan(tree, wanted)
            if image is not None:
                write_raw(image, sources, scratch / disk)
                trees[disk] = tree, wanted.block_size
                disks[disk] = scratch / disk, "ext4"
        content = fat_scenarios.draw_tree(random)
        try:
            write_raw(fat.plan(content), sources, scratch / _FAT_DISK)
            disks[_FAT_DISK] = scratch / _FAT_DISK, FAT_MOUNT
        except UserError:
            content = Tree()
        # The kernel names disks in their order, whatever we call them.
        names = {disk: f"vd{'abcde'[place]}" for place, disk in enumerate(disks)}
        dumps = look({names[disk]: each for disk, each in disks.items()}, scratch, f"soak-{random.getrandbits(32):08x}")
        for disk, (tree, block_size) in trees.items():
            _compare_ext4(tree, block_size, dumps[names[disk]], sources)
        if _FAT_DISK in disks:
            _compare_fat(content, dumps[names[_FAT_DISK]], sources)


def _compare_ext4(tree: Tree, block_size: int, found: Rows, sources: Sources) -> None:
    wanted = {path: expected_row(tree, path, block_size, sources) for path, _ in tree.walk()}
    wanted[""]["links"] += 1
    lines = differences(wanted, {path: row for path, row in found.items() if path != "lost+found"})
    if lines:
        raise Finding(f"ext4 with blocks of {block_size}, as the kernel reads it: {report(lines)}")


def _compare_fat(tree: Tree, found: Rows, sources: Sources) -> None:
    wanted: dict[str, dict[str, Any]] = {}
    for path, node in tree.walk():
        wanted[path] = {}
        if node.type is NodeType.FILE:
            pieces = [[0, node.size]] if node.size else []
            wanted[path] = {"size": node.size, "data": pieces, "sha256": digest(node, pieces, sources)}
    lines = differences(wanted, found)
    if lines:
        raise Finding(f"FAT, as the kernel reads it: {report(lines)}")


SCENARIOS = (Scenario("kernel-batch", "kernel", batch, 4),)
