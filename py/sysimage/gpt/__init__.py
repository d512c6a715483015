"""GUID partition tables: a layout that is data, a map of the disk, and both copies read back and judged."""

from sysimage.gpt.expand import expand
from sysimage.gpt.format import ALIGNMENT, SECTOR
from sysimage.gpt.layout import Layout, Partition, load, parse
from sysimage.gpt.reader import Table, find, inspect, open_partition, read, read_copy
from sysimage.gpt.verify import verify
from sysimage.gpt.writer import plan
from sysimage.places import EMPTY, Empty

__all__ = [
    "ALIGNMENT",
    "EMPTY",
    "SECTOR",
    "Empty",
    "Layout",
    "Partition",
    "Table",
    "expand",
    "find",
    "inspect",
    "load",
    "open_partition",
    "parse",
    "plan",
    "read",
    "read_copy",
    "verify",
]
