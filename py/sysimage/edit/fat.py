"""Changes files of a FAT: it is planned anew from its tree, and the blocks that differ are the edit.

A FAT that is edited is small, so planning it anew costs little and leaves nothing behind: what was in a
file that is away is nowhere in the partition. The type, the sizes, the label and the serial number stay.
"""

from collections.abc import Iterable

from sysimage import fat
from sysimage.edit.changes import Change, by_path, differences
from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.fat import format as layout
from sysimage.fat.reader import Entry
from sysimage.tree import NodeType, Tree, file

_KEPT_ATTRIBUTES = layout.ATTRIBUTE_DIRECTORY | layout.ATTRIBUTE_ARCHIVE
VOLUME_MAX = 1 << 30  # bytes


def edit(image: ImageReader, changes: Iterable[Change]) -> dict[int, bytes]:
    """The bytes of the volume that become others, by their offsets.

    Raises:
        UserError: no FAT, a damaged one, or one with what our writer does not make; a change is not possible.
    """
    reader = fat.FatReader(image)
    if findings := fat.verify(image):
        raise UserError(f"the FAT is damaged: {findings[0]}", hint="mend it with fsck.fat before it is changed")
    if reader.boot.size > VOLUME_MAX:
        raise UserError(f"a FAT of {reader.boot.size} bytes is too large to be planned anew, {VOLUME_MAX} are the most")
    tree, label = _tree(reader)
    for change in by_path(changes):
        _apply(tree, change, image)
    boot = reader.boot
    options = fat.Options(boot.size, boot.type, boot.cluster_size, label, boot.volume_id, boot.hidden_sectors)
    # The partition may be larger than what is in it.
    return differences(image, ImageReader(fat.plan(tree, options).resized(image.size), image.sources))


def _tree(reader: fat.FatReader) -> tuple[Tree, str]:
    """The tree, its root with the time that the label's entry has, and the label."""
    label = reader.boot.label
    root_time = 0
    for path, entry in reader.walk():
        if entry.attributes & layout.ATTRIBUTE_VOLUME:
            label, root_time = entry.name, entry.mtime
        else:
            _check_attributes(path, entry)
    tree = reader.tree()
    tree.change("", mtime=root_time)
    return tree, label


def _check_attributes(path: str, entry: Entry) -> None:
    if other := entry.attributes & ~_KEPT_ATTRIBUTES:
        raise UserError(
            f"/{path} is read-only, hidden or the system's (attributes {other:#04x}), which an edit would lose"
        )


def _apply(tree: Tree, change: Change, image: ImageReader) -> None:
    old = tree.get(change.path)
    if old is not None and old.type is NodeType.DIRECTORY:
        raise UserError(f"/{change.path} is a directory; only files are changed")
    if change.content is None:
        if old is not None:
            tree.remove(change.path)
        return
    if old is not None and ImageReader(old.data, image.sources).read(0, old.size) == change.content:
        return
    if old is None:
        tree.make_directories(change.path.rpartition("/")[0], mtime=change.mtime)
    tree.put(change.path, file(change.content, mtime=change.mtime))
