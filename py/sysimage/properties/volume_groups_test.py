"""Layouts with LVM: a real disk is the one of its table, and each way in which it is another one is told."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import ext4, lvm, materialise, tree, volumes_testing
from sysimage.errors import UserError
from sysimage.ext4 import Ext4Options
from sysimage.extents import ExtentMap, Sources
from sysimage.lvm import testing as lvm_testing
from sysimage.places import EMPTY
from sysimage.properties import layout
from sysimage.properties.testing import told
from sysimage.tree import Tree
from sysimage.volumes_testing import MIB, uuid

TABLE = f"""\
type linux 0FC63DAF-8483-4772-8E79-3D69D8477DE4
disk 00000000-0000-0000-0000-000000000063 47185920
1 boot 2048 16384 linux 00000000-0000-0000-0000-000000000001 empty
2 lvm 18432 71680 linux 00000000-0000-0000-0000-000000000002 LVM2_member
vg group {uuid(1)} 1048576 1 RESIZEABLE,READ,WRITE 1754697600
pv lvm group {uuid(2)} 1048576
lv lvm/root 0 8 {uuid(3)} ext4
lv lvm/data 8 8 {uuid(4)} unknown
lv lvm/var 16 8 {uuid(5)} empty
lv lvm/home 24 8 {uuid(6)} LVM2_member
"""


def contents() -> ExtentMap:
    made = Tree()
    made.add("file", tree.file(b"content"))
    identity = UUID(int=7)
    return volumes_testing.physical_volume(
        {
            "root": ext4.plan(made, Ext4Options(label="root", uuid=identity, hash_seed=identity, epoch=0)),
            "data": ExtentMap.of_bytes(bytes(4096) + b"something"),
            "var": EMPTY,
            "home": volumes_testing.physical_volume({"x": EMPTY}, extents=1),
        }
    )


def write(path: Path, held: ExtentMap) -> Path:
    materialise.write_raw(volumes_testing.disk(held, boot=EMPTY), Sources({}), path)
    return path


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("disk") / "disk.img", contents())


def test_a_disk_is_that_of_its_table(disk: Path, tmp_path: Path) -> None:
    assert told(disk, tmp_path, TABLE) == []


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("vg group 000001", "vg group 000009", [f"volume group group: UUID is {uuid(1)}, not {uuid(9)}"]),
        (" 1048576 1 ", " 4194304 1 ", ["volume group group: bytes of an extent is 1048576, not 4194304"]),
        (" 1048576 1 ", " 1048576 2 ", ["volume group group: seqno is 1, not 2"]),
        (
            "RESIZEABLE,",
            "",
            ["volume group group: status is RESIZEABLE,READ,WRITE, not READ,WRITE"],
        ),
        ("1754697600", "0", ["volume group group: created is 1754697600, not 0"]),
        ("vg group", "vg other", ["volume group other is missing", "volume group group is one too many"]),
        ("pv lvm group 000002", "pv lvm group 000009", [f"physical volume lvm: UUID is {uuid(2)}, not {uuid(9)}"]),
        ("pv lvm group", "pv lvm other", ["physical volume lvm: volume group is group, not other"]),
        (
            f"{uuid(2)} 1048576",
            f"{uuid(2)} 2097152",
            ["physical volume lvm: start of extent 0 is 1048576, not 2097152"],
        ),
        ("lvm/root 0 8", "lvm/root 1 8", ["volume lvm/root: place in extents is 0+8, not 1+8"]),
        ("lvm/root 0 8", "lvm/root 0 9", ["volume lvm/root: place in extents is 0+8, not 0+9"]),
        ("0 8 000003", "0 8 000009", [f"volume lvm/root: UUID is {uuid(3)}, not {uuid(9)}"]),
        ("ext4", "xfs", ["volume lvm/root: content is ext4, not xfs"]),
        (" unknown", " empty", ["volume lvm/data: content is unknown, not empty"]),
        (
            "000005-0000-0000-0000-0000-0000-000000 empty",
            "000005-0000-0000-0000-0000-0000-000000 ext4",
            ["volume lvm/var: content is empty, not ext4"],
        ),
        ("lvm/var", "lvm/tmp", ["volume lvm/tmp is missing", "volume lvm/var is one too many"]),
        ("71680 linux", "71681 linux", ["partition 2 (lvm): size in sectors is 71680, not 71681"]),
    ],
)
def test_another_disk(disk: Path, tmp_path: Path, old: str, new: str, messages: list[str]) -> None:
    assert TABLE.count(old) == 1
    assert told(disk, tmp_path, TABLE.replace(old, new)) == messages


def test_a_disk_that_is_not_to_have_lvm(disk: Path, tmp_path: Path) -> None:
    without = "".join(line + "\n" for line in TABLE.splitlines() if not line.startswith(("vg ", "pv ", "lv ")))
    assert told(disk, tmp_path, without) == [
        "volume group group is one too many",
        "physical volume lvm is one too many",
        *(f"volume lvm/{name} is one too many" for name in ("root", "data", "var", "home")),
    ]


def with_text(change: Callable[[str], str]) -> ExtentMap:
    """A physical volume of two volumes, whose metadata says something else."""
    table = lvm_testing.text(lvm_testing.row(1, "root", 0, 8), lvm_testing.row(2, "var", 8, 8))
    return lvm_testing.with_text(change, layout=table).map


def segment(number: int, start: int, extents: int, place: int) -> str:
    """A linear piece of a volume, as LVM writes it."""
    return (
        f"segment{number} {{\nstart_extent = {start}\nextent_count = {extents}\n\n"
        f'type = "striped"\nstripe_count = 1\n\nstripes = [\n"pv0", {place}\n]\n}}\n'
    )


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        ('"striped"', '"linear"', "linear"),
        (
            'stripe_count = 1\n\nstripes = [\n"pv0", 0\n',
            'stripe_count = 2\n\nstripes = [\n"pv0", 0, "pv0", 16\n',
            "striped",
        ),
        (
            "segment_count = 1\n\n" + segment(1, 0, 8, 0),
            "segment_count = 2\n\n" + segment(1, 0, 7, 0) + segment(2, 7, 1, 16),
            "0+7,16+1",
        ),
    ],
)
def test_a_volume_that_is_not_in_one_piece(tmp_path: Path, old: str, new: str, places: str) -> None:
    image = write(tmp_path / "disk.img", with_text(lvm_testing.replaced(old, new)))
    found = layout.read_disk(image).groups.logical
    assert [(each.name, each.extents, each.content) for each in found] == [
        ("lvm/root", places, "unknown"),
        ("lvm/var", "8+8", "empty"),
    ]


def test_a_group_of_two_physical_volumes(tmp_path: Path) -> None:
    other = f'pv1 {{\nid = "{uuid(9)}"\nstatus = []\ndev_size = 8192\npe_start = 2048\npe_count = 3\n}}\n'
    image = write(tmp_path / "disk.img", with_text(lvm_testing.replaced("\npv0 {", f"\n{other}\npv0 {{")))
    with pytest.raises(UserError) as caught:
        layout.read_disk(image)
    assert str(caught.value) == "volume group 'group' has 2 physical volumes, 1 is expected"


def test_metadata_that_is_damaged(disk: Path, tmp_path: Path) -> None:
    data = bytearray(disk.read_bytes())
    at = 9 * MIB + lvm.format.AREA_AT + lvm.format.AREA_HEADER
    data[at + 40] ^= 1
    (tmp_path / "disk.img").write_bytes(data)
    with pytest.raises(UserError) as caught:
        layout.read_disk(tmp_path / "disk.img")
    assert str(caught.value).startswith("pvck is not content with partition 'lvm': ")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "vg group x 1",
            ":1: this is no line about LVM: 'vg group x 1' (hint: 'vg NAME UUID EXTENT-BYTES SEQNO STATUS CREATED')",
        ),
        (
            "pv lvm group x start",
            ":1: 'start' is not a number (hint: 'pv PARTITION GROUP UUID FIRST-BYTE')",
        ),
        (
            "lv lvm/root 0 8MiB x ext4",
            ":1: '8MiB' is not a number (hint: 'lv PARTITION/VOLUME FIRST-EXTENT EXTENTS UUID CONTENT')",
        ),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "layout.txt"
    path.write_text(line + "\n")
    with pytest.raises(UserError) as caught:
        layout.load(path)
    assert str(caught.value) == f"{path}{message}"
