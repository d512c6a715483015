"""A disk with the partitions of SetupOS, for tests: small, and made by our own planners."""

import hashlib
from pathlib import Path
from typing import Final
from uuid import UUID

from configure.contents import MAY_SKIP, VERSION
from sysimage import ext4, fat, gpt, sparse_tar
from sysimage.ext4.testing import options
from sysimage.extents import ExtentMap, Sources
from sysimage.fat import FatType, Options
from sysimage.gpt import Layout, Partition
from sysimage.materialise import open_output, write_raw
from sysimage.tree import Tree, directory, file

NONE: Final = Sources({})
MIB: Final = 1 << 20
SECTORS: Final = MIB // 512
TIME: Final = 1_700_000_000_000_000_000
BASIC: Final = UUID("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
LINUX: Final = UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
LAYOUT: Final = Layout(
    UUID(int=1),
    88 * SECTORS,
    (
        Partition(1, "config", SECTORS, 50 * SECTORS, BASIC, UUID(int=2)),
        Partition(2, "data", 51 * SECTORS, 24 * SECTORS, LINUX, UUID(int=3)),
        Partition(3, "root", 75 * SECTORS, 12 * SECTORS, LINUX, UUID(int=4)),
    ),
)
CONFIG_INI: Final = b"# network\nipv6_prefix=2a00:fb01:400:200\nipv6_gateway=2a00:fb01:400:200::1\n"
DEPLOYMENT: Final = b'{"deployment": {"name": "mainnet"}, "resources": {"memory": 490}}\n'
CHILD: Final = b"child" * 1_500_000


def disk(dev: bool = True, config: bytes = CONFIG_INI) -> ExtentMap:
    """The disk, of a variant for development or of production."""
    trees = [Tree(directory(mtime=TIME)) for _ in range(3)]

    def put(tree: Tree, path: str, data: bytes) -> None:
        tree.make_directories(path.rpartition("/")[0], mtime=TIME)
        tree.put(path, file(data, mtime=TIME))

    put(trees[0], "config.ini", config)
    put(trees[0], "setupos.log", b"a log\n")
    put(trees[1], "deployment.json", DEPLOYMENT)
    for name in ("host-os.img.tar.zst", "guest-os.img.tar.zst"):
        put(trees[1], name, CHILD + name.encode())
        put(trees[1], f"{name}.sha256", hashlib.sha256(CHILD + name.encode()).hexdigest().encode() + b"  x\n")
    put(trees[2], VERSION, b"1.2.3\n")
    if dev:
        put(trees[2], MAY_SKIP, b"\n")
    contents = {
        "config": fat.plan(trees[0], Options(50 * MIB, FatType.FAT32, label="CONFIG", hidden_sectors=SECTORS)),
        "data": ext4.plan(trees[1], options(size=24 * MIB)),
        "root": ext4.plan(trees[2], options(size=12 * MIB)),
    }
    return gpt.plan(LAYOUT, contents)


def image(path: Path, dev: bool = True, config: bytes = CONFIG_INI) -> Path:
    """The disk as a file: an archive if the name ends in .zst, else raw."""
    if path.suffix == ".zst":
        with open_output(path, True) as sink:
            sparse_tar.write([sparse_tar.Member("disk.img", disk(dev, config))], NONE, sink)
    else:
        write_raw(disk(dev, config), NONE, path)
    return path
