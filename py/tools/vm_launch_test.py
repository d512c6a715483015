"""The disk that a launched machine keeps."""

import io
import os
import tarfile
from pathlib import Path
from random import Random

import pytest
import zstandard

from sysimage.errors import UserError
from sysimage.vm.qemu import Disk
from tools.vm_launch import provide_media, unpack_to

MIB = 1 << 20
# A file system of its own wherever Bazel's sandbox is.
ELSEWHERE = Path("/dev/shm")


def archive(folder: Path, content: bytes) -> Path:
    """A disk-img.tar.zst."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        member = tarfile.TarInfo("disk.img")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    path = folder / "disk-img.tar.zst"
    path.write_bytes(zstandard.compress(plain.getvalue()))
    return path


def test_holes_stay_holes_on_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ELSEWHERE.stat().st_dev != tmp_path.stat().st_dev
    monkeypatch.setattr("tempfile.tempdir", str(ELSEWHERE))
    kept = unpack_to(archive(tmp_path, b"disk"), tmp_path / "my.img", 256 * MIB)
    status = kept.stat()
    assert (status.st_size, status.st_blocks * 512 < MIB) == (256 * MIB, True)
    assert kept.read_bytes()[:5] == b"disk\0"
    assert sorted(os.listdir(tmp_path)) == ["disk-img.tar.zst", "my.img"]


def test_an_image_that_ends_early_leaves_no_disk(tmp_path: Path) -> None:
    image = archive(tmp_path, Random(1).randbytes(MIB))
    image.write_bytes(image.read_bytes()[: MIB // 2])
    with pytest.raises(UserError, match=r"disk-img\.tar\.zst"):
        unpack_to(image, tmp_path / "my.img", 0)
    assert os.listdir(tmp_path) == ["disk-img.tar.zst"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        unpack_to(archive(tmp_path, b"disk"), tmp_path / "none" / "my.img", 0)
    assert str(caught.value) == (
        f"cannot write {tmp_path}/none/my.img: No such file or directory (hint: name another file with --keep)"
    )


def test_media_are_removable(tmp_path: Path) -> None:
    paths = [tmp_path / "one.img", tmp_path / "two.img"]
    for path in paths:
        path.write_bytes(bytes(512))
    assert provide_media([*map(str, paths)]) == [Disk(path, removable=True) for path in paths]


def test_a_medium_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        provide_media([str(tmp_path / "none.img")])
    assert str(caught.value) == f"there is no medium {tmp_path}/none.img (hint: name a raw image by its whole path)"
