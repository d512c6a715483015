"""Changes files in the file systems of a finished disk image."""

from sysimage.edit.changes import Change
from sysimage.edit.disk import edit_disk, edit_image, partition_tree, read_file

__all__ = ["Change", "edit_disk", "edit_image", "partition_tree", "read_file"]
