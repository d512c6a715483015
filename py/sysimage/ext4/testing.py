"""What the tests of ext4 share, here and in tests/interop."""

import dataclasses
from pathlib import Path
from typing import Any
from uuid import UUID

from sysimage.ext4.options import Ext4Options
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.tree import NANOSECONDS, NodeType, Tree, directory

EPOCH = 1_700_000_000
LOST_FOUND = "lost+found"


def options(**changes: Any) -> Ext4Options:
    """Options with fixed identities."""
    fields: dict[str, Any] = {
        "uuid": UUID("11223344-5566-7788-99aa-bbccddeeff00"),
        "hash_seed": UUID("00000000-0000-0000-0000-00000000004d"),
        "epoch": EPOCH,
    }
    return Ext4Options(**(fields | changes))


def write_over(image: ExtentMap, path: Path, sources: Sources, filler: bytes) -> None:
    """Writes an image over a file full of `filler`: holes must come out as zeros, not as what was there."""
    with open(path, "wb") as file:
        for start in range(0, image.size, len(filler)):
            file.write(filler[: image.size - start])
        position = 0
        for extent in image.extents:
            file.seek(position)
            file.write(bytes(extent.offset - position))
            file.write(sources.view(extent))
            position = extent.end
        file.seek(position)
        file.write(bytes(image.size - position))


def write_sparse(image: ExtentMap, path: Path, sources: Sources) -> None:
    """Writes an image as a sparse file."""
    with open(path, "wb") as file:
        file.truncate(image.size)
        for extent in image.extents:
            file.seek(extent.offset)
            file.write(sources.view(extent))


def differences(wanted: Tree, got: Tree, wanted_sources: Sources, got_sources: Sources) -> list[str]:
    """What is different between two trees: paths, inodes, links, contents byte by byte, `lost+found` aside."""
    found: list[str] = []
    if LOST_FOUND not in wanted:
        wanted = wanted.copy()
        wanted.add(LOST_FOUND, directory(0o700, mtime=EPOCH * NANOSECONDS))
    left, right = dict(wanted.walk()), dict(got.walk())
    found += [f"/{path} is missing" for path in left if path not in right]
    found += [f"/{path} is too much" for path in right if path not in left]
    compared: set[tuple[int, int]] = set()  # inodes whose links are: there may be many, each with all the others
    for path in left.keys() & right.keys():
        one, other = left[path], right[path]
        if dataclasses.replace(one, content=None) != dataclasses.replace(other, content=None):
            found.append(f"/{path}: {one} became {other}")
        pair = (wanted.number(path), got.number(path))
        if pair not in compared and wanted.links(path) != got.links(path):
            found.append(f"/{path}: links {wanted.links(path)} became {got.links(path)}")
        compared.add(pair)
        if one.type is other.type is NodeType.FILE and not same_content(
            ImageReader(one.data, wanted_sources), ImageReader(other.data, got_sources)
        ):
            found.append(f"/{path}: other content")
    return sorted(found)


def same_content(one: ImageReader, other: ImageReader) -> bool:
    """Whether two images read the same; stretches that are holes in both are not read."""
    if one.size != other.size:
        return False
    step = 1 << 16
    starts = {
        start
        for image in (one.map, other.map)
        for extent in image.extents
        for start in range(extent.offset // step * step, extent.end, step)
    }
    return all(one.read(start, step) == other.read(start, step) for start in sorted(starts))
