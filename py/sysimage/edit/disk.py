"""Changes files in the partitions of a finished disk image: raw, or in an archive as it is shipped.

Nothing is mounted, booted, or done as root. Every change is planned in memory first, as blocks of the image that become
others, and what the image would then be is judged; only then something is written. That is a copy beside the
image, with as much as possible shared with it (a clone where the file system can, else without its holes), which takes
the image's name when it is on the disk: power cut or not, there is the old image or the new one.
"""

import contextlib
import dataclasses
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
from sysimage.inspection.opening import archive_members, is_zstd, open_image
from sysimage.materialise import open_output, write_raw, write_stream
from sysimage.tree import NodeType, Tree

_FICLONE = 0x40049409  # ioctl_ficlone(2)
MEMBER = "disk.img"  # the name of an image in an archive, if it had none
# By the end of an output's name: whether it is an archive, and whether that is under zstd.
_PACKINGS = {".tar.zst": (True, True), ".tar": (True, False), ".img": (False, False)}
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


def edit_image(path: Path, changes: Mapping[str, Iterable[Change]], output: Path | None = None) -> int:
    """Changes an image file: raw, or the one member of a tar archive, under zstd or not.

    Args:
        path: the image.
        changes: by the names of partitions.
        output: where the image goes, see `write`; left out, it takes the place of the one that was there.

    Returns:
        how many bytes of the disk were written; none if it was as wanted already. An image without an output is not
        touched then.

    Raises:
        UserError: as `edit_disk`, or the file cannot be read or written.
    """
    with open_image(path, in_place=True) as disk:
        patches = edit_disk(disk, changes)
        if patches or output:
            write(path, disk, patches, output)
    return sum(len(data) for data in patches.values())


def write(path: Path, disk: ImageReader, patches: Mapping[int, bytes], output: Path | None = None) -> None:
    """Lets an image, opened from `path`, have other bytes at some places.

    Args:
        path: the image.
        disk: a reader of it.
        patches: the bytes by their offsets on the disk.
        output: where the result goes: an archive if the name ends in .tar or .tar.zst, with a file of its sha256 beside
            it, and raw if it ends in .img. Left out, the result takes the place of the image, packed as that was, and
            its .sha256 is written anew if there is one.

    Raises:
        UserError: the archive has other members, the output has another ending, the file cannot be written.
    """
    target = output or path
    member, from_archive = _member(path, disk)
    archived, compressed = _packing(output) if output else (from_archive, is_zstd(path))
    staged = target.with_name(target.name + ".edited")
    with _reporting(target, staged):
        changed = ImageReader(overlay(disk.map, patches), disk.sources)
        if archived:
            archive = sparse_tar.plan([dataclasses.replace(member, content=changed.map)])
            with open_output(staged, compressed) as sink:
                write_stream(archive, changed.sources, sink)
        elif from_archive or not _write_clone(path, staged, patches):
            write_raw(changed.map, changed.sources, staged)
        os.chmod(staged, path.stat().st_mode & 0o777 if output is None else 0o644)
        _replace(staged, target)
        checksum = target.with_name(target.name + SHA256_SUFFIX)
        if checksum.exists() if output is None else archived:
            with target.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            write_text(checksum, f"{digest}  {target.name}\n")


def _packing(path: Path) -> tuple[bool, bool]:
    """Whether an output is an archive, and whether that is under zstd."""
    for ending, packing in _PACKINGS.items():
        if path.name.endswith(ending):
            return packing
    raise UserError(f"{path}: the name of an image ends in {', '.join(_PACKINGS)}", hint="it says how it is packed")


def _member(path: Path, disk: ImageReader) -> tuple[sparse_tar.Member, bool]:
    """The member that an image is or would be of an archive, and whether it is."""
    stored = archive_members(disk.sources, str(path))
    if not stored and is_zstd(path):
        raise UserError(f"{path} is compressed, but no archive", hint="unpack it: zstd --decompress")
    if len(stored) > 1:
        raise UserError(f"{path} has {len(stored)} members, and only an archive of one disk image is changed")
    if not stored:
        return sparse_tar.Member(MEMBER, disk.map), False
    return sparse_tar.Member(stored[0].name, disk.map, mode=stored[0].mode, mtime=stored[0].mtime), True


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
