"""Compressed files with random access."""

import hashlib
import itertools
import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sysimage import framed
from sysimage.errors import UserError
from sysimage.extents import COMPRESSED, Extent, FileSlice, Sources

SOME = b"".join(random.Random(1).randbytes(1000) * 3 for _ in range(1100))  # over three frames


def write(path: Path, data: bytes, cuts: tuple[int, ...] = ()) -> Path:
    with path.open("wb") as file:
        writer = framed.Writer(file)
        places = [0, *sorted(cuts), len(data)]
        writer.write_all(data[start:end] for start, end in itertools.pairwise(places))
        writer.close()
    return path


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("framed") / "some.zst", SOME)


@given(start=st.integers(0, len(SOME)), length=st.integers(0, len(SOME)))
def test_any_range_reads_back(some: Path, start: int, length: int) -> None:
    length = min(length, len(SOME) - start)
    reader = framed.open_file(some, "some")
    assert reader.size == len(SOME)
    assert reader.view(start, length) == SOME[start : start + length]
    reader.close()


@pytest.mark.parametrize("size", [0, 1, framed.FRAME - 1, framed.FRAME, framed.FRAME + 1])
def test_sizes_around_a_frame(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "x.zst", SOME[:size])
    reader = framed.open_file(path, "x")
    assert (reader.size, bytes(reader.view(0, size))) == (size, SOME[:size])


def test_zstd_reads_it_as_a_stream(some: Path) -> None:
    said = subprocess.run(["zstd", "--decompress", "--stdout", some], check=True, capture_output=True)
    assert said.stdout == SOME


def test_the_bytes_follow_from_the_content_alone(some: Path, tmp_path: Path) -> None:
    cuts = (1, 5000, framed.FRAME, 3 * framed.FRAME - 1)
    assert write(tmp_path / "x.zst", SOME, cuts).read_bytes() == some.read_bytes()
    # Another version of zstd may give other bytes: then this, and nothing else, changes here.
    assert (
        hashlib.sha256(some.read_bytes()).hexdigest()
        == "87ecb4928e6f8b083f0bc789fe21c7272714833d16f3f4e124b44695773ff080"
    )


def test_cuts_are_where_they_were_asked_for(tmp_path: Path) -> None:
    large = SOME[: framed.FRAME + 1000]
    with (tmp_path / "x.zst").open("wb") as file:
        writer = framed.Writer(file)
        writer.cut()
        writer.write_all([b"head"])
        writer.cut()
        writer.cut()
        writer.write_all([large])
        writer.cut()
        writer.write_all([b"tail"])
        writer.close()
    reader = framed.open_file(tmp_path / "x.zst", "x")
    parts = [(length, frame is not None) for length, frame in reader.split(0, reader.size)]
    assert parts == [(4, True), (framed.FRAME, True), (1000, True), (4, True)]


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, framed.FRAME, [(framed.FRAME, True)]),
        (0, 10, [(10, False)]),
        (10, framed.FRAME, [(framed.FRAME, False)]),
        (10, 2 * framed.FRAME, [(framed.FRAME - 10, False), (framed.FRAME, True), (10, False)]),
        (5, 0, []),
    ],
)
def test_whole_frames_of_a_range(some: Path, start: int, length: int, expected: list[tuple[int, bool]]) -> None:
    reader = framed.open_file(some, "some")
    parts = [*reader.split(start, length)]
    assert [(size, frame is not None) for size, frame in parts] == expected
    position = start
    for size, frame in parts:
        if frame is not None:
            assert zstandard.ZstdDecompressor().decompress(frame) == SOME[position : position + size]
        position += size


def test_a_source_behind_the_prefix_is_decompressed(some: Path) -> None:
    with Sources({"some": some}) as sources:
        assert sources.size(COMPRESSED + "some") == len(SOME)
        view = sources.view(Extent(0, 20, FileSlice(COMPRESSED + "some", 1_500_000)))
        assert view == SOME[1_500_000:1_500_020]
        # The file itself stays a source like any other.
        assert sources.size("some") == some.stat().st_size
        assert bytes(sources.view(Extent(0, 4, FileSlice("some", 0)))) == b"\x28\xb5\x2f\xfd"
        with pytest.raises(UserError) as error:
            sources.view(Extent(0, 1, FileSlice(COMPRESSED + "some", len(SOME))))
    assert str(error.value) == (
        f"source 'zstd:some' has {len(SOME)} bytes, but byte {len(SOME) + 1} of it is wanted "
        "(hint: it was changed or cut after the map was made; build it again)"
    )


def flip(position: int) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        at = position % len(data)
        return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]

    return damage


def footer(count: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:-9] + struct.pack("<I", count) + data[-5:]


def content_of_frame(index: int, size: int) -> Callable[[bytes], bytes]:
    """What the table says of a frame's content."""

    def damage(data: bytes) -> bytes:
        (count,) = struct.unpack_from("<I", data, len(data) - 9)
        at = len(data) - 9 - 8 * (count - index) + 4
        return data[:at] + struct.pack("<I", size) + data[at + 4 :]

    return damage


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda data: data[:8], "it is too short"),
        (lambda data: data[:-1], "it has no table of frames at its end"),
        (lambda data: data + b"\0", "it has no table of frames at its end"),
        (flip(-5), "it has no table of frames at its end"),
        (footer(3), "its table does not fit its frames"),
        (footer(1 << 30), "it has no room for a table of 1073741824 frames"),
        (content_of_frame(0, 1048575), "frame 0 has 1048576 bytes of content, not 1048575"),
        (content_of_frame(3, 0x7FFFFFFF), "it has a frame of 2147483647 bytes of content, and 67108864 are the most"),
        (flip(0), "frame 0 does not decompress"),
        (lambda data: data[100:], "its table does not fit its frames"),
        (lambda data: b"", "it is too short"),
    ],
)
def test_damage_is_named(some: Path, tmp_path: Path, damage: Callable[[bytes], bytes], what: str) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(damage(some.read_bytes()))
    with pytest.raises(UserError) as error:
        framed.open_file(path, "source 'x'").view(0, 1)
    assert str(error.value) == f"source 'x': not a compressed file with random access: {what} (hint: build it again)"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with Sources({"x": tmp_path / "gone"}) as sources, pytest.raises(UserError) as error:
        sources.size(COMPRESSED + "x")
    assert str(error.value) == f"cannot read source 'x': No such file or directory: {tmp_path / 'gone'}"
