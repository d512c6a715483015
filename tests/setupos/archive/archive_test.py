"""disk-img.tar.zst, as whoever gets it unpacks it: GNU tar, bsdtar; and as an auditor looks into it, with debugfs.

What is proven of HostOS and GuestOS by their own tests, secrets among it, holds for what SetupOS carries: it is the
same, byte for byte.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from setupos import settings
from sysimage import gpt
from sysimage.extents import ImageReader, open_raw
from sysimage.inspection import open_image

MIB = 1 << 20
SLACK = MIB  # bytes that a file system may take beyond what is stored
CHILDREN = {"guest-os.img.tar.zst": "GUEST", "host-os.img.tar.zst": "HOST"}
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "TZ": "UTC"}


def judge(*command: str | Path, folder: Path | None = None) -> str:
    """What a foreign tool says; it must be content and silent on standard error."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def archive(name: str = "IMAGE") -> Path:
    """A file that the test was given."""
    return Path(os.environ[name]).absolute()


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk as GNU tar unpacks it."""
    folder = tmp_path_factory.mktemp("gnu")
    judge("tar", "--extract", "--zstd", "--file", archive(), folder=folder)
    assert os.listdir(folder) == ["disk.img"]
    return folder / "disk.img"


@pytest.fixture(scope="session")
def image() -> Iterator[ImageReader]:
    """The disk as our own reader has it."""
    with open_image(archive(), in_place=True) as reader:
        yield reader


def same_holes(disk: Path, image: ImageReader) -> bool:
    """Whether a file takes no more room than what is stored."""
    return disk.stat().st_blocks * 512 <= image.map.mapped + SLACK


def test_gnu_tar_lists_it(image: ImageReader) -> None:
    said = judge("tar", "--list", "--zstd", "--verbose", "--numeric-owner", "--full-time", "--file", archive())
    assert [line.split() for line in said.splitlines()] == [
        ["-rw-r--r--", "0/0", str(image.size), "1970-01-01", "00:00:00", "disk.img"]
    ]


def test_bsdtar_lists_it(image: ImageReader) -> None:
    said = judge("bsdtar", "--list", "--verbose", "--numeric-owner", "--file", archive())
    assert [line.split() for line in said.splitlines()] == [
        ["-rw-r--r--", "0", "0", "0", str(image.size), "Jan", "1", "1970", "disk.img"]
    ]


def test_gnu_tar_gives_back_what_is_stored(disk: Path, image: ImageReader) -> None:
    found = open_raw(disk)
    assert found.size == image.size
    with found.sources:
        for extent in image.map.extents:
            for start in range(extent.offset, extent.end, MIB):
                length = min(MIB, extent.end - start)
                assert found.read(start, length) == image.read(start, length), f"other bytes from {start} on"
    assert same_holes(disk, image)
    assert disk.stat().st_mtime == 0


def test_bsdtar_unpacks_the_same(disk: Path, image: ImageReader, tmp_path: Path) -> None:
    judge("bsdtar", "--extract", "--file", archive(), folder=tmp_path)
    assert os.listdir(tmp_path) == ["disk.img"]
    judge("cmp", disk, tmp_path / "disk.img")
    assert same_holes(tmp_path / "disk.img", image)
    assert (tmp_path / "disk.img").stat().st_mtime == 0


def debugfs(disk: Path, partition: str, request: str) -> tuple[str, str]:
    """What debugfs says of a partition's file system, and what it has to say against it."""
    reader = open_raw(disk)
    with reader.sources:
        offset = gpt.read(reader)[partition].offset
    command = ["debugfs", "-R", request, f"{disk}?offset={offset}"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    version, *complaints = done.stderr.splitlines()
    assert version.startswith("debugfs ")
    return done.stdout, "\n".join(complaints)


@pytest.fixture(scope="session")
def data(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files of the partition `data`, taken out."""
    folder = tmp_path_factory.mktemp("data")
    # /inode/mode/uid/gid/name/size/
    listed, complaints = debugfs(disk, "data", "ls -p /")
    assert complaints == ""
    entries = [line.split("/")[1:] for line in listed.splitlines() if line]
    for name in [name for _, mode, _, _, name, *_ in entries if mode.startswith("10")]:
        assert debugfs(disk, "data", f"dump /{name} {folder / name}") == ("", "")
    return folder


def test_an_auditor_checks_the_checksums(data: Path) -> None:
    """`cd /data && sha256sum --check *.sha256`."""
    sums = sorted(path.name for path in data.glob("*.sha256"))
    assert judge("sha256sum", "--check", "--strict", *sums, folder=data) == "".join(
        f"{name}: OK\n" for name in CHILDREN
    )


def test_the_children_are_those_of_their_own_builds(data: Path) -> None:
    assert sorted(os.listdir(data)) == sorted(
        ["deployment.json", "nns_public_key.pem", *CHILDREN, *(f"{name}.sha256" for name in CHILDREN)]
    )
    for name, child in CHILDREN.items():
        judge("cmp", archive(child), data / name)


def test_who_may_skip_checks(disk: Path) -> None:
    """The installer that refuses without the permission is in it; the permission is in no image for production."""
    source = Path(settings.__file__).read_text()
    assert debugfs(disk, "root", "cat /opt/ic/lib/setupos/settings.py") == (source, "")
    _, complaints = debugfs(disk, "root", f"cat {settings.MAY_SKIP}")
    assert (complaints == "") == (os.environ["MAY_SKIP_CHECKS"] == "True")
    assert complaints.strip() in ("", f"{settings.MAY_SKIP}: File not found by ext2_lookup")
