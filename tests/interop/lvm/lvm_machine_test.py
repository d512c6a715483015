"""LVM itself, and the kernel's device-mapper, read the groups that we write, change them, and we read what they made.

One machine, without udev and without a root: its initrd has busybox and `lvm`, and runs one script. Disks:

    vdb    a GUID partition table, whose third partition is a group of ours with the shape of a host's
    vdc    a bare physical volume of ours on a disk that is larger, as after its partition grew; its metadata area is so
           small that the ring wraps after a few changes
    vdd    blank: vdb's group grows onto it
    vde    blank: LVM makes a group as ours is, with one UUID that we give, to be compared byte for byte
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sysimage import gpt, lvm, tree
from sysimage.errors import UserError
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan as plan_ext4
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources, open_raw
from sysimage.lvm import LogicalVolume, metadata
from sysimage.lvm import format as lvm_format
from sysimage.lvm.reader import read_label, read_text
from sysimage.materialise import write_raw
from sysimage.vm.qemu import Disk, Machine, Port, VirtualMachine
from sysimage.vm.testing import log, path, tool

SECONDS = 400.0
MIB = 1 << 20
EPOCH = 1754697600
TYPE = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
PV_UUID = "eu0VQE-HlTi-EyRc-GceP-xZtn-3j6t-iqEwyv"


def uuid(number: int) -> str:
    """A UUID of our own."""
    return lvm.hyphenated(f"{number:032}")


HOST = lvm.Layout(
    vg="host-lvm",
    vg_uuid=uuid(1),
    pv_uuid=PV_UUID,
    size=200 * 2048,
    pe_start=2048,
    extent_size=8192,
    creation_time=1620345600,
    volumes=(
        LogicalVolume("config", uuid(2), 0, 2),
        LogicalVolume("A_root", uuid(3), 5, 4),
        LogicalVolume("B-root", uuid(4), 2, 3),
        LogicalVolume("guestos", uuid(5), 9, 20),
    ),
)
SMALL = lvm.Layout(
    vg="small",
    vg_uuid=uuid(10),
    pv_uuid=uuid(11),
    size=8 * 2048,
    pe_start=40,
    extent_size=256,
    creation_time=1,
    volumes=(LogicalVolume("one", uuid(12), 3, 1), LogicalVolume("two", uuid(13), 0, 3)),
)
THEIRS = lvm.Layout(
    vg="theirs",
    vg_uuid=uuid(20),
    pv_uuid=uuid(21),
    size=64 * 2048,
    pe_start=2048,
    extent_size=8192,
    creation_time=1,
    volumes=(),
)
SMALL_DISK = 12 * MIB
RING_CHANGES = 8

SCRIPT = f"""
section() {{ echo "== $1"; }}
for disk in vdb3 vdc; do
  section "pvck $disk"; lvm pvck /dev/$disk
done
report() {{ section $1; lvm $1 --noheadings --separator=' ' --units=b --nosuffix --options=$2; }}
report pvs pv_name,vg_name,pv_uuid,pv_size,pe_start,pv_pe_count,pv_pe_alloc_count
report vgs vg_name,vg_uuid,vg_seqno,vg_extent_size,lv_count,pv_count
report lvs vg_name,lv_name,lv_uuid,lv_size,segtype,seg_count,seg_pe_ranges
section times; lvm lvs --noheadings --config='report {{ time_format = "%s" }}' --options=vg_name,lv_name,lv_time,lv_host
section vgck; lvm vgck host-lvm small
lvm vgcfgbackup -f /backup host-lvm > /dev/null
section backup; cat /backup
lvm vgchange -ay host-lvm small > /dev/null
section sums
for volume in host-lvm/config host-lvm/A_root host-lvm/B-root host-lvm/guestos small/one small/two; do
  sum=$(sha256sum < /dev/$volume)
  echo "$volume ${{sum%% *}}"
done
section mount
mount -t ext4 -o ro /dev/host-lvm/A_root /mnt
cat /mnt/etc/greeting
umount /mnt
section changes
lvm lvcreate -y -Wn -l 3 -n added host-lvm
lvm lvextend -l +2 host-lvm/config
lvm pvcreate /dev/vdd
lvm vgextend host-lvm /dev/vdd
lvm lvcreate -y -Wn -l 4 -n elsewhere host-lvm /dev/vdd
lvm lvextend -l +100%FREE host-lvm/guestos
lvm pvresize /dev/vdc
lvm lvextend -l +100%FREE small/one
for count in $(seq {RING_CHANGES}); do
  lvm vgchange --addtag tag$count small
done
echo "after all" | dd of=/dev/host-lvm/added bs=4096 seek=1
echo "grown" | dd of=/dev/host-lvm/config bs=4096 seek=$((8 << 8))
section creation
lvm pvcreate --uuid {THEIRS.pv_uuid} --norestorefile /dev/vde
lvm vgcreate -s 4m theirs /dev/vde
section end
"""


def disks() -> Mapping[str, ExtentMap]:
    """What we write, by the names that the machine has for it."""
    small = small_volume().resized(SMALL_DISK)
    return {"vdb": host_disk(), "vdc": small, "vdd": ExtentMap(64 * MIB), "vde": ExtentMap(THEIRS.length)}


def root_tree() -> tree.Tree:
    content = tree.Tree()
    content.put("etc/greeting", tree.file(b"hello from a logical volume\n"))
    return content


def host_contents() -> Mapping[str, ExtentMap | lvm.Empty]:
    noise = hashlib.shake_256(b"B").digest(3 * MIB)
    return {
        "config": ExtentMap.of_bytes(b"first volume" * 1000),
        "A_root": plan_ext4(root_tree(), Ext4Options(UUID(int=1), UUID(int=2), EPOCH)),
        "B-root": ExtentMap(12 * MIB, [Extent(9 * MIB, len(noise), noise)]),
        "guestos": lvm.EMPTY,
    }


def host_disk() -> ExtentMap:
    partition = gpt.Partition(3, "hostlvm", 2048, HOST.size, TYPE, UUID(int=9))
    table = gpt.Layout(UUID(int=8), HOST.size + 2 * 2048, (partition,))
    return gpt.plan(table, {"hostlvm": lvm.plan(HOST, host_contents())})


def small_volume() -> ExtentMap:
    return lvm.plan(SMALL, {"one": ExtentMap.of_bytes(b"1" * 70_000), "two": ExtentMap.of_bytes(b"2" * 393_216)})


@dataclass(frozen=True)
class Asked:
    """What the script printed, by section, and the disks afterwards."""

    said: Mapping[str, list[str]]
    folder: Path

    def rows(self, section: str) -> list[list[str]]:
        return sorted(line.split() for line in self.said[section])

    def group(self, disk: str) -> ImageReader:
        reader = open_raw(self.folder / disk)
        return gpt.open_partition(reader, "hostlvm") if disk == "vdb" else reader


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    scratch = tmp_path_factory.mktemp("machine")
    script = SCRIPT.encode()
    (scratch / "vda").write_bytes(script + bytes(-len(script) % 512))
    for name, image in disks().items():
        write_raw(image, Sources({}), scratch / name)
    (kernel,) = (path("KERNEL") / "boot").glob("vmlinuz-*")
    machine = Machine(
        disks=[Disk(scratch / name, writable=name != "vda") for name in ("vda", *disks())],
        kernel=kernel,
        initrd=path("INITRD"),
        command_line="console=ttyS0 quiet panic=-1",
        memory=512,
        cpus=1,
        ports=[Port("results", scratch / "results")],
    )
    with VirtualMachine(machine, tool(), scratch, log("lvm")) as running:
        (end,) = running.console.expect(["^(ALL ASKED|A COMMAND FAILED)"], SECONDS).groups()
        running.wait(SECONDS)
    text = (scratch / "results").read_text()
    assert end == "ALL ASKED", text
    parts = re.split(r"^== (.*)\n", text, flags=re.MULTILINE)[1:]
    return Asked(
        {name: part.splitlines() for name, part in zip(parts[::2], parts[1::2], strict=True)},
        scratch,
    )


def test_pvck_finds_headers_and_areas(asked: Asked) -> None:
    for disk, layout in (("vdb3", HOST), ("vdc", SMALL)):
        assert asked.said[f"pvck {disk}"] == [
            f"  Found label on /dev/{disk}, sector 1, type=LVM2 001",
            f"  Found text metadata area: offset=4096, size={layout.pe_start * 512 - 4096}",
        ]


def test_lvm_says_what_was_planned(asked: Asked) -> None:
    devices = {"host-lvm": "/dev/vdb3", "small": "/dev/vdc"}
    for layout in (HOST, SMALL):
        extent = layout.extent_size * 512
        used = sum(volume.extents for volume in layout.volumes)
        device = devices[layout.vg]
        pv = [device, layout.vg, layout.pv_uuid, layout.extents * extent, layout.pe_start * 512, layout.extents, used]
        assert [str(word) for word in pv] in asked.rows("pvs")
        group = [layout.vg, layout.vg_uuid, 1, extent, len(layout.volumes), 1]
        assert [str(word) for word in group] in asked.rows("vgs")
        for each in layout.volumes:
            place = f"{device}:{each.start}-{each.end - 1}"
            volume = [layout.vg, each.name, each.uuid, each.extents * extent, "linear", 1, place]
            assert [str(word) for word in volume] in asked.rows("lvs")
            assert [layout.vg, each.name, str(layout.creation_time), "localhost"] in asked.rows("times")
    assert [len(asked.said[section]) for section in ("pvs", "vgs", "lvs", "vgck")] == [2, 2, 6, 0]


def test_the_text_is_what_lvm_would_write(asked: Asked) -> None:
    """Its backup, which has comments and indentation, says the same but for who wrote it and the device's name."""
    theirs: dict[str, Any] = {**metadata.parse("\n".join(asked.said["backup"]).encode())}
    ours: dict[str, Any] = {**metadata.parse(metadata.render(HOST))}
    for top in (theirs, ours):
        for field in ("description", "creation_host", "creation_time"):
            del top[field]
        del top["host-lvm"]["physical_volumes"]["pv0"]["device"]
    assert theirs == ours
    assert str(theirs["host-lvm"]) == str(ours["host-lvm"])  # in the same order


def test_device_mapper_shows_what_was_put_in(asked: Asked) -> None:
    groups = {"host-lvm": lvm.plan(HOST, host_contents()), "small": small_volume()}
    found = {line.split()[0]: line.split()[1] for line in asked.said["sums"]}
    for layout in (HOST, SMALL):
        pv = ImageReader(groups[layout.vg], Sources({}))
        for volume in layout.volumes:
            content = lvm.open_volume(pv, volume.name)
            assert found.pop(f"{layout.vg}/{volume.name}") == hashlib.sha256(content.read(0, content.size)).hexdigest()
    assert not found
    assert asked.said["mount"] == ["hello from a logical volume"]


def test_we_read_what_lvm_made_of_our_group(asked: Asked) -> None:
    group = lvm.read(asked.group("vdb"))
    assert (group.name, group.uuid, group.pv_uuid, group.pv_name) == (HOST.vg, HOST.vg_uuid, HOST.pv_uuid, "pv0")
    assert list(group.physical_volumes) == ["pv0", "pv1"]
    assert group.seqno == 6
    assert [(volume.name, volume.size // (4 * MIB)) for volume in group.volumes] == [
        ("config", 4),
        ("A_root", 4),
        ("B-root", 3),
        ("guestos", 20 + 26),
        ("added", 3),
        ("elsewhere", 4),
    ]
    assert len(group["config"].segments) == 2
    assert lvm.open_volume(asked.group("vdb"), "added").read(4096, 10) == b"after all\n"
    config = lvm.open_volume(asked.group("vdb"), "config")
    assert (config.read(0, 12), config.read(8 * MIB, 6)) == (b"first volume", b"grown\n")
    for name in ("guestos", "elsewhere"):
        with pytest.raises(UserError, match=rf"^volume '{name}' lies on pv1, not on this physical volume$"):
            lvm.open_volume(asked.group("vdb"), name)


def test_the_other_physical_volume_has_its_part(asked: Asked) -> None:
    pv = asked.group("vdd")
    group = lvm.read(pv)
    assert (group.name, group.pv_name, group.seqno) == ("host-lvm", "pv1", lvm.read(asked.group("vdb")).seqno)
    assert lvm.open_volume(pv, "elsewhere").size == 16 * MIB
    with pytest.raises(UserError, match=r"^volume 'config' lies on pv0, not on this physical volume$"):
        lvm.open_volume(pv, "config")


def test_a_group_that_was_enlarged_and_whose_ring_wrapped(asked: Asked) -> None:
    pv = asked.group("vdc")
    group = lvm.read(pv)
    assert group.seqno == 3 + RING_CHANGES
    assert group.extents == (SMALL_DISK - SMALL.pe_start * 512) // (SMALL.extent_size * 512)
    assert sum(volume.size for volume in group.volumes) == group.extents * group.extent_size
    assert lvm.open_volume(pv, "one").read(0, 70_001) == b"1" * 70_000 + b"\0"
    ((at, size),) = read_label(pv).metadata_areas
    offset, length, _, _ = lvm_format.TEXT_LOCATION.unpack(pv.read(at + lvm_format.AREA.size, 24))
    assert offset + length > size  # else this tests nothing: change RING_CHANGES


@pytest.mark.parametrize("disk", ["vdb", "vdc", "vdd", "vde"])
def test_what_lvm_made_passes_our_checks(disk: str, asked: Asked) -> None:
    assert lvm.verify(asked.group(disk)) == []


def test_headers_are_those_that_lvm_writes(asked: Asked) -> None:
    """Label and area header of a group that LVM made are, byte for byte, those that we write for it."""
    ours, theirs = ImageReader(lvm.plan(THEIRS, {}), Sources({})), asked.group("vde")
    assert ours.read(0, 4096) == theirs.read(0, 4096)
    text = read_text(theirs, 4096, MIB - 4096)
    assert text is not None
    location = lvm_format.TEXT_LOCATION.pack(lvm_format.AREA_HEADER, len(text), lvm_format.crc(text), 0)
    header = theirs.read(4096, 512)
    assert header[lvm_format.AREA.size :] == location + bytes(512 - lvm_format.AREA.size - len(location))
    assert header[4 : lvm_format.AREA.size] == ours.read(4096, 512)[4 : lvm_format.AREA.size]
