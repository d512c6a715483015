"""Maps turned into files and streams: the bytes, the holes, the digests, the errors."""

import hashlib
import io
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import framed, materialise, zstd
from sysimage.errors import UserError
from sysimage.extents import COMPRESSED, Extent, ExtentMap, FileSlice, ImageReader, Sources, open_raw

MIB = 1 << 20


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "source").write_bytes(bytes(range(256)) * 20_000)
    return Sources({"s": tmp_path / "source"})


def sample() -> ExtentMap:
    return ExtentMap(
        64 * MIB + 17,
        [Extent(1, 3, b"abc"), Extent(5 * MIB, 3 * MIB + 5, FileSlice("s", 7)), Extent(64 * MIB + 10, 7, b"the end")],
    )


def test_raw_has_the_bytes_and_the_holes(tmp_path: Path, sources: Sources) -> None:
    materialise.write_raw(sample(), sources, tmp_path / "raw")
    raw = open_raw(tmp_path / "raw")
    assert raw.read(0, raw.size) == ImageReader(sample(), sources).read(0, sample().size)
    assert (tmp_path / "raw").stat().st_blocks * 512 < 4 * MIB
    assert not list(tmp_path.glob("*.partial"))


def test_raw_of_nothing_is_a_hole(tmp_path: Path) -> None:
    materialise.write_raw(ExtentMap(1 << 40), Sources({}), tmp_path / "raw")
    status = os.stat(tmp_path / "raw")
    assert (status.st_size, status.st_blocks) == (1 << 40, 0)


@given(st.integers(0, 40), st.integers(0, 40))
def test_pieces_are_the_range(offset: int, length: int) -> None:
    image = ExtentMap(40, [Extent(3, 5, b"12345"), Extent(8, 2, b"67"), Extent(30, 1, b"8")])
    length = min(length, 40 - offset)
    data = b"".join(materialise.pieces(image, Sources({}), offset, length))
    assert data == ImageReader(image, Sources({})).read(offset, length)


def test_pieces_are_small(sources: Sources) -> None:
    assert max(map(len, materialise.pieces(sample(), sources, 0, sample().size))) == materialise.CHUNK


@pytest.mark.parametrize("compress", [False, True])
def test_streams_and_their_digests(tmp_path: Path, sources: Sources, compress: bool) -> None:
    out = tmp_path / "image.out"
    with materialise.open_output(out, compress, tmp_path / "image.sha256") as sink:
        materialise.write_stream(sample(), sources, sink)
    data = out.read_bytes()
    assert (tmp_path / "image.sha256").read_text() == f"{hashlib.sha256(data).hexdigest()}  image.out\n"
    if compress:
        data = b"".join(zstd.decompressed(memoryview(data), "image"))
    assert data == ImageReader(sample(), sources).read(0, sample().size)


def test_nothing_is_left_of_a_failed_output(tmp_path: Path) -> None:
    image = ExtentMap.of_slice("missing", 0, 5)
    message = r"^no file is given for source 'missing' \(hint: add --source missing=FILE\)$"
    with pytest.raises(UserError, match=message):
        materialise.write_raw(image, Sources({}), tmp_path / "raw")
    with (
        pytest.raises(UserError, match=message),
        materialise.open_output(tmp_path / "out", True, tmp_path / "sum") as sink,
    ):
        materialise.write_stream(image, Sources({}), sink)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        materialise.write_raw(ExtentMap(5), Sources({}), tmp_path / "none" / "raw")
    assert str(caught.value) == f"cannot write {tmp_path / 'none' / 'raw'}: No such file or directory"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    progress = materialise.Progress("writing x", 200)
    progress.add(100)
    progress.finish()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    progress = materialise.Progress("writing x", 200)
    for _ in range(3):
        progress.add(1)
    progress.add(197)
    progress.finish()
    assert terminal.getvalue() == "\rwriting x: 0 %\rwriting x: 1 %\rwriting x: 100 %\n"


def test_an_archive_is_stored(tmp_path: Path) -> None:
    """A large piece of a file under zstd lies in the stream as it is; a small one, or of another file, does not."""
    packed = zstd.MAGIC + random.Random(1).randbytes(9 * MIB)
    (tmp_path / "packed").write_bytes(packed)
    (tmp_path / "plain").write_bytes(bytes(2 * MIB))
    extents = [
        Extent(0, 8 * MIB, FileSlice("packed", 1024)),
        Extent(9 * MIB, 4096, FileSlice("packed", 0)),
        Extent(10 * MIB, 2 * MIB, FileSlice("plain", 0)),
    ]
    image = ExtentMap(12 * MIB, extents)
    paths = {name: tmp_path / name for name in ("packed", "plain")}
    with Sources(paths) as sources:
        with materialise.open_output(tmp_path / "image.zst", True) as sink:
            materialise.write_stream(image, sources, sink)
        expected = ImageReader(image, sources).read(0, image.size)
    data = (tmp_path / "image.zst").read_bytes()
    for start in (1024, 1024 + zstd.FRAME):
        assert zstd.stored_frame(packed[start : start + zstd.FRAME]) in data
    assert len(data) < 8 * MIB + 10_000
    assert b"".join(zstd.decompressed(memoryview(data), "image")) == expected


def test_frames_of_a_source_are_copied(tmp_path: Path) -> None:
    """A content that has frames of its own in its source is not compressed again; what is around it comes out right."""
    content = random.Random(1).randbytes(3 * MIB // 2)
    with (tmp_path / "layer").open("wb") as file:
        frames = framed.Writer(file)
        frames.write_all([b"header"])
        frames.cut()
        frames.write_all([content])
        frames.cut()
        frames.write_all([b"padding"])
        frames.close()
    size = len(content)
    extents = [Extent(4096, size, FileSlice(COMPRESSED + "layer", 6)), Extent(8192 + size, 4, b"rest")]
    image = ExtentMap(3 * MIB, extents)
    with Sources({"layer": tmp_path / "layer"}) as sources:
        with materialise.open_output(tmp_path / "image.zst", True) as sink:
            materialise.write_stream(image, sources, sink)
        expected = ImageReader(image, sources).read(0, image.size)
        stored = [frame for _, frame in sources.stored(extents[0])]
    data = (tmp_path / "image.zst").read_bytes()
    assert len(stored) == 2
    for frame in stored:
        assert frame is not None
        assert data.count(frame) == 1
    assert b"".join(zstd.decompressed(memoryview(data), "image")) == expected
