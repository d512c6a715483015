"""Edits of FAT and ext4 partitions of any content, before fsck.fat, e2fsck, mtools, debugfs and our own readers."""

from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

from sysimage import ext4, fat, gpt
from sysimage.edit import Change, edit_image, partition_tree, read_file
from sysimage.errors import UserError
from sysimage.ext4.testing import options
from sysimage.extents import ExtentMap, Sources, open_raw
from sysimage.fat import FatType, Options
from sysimage.gpt import Layout, Partition
from sysimage.materialise import write_raw
from sysimage.tree import NANOSECONDS, Tree, directory, file, join
from tests.soak import judges
from tests.soak.draw import EPOCH
from tests.soak.scenario import Finding, Scenario

_MIB = 1 << 20
_SECTORS = _MIB // 512
_TYPE = UUID("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
_SIZES = (0, 1, 59, 511, 512, 513, 1024, 4095, 4096, 4097, 20_000, 300_000)
_ROUNDS = 4
_NAMES = ("a", "b", "config.ini", "Long name of many parts.text", "keys", "\u00fc\u65e5", "x" * 100)
_FULL = ("no room", "free", "the content needs", "the root directory needs", "has too many", "is too small for")
_Files = dict[str, bytes]


def _content(random: Random) -> bytes:
    return random.randbytes(random.choice(_SIZES))


def _paths(random: Random) -> list[str]:
    """Paths of files, of which none lies below another."""
    folders = ["", "d", "d/e", "wide folder"]
    return [
        join(random.choice(folders), f"{random.choice(_NAMES)}{number}") for number in range(random.choice((1, 8, 60)))
    ]


def _tree(files: _Files) -> Tree:
    tree = Tree(directory(mtime=EPOCH * NANOSECONDS))
    for path, data in files.items():
        tree.make_directories(path.rpartition("/")[0], mtime=EPOCH * NANOSECONDS)
        tree.put(path, file(data, mtime=EPOCH * NANOSECONDS))
    return tree


def _changes(random: Random, paths: list[str]) -> list[Change]:
    chosen = random.sample(paths, random.randint(1, min(len(paths), 10)))
    return [
        Change(path, None if random.random() < 0.3 else _content(random), mtime=(EPOCH + 1) * NANOSECONDS)
        for path in chosen
    ]


def _edited(random: Random, scratch: Path, content: ExtentMap, files: _Files, paths: list[str]) -> Path:
    """A partition after some rounds of edits, as a file; `files` becomes what must be in it."""
    size = -(-content.size // _MIB) * _SECTORS
    layout = Layout(UUID(int=1), size + 2 * _SECTORS, (Partition(1, "part", _SECTORS, size, _TYPE, UUID(int=2)),))
    disk = scratch / "disk.img"
    write_raw(gpt.plan(layout, {"part": content}), Sources({}), disk)
    for _ in range(random.randint(1, _ROUNDS)):
        changes = _changes(random, paths)
        before = disk.read_bytes()
        try:
            edit_image(disk, {"part": changes})
        except UserError as error:
            if not any(text in error.message for text in _FULL):
                raise Finding(f"refused: {error}") from error
            judges.wrong("the disk after a refusal", disk.read_bytes() == before, True)
            continue
        for change in changes:
            files.pop(change.path, None)
            if change.content is not None:
                files[change.path] = change.content
        judges.wrong("bytes written by the same edit again", edit_image(disk, {"part": changes}), 0)
    reader = open_raw(disk)
    part = scratch / "part"
    with reader.sources:
        tree = partition_tree(reader, "part")
        for path in paths:
            if read_file(reader, tree, path) != files.get(path):
                raise Finding(f"/{path!r} is read back otherwise than it was written")
        opened = gpt.open_partition(reader, "part")
        write_raw(opened.map, opened.sources, part)
    return part


def edit_fat(random: Random, scratch: Path) -> None:
    """A FAT that is edited again and again: sound, and with the files that were asked for."""
    paths = _paths(random)
    files = {path: _content(random) for path in paths if random.random() < 0.6}
    kind, size = random.choice(((FatType.FAT16, 9), (FatType.FAT16, 32), (FatType.FAT32, 50)))
    label = random.choice(("", "CONFIG"))
    try:
        content = fat.plan(_tree(files), Options(size * _MIB, kind, label=label, hidden_sectors=_SECTORS))
    except UserError:
        return
    part = _edited(random, scratch, content, files, paths)
    judges.fsck_fat(part)
    out = scratch / "copied"
    for path in random.sample(sorted(files), min(4, len(files))):
        out.unlink(missing_ok=True)
        judges.run("mcopy", "-n", "-i", part, f"::{path}", out)
        judges.wrong(f"mcopy of /{path!r}", out.read_bytes() == files[path], True)


def edit_ext4(random: Random, scratch: Path) -> None:
    """An ext4 that is edited again and again, to its last block: sound, and with the files that were asked for."""
    paths = _paths(random)
    files = {path: _content(random) for path in paths if random.random() < 0.6}
    wanted = options(block_size=random.choice((1024, 4096)), journal=random.random() < 0.3)
    # Its room is one that some edits are too large for.
    content = ext4.plan(_tree(files), replace(wanted, reserve=random.choice((0, 100_000, 4 * _MIB))))
    part = _edited(random, scratch, content, files, paths)
    judges.e2fsck(part)
    out = scratch / "dumped"
    for path in random.sample(sorted(files), min(4, len(files))):
        out.unlink(missing_ok=True)
        judges.run("debugfs", "-R", f'dump "/{path}" {out}', part)
        judges.wrong(f"debugfs of /{path!r}", out.read_bytes() == files[path], True)


SCENARIOS = (Scenario("edit-fat", "edit", edit_fat, 3), Scenario("edit-ext4", "edit", edit_ext4, 3))
