"""ext4: planned from a tree, read back into one, inspected, and judged.

`plan` turns a tree into an extent map: metadata as literals, file contents as
slices of their sources. `read`, `inspect` and `verify` work on any image.
"""

from sysimage.ext4.inspect import Ext4Info, find, inspect
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan
from sysimage.ext4.read import read
from sysimage.ext4.selinux import FileContexts
from sysimage.ext4.verify import verify

__all__ = ["Ext4Info", "Ext4Options", "FileContexts", "find", "inspect", "plan", "read", "verify"]
