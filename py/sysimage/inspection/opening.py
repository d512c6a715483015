"""Opens an image however it is packed: raw, in a tar, or in a tar under zstd."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sysimage import framed, sparse_tar, zstd
from sysimage.errors import UserError
from sysimage.extents import COMPRESSED, ExtentMap, ImageReader, ReaderFile, Sources, open_raw
from sysimage.sparse_tar import StoredMember

ARCHIVE = "archive"  # the key of the source that an image in an archive is read from
_TAR_MAGIC = b"ustar"
_TAR_MAGIC_OFFSET = 257


@contextlib.contextmanager
def open_image(
    path: Path | str, member: str = "", findings: list[str] | None = None, in_place: bool = False
) -> Iterator[ImageReader]:
    """A reader of an image file. What is compressed is unpacked into a temporary file, its holes left out.

    Args:
        path: the file; its content, not its name, says what it is.
        member: which member of an archive; none: the first.
        findings: takes what is wrong with the archive itself; left out, it is not judged.
        in_place: of a tar under zstd only what is read is unpacked, each time: for who reads little of it. Its source
            is compressed then, `ARCHIVE` behind COMPRESSED. Damage elsewhere is not found.

    Raises:
        UserError: it cannot be read or is damaged, or there is no such member.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        plain = path
        if is_zstd(path):
            if in_place and (frames := _open_frames(path)):
                with Sources({}) as sources:
                    sources.add_compressed(ARCHIVE, path, frames)
                    yield _image(sources, path, member)
                return
            plain = Path(folder, "unpacked")
            with path.open("rb") as packed, plain.open("wb") as file:
                zstd.decompress(packed, file, str(path))
        if not _starts_with(plain, _TAR_MAGIC_OFFSET, _TAR_MAGIC):
            if member:
                raise UserError(f"{path} is no tar archive, so there is no member {member!r} in it")
            reader = open_raw(plain)
            with reader.sources:
                yield reader
            return
        if findings is not None:
            with plain.open("rb") as file:
                findings += sparse_tar.verify(file)
        with Sources({ARCHIVE: plain}) as sources:
            yield _image(sources, path, member)


def archive_members(sources: Sources, name: str) -> list[StoredMember]:
    """The members of the archive that an image was opened from; none if it was opened as it is.

    Raises:
        UserError: as `sparse_tar.read`.
    """
    key = _archive_key(sources)
    if key is None:
        return []
    archive = ImageReader(ExtentMap.of_slice(key, 0, sources.size(key)), sources)
    return list(sparse_tar.read(ReaderFile(archive), name))


def _archive_key(sources: Sources) -> str | None:
    return next((key for key in (ARCHIVE, COMPRESSED + ARCHIVE) if key in sources.paths), None)


def _open_frames(path: Path) -> framed.Reader | None:
    """The frames of a tar; None if it is something else, or its frames cannot be read each alone."""
    reader = framed.open_stream(path, str(path))
    if reader is None:
        return None
    end = _TAR_MAGIC_OFFSET + len(_TAR_MAGIC)
    if reader.size >= end and reader.view(_TAR_MAGIC_OFFSET, len(_TAR_MAGIC)) == _TAR_MAGIC:
        return reader
    reader.close()
    return None


def is_zstd(path: Path) -> bool:
    """Whether a file is under zstd. Errors: it cannot be read."""
    return _starts_with(path, 0, zstd.MAGIC)


def _starts_with(path: Path, offset: int, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(len(magic)) == magic
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _image(sources: Sources, path: Path, member: str) -> ImageReader:
    key = _archive_key(sources)
    assert key is not None
    members = {each.name: each for each in archive_members(sources, str(path))}
    if not members:
        raise UserError(f"{path} is an archive without members")
    if member and member not in members:
        raise UserError(f"{path} has no member {member!r}", hint=f"there are {', '.join(members)}")
    return ImageReader(members[member or next(iter(members))].content(key), sources)
