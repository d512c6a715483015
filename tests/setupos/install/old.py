"""Disks that a machine had in service before: HostOS with its data, volumes over several disks, and others."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from sysimage import lvm, tree
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan as plan_ext4
from sysimage.extents import ImageReader, Sources, open_raw
from sysimage.lvm import format as lvm_format
from sysimage.lvm import reader as lvm_reader
from sysimage.materialise import write_raw
from sysimage.tree import Tree
from sysimage.vm import disks
from tests.hostos.host import HOSTOS
from tests.vm.system import region

MARK = b"what was on this disk before, and is nobody's business now\n"
_UUID = UUID("00000000-0000-4000-8000-00000000501d")
_GAP = 8 << 20  # bytes from mark to mark
_BLOCK = 4096
_SECOND_UUID = "SecPV0-0000-0000-0000-0000-0000-000001"
_OTHER_UUIDS = ("OthrVG-0000-0000-0000-0000-0000-000001", "OthrPV-0000-0000-0000-0000-0000-000001")


def scatter(disk: Path, start: int, end: int, gap: int = _GAP) -> None:
    """Old bytes everywhere: a block every `gap` bytes."""
    block = (MARK * (_BLOCK // len(MARK) + 1))[:_BLOCK]
    with disk.open("r+b") as file:
        for offset in range(start, end - _BLOCK, gap):
            file.seek(offset)
            file.write(block)


def write_ext4(disk: Path, place: tuple[int, int], label: str, files: Mapping[str, bytes], scratch: Path) -> None:
    """A filesystem with files over what was at a place (offset, length)."""
    content = Tree()
    for name, data in files.items():
        content.put(name, tree.file(data))
    made = scratch / "filesystem.img"
    options = Ext4Options(_UUID, _UUID, epoch=0, size=place[1], label=label, journal=True)
    write_raw(plan_ext4(content, options), Sources({}), made)
    _lay_over(disk, place[0], made)


def _lay_over(disk: Path, offset: int, made: Path) -> None:
    """Writes what a file has, and leaves what is under its holes."""
    reader = open_raw(made)
    with reader.sources, disk.open("r+b") as file:
        for extent in reader.map.extents:
            file.seek(offset + extent.offset)
            file.write(reader.sources.view(extent))
    made.unlink()


def rewrite_group(disk: Path, offset: int, length: int, text: bytes) -> None:
    """Puts another text of LVM metadata into the first area of a physical volume."""
    with disk.open("r+b") as file:
        file.seek(offset + lvm_format.AREA_AT)
        header = file.read(lvm_format.AREA_HEADER)
        size = lvm_format.AREA.unpack_from(header)[4]
        assert len(text) < (size - lvm_format.AREA_HEADER) // 2 <= length
        behind = (
            header[lvm_format.AREA_CRC_END : lvm_format.AREA.size]
            + lvm_format.TEXT_LOCATION.pack(lvm_format.AREA_HEADER, len(text), lvm_format.crc(text), 0)
        ).ljust(lvm_format.AREA_HEADER - lvm_format.AREA_CRC_END, b"\0")
        file.seek(offset + lvm_format.AREA_AT)
        file.write(lvm_format.crc(behind).to_bytes(lvm_format.AREA_CRC_END, "little") + behind + text)


def _physical_volume(disk: Path, layout: lvm.Layout) -> None:
    made = disk.with_suffix(".pv")
    write_raw(lvm.plan(layout, {volume.name: lvm.EMPTY for volume in layout.volumes}), Sources({}), made)
    _lay_over(disk, 0, made)


def _spread(text: str, second: lvm.Layout) -> bytes:
    """The text of a group on one physical volume, with a second one on which `guestos` goes on."""
    volume = f"""\
pv1 {{
id = "{second.pv_uuid}"
device = "/dev/nvme1n1"
status = ["ALLOCATABLE"]
flags = []
dev_size = {second.size}
pe_start = {second.pe_start}
pe_count = {second.extents}
}}
}}

logical_volumes {{"""
    text, count = re.subn(r"\}\n\nlogical_volumes \{", volume, text)
    assert count == 1
    text, count = re.subn(r"seqno = 1\n", "seqno = 2\n", text)
    assert count == 1
    found = re.search(r"guestos \{.*?segment_count = (1).*?extent_count = (\d+)\n.*?\]\n\}\n()\}", text, re.DOTALL)
    assert found is not None
    segment = f"""\
segment2 {{
start_extent = {found[2]}
extent_count = {second.extents}
type = "striped"
stripe_count = 1
stripes = [
"pv1", 0
]
}}
"""
    text = text[: found.start(1)] + "2" + text[found.end(1) : found.start(3)] + segment + text[found.start(3) :]
    return text.encode()


def in_service(host_image: Path, targets: tuple[Path, Path, Path], sizes: tuple[int, int, int], scratch: Path) -> None:
    """Makes three disks of a node that was in service.

    The first two have HostOS, its group `hostlvm` and the volume `guestos` over both; /var of the host and the
    encrypted volumes of the guest are those of the old node. The third has a group of another name.

    Args:
        host_image: disk-img.tar.zst of HostOS.
        targets: the files that are made.
        sizes: their bytes.
        scratch: a folder for what is needed meanwhile.
    """
    first, second, third = targets
    for target, size in zip(targets, sizes, strict=True):
        with target.open("wb") as file:
            file.truncate(size)
        scatter(target, 0, size)
    host = disks.unpack(host_image, scratch)
    # Close together where the image's filesystems are to come to lie.
    for name in ("esp", "grub", *map(HOSTOS.volume, ("config", "A_boot", "A_root"))):
        offset, length = region(host, name)
        scatter(first, offset, offset + min(length, 1 << 30), 1 << 20)
    group_at, _ = region(host, HOSTOS.group)
    places = {name: region(host, HOSTOS.volume(name)) for name in ("A_var", "B_var", "guestos")}
    _lay_over(first, 0, host)
    write_ext4(first, places["A_var"], "var", {"mark": MARK}, scratch)
    write_ext4(first, places["B_var"], "var", {"mark": MARK}, scratch)
    _old_guest(first, places["guestos"][0], scratch)

    base = open_raw(first)
    with base.sources:
        volume = ImageReader(base.map.slice(group_at, first.stat().st_size - group_at), base.sources)
        (area, *_) = lvm_reader.read_label(volume).metadata_areas
        text = lvm_reader.read_text(volume, *area)
        assert text is not None
        group = lvm.read(volume)
    spare = lvm.Layout(
        group.name,
        group.uuid,
        _SECOND_UUID,
        sizes[1] // lvm_format.SECTOR,
        pe_start=2048,
        extent_size=group.extent_size // lvm_format.SECTOR,
        creation_time=1_620_345_600,
        volumes=(),
    )
    _physical_volume(second, spare)
    spread = _spread(text.decode(), spare)
    rewrite_group(first, group_at, area[1], spread)
    rewrite_group(second, 0, area[1], spread)
    other = replace(
        spare,
        vg="backup",
        vg_uuid=_OTHER_UUIDS[0],
        pv_uuid=_OTHER_UUIDS[1],
        size=sizes[2] // lvm_format.SECTOR,
        volumes=(lvm.LogicalVolume("data", "OthrLV-0000-0000-0000-0000-0000-000001", 0, 100),),
    )
    _physical_volume(third, other)


# Where the image of GuestOS has /var of slot A, and where the rest of the disk begins. In bytes.
_GUEST_VAR = 23_685_120 * 512
_GUEST_STORE = 88_696_832 * 512


def _old_guest(disk: Path, offset: int, scratch: Path) -> None:
    """The encrypted volumes of a guest, whose keys are gone."""
    for label, at in (("var", _GUEST_VAR), ("store", _GUEST_STORE)):
        made = scratch / "luks.img"
        made.touch()
        os.truncate(made, 32 << 20)
        subprocess.run(
            [
                "cryptsetup",
                "luksFormat",
                "--batch-mode",
                "--label",
                label,
                "--pbkdf",
                "pbkdf2",
                "--pbkdf-force-iterations",
                "1000",
                "--key-file",
                "-",
                made,
            ],
            input=b"a key that is gone",
            check=True,
        )
        _lay_over(disk, offset + at, made)
