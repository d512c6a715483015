"""A small physical volume for tests, and a disk with it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sysimage import gpt, lvm
from sysimage.extents import ExtentMap
from sysimage.places import Content

MIB = 1 << 20
SECTORS = MIB // 512
KIND = UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
PARTITION = "lvm"


def uuid(number: int) -> str:
    """An identity of LVM's."""
    return f"{number:06}-0000-0000-0000-0000-0000-000000"


def layout(names: Mapping[str, int], **fields: Any) -> lvm.Layout:
    """A group of volumes of so many extents of 1 MiB, one behind the other, and 2 extents that are free."""
    volumes, position = [], 0
    for number, (name, extents) in enumerate(names.items(), 3):
        volumes.append(lvm.LogicalVolume(name, uuid(number), position, extents))
        position += extents
    values: dict[str, Any] = {
        "vg": "group",
        "vg_uuid": uuid(1),
        "pv_uuid": uuid(2),
        "size": (position + 3) * SECTORS,
        "pe_start": SECTORS,
        "extent_size": SECTORS,
        "creation_time": 1754697600,
        "volumes": tuple(volumes),
    }
    return lvm.Layout(**values | fields)


def physical_volume(contents: Mapping[str, Content], extents: int = 8, **fields: Any) -> ExtentMap:
    """A physical volume with volumes of so many extents of 1 MiB each."""
    return lvm.plan(layout(dict.fromkeys(contents, extents), **fields), contents)


def disk(volume: ExtentMap, **others: Content) -> ExtentMap:
    """A disk with a physical volume in the partition `lvm`, and others of 8 MiB before it."""
    partitions = [
        gpt.Partition(number, name, (8 * number - 7) * SECTORS, 8 * SECTORS, KIND, UUID(int=number))
        for number, name in enumerate(others, 1)
    ]
    number = len(partitions) + 1
    size = -(-volume.size // MIB) * SECTORS
    partitions.append(gpt.Partition(number, PARTITION, (8 * number - 7) * SECTORS, size, KIND, UUID(int=number)))
    table = gpt.Layout(UUID(int=99), gpt.layout.minimal_size(tuple(partitions)), tuple(partitions))
    return gpt.plan(table, {**others, PARTITION: volume})
