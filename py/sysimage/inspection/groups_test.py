"""Looking into logical volumes: they are drawn, read and judged as partitions are."""

import json
from uuid import UUID

import pytest

from sysimage import ext4, fat, gpt, verity, volumes_testing
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.inspection import format_image, look, to_json
from sysimage.lvm import testing as lvm_testing
from sysimage.places import EMPTY
from sysimage.tree import Tree, directory, file
from sysimage.volumes_testing import MIB, SECTORS, physical_volume

NONE = Sources({})


def ext4_of(files: dict[str, bytes], label: str) -> ExtentMap:
    tree = Tree()
    for path, content in files.items():
        tree.make_directories(path.rpartition("/")[0])
        tree.add(path, file(content))
    return ext4.plan(tree, ext4.Ext4Options(uuid=UUID(int=1), hash_seed=UUID(int=2), epoch=1754697600, label=label))


ROOT = verity.plan(ext4_of({"etc/hostname": b"machine\n"}, "root"), NONE, b"\1" * 32, UUID(int=3))
ARGUMENTS = f"root_hash={ROOT.root_hash.hex()}\n"
ESP = fat.plan(Tree(directory()), fat.Options(8 * MIB, label="ESP", volume_id=1))
GROUP = physical_volume(
    {
        "A_boot": ext4_of({"boot_args": ARGUMENTS.encode()}, "boot"),
        "A_root": ROOT.map,
        "A_var": EMPTY,
        "odd": ExtentMap.of_bytes(b"odd"),
        "inner": physical_volume({"x": EMPTY}, extents=1),
    }
)
DISK = volumes_testing.disk(GROUP, esp=ESP)
# A group of two volumes of 1 MiB, for other texts in it.
TWO = lvm_testing.text(lvm_testing.row(1, "here", 0, 8), lvm_testing.row(2, "there", 8, 8))
VOLUME = 8 * MIB  # bytes of one
BEFORE = 9 * MIB  # bytes of the disk before the physical volume
REPORT = f"""\
disk.img: 53.0 MiB, 127.4 KiB of them stored
GUID partition table 00000000-0000-0000-0000-000000000063 (primary copy)

+--------------------+--------------------------------------------------------------------------------------+
|        esp         |                                         lvm                                          |
+--------------------+--------------------------------------------------------------------------------------+

lvm:
+---------------------+---------------------+--------------------+------------------+--------------------+
|        A_boot       |        A_root       |       A_var        |       odd        |       inner        |
+---------------------+---------------------+--------------------+------------------+--------------------+

name              at      size     stored  content               fill
esp          1.0 MiB   8.0 MiB  552 bytes  FAT16 "ESP"           [....................]   0.0 % of 7.9 MiB
lvm          9.0 MiB  43.0 MiB   93.3 KiB  LVM "group"           [####################]  95.2 % of 42.0 MiB
lvm/A_boot  10.0 MiB   8.0 MiB   40.1 KiB  ext4 "boot"           [####################] 100.0 % of 44.0 KiB
lvm/A_root  18.0 MiB   8.0 MiB   48.5 KiB  ext4 "root" + verity  [####################] 100.0 % of 48.0 KiB
lvm/A_var   26.0 MiB   8.0 MiB    0 bytes  empty
lvm/odd     34.0 MiB   8.0 MiB    3 bytes  unknown
lvm/inner   42.0 MiB   8.0 MiB    1.8 KiB  LVM

lvm: LVM volume group "group"
  UUID       000001-0000-0000-0000-0000-0000-000000, of the physical volume 000002-0000-0000-0000-0000-0000-000000
  extents    42 of 1.0 MiB, the first at byte 1048576
  seqno      1

lvm/A_root: dm-verity
  root hash  {ROOT.root_hash.hex()} (named in lvm/A_boot:boot_args)
  salt       0101010101010101010101010101010101010101010101010101010101010101
  UUID       00000000-0000-0000-0000-000000000003
  data       12 blocks, the tree from block 13
  superblock at byte 49152, the tree ends at byte 57344

lvm/A_boot:boot_args:
  root_hash={ROOT.root_hash.hex()}

lvm/A_boot: largest files
  75 bytes  /boot_args

lvm/A_root: largest files
  8 bytes  /etc/hostname
"""


def reader(*changes: tuple[int, bytes]) -> ImageReader:
    """The sample disk, with bytes changed."""
    if not changes:
        return ImageReader(DISK, NONE)
    data = bytearray(ImageReader(DISK, NONE).read(0, DISK.size))
    for at, new in changes:
        data[at : at + len(new)] = new
    return ImageReader(ExtentMap.of_bytes(bytes(data)), NONE)


def test_volumes_follow_the_partition_that_holds_them() -> None:
    image = look(reader(), verify=True)
    assert [(each.name, each.holder, each.offset, each.content, each.label) for each in image.volumes] == [
        ("esp", None, MIB, "FAT16", "ESP"),
        ("lvm", None, BEFORE, "LVM", "group"),
        ("lvm/A_boot", "lvm", BEFORE + MIB, "ext4", "boot"),
        ("lvm/A_root", "lvm", BEFORE + MIB + VOLUME, "ext4", "root"),
        ("lvm/A_var", "lvm", BEFORE + MIB + 2 * VOLUME, "empty", ""),
        ("lvm/odd", "lvm", BEFORE + MIB + 3 * VOLUME, "unknown", ""),
        ("lvm/inner", "lvm", BEFORE + MIB + 4 * VOLUME, "LVM", ""),
    ]
    assert image.all_findings() == []
    assert image.read("lvm/A_root:/etc/hostname") == b"machine\n"
    assert image.read("lvm/A_boot:boot_args") == ARGUMENTS.encode()
    assert image.open(image["lvm/odd"]).read(0, 4) == b"odd\0"
    assert [each.short_name for each in image.held("lvm")] == ["A_boot", "A_root", "A_var", "odd", "inner"]


def test_report() -> None:
    assert format_image(look(reader()), "disk.img", ["lvm/A_boot:boot_args"], files=1) == REPORT


def test_json() -> None:
    data = json.loads(json.dumps(to_json(look(reader()), ["lvm/A_boot:boot_args"])))
    assert data["files"] == {"lvm/A_boot:boot_args": ARGUMENTS}
    group, boot, root = data["volumes"][1:4]
    assert (group["name"], group["holder"], group["used"], group["capacity"]) == ("lvm", None, 40 * MIB, 42 * MIB)
    assert (group["details"]["vg"], group["details"]["seqno"], len(group["details"]["volumes"])) == ("group", 1, 5)
    assert (boot["name"], boot["holder"], boot["offset"], boot["length"]) == (
        "lvm/A_boot",
        "lvm",
        BEFORE + MIB,
        VOLUME,
    )
    assert root["verity"]["root_hash"] == ROOT.root_hash.hex()


def test_an_image_that_is_a_physical_volume() -> None:
    image = look(ImageReader(GROUP, NONE), verify=True)
    assert [each.name for each in image.volumes][:3] == ["image", "image/A_boot", "image/A_root"]
    assert image.all_findings() == []
    assert image.read("image/A_root:etc/hostname") == b"machine\n"


def test_root_hashes_that_are_known() -> None:
    assert look(reader(), {"lvm/A_root": ROOT.root_hash}, verify=True).all_findings() == []
    (finding,) = look(reader(), {"lvm/A_root": bytes(32)}).all_findings()
    assert finding == f"lvm/A_root: the root hash is {ROOT.root_hash.hex()}, expected {bytes(32).hex()}"
    with pytest.raises(UserError) as caught:
        look(reader(), {"lvm/A_boot": bytes(32)})
    assert str(caught.value) == "a root hash is given for volume 'lvm/A_boot', which has no verity hash tree"


@pytest.mark.parametrize(
    ("place", "change", "finding"),
    [
        (BEFORE + MIB + 1024 + 64, b"x", "lvm/A_boot: "),
        (
            BEFORE + MIB + VOLUME + ROOT.hash_start * 4096 + 5,
            b"x",
            "lvm/A_root: data: block 0 (byte 0) does not match its hash",
        ),
    ],
)
def test_damage_is_found(place: int, change: bytes, finding: str) -> None:
    findings = look(reader((place, change)), verify=True).all_findings()
    assert findings and findings[0].startswith(finding)


def test_a_group_that_can_be_read_is_judged_all_the_same() -> None:
    image = lvm_testing.with_text(lvm_testing.replaced('"pv0", 8', '"pv0", 4'), layout=TWO)
    assert look(image).all_findings() == []
    assert look(image, verify=True).all_findings() == [
        "image: volume 'here', segment 1 and volume 'there', segment 1 overlap on 'pv0'"
    ]


def test_a_group_that_cannot_be_read() -> None:
    image = look(reader((BEFORE + 512 + 40, b"x")))
    assert [(each.name, each.content) for each in image.volumes] == [("esp", "FAT16"), ("lvm", "damaged")]
    assert image.all_findings() == ["lvm: the LVM label in sector 1 has a wrong checksum"]


def test_a_volume_on_another_physical_volume() -> None:
    other = f'pv1 {{\nid = "{lvm_testing.uuid(9)}"\ndev_size = 8192\npe_start = 2048\npe_count = 30\n}}\n'
    place = lvm_testing.replaced('"pv0", 8', '"pv1", 8')
    add = lvm_testing.replaced("\npv0 {", f"\n{other}\npv0 {{")
    image = look(lvm_testing.with_text(lambda text: add(place(text)), layout=TWO))
    assert [(each.name, each.content, each.used) for each in image.volumes] == [
        ("image", "LVM", MIB),
        ("image/here", "empty", 0),
        ("image/there", "unreadable", 0),
    ]
    assert image.all_findings() == ["image/there: volume 'there' lies on pv1, not on this physical volume"]
    assert "image/there" in format_image(image, "x")


def test_a_partition_table_in_a_volume_is_not_looked_into() -> None:
    inner = gpt.plan(gpt.Layout(UUID(int=5), 3 * SECTORS, ()), {})
    image = look(ImageReader(physical_volume({"guest": inner}), NONE), verify=True)
    assert [(each.name, each.content) for each in image.volumes] == [("image", "LVM"), ("image/guest", "unknown")]
