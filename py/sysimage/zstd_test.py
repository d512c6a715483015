"""The compressor: the same bytes whatever way the input comes, and forever for this version of the library."""

import contextlib
import hashlib
import io
import random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import zstd
from sysimage.errors import UserError

LIBRARY = "0.25.0"
GOLDEN = "966621858a3158286a851a24994185f04f4bea014813b3b33628ad949ab542d4"


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
    with zstd.compressing(out, len(data)) as sink:
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            sink.write(memoryview(data)[start:end])
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


def test_errors_of_the_writer_come_through() -> None:
    with pytest.raises(ValueError, match=r"^mine$"), zstd.compressing(io.BytesIO(), 100) as sink:
        sink.write(b"less than 100")
        raise ValueError("mine")


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
        (b"not zstd", "x: not a whole zstd file: cannot get frame parameters: Unknown frame descriptor"),
        (PACKED[:-5], "x: not a whole zstd file: it has 0 of 100000 bytes"),
        (
            PACKED[:1000] + b"damage" + PACKED[1006:],
            "x: not a whole zstd file: zstd decompress error: Restored data doesn't match checksum",
        ),
        (b"", "x: not a whole zstd file: not enough data for frame parameters; need 5 bytes"),
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
