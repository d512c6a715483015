"""FAT file systems (FAT16, FAT32, long names): planned from a tree, read back into one, and judged."""

from sysimage.fat.format import FatType
from sysimage.fat.reader import FatReader, find, inspect
from sysimage.fat.verify import verify
from sysimage.fat.writer import Options, plan

__all__ = ["FatReader", "FatType", "Options", "find", "inspect", "plan", "verify"]
