"""Extent maps against a model of plain bytes, and the files they travel in."""

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import extents
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources, open_raw

SIZE = 64
SOURCE = bytes(range(1, 129))


def read(image: ExtentMap, offset: int = 0, length: int | None = None, sources: Sources | None = None) -> bytes:
    return ImageReader(image, sources or Sources({})).read(offset, image.size if length is None else length)


@st.composite
def maps(draw: st.DrawFn) -> ExtentMap:
    """Maps of up to 64 bytes, literals and slices of a source "s" of 128 bytes mixed."""
    size = draw(st.integers(0, SIZE))
    cuts = sorted(draw(st.sets(st.integers(0, size), max_size=12)))
    parts = []
    for start, end in itertools.pairwise(cuts):
        kind = draw(st.sampled_from(["hole", "literal", "slice"]))
        if kind == "literal":
            parts.append(Extent(start, end - start, draw(st.binary(min_size=end - start, max_size=end - start))))
        elif kind == "slice":
            at = draw(st.integers(0, len(SOURCE) - (end - start)))
            parts.append(Extent(start, end - start, FileSlice("s", at)))
    return ExtentMap(size, parts)


def model(image: ExtentMap) -> bytes:
    """The bytes of a map of `maps`, put together in the plainest way."""
    data = bytearray(image.size)
    for extent in image.extents:
        source = extent.source
        piece = source if isinstance(source, bytes) else SOURCE[source.offset : source.offset + extent.length]
        data[extent.offset : extent.end] = piece
    return bytes(data)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    path = tmp_path_factory.mktemp("sources") / "s"
    path.write_bytes(SOURCE)
    return Sources({"s": path})


@given(image=maps(), offset=st.integers(0, SIZE + 4), length=st.integers(0, SIZE + 4))
def test_read_is_the_bytes(sources: Sources, image: ExtentMap, offset: int, length: int) -> None:
    assert ImageReader(image, sources).read(offset, length) == model(image)[offset : offset + length]


@given(image=maps(), data=st.data())
def test_slice_is_a_slice(sources: Sources, image: ExtentMap, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, image.size))
    length = data.draw(st.integers(0, image.size - offset))
    assert read(image.slice(offset, length), sources=sources) == model(image)[offset : offset + length]


@given(first=maps(), second=maps(), gap=st.integers(0, 9))
def test_union_places_maps(sources: Sources, first: ExtentMap, second: ExtentMap, gap: int) -> None:
    size = first.size + gap + second.size
    image = ExtentMap.union(size, [(first.size + gap, second), (0, first)])
    assert read(image, sources=sources) == model(first) + bytes(gap) + model(second)
    assert image.mapped == first.mapped + second.mapped


@given(image=maps())
def test_save_and_load_keep_the_bytes(
    sources: Sources, tmp_path_factory: pytest.TempPathFactory, image: ExtentMap
) -> None:
    folder = tmp_path_factory.mktemp("saved")
    extents.save(image, folder / "map", folder / "literals", "l")
    loaded = extents.load(folder / "map")
    both = Sources({**sources.paths, "l": folder / "literals"})
    assert (loaded.size, read(loaded, sources=both)) == (image.size, model(image))
    assert set(loaded.sources()) <= {"l", "s"}


def test_saved_form_is_golden(tmp_path: Path) -> None:
    image = ExtentMap(100, [Extent(0, 2, b"ab"), Extent(10, 5, FileSlice("x", 7)), Extent(50, 2, b"ab")])
    extents.save(image, tmp_path / "map", tmp_path / "literals", "l")
    assert (tmp_path / "literals").read_bytes() == b"ab"  # equal literals are written once
    assert (tmp_path / "map").read_text() == (
        '{"format":"extent-map/1","size":100,"sources":["l", "x"],"extents":[\n'
        "[0,2,0,0],\n[10,5,1,7],\n[50,2,0,0]\n]}\n"
    )


def test_slices_that_continue_each_other_are_joined() -> None:
    image = ExtentMap(9, [Extent(4, 5, FileSlice("s", 14)), Extent(0, 4, FileSlice("s", 10))])
    assert image.extents == (Extent(0, 9, FileSlice("s", 10)),)


def test_maps_are_values() -> None:
    assert ExtentMap.of_bytes(b"ab") == ExtentMap(2, [Extent(0, 2, b"ab")])
    assert hash(ExtentMap.of_bytes(b"ab")) == hash(ExtentMap(2, [Extent(0, 2, b"ab")]))
    assert ExtentMap.of_slice("s", 3, 4) != ExtentMap.of_slice("s", 3, 5)
    assert ExtentMap.of_bytes(b"") == ExtentMap.of_slice("s", 3, 0) == ExtentMap(0)
    assert repr(ExtentMap.of_bytes(b"ab")) == "ExtentMap(2, 1 extents)"
    assert ExtentMap.of_bytes(b"ab").resized(9).size == 9


@pytest.mark.parametrize(
    ("size", "parts", "message"),
    [
        (9, [Extent(0, 5, FileSlice("s", 0)), Extent(4, 1, b"x")], "bad extent at 4, 1 bytes, after 5, size 9"),
        (9, [Extent(8, 2, b"xy")], "bad extent at 8, 2 bytes, after 0, size 9"),
        (9, [Extent(1, 0, b"")], "bad extent at 1, 0 bytes, after 0, size 9"),
        (9, [Extent(-1, 2, b"xy")], "bad extent at -1, 2 bytes, after 0, size 9"),
        (9, [Extent(1, 3, b"xy")], "literal of 2 bytes for 3 at 1"),
    ],
)
def test_impossible_maps_are_bugs(size: int, parts: list[Extent], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        ExtentMap(size, parts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an extent map: Expecting value: line 1 column 1 (char 0)"),
        ('{"format":"other"}', "format is 'other', expected 'extent-map/1'"),
        ("[]", "not an extent map: list indices must be integers or slices, not str"),
        ('{"format":"extent-map/1"}', "not an extent map: 'sources'"),
        (
            '{"format":"extent-map/1","size":5,"sources":["a"],"extents":[[0,9,0,0]]}',
            "not an extent map: bad extent at 0, 9 bytes, after 0, size 5",
        ),
        (
            '{"format":"extent-map/1","size":5,"sources":[],"extents":[[0,5,0,0]]}',
            "not an extent map: list index out of range",
        ),
    ],
)
def test_bad_map_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        extents.load(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_missing_map_file(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        extents.load(tmp_path / "map")
    assert str(caught.value) == f"cannot read {tmp_path / 'map'}: No such file or directory"


@given(text=st.text(alphabet='{}[]",:0123456789-formatsizeu ', max_size=60))
def test_random_map_files(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("random") / "map"
    path.write_text(text)
    with pytest.raises(UserError):
        extents.load(path)


def test_source_errors(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"12345")
    (tmp_path / "empty").write_bytes(b"")
    names = {"short": tmp_path / "short", "gone": tmp_path / "gone", "empty": tmp_path / "empty"}
    with Sources(names) as sources:
        for key, message in (
            ("other", "no file is given for source 'other' (hint: add --source other=FILE)"),
            ("gone", f"cannot read source 'gone': No such file or directory: {tmp_path / 'gone'}"),
            (
                "short",
                "source 'short' has 5 bytes, but byte 6 of it is wanted "
                "(hint: it was changed or cut after the map was made; build it again)",
            ),
            (
                "empty",
                "source 'empty' has 0 bytes, but byte 6 of it is wanted "
                "(hint: it was changed or cut after the map was made; build it again)",
            ),
        ):
            with pytest.raises(UserError) as caught:
                read(ExtentMap.of_slice(key, 2, 4), sources=sources)
            assert str(caught.value) == message


def test_files_can_be_let_go_while_views_are_held(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"abc")
    sources = Sources({"s": tmp_path / "s"})
    view = sources.view(ExtentMap.of_slice("s", 1, 2).extents[0])
    sources.close()
    assert bytes(view) == b"bc"


def test_pages_can_be_let_go(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"abc" * 5000)
    with Sources({"s": tmp_path / "s"}) as sources:
        image = ExtentMap.of_slice("s", 0, 15000)
        view = sources.view(image.extents[0])
        sources.mark_read(extents.RELEASE_AFTER)
        assert bytes(view) == b"abc" * 5000
        view.release()


def test_raw_files_keep_their_holes(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    with path.open("wb") as file:
        os.pwrite(file.fileno(), b"begin", 0)
        os.pwrite(file.fileno(), b"end", 1 << 30)
    reader = open_raw(path)
    assert reader.size == (1 << 30) + 3
    assert reader.map.mapped <= 2 << 20
    assert reader.read(0, 7) == b"begin\0\0"
    assert reader.read(1 << 30, 99) == b"end"
    with pytest.raises(UserError) as caught:
        open_raw(tmp_path / "none")
    assert str(caught.value) == f"cannot read {tmp_path / 'none'}: No such file or directory"
