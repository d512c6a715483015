import io
import random
import tarfile
from pathlib import Path

import pytest
import zstandard

from sysimage.errors import UserError
from sysimage.vm import disks

MIB = 1 << 20


def archive(path: Path, members: dict[str, bytes]) -> Path:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    path.write_bytes(zstandard.compress(data.getvalue()))
    return path


def old_sparse(path: Path, size: int, offset: int, content: bytes) -> Path:
    """An archive as image_archive makes it: one sparse member in the old GNU format."""
    header = bytearray(512)
    header[0:8] = b"disk.img"
    for at, width, value in ((100, 8, 0o644), (108, 8, 0), (116, 8, 0), (124, 12, len(content)), (136, 12, 0)):
        header[at : at + width] = b"%0*o\0" % (width - 1, value)
    header[156:157] = b"S"
    header[257:265] = b"ustar  \0"
    header[386:410] = b"%011o\0%011o\0" % (offset, len(content))
    header[483:495] = b"%011o\0" % size
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    padded = content + bytes(-len(content) % 512)
    path.write_bytes(zstandard.compress(bytes(header) + padded + bytes(1024)))
    return path


def test_sparse_member_stays_sparse(tmp_path: Path) -> None:
    disk = disks.unpack(old_sparse(tmp_path / "a.tar.zst", 64 * MIB, 8 * MIB, b"x" * 5000), tmp_path)
    data = disk.read_bytes()
    assert len(data) == 64 * MIB
    assert data.strip(b"\0") == b"x" * 5000
    assert data.index(b"x") == 8 * MIB
    assert disk.stat().st_blocks * 512 < MIB


def test_disk_is_made_larger_never_smaller(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.tar.zst", {"disk.img": b"d" * 1000})
    assert disks.unpack(source, tmp_path, size=10 * MIB).stat().st_size == 10 * MIB
    assert disks.unpack(source, tmp_path, size=10).stat().st_size == 1000


def test_other_members_are_left_alone(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.tar.zst", {"boot.img": b"b", "root.img": b"r", "VERSION.TXT": b"v"})
    assert disks.unpack(source, tmp_path, "root.img").read_bytes() == b"r"
    assert not (tmp_path / "boot.img").exists()
    with pytest.raises(UserError) as caught:
        disks.unpack(source, tmp_path)
    assert str(caught.value) == f"{source} has no member 'disk.img'"


@pytest.mark.parametrize("data", [b"no archive at all", zstandard.compress(b"no tar" * 1000)])
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UserError, match=r"a: not a zstd-compressed tar: "):
        disks.unpack(tmp_path / "a", tmp_path)


def test_missing_archive(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^cannot take 'disk.img' out of .*: No such file or directory$"):
        disks.unpack(tmp_path / "missing", tmp_path)


def test_copy_of_data_between_small_holes(tmp_path: Path) -> None:
    """Less than what files are read ahead: 128 KiB, in newer Pythons."""
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    block = 4096
    with disk.open("wb") as file:
        for number in range(200):
            file.seek((number * 5 + 3) * block)
            file.write(bytes([number + 1]) * (1 + number % 4) * block)
    disks.copy(disk, copy)
    assert copy.read_bytes() == disk.read_bytes()


def test_copy_keeps_holes(tmp_path: Path) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    with open(disk, "wb") as file:
        file.truncate(200 * MIB)
        for offset in (0, 3 * MIB, 150 * MIB):
            file.seek(offset)
            file.write(random.Random(offset).randbytes(100_000))
    disks.copy(disk, copy)
    assert copy.read_bytes() == disk.read_bytes()
    assert copy.stat().st_blocks * 512 < 2 * MIB


def test_damage_on_purpose(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"abc")
    disks.flip_byte(disk, 1)
    assert disk.read_bytes() == b"a\x9dc"
    disks.overwrite(disk, 0, b"xyz")
    assert disk.read_bytes() == b"xyz"
    with pytest.raises(ValueError, match=r"behind its end$"):
        disks.flip_byte(disk, 3)
    with pytest.raises(ValueError, match=r"behind its end$"):
        disks.overwrite(disk, 2, b"..")


def test_replaced_content_leaves_what_is_around_it(tmp_path: Path) -> None:
    disk, content = tmp_path / "disk", tmp_path / "content"
    with disk.open("wb") as file:
        file.truncate(100 * MIB)
        file.seek(10 * MIB)
        file.write(b"x" * 3 * MIB)
    with content.open("wb") as file:
        file.truncate(50 * MIB)
        file.seek(20 * MIB + 5)
        file.write(b"content")
    disks.replace(disk, 11 * MIB, content)
    data = disk.read_bytes()
    assert data[10 * MIB : 11 * MIB] == b"x" * MIB
    assert data[11 * MIB : 61 * MIB] == content.read_bytes()
    assert data[61 * MIB :] == bytes(39 * MIB)
    assert disk.stat().st_blocks * 512 < 6 * MIB
    with pytest.raises(ValueError, match=r" bytes at 52428801 of .* lie behind its end$"):
        disks.replace(disk, 50 * MIB + 1, content)
