"""dm-verity: the hash tree behind an image, its superblock, and the root hash that stands for both.

The map of a protected image is data, superblock, tree. The root hash leaves as a
value; how it reaches a kernel command line is not this package's business.
"""

from sysimage.verity.format import BLOCK, SALT_MAX
from sysimage.verity.reader import Superblock, inspect, read_superblock
from sysimage.verity.verify import verify
from sysimage.verity.writer import VerityImage, plan

__all__ = [
    "BLOCK",
    "SALT_MAX",
    "Superblock",
    "VerityImage",
    "inspect",
    "plan",
    "read_superblock",
    "verify",
]
