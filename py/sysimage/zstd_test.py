"""The compressor: the same bytes whatever way the input comes, and forever for this version of the library."""

import contextlib
import hashlib
import io
import random
import subprocess
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import zstd
from sysimage.errors import UserError

LIBRARY = "0.25.0"
GOLDEN = "8f2b21d7c58fcdce9f7c679e6baeef40b56b74d6eeb2dea5ee8c502ce1afbf04"


def sample(size: int) -> bytes:
    """Bytes that compress about as file systems do."""
    words = [random.Random(n).randbytes(n % 60 + 4) for n in range(400)]
    draw = random.Random(2025)
    data = bytearray()
    while len(data) < size:
        data += draw.choice(words)
    return bytes(data[:size])


def compress(data: bytes, cuts: list[int]) -> bytes:
    out = io.BytesIO()
    sink = zstd.Frames(out)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        sink.write(memoryview(data)[start:end])
    sink.close()
    return out.getvalue()


def test_golden_bytes() -> None:
    """If this fails because the library is another one, take its digest over: every archive changes with it."""
    assert zstandard.__version__ == LIBRARY
    assert hashlib.sha256(compress(sample(20 << 20), [])).hexdigest() == GOLDEN


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 12 << 20), max_size=20))
def test_bytes_do_not_depend_on_the_writes(cuts: list[int]) -> None:
    data = sample(12 << 20)
    assert compress(data, sorted(cuts)) == compress(data, [])


def test_frames_are_taken_as_they_are() -> None:
    out = io.BytesIO()
    sink = zstd.Frames(out)
    frame = zstandard.ZstdCompressor(level=19).compress(b"taken" * 100)
    sink.take(frame)
    sink.write(b"before")
    sink.take(frame)
    sink.take(frame)
    sink.write(b"behind")
    sink.close()
    data = out.getvalue()
    assert data.count(frame) == 3
    whole = io.BytesIO()
    zstd.decompress(io.BytesIO(data), whole, "x")
    assert whole.getvalue() == b"taken" * 100 + b"before" + b"taken" * 200 + b"behind"


def test_stored_frame_is_golden() -> None:
    data = bytes(range(256)) * 513  # 128 KiB and 256 bytes
    frame = zstd.stored_frame(data)
    assert frame[:9] == bytes.fromhex("28b52ffd a0 00010200")
    assert frame[9:12] == (128 << 10 << 3).to_bytes(3, "little")
    assert frame[-259:-256] == (256 << 3 | 1).to_bytes(3, "little")
    assert len(frame) == len(data) + 15
    assert zstandard.get_frame_parameters(frame).content_size == len(data)


@pytest.mark.parametrize("size", [1, 128 << 10, (128 << 10) + 1, zstd.FRAME, zstd.FRAME + 1, 3 * zstd.FRAME])
def test_what_is_stored_comes_out(size: int) -> None:
    data = random.Random(size).randbytes(size)
    out = io.BytesIO()
    sink = zstd.Frames(out)
    sink.write(b"before")
    sink.store(memoryview(data))
    sink.write(b"behind")
    sink.close()
    assert len(out.getvalue()) < size + 100 + size // 1000
    whole = io.BytesIO()
    zstd.decompress(io.BytesIO(out.getvalue()), whole, "x")
    assert whole.getvalue() == b"before" + data + b"behind"
    done = subprocess.run(["zstd", "--decompress", "--stdout"], input=out.getvalue(), check=True, capture_output=True)
    assert done.stdout == whole.getvalue()


def test_zstd_reads_them_as_one_file(tmp_path: Path) -> None:
    """The program is a judge of its own: it reads frames behind each other, and knows how long they are."""
    data = sample(2 * zstd.FRAME + 5)
    (tmp_path / "x.zst").write_bytes(compress(data, []))
    subprocess.run(["zstd", "--test", "--quiet", tmp_path / "x.zst"], check=True)
    said = subprocess.run(["zstd", "--decompress", "--stdout", tmp_path / "x.zst"], check=True, capture_output=True)
    assert said.stdout == data


def test_the_header_has_size_and_checksum() -> None:
    parameters = zstandard.get_frame_parameters(compress(b"abc" * 1000, []))
    assert (parameters.content_size, parameters.has_checksum, parameters.dict_id) == (3000, True, 0)


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_what_goes_in_comes_out(size: int) -> None:
    out = io.BytesIO()
    zstd.decompress(io.BytesIO(compress(sample(size), [])), out, "x")
    assert out.getvalue() == sample(size)


PACKED = compress(sample(100_000), [])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not zstd", "x: not a whole zstd file: zstd decompressor error: Unknown frame descriptor"),
        (PACKED[:-5], "x: not a whole zstd file: it ends within a frame"),
        (PACKED + PACKED[:-5], "x: not a whole zstd file: it ends within a frame"),
        (
            PACKED[:1000] + b"damage" + PACKED[1006:],
            "x: not a whole zstd file: zstd decompressor error: Restored data doesn't match checksum",
        ),
        (b"", "x: not a whole zstd file: it ends before the first frame"),
    ],
)
def test_damaged_files(data: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        zstd.decompress(io.BytesIO(data), io.BytesIO(), "x")
    assert str(caught.value) == message


@given(data=st.binary(max_size=200), start=st.binary(max_size=20))
def test_random_files(data: bytes, start: bytes) -> None:
    for case in (data, PACKED[:20] + data, PACKED[: len(data) * 50] + start):
        with contextlib.suppress(UserError):
            zstd.decompress(io.BytesIO(case), io.BytesIO(), "x")


def test_frames_in_pieces() -> None:
    other = zstandard.ZstdCompressor().compress(b"other")
    assert b"".join(zstd.decompressed(memoryview(other + PACKED + other), "x")) == b"other" + sample(100_000) + b"other"


def test_damaged_frames() -> None:
    with pytest.raises(UserError) as caught:
        b"".join(zstd.decompressed(memoryview(PACKED[:1000] + b"damage" + PACKED[1006:]), "x"))
    message = "x: not a whole zstd file: zstd decompress error: Restored data doesn't match checksum"
    assert str(caught.value) == message
