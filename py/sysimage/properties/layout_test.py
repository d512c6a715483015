"""Layouts: a real disk is the one of its table, and each way in which it is another one is told."""

from pathlib import Path
from uuid import UUID

import pytest

from sysimage import ext4, fat, gpt, materialise, tree
from sysimage.errors import UserError
from sysimage.ext4 import Ext4Options
from sysimage.extents import ExtentMap, Sources
from sysimage.fat import Options as FatOptions
from sysimage.gpt import Layout, Partition
from sysimage.properties import layout
from sysimage.properties.testing import told
from sysimage.tree import Tree

LINUX, EFI = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4"), UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
TABLE = f"""\
# A disk of 13 MiB.
type linux {LINUX}
type efi {EFI}
disk 00000000-0000-0000-0000-000000000001 13631488
1 esp 2048 10240 efi 00000000-0000-0000-0000-000000000002 vfat
2 root 12288 8192 linux 00000000-0000-0000-0000-000000000003 ext4
3 var 20480 2048 linux 00000000-0000-0000-0000-000000000004 empty
4 raw 22528 2048 linux 00000000-0000-0000-0000-000000000005 unknown
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Tree()
    made.add("file", tree.file(b"content"))
    partitions = (
        Partition(1, "esp", 2048, 10240, EFI, UUID(int=2)),
        Partition(2, "root", 12288, 8192, LINUX, UUID(int=3)),
        Partition(3, "var", 20480, 2048, LINUX, UUID(int=4)),
        Partition(4, "raw", 22528, 2048, LINUX, UUID(int=5)),
    )
    contents: dict[str, ExtentMap | gpt.Empty] = {
        "esp": fat.plan(made, FatOptions(label="ESP", size=10240 * 512, volume_id=1)),
        "root": ext4.plan(made, Ext4Options(label="root", uuid=LINUX, hash_seed=LINUX, epoch=0)),
        "var": gpt.EMPTY,
        "raw": ExtentMap.of_bytes(bytes(4096) + b"something"),
    }
    path = tmp_path_factory.mktemp("disk") / "disk.img"
    materialise.write_raw(gpt.plan(Layout(UUID(int=1), 26624, partitions), contents), Sources({}), path)
    return path


def test_a_disk_is_that_of_its_table(disk: Path, tmp_path: Path) -> None:
    assert told(disk, tmp_path, TABLE) == []


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("000001 13631488", "000001 13631489", ["the disk has 13631488 bytes, not 13631489"]),
        (
            "disk 0",
            "disk 1",
            ["the disk has the GUID 00000000-0000-0000-0000-000000000001, not 10000000-0000-0000-0000-000000000001"],
        ),
        ("root 12288", "root 12289", ["partition 2 (root): first sector is 12288, not 12289"]),
        ("12288 8192", "12288 8191", ["partition 2 (root): size in sectors is 8192, not 8191"]),
        ("8192 linux", "8192 efi", [f"partition 2 (root): type is {str(LINUX).upper()}, not {str(EFI).upper()}"]),
        (
            "000000003 ext4",
            "000000009 ext4",
            [
                "partition 2 (root): GUID is 00000000-0000-0000-0000-000000000003, "
                "not 00000000-0000-0000-0000-000000000009"
            ],
        ),
        ("2 root", "2 A_root", ["partition 2 (A_root): name is root, not A_root"]),
        ("03 ext4", "03 xfs", ["partition 2 (root): content is ext4, not xfs"]),
        ("05 unknown", "05 empty", ["partition 4 (raw): content is unknown, not empty"]),
        ("04 empty", "04 ext4", ["partition 3 (var): content is empty, not ext4"]),
        ("4 raw", "5 raw", ["partition 5 (raw) is missing", "partition 4 (raw) is one too many"]),
    ],
)
def test_another_disk(disk: Path, tmp_path: Path, old: str, new: str, messages: list[str]) -> None:
    assert TABLE.count(old) == 1
    assert told(disk, tmp_path, TABLE.replace(old, new)) == messages


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "1 esp 2048",
            ":1: this is no line of a layout: '1 esp 2048' (hint: 'type NAME GUID', 'disk GUID BYTES', 'vg ...', "
            "'pv ...', 'lv ...', or number, name, start, sectors, type, GUID and content)",
        ),
        (
            "1 esp 2048 1 efi 0 vfat",
            ":1: type 'efi' is not explained (hint: a line 'type efi GUID' before it)",
        ),
        ("type efi x", ":1: 'x' is not a GUID"),
        (f"disk {LINUX} 13MiB", ":1: '13MiB' is not a number"),
        ("# nothing", ": there is no disk line (hint: 'disk GUID BYTES')"),
    ],
)
def test_bad_tables(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "layout.txt"
    path.write_text(line + "\n")
    with pytest.raises(UserError) as caught:
        layout.load(path)
    assert str(caught.value) == f"{path}{message}"


def test_no_table(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(UserError) as caught:
        layout.read_disk(path)
    assert str(caught.value).startswith("sfdisk cannot read disk.img: ")
