"""Partitions and logical volumes by their names."""

import pytest

from sysimage import places, volumes
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.volumes_testing import MIB, disk, physical_volume

NONE = Sources({})
VOLUMES = physical_volume({"A_boot": ExtentMap.of_bytes(b"boot"), "A_var": places.EMPTY})
DISK = ImageReader(disk(VOLUMES, esp=ExtentMap.of_bytes(b"esp"), **{"a/b": ExtentMap.of_bytes(b"odd")}), NONE)


@pytest.mark.parametrize(
    ("name", "size", "content"),
    [
        ("esp", 8 * MIB, b"esp\0"),
        ("lvm", VOLUMES.size, ImageReader(VOLUMES, NONE).read(0, 4)),
        ("lvm/A_boot", 8 * MIB, b"boot"),
        ("lvm/A_var", 8 * MIB, bytes(4)),
        ("a/b", 8 * MIB, b"odd\0"),
    ],
)
def test_what_lies_there(name: str, size: int, content: bytes) -> None:
    found = volumes.open_volume(DISK, name)
    assert (found.size, found.read(0, 4)) == (size, content)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("root", "there is no partition 'root' (hint: there are esp, a/b, lvm)"),
        ("root/A_boot", "there is no partition 'root' (hint: there are esp, a/b, lvm)"),
        ("esp/A_boot", "partition 'esp' is no LVM physical volume, so there is no volume 'A_boot' in it"),
        (
            "lvm/B_boot",
            "partition 'lvm': volume group 'group' has no volume 'B_boot' (hint: there are A_boot, A_var)",
        ),
        ("", "there is no partition '' (hint: there are esp, a/b, lvm)"),
    ],
)
def test_what_is_not_there(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        volumes.open_volume(DISK, name)
    assert str(caught.value) == message


def test_no_partition_table() -> None:
    with pytest.raises(UserError, match="no GUID partition table"):
        volumes.open_volume(ImageReader(ExtentMap(MIB), NONE), "lvm/A_boot")
