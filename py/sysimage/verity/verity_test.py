"""dm-verity: known root hashes, a plain model of the tree, holes that cost nothing, damage that is found."""

import contextlib
import hashlib
import itertools
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import verity
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources
from sysimage.verity import VerityImage, writer

BLOCK = 4096
SALT = bytes.fromhex("89bc06702975f10b41dd53e26eb9aef0adde93bc13d73e8f26b496dddefe2483")
IDENTITY = UUID("1736291d-aceb-42d7-b044-43ee31d86cd4")
NONE = Sources({})


def plan(image: ExtentMap, salt: bytes = SALT, sources: Sources = NONE) -> VerityImage:
    return verity.plan(image, sources, salt, IDENTITY)


def model(data: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Tree and root hash, level by level, as the kernel's documentation tells it."""

    def digests(blocks: bytes) -> bytes:
        return b"".join(hashlib.sha256(salt + blocks[n : n + BLOCK]).digest() for n in range(0, len(blocks), BLOCK))

    level, tree = digests(data), b""
    while len(level) > 32:
        level += bytes(-len(level) % BLOCK)
        tree = level + tree
        level = digests(level)
    return tree, level


@st.composite
def images(draw: st.DrawFn) -> ExtentMap:
    """Images of up to 300 blocks with extents that begin and end anywhere."""
    size = draw(st.integers(1, 300 * BLOCK))
    near_block = st.builds(lambda block, off: block * BLOCK + off, st.integers(0, 300), st.integers(-3, 3))
    places = st.one_of(st.integers(0, size), near_block.filter(lambda place: 0 <= place <= size))
    cuts = sorted(draw(st.sets(places, max_size=14)))
    extents = []
    for start, end in itertools.pairwise(cuts):
        if draw(st.booleans()):
            extents.append(Extent(start, end - start, FileSlice("s", draw(st.integers(0, 5000)))))
    return ExtentMap(size, extents)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    path = tmp_path_factory.mktemp("sources") / "s"
    path.write_bytes(b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(305 * BLOCK // 32)))
    return Sources({"s": path})


@settings(deadline=None)
@given(image=images(), salt=st.binary(max_size=256))
def test_the_bytes_are_those_of_the_model(sources: Sources, image: ExtentMap, salt: bytes) -> None:
    planned = plan(image, salt, sources)
    data = ImageReader(image, sources).read(0, image.size)
    data += bytes(-len(data) % BLOCK)
    tree, root_hash = model(data, salt)
    assert planned.root_hash == root_hash
    whole = ImageReader(planned.map, sources).read(0, planned.map.size)
    assert whole[: len(data)] == data
    assert whole[len(data) + BLOCK :] == tree
    superblock = verity.read_superblock(ImageReader(planned.map, sources), planned.hash_offset)
    assert (superblock.salt, superblock.uuid, superblock.data_blocks) == (salt, IDENTITY, len(data) // BLOCK)
    assert superblock.end == planned.map.size
    assert verity.verify(ImageReader(planned.map, sources), superblock, root_hash) == []


@settings(deadline=None, max_examples=30)
@given(image=images())
def test_two_processes_make_the_same_bytes(sources: Sources, image: ExtentMap) -> None:
    alone = plan(image, SALT, sources)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_WORTH_SHARING", 1)
        shared = plan(image, SALT, sources)
    assert (shared.root_hash, shared.map) == (alone.root_hash, alone.map)


def test_a_large_image_is_shared(tmp_path: Path) -> None:
    data = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1 << 12)) * 160
    (tmp_path / "s").write_bytes(data)
    image = ExtentMap(len(data) + 50, [Extent(50, len(data), FileSlice("s", 0))])
    assert len(data) // 2 > writer._WORTH_SHARING
    padded = bytes(50) + data + bytes(BLOCK - 50)
    assert plan(image, SALT, Sources({"s": tmp_path / "s"})).root_hash == model(padded, SALT)[1]


def test_work_that_the_second_process_fails_at_is_done_by_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    image = ExtentMap.of_bytes(b"data" * 100_000)
    alone = plan(image)
    first, digests = os.getpid(), writer._digests

    def failing(salted: Any, blocks: bytes | memoryview) -> bytes:
        if os.getpid() != first:
            raise MemoryError
        return digests(salted, blocks)

    monkeypatch.setattr(writer, "_WORTH_SHARING", 1)
    monkeypatch.setattr(writer, "_digests", failing)
    assert plan(image) == alone


@pytest.mark.parametrize("missing", [0, 1])
def test_errors_in_either_half(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: int) -> None:
    (tmp_path / "s").write_bytes(bytes(BLOCK * 10))
    keys = ["s", "s"]
    keys[missing] = "none"
    image = ExtentMap(BLOCK * 20, [Extent(n * BLOCK * 10, BLOCK * 10, FileSlice(key, 0)) for n, key in enumerate(keys)])
    monkeypatch.setattr(writer, "_WORTH_SHARING", 1)
    with pytest.raises(UserError, match=r"^no file is given for source 'none' \(hint: add --source none=FILE\)$"):
        plan(image, SALT, Sources({"s": tmp_path / "s"}))


@pytest.mark.parametrize(
    ("blocks", "root_hash"),
    [
        # What `veritysetup format` 2.6 says of files of zeros.
        (1, "1608a06e881456a3f8465dd8d056da209d157b86251fad8cae608587d7368251"),
        (2, "2cef9b31740847f3377f0ae6479885c3b9920a6c8571ca8a410f6fcc3017ac94"),
        (128, "2458a51b569e0c0b81698b3ca4f176bf3b59992a37cef340a65cceaa320cda27"),
        (129, "c643e445f9dfb65f84228cee89272219f130741b7876200ce9a849c14b7cffdc"),
        (16385, "ab75d6296c1406bf10a8ec5aae511a0665de9f3ef1f9301aa451a82319234b82"),
    ],
)
def test_known_root_hashes(blocks: int, root_hash: str) -> None:
    assert plan(ExtentMap(blocks * BLOCK)).root_hash.hex() == root_hash


def test_superblock_is_golden() -> None:
    planned = plan(ExtentMap.of_bytes(b"x"))
    superblock = ImageReader(planned.map, NONE).read(BLOCK, BLOCK)
    fields = {
        0: b"verity\0\0",
        8: b"\x01\0\0\0" + b"\x01\0\0\0",
        16: IDENTITY.bytes,
        32: b"sha256",
        64: b"\0\x10\0\0" + b"\0\x10\0\0",
        72: b"\x01\0\0\0\0\0\0\0",
        80: b"\x20\0",
        88: SALT,
    }
    expected = bytearray(BLOCK)
    for at, data in fields.items():
        expected[at : at + len(data)] = data
    assert superblock == bytes(expected)


@pytest.mark.parametrize("gib", [10, 1024])
def test_holes_cost_nothing(gib: int) -> None:
    """A tree of 8 GiB behind a disk of 1 TiB is planned at once: equal hash blocks are shared."""
    image = ExtentMap(gib << 30, [Extent(5 * BLOCK + 7, 3, b"abc")])
    planned = plan(image)
    assert planned.map.size > image.size + image.size // 129
    assert len({id(extent.source) for extent in planned.map.extents}) < 20
    assert plan(ExtentMap(gib << 30)).root_hash != planned.root_hash


def test_parameters() -> None:
    planned = plan(ExtentMap(200 * BLOCK + 1))
    assert planned.parameters() == {
        "root_hash": planned.root_hash.hex(),
        "salt": SALT.hex(),
        "uuid": str(IDENTITY),
        "algorithm": "sha256",
        "hash_type": 1,
        "data_block_size": BLOCK,
        "hash_block_size": BLOCK,
        "data_blocks": 201,
        "hash_offset": 201 * BLOCK,
        "hash_start": 202,
        "size": (201 + 1 + 3) * BLOCK,
    }


def test_inspect() -> None:
    planned = plan(ExtentMap.of_bytes(b"data" * 5000))
    assert verity.inspect(ImageReader(planned.map, NONE), planned.hash_offset) == {
        "root_hash": planned.root_hash.hex(),
        "salt": SALT.hex(),
        "uuid": str(IDENTITY),
        "data_blocks": 5,
        "hash_offset": 5 * BLOCK,
        "hash_start": 6,
        "end": 7 * BLOCK,
    }


def test_bad_input() -> None:
    with pytest.raises(UserError, match=r"^the verity salt has 257 bytes, 0 to 256 are possible$"):
        plan(ExtentMap(BLOCK), bytes(257))
    with pytest.raises(UserError, match=r"^an empty image cannot be protected by verity$"):
        plan(ExtentMap(0))
    with pytest.raises(UserError, match=r"^no file is given for source 's' \(hint: add --source s=FILE\)$"):
        plan(ExtentMap.of_slice("s", 0, 100))


PLANNED = plan(ExtentMap(300 * BLOCK, [Extent(n * BLOCK, 4, b"%04d" % n) for n in range(0, 300, 2)]))
WHOLE = ImageReader(PLANNED.map, NONE).read(0, PLANNED.map.size)
# Blocks: data 0-299, superblock 300, top of the tree 301, its lower level 302-304.


def damaged(at: int, data: bytes) -> ImageReader:
    return ImageReader(ExtentMap.of_bytes(WHOLE[:at] + data + WHOLE[at + len(data) :]), NONE)


@pytest.mark.parametrize(
    ("at", "finding"),
    [
        (0, "data: block 0 (byte 0) does not match its hash: "),
        (7 * BLOCK + 9, "data: block 7 (byte 28672) does not match its hash: "),
        (299 * BLOCK + 4095, "data: block 299 (byte 1224704) does not match its hash: "),
        (301 * BLOCK, "hash tree, level 1: block 0 (byte 1232896) does not match its hash: "),
        (301 * BLOCK + 4095, "hash tree, level 1: block 0 (byte 1232896) does not match its hash: "),
        (303 * BLOCK, "hash tree, level 0: block 1 (byte 1241088) does not match its hash: "),
    ],
)
def test_the_first_bad_block_is_named(at: int, finding: str) -> None:
    image = damaged(at, b"\xff")
    (found,) = verity.verify(image, verity.read_superblock(image, PLANNED.hash_offset), PLANNED.root_hash)
    assert found.startswith(finding)


def test_a_wrong_root_hash_is_found() -> None:
    image = damaged(0, b"")
    superblock = verity.read_superblock(image, PLANNED.hash_offset)
    wrong = bytes(32)
    assert verity.verify(image, superblock, wrong) == [
        f"hash tree, level 1: block 0 (byte 1232896) does not match its hash: {PLANNED.root_hash.hex()}, "
        f"expected {wrong.hex()}"
    ]
    one = plan(ExtentMap(BLOCK))
    image = ImageReader(one.map, NONE)
    superblock = verity.read_superblock(image, one.hash_offset)
    assert verity.verify(image, superblock, wrong) == [
        f"data: block 0 (byte 0) does not match its hash: {one.root_hash.hex()}, expected {wrong.hex()}"
    ]


def test_a_tree_that_is_cut_off() -> None:
    image = ImageReader(ExtentMap.of_bytes(WHOLE[:-1]), NONE)
    superblock = verity.read_superblock(image, PLANNED.hash_offset)
    assert verity.verify(image, superblock, PLANNED.root_hash) == [
        f"the image has {len(WHOLE) - 1} bytes, its hash tree ends at {len(WHOLE)}"
    ]


SUPERBLOCK = 300 * BLOCK
HERE = f"the verity superblock at byte {SUPERBLOCK}"


@pytest.mark.parametrize(
    ("at", "data", "message"),
    [
        (0, b"X", f"there is no verity superblock at byte {SUPERBLOCK}"),
        (8, b"\2", f"{HERE} has version 2, only 1 is known"),
        (12, b"\0", f"{HERE} has hash type 0, only 1 is known"),
        (32, b"sha512", f"{HERE} has algorithm 'sha512', only 'sha256' is known"),
        (64, b"\0\2", f"{HERE} has data block size 512, only 4096 is known"),
        (68, b"\0\2", f"{HERE} has hash block size 512, only 4096 is known"),
        (80, b"\1\1", f"{HERE} has a salt of 257 bytes"),
        (72, b"\0\0", f"{HERE} says 0 data blocks, 1 to 300 can lie before it"),
        (72, b"\x2d\1", f"{HERE} says 301 data blocks, 1 to 300 can lie before it"),
    ],
)
def test_bad_superblocks(at: int, data: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        verity.read_superblock(damaged(SUPERBLOCK + at, data), SUPERBLOCK)
    assert str(caught.value) == message


def test_a_superblock_that_is_cut_off() -> None:
    with pytest.raises(UserError, match=rf"^{HERE} is cut off$"):
        verity.read_superblock(ImageReader(ExtentMap.of_bytes(WHOLE[: SUPERBLOCK + 100]), NONE), SUPERBLOCK)


@settings(deadline=None)
@given(at=st.integers(0, 4 * BLOCK), noise=st.binary(min_size=1, max_size=60), offset=st.integers(0, 305 * BLOCK))
def test_any_damage_is_answered(at: int, noise: bytes, offset: int) -> None:
    image = damaged(SUPERBLOCK + at, noise)
    for place in (SUPERBLOCK, offset):
        with contextlib.suppress(UserError):
            verity.inspect(image, place)
            verity.verify(image, verity.read_superblock(image, place), PLANNED.root_hash)


def test_large_extents_are_hashed_in_place(tmp_path: Path) -> None:
    data = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(700 * BLOCK // 32))
    (tmp_path / "s").write_bytes(data)
    image = ExtentMap(700 * BLOCK + 50, [Extent(50, len(data), FileSlice("s", 0))])
    planned = plan(image, sources=Sources({"s": tmp_path / "s"}))
    padded = bytes(50) + data
    assert planned.root_hash == model(padded + bytes(-len(padded) % BLOCK), SALT)[1]
