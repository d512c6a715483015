"""The disk that a launched machine keeps."""

import io
import os
import socket
import tarfile
from pathlib import Path
from random import Random

import pytest
import zstandard

from sysimage.errors import UserError
from sysimage.vm.qemu import Disk
from tools.vm_launch import provide_empty, provide_media, provide_ports, unpack_to

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


def test_an_empty_disk_costs_nothing(tmp_path: Path) -> None:
    assert provide_empty(tmp_path, 0) == []
    (disk,) = provide_empty(tmp_path, 110)
    assert disk == Disk(tmp_path / "empty.img", nvme=True)
    status = disk.path.stat()
    assert (status.st_size, status.st_blocks) == (110 << 30, 0)
    with pytest.raises(UserError) as caught:
        provide_empty(tmp_path, -1)
    assert str(caught.value) == "--empty_nvme_gib=-1 is less than nothing (hint: 0: no such disk)"


def free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def test_the_last_rule_for_a_port_counts() -> None:
    one, two, three = free_ports(3)
    assert provide_ports(one, []) == [(one, 22)]
    assert provide_ports(0, []) == []
    assert provide_ports(one, [f"{two}:8080", f"{three}:8080"]) == [(one, 22), (three, 8080)]
    assert provide_ports(one, [f"{two}:8080", "0:8080", f"{three}:22"]) == [(three, 22)]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("8080", "--forward=8080 is not of the form HOST:GUEST, two port numbers"),
        ("tcp:80:80", "--forward=tcp:80:80 is not of the form HOST:GUEST, two port numbers"),
        ("-1:80", "--forward=-1:80 is not of the form HOST:GUEST, two port numbers"),
        ("65536:80", "--forward=65536:80 has a port beyond 65535, or leads to port 0"),
        ("0:0", "--forward=0:0 has a port beyond 65535, or leads to port 0"),
    ],
)
def test_ports_that_are_none(rule: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        provide_ports(0, [rule])
    assert str(caught.value) == message


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError) as caught:
            provide_ports(0, [f"{port}:8080"])
        assert str(caught.value) == (
            f"port {port} of this machine: Address already in use (hint: another one: --forward={port + 1}:8080)"
        )
        with pytest.raises(UserError) as caught:
            provide_ports(port, [])
        assert str(caught.value).endswith(f"(hint: another one: --ssh_port={port + 1})")
