"""What is to be different in a file system, and the bytes of the image that become different by it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader
from sysimage.tree import parent

BLOCK = 4096  # bytes: in such pieces two images are compared
CONTENT_MAX = 64 << 20  # bytes of a new content; it is held in memory


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is to have a content, or is to be away.

    path: from the root of the file system, without a slash in front.
    content: the bytes; None takes the file away, if it is there.
    mode, uid, gid: of a file that was not there. One that was keeps its own.
    mtime: nanoseconds since 1970, of what is written.
    """

    path: str
    content: bytes | None
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0

    def __post_init__(self) -> None:
        if any(part in ("", ".", "..") for part in self.path.split("/")) or "\0" in self.path:
            raise UserError(f"{self.path!r} is no path of a file in a file system", hint="as in etc/config.ini")
        if self.content is not None and len(self.content) > CONTENT_MAX:
            raise UserError(f"/{self.path}: {len(self.content)} bytes are too many for an edit, {CONTENT_MAX} the most")


def by_path(changes: Iterable[Change]) -> list[Change]:
    """The changes in the order of their paths, which is the one they are made in.

    Raises:
        UserError: a path is there twice, or lies below a file that is written.
    """
    seen: dict[str, Change] = {}
    for change in changes:
        if change.path in seen:
            raise UserError(f"/{change.path} is changed twice")
        seen[change.path] = change
    for change in seen.values():
        above = parent(change.path)
        while above:
            if above in seen and change.content is not None:
                raise UserError(f"/{change.path} lies below /{above}, which is changed as a file")
            above = parent(above)
    return [seen[path] for path in sorted(seen)]


def differences(old: ImageReader, new: ImageReader) -> dict[int, bytes]:
    """By offset the blocks in which an image of the same size reads differently, neighbours joined."""
    starts = {
        start
        for image in (old.map, new.map)
        for extent in image.extents
        for start in range(extent.offset // BLOCK * BLOCK, extent.end, BLOCK)
    }
    changed = ((at, block) for at in sorted(starts) if (block := new.read(at, BLOCK)) != old.read(at, BLOCK))
    return joined(changed)


def joined(pieces: Iterable[tuple[int, bytes]]) -> dict[int, bytes]:
    """Pieces in ascending order, those that follow each other as one."""
    result: dict[int, list[bytes]] = {}
    start = end = -1
    for at, data in pieces:
        if at != end:
            start = at
        result.setdefault(start, []).append(data)
        end = at + len(data)
    return {at: b"".join(parts) for at, parts in result.items()}


def overlay(image: ExtentMap, patches: Mapping[int, bytes]) -> ExtentMap:
    """An image with other bytes at some places."""
    return ExtentMap(image.size, _overlaid(image, sorted(patches.items())))


def _overlaid(image: ExtentMap, patches: Iterable[tuple[int, bytes]]) -> Iterator[Extent]:
    position = 0
    for at, data in patches:
        yield from image.overlapping(position, at - position)
        yield Extent(at, len(data), data)
        position = at + len(data)
    yield from image.overlapping(position, image.size - position)
