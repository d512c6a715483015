"""Edits of image files: partitions by name, raw and in archives, whole or not at all."""

import hashlib
import random
from pathlib import Path
from uuid import UUID

import pytest
import zstandard

from sysimage import fat, framed, gpt, sparse_tar
from sysimage.edit import Change, edit_disk, edit_image, partition_tree, read_file
from sysimage.edit import disk as disks
from sysimage.edit import fat as edit_fat
from sysimage.edit.changes import overlay
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.fat import FatType, Options
from sysimage.gpt import EMPTY, Layout, Partition
from sysimage.inspection import open_image
from sysimage.materialise import open_output, write_raw
from sysimage.tree import Tree, file
from sysimage.zstd import decompress

NONE = Sources({})
TYPE = UUID("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
LAYOUT = Layout(
    UUID(int=1),
    20480,
    (
        Partition(1, "config", 2048, 10240, TYPE, UUID(int=2)),
        Partition(2, "var", 12288, 2048, TYPE, UUID(int=3)),
    ),
)


def disk() -> ExtentMap:
    tree = Tree()
    tree.add("config.ini", file(b"old\n"))
    content = fat.plan(tree, Options(10240 * 512, FatType.FAT16, label="CONFIG"))
    return gpt.plan(LAYOUT, {"config": content, "var": EMPTY})


def config(path: Path) -> bytes | None:
    with open_image(path) as image:
        return read_file(image, partition_tree(image, "config"), "config.ini")


def packed(path: Path, kind: str) -> Path:
    if kind == "raw":
        write_raw(disk(), NONE, path)
    else:
        with open_output(path, kind == "tar.zst") as sink:
            sparse_tar.write([sparse_tar.Member("disk.img", disk())], NONE, sink)
    return path


CHANGES = {"config": [Change("config.ini", b"new\n")]}


@pytest.mark.parametrize("kind", ["raw", "tar", "tar.zst"])
def test_edited(tmp_path: Path, kind: str) -> None:
    path = packed(tmp_path / "disk", kind)
    path.chmod(0o600)
    (tmp_path / "disk.sha256").write_text("old")
    assert edit_image(path, CHANGES) > 0
    assert config(path) == b"new\n"
    assert path.stat().st_mode & 0o777 == 0o600
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (tmp_path / "disk.sha256").read_text() == f"{digest}  disk\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["disk", "disk.sha256"]
    before = path.read_bytes()
    assert edit_image(path, CHANGES) == 0
    assert path.read_bytes() == before


def test_only_the_partition_is_written(tmp_path: Path) -> None:
    path = packed(tmp_path / "disk", "raw")
    with open_image(path) as image:
        patches = edit_disk(image, CHANGES)
    assert all(at >= 2048 * 512 and at + len(data) <= 12288 * 512 for at, data in patches.items())
    assert sum(map(len, patches.values())) < 1 << 20


def test_a_failure_leaves_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "disk", "raw")
    before = path.read_bytes()

    def stop(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disks, "_replace", stop)
    with pytest.raises(UserError, match=r"cannot write .*: Input/output error"):
        edit_image(path, CHANGES)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["disk"]


def test_an_edit_that_would_damage_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_fat, "edit", lambda *_: {0: b"x" * 512})
    with pytest.raises(ValueError, match="the edit of partition 'config' would damage it"):
        edit_disk(ImageReader(disk(), NONE), CHANGES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": [Change("a", b"")]}, "there is no partition 'data' (hint: there are config, var)"),
        ({"var": [Change("a", b"")]}, "partition 'var' has no file system that can be read here"),
        ({"config": [Change("config.ini/a", b"")]}, "partition 'config': /config.ini/a cannot be placed"),
    ],
)
def test_refused(changes: dict[str, list[Change]], message: str) -> None:
    with pytest.raises(UserError) as error:
        edit_disk(ImageReader(disk(), NONE), changes)
    assert message in str(error.value)


def test_what_is_no_disk(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(UserError, match="no GUID partition table"):
        edit_image(path, CHANGES)


def test_archive_of_several(tmp_path: Path) -> None:
    path = tmp_path / "disk.tar"
    with open_output(path) as sink:
        members = [sparse_tar.Member("disk.img", disk()), sparse_tar.Member("x", ExtentMap(0))]
        sparse_tar.write(members, NONE, sink)
    with pytest.raises(UserError, match="has 2 members, and only an archive of one disk image is changed"):
        edit_image(path, CHANGES)


def test_reading_what_is_no_file() -> None:
    image = ImageReader(disk(), NONE)
    tree = partition_tree(image, "config")
    assert read_file(image, tree, "absent") is None
    tree.add("folder", Tree()[""])
    with pytest.raises(UserError, match="/folder is a dir, not a file"):
        read_file(image, tree, "folder")
    with pytest.raises(UserError, match="partition 'var' has no file system"):
        partition_tree(image, "var")


@pytest.mark.parametrize("kind", ["raw", "tar", "tar.zst"])
@pytest.mark.parametrize("name", ["out.img", "out.tar", "out.tar.zst"])
def test_output(tmp_path: Path, kind: str, name: str) -> None:
    path = packed(tmp_path / "disk", kind)
    before = path.read_bytes()
    path.chmod(0o600)
    output = tmp_path / name
    output.write_bytes(b"what was there")
    assert edit_image(path, CHANGES, output) > 0
    assert path.read_bytes() == before
    assert (config(path), config(output)) == (b"old\n", b"new\n")
    assert output.stat().st_mode & 0o777 == 0o644
    checksum = tmp_path / f"{name}.sha256"
    if name == "out.img":
        assert not checksum.exists()
        assert output.stat().st_size == 20480 * 512
    else:
        assert checksum.read_text() == f"{hashlib.sha256(output.read_bytes()).hexdigest()}  {name}\n"
    assert len(list(tmp_path.iterdir())) == 2 + checksum.exists()
    # However an image is packed, the edited disk is the same.
    with open_image(output) as edited, open_image(packed(tmp_path / "again", "raw")) as original:
        patches = edit_disk(original, CHANGES)
        wanted = ImageReader(overlay(original.map, patches), original.sources)
        assert edited.read(0, edited.size) == wanted.read(0, wanted.size)


def test_an_output_without_changes_is_a_copy(tmp_path: Path) -> None:
    path = packed(tmp_path / "disk", "tar.zst")
    assert edit_image(path, {}, tmp_path / "out.tar.zst") == 0
    assert zstd_frames(tmp_path / "out.tar.zst") == zstd_frames(path)


def test_outputs_of_other_names(tmp_path: Path) -> None:
    path = packed(tmp_path / "disk", "raw")
    with pytest.raises(UserError) as error:
        edit_image(path, CHANGES, tmp_path / "out.qcow2")
    assert str(error.value) == (
        f"{tmp_path / 'out.qcow2'}: the name of an image ends in .tar.zst, .tar, .img (hint: it says how it is packed)"
    )
    with pytest.raises(UserError, match=r"cannot write .*/gone/out.img: No such file or directory"):
        edit_image(path, CHANGES, tmp_path / "gone" / "out.img")
    assert [each.name for each in tmp_path.iterdir()] == ["disk"]


@pytest.mark.parametrize("output", ["", "out.img", "out.tar.zst"])
def test_a_compressed_disk_without_an_archive(tmp_path: Path, output: str) -> None:
    path = tmp_path / "disk.img.zst"
    raw = packed(tmp_path / "disk.img", "raw")
    path.write_bytes(zstandard.compress(raw.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(UserError) as error:
        edit_image(path, CHANGES, tmp_path / output if output else None)
    assert str(error.value) == f"{path} is compressed, but no archive (hint: unpack it: zstd --decompress)"
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["disk.img", "disk.img.zst"]


def zstd_frames(path: Path) -> list[bytes]:
    """The frames of a file, as they are stored."""
    reader = framed.open_stream(path, "x")
    assert reader is not None
    frames = [frame for _, frame in reader.split(0, reader.size)]
    reader.close()
    return [frame for frame in frames if frame is not None]


def large_disk(noise: Sources) -> ExtentMap:
    tree = Tree()
    tree.add("config.ini", file(b"old\n"))
    content = fat.plan(tree, Options(10240 * 512, FatType.FAT16, label="CONFIG"))
    var = ExtentMap.of_slice("noise", 0, noise.size("noise"))
    partitions = (LAYOUT.partitions[0], Partition(2, "var", 12288, 32768, TYPE, UUID(int=3)))
    return gpt.plan(Layout(UUID(int=1), 47104, partitions), {"config": content, "var": var})


def test_frames_in_which_nothing_changes_are_copied(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(random.Random(1).randbytes(16 << 20))
    path = tmp_path / "disk.tar.zst"
    with Sources({"noise": tmp_path / "noise"}) as sources:
        image = large_disk(sources)
        with open_output(path, True) as sink:
            sparse_tar.write([sparse_tar.Member("disk.img", image)], sources, sink)
    edit_image(path, CHANGES, tmp_path / "out.tar.zst")
    before, after = zstd_frames(path), zstd_frames(tmp_path / "out.tar.zst")
    # The partition that changes lies in the first frame.
    assert len(before) == 5
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    assert config(tmp_path / "out.tar.zst") == b"new\n"
    with (tmp_path / "out.tar.zst").open("rb") as packed_, (tmp_path / "out.tar").open("wb") as plain:
        decompress(packed_, plain, "out")
    with (tmp_path / "out.tar").open("rb") as archive:
        assert sparse_tar.verify(archive) == []
