"""Sparse archives before foreign readers: GNU tar and bsdtar recreate bytes and holes, and we read GNU tar's."""

import os
import subprocess
from pathlib import Path

import pytest

from sysimage import materialise, sparse_tar
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources, open_raw
from sysimage.sparse_tar import Member

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
NONE = Sources({})


def judge(*command: str | Path) -> str:
    """What a foreign tool says; it must be content and silent on standard error."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, ""), f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


def image(size: int, *places: int) -> ExtentMap:
    return ExtentMap(size, [Extent(at, 8, b"%08d" % number) for number, at in enumerate(places)])


IMAGES = {
    "nothing": image(0),
    "one hole": image(GIB),
    "no hole": image(100_000, *range(0, 100_000 - 8, 4096)),
    "hole at both ends": image(3 * GIB + 5, 2 * GIB),
    "data at both ends": image(3 * GIB + 5, 0, 3 * GIB - 3),
    "over 8 GiB": image(42 * GIB, 0, 9 * GIB, 42 * GIB - 8),
    "four segments": image(GIB, *range(0, 4 * MIB, MIB)),
    "five segments": image(GIB, *range(0, 5 * MIB, MIB)),
    "thousands": image(GIB, *range(12_345, 3000 * 128 * KIB, 128 * KIB)),
}


def same(path: Path, content: ExtentMap) -> bool:
    """Whether a file has the bytes of a map, looked at where either has data."""
    found, wanted = open_raw(path), ImageReader(content, NONE)
    places = [max(extent.offset, 8) for each in (found.map, content) for extent in each.extents]
    return found.size == content.size and all(
        found.read(place - 8, 128 * KIB) == wanted.read(place - 8, 128 * KIB) for place in places
    )


def archive(path: Path, *members: Member, compress: bool = False) -> Path:
    with materialise.open_output(path, compress, f"{path}.sha256") as sink:
        sparse_tar.write(members, NONE, sink)
    return path


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("tool", ["tar", "bsdtar"])
def test_bytes_and_holes_come_back(tmp_path: Path, tool: str, name: str) -> None:
    version = ExtentMap.of_bytes(b"1.2.3\n")
    path = archive(tmp_path / "x.tar", Member("disk.img", IMAGES[name]), Member("VERSION.TXT", version))
    judge(tool, "-x", "-f", path, "-C", tmp_path)
    assert same(tmp_path / "disk.img", IMAGES[name])
    assert (tmp_path / "VERSION.TXT").read_text() == "1.2.3\n"
    stored = sum(length for _, length in Member("disk.img", IMAGES[name]).segments)
    assert (tmp_path / "disk.img").stat().st_blocks * 512 <= stored + 64 * KIB
    assert (tmp_path / "disk.img").stat().st_mtime == 0


def test_listing(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", Member("disk.img", IMAGES["over 8 GiB"]), Member("root.img", image(5)))
    said = judge("tar", "--list", "--verbose", "--numeric-owner", "--utc", "--full-time", "--file", path)
    assert [line.split() for line in said.splitlines()] == [
        ["-rw-r--r--", "0/0", str(42 * GIB), "1970-01-01", "00:00:00", "disk.img"],
        ["-rw-r--r--", "0/0", "5", "1970-01-01", "00:00:00", "root.img"],
    ]


def test_compressed_archives(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar.zst", Member("disk.img", IMAGES["thousands"]), compress=True)
    judge("zstd", "--test", "--quiet", path)
    subprocess.run(["sha256sum", "--check", "--strict", "--status", f"{path}.sha256"], cwd=tmp_path, check=True)
    judge("tar", "--extract", "--zstd", "--file", path, "--directory", tmp_path)
    assert same(tmp_path / "disk.img", IMAGES["thousands"])


def test_dense_members_go_through_a_pipe(tmp_path: Path) -> None:
    content = image(3 * MIB, 5, 2 * MIB)
    path = archive(tmp_path / "x.tar", Member("boot.img", content, sparse=False))
    result = subprocess.run(
        ["tar", "--extract", "--to-stdout", "--file", path, "boot.img"], capture_output=True, check=True
    )
    assert result.stdout == ImageReader(content, NONE).read(0, content.size)


@pytest.mark.parametrize("name", [name for name in IMAGES if name != "no hole"])
def test_we_read_what_gnu_tar_writes(tmp_path: Path, name: str) -> None:
    materialise.write_raw(IMAGES[name], NONE, tmp_path / "disk.img")
    judge("tar", "--create", "--sparse", "--format=oldgnu", "--file", tmp_path / "x.tar", "-C", tmp_path, "disk.img")
    with (tmp_path / "x.tar").open("rb") as file:
        (member,) = sparse_tar.read(file, "x.tar")
    content = member.content("tar")
    found = ImageReader(content, Sources({"tar": tmp_path / "x.tar"}))
    wanted = ImageReader(IMAGES[name], NONE)
    assert found.size == wanted.size
    for extent in (*content.extents, *IMAGES[name].extents):
        assert found.read(extent.offset, 8) == wanted.read(extent.offset, 8)


def test_the_archive_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    """The map decides: a source full of zeros, or with holes of its own, changes nothing."""
    for name, holes in (("full", False), ("holes", True)):
        with (tmp_path / name).open("wb") as file:
            file.write(b"" if holes else bytes(4 * MIB))
            file.truncate(4 * MIB)
            os.pwrite(file.fileno(), b"end", 4 * MIB - 3)
    content = ExtentMap.union(GIB, [(MIB, ExtentMap.of_slice("s", 0, 4 * MIB))])
    archives = []
    for name in ("full", "holes"):
        members = [Member("disk.img", content)]
        with materialise.open_output(tmp_path / f"{name}.tar") as sink:
            sparse_tar.write(members, Sources({"s": tmp_path / name}), sink)
        archives.append((tmp_path / f"{name}.tar").read_bytes())
    assert archives[0] == archives[1]
