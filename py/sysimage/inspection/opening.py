"""Opens an image however it is packed: raw, in a tar, or in a tar under zstd."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sysimage import sparse_tar, zstd
from sysimage.errors import UserError
from sysimage.extents import ImageReader, Sources, open_raw
from sysimage.sparse_tar import StoredMember

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_TAR_MAGIC = b"ustar"
_TAR_MAGIC_OFFSET = 257


@contextlib.contextmanager
def open_image(path: Path | str, member: str = "", findings: list[str] | None = None) -> Iterator[ImageReader]:
    """A reader of an image file. What is compressed is unpacked into a temporary file, its holes left out.

    Args:
        path: the file; its content, not its name, says what it is.
        member: which member of an archive; none: the first.
        findings: takes what is wrong with the archive itself; left out, it is not judged.

    Raises:
        UserError: it cannot be read or is damaged, or there is no such member.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        plain = path
        if _starts_with(path, 0, _ZSTD_MAGIC):
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
        content = _member(plain, str(path), member).content("archive")
        with Sources({"archive": plain}) as sources:
            yield ImageReader(content, sources)


def _starts_with(path: Path, offset: int, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(len(magic)) == magic
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _member(path: Path, name: str, member: str) -> StoredMember:
    with path.open("rb") as file:
        members = {each.name: each for each in sparse_tar.read(file, name)}
    if not members:
        raise UserError(f"{name} is an archive without members")
    if member and member not in members:
        raise UserError(f"{name} has no member {member!r}", hint=f"there are {', '.join(members)}")
    return members[member or next(iter(members))]
