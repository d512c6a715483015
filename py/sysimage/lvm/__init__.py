"""LVM2 volume groups on one physical volume: a layout that is data, a map of the volume, read back and judged."""

from sysimage.lvm.format import hyphenated
from sysimage.lvm.layout import Layout, LogicalVolume, load, parse
from sysimage.lvm.reader import Segment, Volume, VolumeGroup, find, inspect, open_volume, read
from sysimage.lvm.verify import verify
from sysimage.lvm.writer import plan
from sysimage.places import EMPTY, Empty

__all__ = [
    "EMPTY",
    "Empty",
    "Layout",
    "LogicalVolume",
    "Segment",
    "Volume",
    "VolumeGroup",
    "find",
    "hyphenated",
    "inspect",
    "load",
    "open_volume",
    "parse",
    "plan",
    "read",
    "verify",
]
