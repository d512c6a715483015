"""Kernel, initrd and command line out of a disk: what comes, and what is refused."""

import json
from collections.abc import Mapping
from uuid import UUID

import pytest

from sysimage import boot_files, ext4, gpt, grub, volumes_testing
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.tree import Tree, file

LINE = "root=PARTUUID=1 state=$boot_state"
FILES = {
    "vmlinuz": b"kernel" * 1000,
    "initrd.img": b"initrd" * 1000,
    "boot_args": grub.boot_args({"A": LINE + " slot=A", "B": LINE + " slot=B"}),
}
LAYOUT = json.dumps(
    {
        "disk_guid": "2B110BB7-CDEC-7D41-B97E-893EDCBE5428",
        "size": 8 << 11,
        "partitions": [
            {
                "name": name,
                "start": (1 + number) << 11,
                "size": 1 << 11,
                "type": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
                "guid": f"00000000-0000-0000-0000-00000000000{number}",
            }
            for number, name in enumerate(("boot", "data"), 1)
        ],
    }
)


def boot_volume(files: Mapping[str, bytes]) -> ExtentMap:
    tree = Tree()
    for name, content in files.items():
        tree.add(name, file(content))
    return ext4.plan(tree, ext4.Ext4Options(UUID(int=1), UUID(int=2), 0))


def a_disk(files: Mapping[str, bytes]) -> ImageReader:
    boot = boot_volume(files)
    return ImageReader(gpt.plan(gpt.parse(LAYOUT), {"boot": boot, "data": gpt.EMPTY}), Sources({}))


@pytest.mark.parametrize("slot", ["A", "B"])
def test_the_files_of_a_slot(slot: str) -> None:
    found = boot_files.read(a_disk(FILES), "boot", slot, {"boot_state": "stable"})
    assert found.kernel == FILES["vmlinuz"]
    assert found.initrd == FILES["initrd.img"]
    assert found.command_line == f"root=PARTUUID=1 state=stable slot={slot}"


def test_the_files_of_a_slot_in_a_logical_volume() -> None:
    group = volumes_testing.physical_volume({"A_boot": boot_volume(FILES)})
    disk = ImageReader(volumes_testing.disk(group), Sources({}))
    found = boot_files.read(disk, "lvm/A_boot", "A", STATE)
    assert (found.kernel, found.initrd) == (FILES["vmlinuz"], FILES["initrd.img"])
    assert found.command_line == "root=PARTUUID=1 state=stable slot=A"


def without(name: str) -> dict[str, bytes]:
    return {other: content for other, content in FILES.items() if other != name}


STATE = {"boot_state": "stable"}
THE_BOOT_VOLUME = "(hint: name the boot volume of a slot)"
BAD: list[tuple[Mapping[str, bytes], str, str, Mapping[str, str], str]] = [
    (FILES, "data", "A", STATE, f"volume 'data' is not ext4 {THE_BOOT_VOLUME}"),
    (FILES, "root", "A", STATE, "there is no partition 'root' (hint: there are boot, data)"),
    (without("vmlinuz"), "boot", "A", STATE, f"volume 'boot' has no file 'vmlinuz' {THE_BOOT_VOLUME}"),
    (without("initrd.img"), "boot", "A", STATE, f"volume 'boot' has no file 'initrd.img' {THE_BOOT_VOLUME}"),
    (without("boot_args"), "boot", "A", STATE, f"volume 'boot' has no file 'boot_args' {THE_BOOT_VOLUME}"),
    (FILES, "boot", "C", STATE, "volume 'boot' has no slot 'C' (hint: there are A, B)"),
    (FILES, "boot", "A", {}, "the command line has the variable $boot_state, which is given no value"),
    (FILES, "boot", "A", {**STATE, "x": "1"}, "the command line has no variable $x, which is given a value"),
]


@pytest.mark.parametrize(("files", "volume", "slot", "variables", "message"), BAD)
def test_refusals(
    files: Mapping[str, bytes], volume: str, slot: str, variables: Mapping[str, str], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        boot_files.read(a_disk(files), volume, slot, variables)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=$x b=${x}c", "a=1 b=1c"),
        ("$x$y", "12"),
        ("x y", "x y"),
    ],
)
def test_substitution(line: str, expected: str) -> None:
    values = {name: value for name, value in (("x", "1"), ("y", "2")) if f"${name}" in line or f"{{{name}}}" in line}
    assert boot_files.substitute(line, values) == expected


def test_no_partition_table() -> None:
    with pytest.raises(UserError, match="no GUID partition table"):
        boot_files.read(ImageReader(ExtentMap(1 << 20), Sources({})), "boot", "A", {})
