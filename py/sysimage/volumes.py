"""What lies on a disk, by its name: a partition, or a logical volume in one.

esp               the partition of that name
hostlvm/A_boot    the volume A_boot of the LVM physical volume in the partition hostlvm
"""

from sysimage import gpt, lvm
from sysimage.errors import UserError
from sysimage.extents import ImageReader

SEPARATOR = "/"


def join(partition: str, volume: str) -> str:
    """How a logical volume is called."""
    return f"{partition}{SEPARATOR}{volume}"


def open_volume(disk: ImageReader, name: str) -> ImageReader:
    """What lies in a partition or a logical volume.

    Args:
        disk: an image with a GUID partition table.
        name: PARTITION or PARTITION/VOLUME. A partition whose own name has a slash is meant before any volume.

    Raises:
        UserError: the disk has no whole table, or there is no such partition or volume.
    """
    # Names of logical volumes have no slash.
    partition, separator, volume = name.rpartition(SEPARATOR)
    if not separator or any(entry.name == name for entry in gpt.read(disk).partitions):
        return gpt.open_partition(disk, name)
    content = gpt.open_partition(disk, partition)
    if not lvm.find(content):
        raise UserError(f"partition {partition!r} is no LVM physical volume, so there is no volume {volume!r} in it")
    try:
        return lvm.open_volume(content, volume)
    except UserError as error:
        raise UserError(f"partition {partition!r}: {error.message}", error.hint) from error
