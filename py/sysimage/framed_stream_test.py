"""Files of frames that others wrote: their sizes by going from block to block, whatever the headers claim."""

import struct
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sysimage import framed
from sysimage.errors import UserError

SOME = bytes(range(256)) * 700  # more than a block
MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE = struct.pack("<II", 0x184D2A53, 5) + b"hello"


def frame(data: bytes, size: bool = True, checksum: bool = False) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=size, write_checksum=checksum).compress(data)


def header(content: int) -> bytes:
    """Of a frame of one segment, with eight bytes for the size of its content."""
    return MAGIC + b"\xe0" + struct.pack("<Q", content)


def block(kind: int, length: int, last: bool = True) -> bytes:
    return (length << 3 | kind << 1 | last).to_bytes(3, "little")


RAW = header(3) + block(0, 3) + b"raw"
RLE = header(1000) + block(1, 1000) + b"x"
SEVERAL = header(4) + block(0, 2, last=False) + b"ab" + block(0, 0, last=False) + block(1, 2) + b"c"


@pytest.mark.parametrize(
    ("frames", "content"),
    [
        ([frame(SOME)], SOME),
        ([frame(SOME, checksum=True), frame(b"two"), frame(SOME, checksum=True)], SOME + b"two" + SOME),
        ([RAW, RLE, SEVERAL], b"raw" + b"x" * 1000 + b"abcc"),
        ([SKIPPABLE, frame(b"one"), SKIPPABLE, frame(SOME), SKIPPABLE], b"one" + SOME),
        ([frame(b"one"), frame(b""), frame(b""), frame(b"two")], b"onetwo"),
        ([SKIPPABLE], b""),
    ],
)
def test_frames_of_others(tmp_path: Path, frames: list[bytes], content: bytes) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(b"".join(frames))
    reader = framed.open_stream(path, "x")
    assert reader is not None
    assert reader.size == len(content)
    for start, end in ((0, len(content)), (1, len(content) - 1), (len(content) // 2, len(content) // 2 + 4)):
        start, end = min(start, len(content)), max(min(end, len(content)), 0)
        if start < end:
            assert reader.view(start, end - start) == content[start:end]
    parts = list(reader.split(0, reader.size))
    assert sum(length for length, _ in parts) == len(content)
    assert all(length for length, _ in parts)
    assert all(stored in frames for _, stored in parts if stored is not None)
    reader.close()


@pytest.mark.parametrize(
    "data",
    [
        frame(SOME, size=False),
        frame(SOME) + frame(SOME, size=False),
        header(framed.FRAME_MAX + 1) + block(1, 1 << 17) + b"x",
        header((1 << 64) - 3) + block(0, 0),
    ],
)
def test_only_a_stream_is_of_use(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(data)
    assert framed.open_stream(path, "x") is None


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "it ends before the first frame"),
        (RAW[:-1], "it ends within a frame"),
        (RAW[:-4], "it ends within a frame"),
        (frame(SOME, checksum=True)[:-1], "it ends within a frame"),
        (header(3) + block(0, 3, last=False) + b"raw", "it ends within a frame"),
        (header(3) + block(0, (1 << 21) - 1), "it ends within a frame"),
        (RAW + SKIPPABLE[:-1], "it ends within a frame"),
        (struct.pack("<II", 0x184D2A50, 0xFFFFFFFF), "it ends within a frame"),
    ],
)
def test_cut_off(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        framed.open_stream(path, "image x")
    assert str(error.value) == f"image x: not a whole zstd file: {what}"


@pytest.mark.parametrize(
    ("data", "at"), [(b"no zstd at all, but some text", 0), (RAW + b"\0" * 20, len(RAW)), (RAW + MAGIC[:3], len(RAW))]
)
def test_what_is_no_frame(tmp_path: Path, data: bytes, at: int) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"\Aimage x: not a whole zstd file: .* at byte {at}\Z"):
        framed.open_stream(path, "image x")


@pytest.mark.parametrize(
    "data", [header(4) + block(0, 3) + b"raw", header(3) + block(3, 3) + b"raw", header(1 << 26) + block(1, 1) + b"x"]
)
def test_a_frame_that_lies_is_found_by_who_reads_it(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.zst"
    path.write_bytes(data)
    reader = framed.open_stream(path, "x")
    assert reader is not None
    with pytest.raises(UserError, match="frame 0"):
        reader.view(0, 1)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        framed.open_stream(tmp_path / "gone", "x")
    assert str(error.value) == f"cannot read x: No such file or directory: {tmp_path / 'gone'}"


@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_damage_is_answered(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    data = RAW + frame(SOME, checksum=True) + SKIPPABLE + SEVERAL
    path = tmp_path_factory.mktemp("noise") / "x.zst"
    path.write_bytes(data[:at] + noise + data[at + len(noise) :])
    try:
        reader = framed.open_stream(path, "x")
        if reader is not None and reader.size:
            reader.view(0, min(reader.size, 1000))
    except UserError as error:
        assert str(error).startswith("x: not a ")
