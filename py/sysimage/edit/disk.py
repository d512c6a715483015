"""Changes files in the partitions of a finished disk image: raw, or in an archive as it is shipped.

Nothing is mounted, booted, or done as root. Every change is planned in memory first, as blocks of the image that become
others, and what the image would then be is judged; only then something is written. That is a copy beside the
image, with as much as possible shared with it (a clone where the file system can, else without its holes), which takes
the image's name when it is on the disk: power cut or not, there is the old image or the new one.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sysimage import ext4, fat, gpt, sparse_tar
from sysimage.edit import ext4 as edit_ext4
from sysimage.edit import fat as edit_fat
from sysimage.edit.changes import Change, overlay
from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.files import write_text
from sysimage.inspection.opening import open_image
from sysimage.materialise import open_output, write_raw
from sysimage.tree import NodeType, Tree

_FICLONE = 0x40049409  # ioctl_ficlone(2)
_ARCHIVE = "archive"  # the key of an image's source that is a member of an archive
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
SHA256_SUFFIX = ".sha256"


def partition_tree(disk: ImageReader, name: str) -> Tree:
    """The files of a partition, by its name; what their contents are read with is `disk.sources`.

    Raises:
        UserError: there is no such partition, or what is in it cannot be read.
    """
    content = gpt.open_partition(disk, name)
    try:
        if fat.find(content):
            return fat.FatReader(content).tree()
        if ext4.find(content):
            return ext4.read(content)
    except UserError as error:
        raise UserError(f"partition {name!r}: {error.message}", error.hint) from error
    raise _unknown(name)


def edit_disk(disk: ImageReader, changes: Mapping[str, Iterable[Change]]) -> dict[int, bytes]:
    """The bytes of a disk that become others, by their offsets.

    Args:
        disk: with a GUID partition table.
        changes: by the names of partitions.

    Raises:
        UserError: no such partition; its file system cannot be changed here; a change is not possible.
    """
    table = gpt.read(disk)
    patches: dict[int, bytes] = {}
    for name, wanted in changes.items():
        content = gpt.open_partition(disk, name)
        try:
            found = _edit(name, content, wanted)
        except UserError as error:
            raise UserError(f"partition {name!r}: {error.message}", error.hint) from error
        patches |= {table[name].offset + at: data for at, data in found.items()}
    return patches


def _edit(name: str, content: ImageReader, changes: Iterable[Change]) -> dict[int, bytes]:
    is_fat = fat.find(content)
    if not is_fat and not ext4.find(content):
        raise _unknown(name)
    patches = edit_fat.edit(content, changes) if is_fat else edit_ext4.edit(content, changes)
    result = ImageReader(overlay(content.map, patches), content.sources)
    if findings := fat.verify(result) if is_fat else ext4.verify(result):
        raise ValueError(f"the edit of partition {name!r} would damage it: {findings[0]}")
    return patches


def _unknown(name: str) -> UserError:
    return UserError(f"partition {name!r} has no file system that can be read here", hint="FAT and ext4 can")


def read_file(disk: ImageReader, tree: Tree, path: str) -> bytes | None:
    """The content of a file of a partition's tree; None if there is none. Errors: it is something else."""
    node = tree.get(path)
    if node is None:
        return None
    if node.type is not NodeType.FILE:
        raise UserError(f"/{path} is a {node.type.value}, not a file")
    return ImageReader(node.data, disk.sources).read(0, node.size)


def edit_image(path: Path, changes: Mapping[str, Iterable[Change]]) -> int:
    """Changes an image file: raw, or the one member of a tar archive, under zstd or not.

    An archive is written anew, and a file of its name with `.sha256` beside it too, if there is one.

    Returns:
        how many bytes of the disk were written; none if it was as wanted already. The file is not touched then.

    Raises:
        UserError: as `edit_disk`, or the file cannot be read or written.
    """
    with open_image(path) as disk:
        patches = edit_disk(disk, changes)
        if patches:
            write(path, disk, patches)
    return sum(len(data) for data in patches.values())


def write(path: Path, disk: ImageReader, patches: Mapping[int, bytes]) -> None:
    """Lets an image, opened from `path`, have other bytes at some places. Errors: the file cannot be written."""
    staged = path.with_name(path.name + ".edited")
    checksum = path.with_name(path.name + SHA256_SUFFIX)
    with _reporting(path, staged):
        changed = ImageReader(overlay(disk.map, patches), disk.sources)
        if _ARCHIVE in disk.sources.paths:
            _write_archive(path, staged, changed)
        elif not _write_clone(path, staged, patches):
            write_raw(changed.map, changed.sources, staged)
        os.chmod(staged, path.stat().st_mode & 0o777)
        _replace(staged, path)
        if checksum.exists():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            write_text(checksum, f"{digest}  {path.name}\n")


def _write_clone(path: Path, staged: Path, patches: Mapping[int, bytes]) -> bool:
    """Writes a copy that shares its blocks with the image; False if the file system cannot."""
    with path.open("rb") as original, staged.open("wb") as file:
        try:
            fcntl.ioctl(file.fileno(), _FICLONE, original.fileno())
        except OSError:
            return False
        for at, data in patches.items():
            file.seek(at)
            file.write(data)
    return True


def _write_archive(path: Path, staged: Path, disk: ImageReader) -> None:
    with disk.sources.paths[_ARCHIVE].open("rb") as file:
        members = list(sparse_tar.read(file, str(path)))
    if len(members) != 1:
        raise UserError(f"{path} has {len(members)} members, and only an archive of one disk image is changed")
    member = sparse_tar.Member(members[0].name, disk.map, mode=members[0].mode, mtime=members[0].mtime)
    with path.open("rb") as file:
        compress = file.read(len(_ZSTD_MAGIC)) == _ZSTD_MAGIC
    with open_output(staged, compress) as sink:
        sparse_tar.write([member], disk.sources, sink)


def _replace(staged: Path, path: Path) -> None:
    """Gives a file another one's name, with all that is in it on the disk before, and the name after."""
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(staged, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _reporting(path: Path, staged: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    finally:
        staged.unlink(missing_ok=True)
