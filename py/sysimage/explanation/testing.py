"""What the tests of this package share: a small root, a disk with it, and changes to plant."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import zstandard

from sysimage import ext4, fat, gpt, materialise, sparse_tar, verity
from sysimage.explanation.explain import explain
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.places import Content
from sysimage.sparse_tar import Member
from sysimage.tree import NANOSECONDS, Tree, directory, file, symlink

NONE = Sources({})
MIB = 1 << 20
MTIME = 1754697600 * NANOSECONDS  # 2025-08-09
OTHER_TIME = 978307200 * NANOSECONDS  # 2001-01-01
PARTITION = 16384  # sectors
HOSTNAME = b"a machine with a longish name\nand a second line\n"
KIND = UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")

Change = Callable[[Tree], None]


def root(*changes: Change) -> Tree:
    """A small root file system, with changes."""
    tree = Tree(directory(mtime=MTIME))
    for folder in ("etc", "usr", "usr/bin"):
        tree.add(folder, directory(mtime=MTIME))
    tree.add("etc/hostname", file(HOSTNAME, mtime=MTIME))
    tree.add("etc/blob", file(bytes(range(256)) * 40, mtime=MTIME))
    tree.add("usr/bin/tool", file(b"#!/bin/sh\n", 0o755, mtime=MTIME))
    tree.add("usr/bin/link", symlink("tool", mtime=MTIME))
    for change in changes:
        change(tree)
    return tree


def change(path: str, **fields: Any) -> Change:
    """Other fields for the inode at a path."""
    return lambda tree: tree.change(path, **fields)


def content(path: str, data: bytes) -> Change:
    """Another content for a file."""
    return change(path, content=ExtentMap.of_bytes(data))


def volume(tree: Tree | None = None, **options: Any) -> ExtentMap:
    """An ext4 file system."""
    fields: dict[str, Any] = {
        "uuid": UUID(int=1),
        "hash_seed": UUID(int=2),
        "epoch": MTIME // NANOSECONDS,
        "label": "root",
    }
    return ext4.plan(tree or root(), ext4.Ext4Options(**fields | options))


def fat_volume(*changes: Change, **options: Any) -> ExtentMap:
    """A FAT16 file system with a file and a folder."""
    tree = Tree(directory(mtime=MTIME))
    tree.add("grub.cfg", file(b"set timeout=1\n", mtime=MTIME))
    tree.add("efi", directory(mtime=MTIME))
    for change in changes:
        change(tree)
    fields: dict[str, Any] = {"size": 8 * MIB, "label": "ESP", "volume_id": 1}
    return fat.plan(tree, fat.Options(**fields | options))


def disk(
    root_volume: ExtentMap | None = None,
    esp: ExtentMap | None = None,
    salt: bytes = b"\1" * 32,
    guid: int = 9,
    entries: Callable[[int], dict[str, Any]] = lambda _: {},
) -> ExtentMap:
    """A disk of 48 MiB: esp (FAT), boot (ext4, with the root hash), root (ext4 with verity), var (empty), and a gap."""
    protected = verity.plan(root_volume or volume(), NONE, salt, UUID(int=3))
    boot = Tree(directory(mtime=MTIME))
    boot.add("args", file(f"root_hash={protected.root_hash.hex()} quiet\n".encode(), mtime=MTIME))
    partitions = []
    for number, name in enumerate(("esp", "boot", "root", "var"), 1):
        fields: dict[str, Any] = {"number": number, "name": name, "start": number * PARTITION, "size": PARTITION}
        partitions.append(gpt.Partition(**fields | {"type": KIND, "guid": UUID(int=number)} | entries(number)))
    contents: dict[str, Content] = {
        "esp": esp or fat_volume(),
        "boot": volume(boot, label="boot"),
        "root": protected.map,
        "var": gpt.EMPTY,
    }
    wanted = {each.name: contents.get(each.name, gpt.EMPTY) for each in partitions}
    return gpt.plan(gpt.Layout(UUID(int=guid), 6 * PARTITION, tuple(partitions)), wanted)


def archive(members: Sequence[Member]) -> bytes:
    """A tar with sparse members."""
    out = io.BytesIO()
    sparse_tar.write(members, NONE, out)
    return out.getvalue()


def packed(data: bytes, **options: Any) -> bytes:
    """One zstd frame."""
    return zstandard.ZstdCompressor(**{"level": 3, "write_checksum": True} | options).compress(data)


def bytes_of(image: ExtentMap) -> bytes:
    """An image, whole."""
    return ImageReader(image, NONE).read(0, image.size)


def patched(image: ExtentMap | bytes, *changes: tuple[int, bytes]) -> bytes:
    """An image with other bytes at some places."""
    data = bytearray(image if isinstance(image, bytes) else bytes_of(image))
    for at, new in changes:
        data[at : at + len(new)] = new
    return bytes(data)


def told(folder: Path, ours: ExtentMap | bytes, theirs: ExtentMap | bytes, **options: Any) -> list[str]:
    """What is said of two files of these contents."""
    paths = []
    for name, content in (("ours", ours), ("theirs", theirs)):
        image = ExtentMap.of_bytes(content) if isinstance(content, bytes) else content
        paths.append(folder / name)
        materialise.write_raw(image, NONE, paths[-1])
    return explain(paths[0], paths[1], **options)
