"""Sparse archives: what is stored, the bytes of the headers, readers that agree, damage that is found."""

import contextlib
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import sparse_tar
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources
from sysimage.sparse_tar import Member

KIB = 1 << 10
NONE = Sources({})


def archive(*members: Member) -> bytes:
    out = io.BytesIO()
    sparse_tar.write(members, NONE, out)
    assert len(out.getvalue()) == sparse_tar.archive_size(members)
    return out.getvalue()


def image(size: int, *pieces: tuple[int, bytes]) -> ExtentMap:
    return ExtentMap(size, [Extent(at, len(data), data) for at, data in pieces])


def many(count: int) -> ExtentMap:
    """An image of so many pieces with holes of 64 KiB between them."""
    return image(count * 68 * KIB, *((n * 68 * KIB, b"%d" % n) for n in range(count)))


@pytest.mark.parametrize(
    ("content", "segments"),
    [
        (image(0), []),
        (image(1000), [(0, 1000)]),
        (image(64 * KIB), []),
        (image(1 << 40), []),
        (image(5000, (4999, b"x")), [(0, 5000)]),
        (image(100 * KIB, (5, b"x")), [(0, 4 * KIB)]),
        (image(100 * KIB, (90 * KIB, b"x")), [(88 * KIB, 12 * KIB)]),
        (image(100 * KIB - 1, (90 * KIB, b"x")), [(88 * KIB, 12 * KIB - 1)]),
        (image(200 * KIB, (0, b"x"), (67 * KIB, b"y")), [(0, 68 * KIB)]),
        (image(200 * KIB, (0, b"x"), (68 * KIB, b"y")), [(0, 4 * KIB), (68 * KIB, 4 * KIB)]),
        (image(200 * KIB, (0, b"x"), (140 * KIB, b"y")), [(0, 4 * KIB), (140 * KIB, 60 * KIB)]),
        (image(8 * KIB, (4095, b"xy")), [(0, 8 * KIB)]),
    ],
)
def test_what_is_stored(content: ExtentMap, segments: list[tuple[int, int]]) -> None:
    assert Member("x", content).segments == segments


def test_header_is_golden() -> None:
    header = sparse_tar.headers(Member("disk.img", image(1 << 40, (1 << 20, b"x"), (9 << 30, b"y"))))
    ninth_gib = b"\x80" + (9 << 30).to_bytes(11, "big")
    size = b"\x80" + (1 << 40).to_bytes(11, "big")
    fields = {
        0: b"disk.img",
        100: b"0000644",
        108: b"0000000",  # uid
        116: b"0000000",  # gid
        124: b"00000020000",  # stored: 8192 bytes
        136: b"00000000000",  # mtime
        148: b"014402\x00 ",
        156: b"S",
        257: b"ustar  ",
        386: b"00004000000",  # first segment: 4096 bytes at 1 MiB
        398: b"00000010000",
        410: ninth_gib,
        422: b"00000010000",
        434: size,
        446: b"00000000000",
        483: size,
    }
    expected = bytearray(512)
    for at, data in fields.items():
        expected[at : at + len(data)] = data
    assert header == bytes(expected)


def test_archive_is_golden() -> None:
    digest = hashlib.sha256(archive(Member("disk.img", many(300)), Member("VERSION.TXT", image(4, (0, b"1.2\n")))))
    assert digest.hexdigest() == "f98d30c9ca07fa651a14faf2cee975d5f0cc9e3718a896c4e24e6bccefa59ba1"


@pytest.mark.parametrize("count", [1, 3, 4, 5, 24, 25, 26, 46, 47, 1000])
def test_extension_blocks(count: int) -> None:
    head = sparse_tar.headers(Member("x", many(count)))
    # One segment more says where the image ends.
    extensions = max(0, -(-(count + 1 - 4) // 21))
    assert len(head) == 512 * (1 + extensions)


@st.composite
def contents(draw: st.DrawFn) -> ExtentMap:
    blocks = sorted(draw(st.sets(st.integers(0, 120), max_size=12)))
    size = 121 * 4 * KIB + draw(st.integers(0, 200 * KIB))
    return image(
        size,
        *((block * 4 * KIB + draw(st.integers(0, 4000)), draw(st.binary(min_size=1, max_size=90))) for block in blocks),
    )


@given(first=contents(), second=contents(), dense=st.booleans())
def test_readers_agree(
    tmp_path_factory: pytest.TempPathFactory, first: ExtentMap, second: ExtentMap, dense: bool
) -> None:
    members = [Member("one", first), Member("two", second, sparse=not dense, mode=0o600, mtime=7)]
    data = archive(*members)
    folder = tmp_path_factory.mktemp("tar")
    (folder / "x.tar").write_bytes(data)
    sources = Sources({"tar": folder / "x.tar"})
    stored = list(sparse_tar.read(io.BytesIO(data), "x.tar"))
    with tarfile.open(folder / "x.tar") as other:
        for member, ours, theirs in zip(members, stored, other.getmembers(), strict=True):
            plain = ImageReader(member.content, NONE).read(0, member.content.size)
            assert (ours.name, ours.mode, ours.mtime) == (member.name, member.mode, member.mtime)
            assert ImageReader(ours.content("tar"), sources).read(0, ours.size) == plain
            assert (theirs.name, theirs.mode, theirs.mtime) == (member.name, member.mode, member.mtime)
            assert (theirs.uid, theirs.gid, theirs.uname, theirs.gname) == (0, 0, "", "")
            extracted = other.extractfile(theirs)
            assert extracted is not None
            assert extracted.read() == plain
    assert sparse_tar.verify(io.BytesIO(data)) == []


def test_huge_members_cost_nothing() -> None:
    data = archive(Member("x", image(1 << 50, (1 << 49, b"middle"))))
    assert len(data) == 10240
    (member,) = sparse_tar.read(io.BytesIO(data), "x")
    assert member.size == 1 << 50
    assert sparse_tar.verify(io.BytesIO(data)) == []


def test_inspect() -> None:
    data = archive(Member("disk.img", image(1 << 30, (0, b"x"))), Member("v", image(2, (0, b"1\n"))))
    assert sparse_tar.inspect(io.BytesIO(data), "x") == [
        {"name": "disk.img", "size": 1 << 30, "stored": 4096, "segments": 2, "mode": "0644", "mtime": 0},
        {"name": "v", "size": 2, "stored": 2, "segments": 1, "mode": "0644", "mtime": 0},
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "tar member '': the name has 0 bytes, 1 to 99 are possible"),
        ("ä" * 50, f"tar member '{'ä' * 50}': the name has 100 bytes, 1 to 99 are possible"),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        Member(name, image(0))
    assert str(caught.value) == message


def test_one_name_twice() -> None:
    with pytest.raises(UserError, match=r"^tar member 'x' is given 2 times$"):
        archive(Member("x", image(0)), Member("x", image(5)))


def damage(data: bytes, at: int, new: bytes, mend: bool = True) -> bytes:
    """An archive with some bytes changed, and the checksum of its first header set right."""
    changed = bytearray(data)
    changed[at : at + len(new)] = new
    if mend:
        changed[148:156] = b" " * 8
        changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


CUT = "the tar archive is cut off"
BAD_END = "the end is not two zero blocks and zeros up to a whole record"
SAMPLE = archive(Member("x", many(30)))


@pytest.mark.parametrize(
    ("data", "read_error", "findings"),
    [
        (SAMPLE[:100], f"t: {CUT}", ["the archive has 100 bytes, not whole records of 10240", CUT]),
        (
            SAMPLE[:9000],
            f"t: {CUT}",
            [
                "the archive has 9000 bytes, not whole records of 10240",
                "x: its data cannot be followed, or is cut off",
            ],
        ),
        (
            damage(SAMPLE, 0, b"y", mend=False),
            "t: the tar header at byte 0 has a wrong checksum",
            ["y: wrong checksum"],
        ),
        (damage(SAMPLE, 156, b"5"), "t: tar member 'x' has type b'5', only files are expected here", None),
        (damage(SAMPLE, 124, b"00000000000"), "t: tar member 'x' stores 0 bytes, its sparse map says otherwise", None),
        (damage(SAMPLE, 108, b"0001750"), None, ["x: belongs to b'0001750\\x00' (b''), b'0000000\\x00' (b'')"]),
        (damage(SAMPLE, 265, b"me"), None, ["x: belongs to b'0000000\\x00' (b'me'), b'0000000\\x00' (b'')"]),
        (damage(SAMPLE, 257, b"ustar\x0000"), None, ["x: magic is b'ustar\\x0000'"]),
        (damage(SAMPLE, 100, b"0100644"), None, ["x: mode is b'0100644\\x00'"]),
        (damage(SAMPLE, 345, b"00000000001"), None, ["x: has a link name, device numbers, times or an offset"]),
        (SAMPLE + bytes(512), None, [f"the archive has {len(SAMPLE) + 512} bytes, not whole records of 10240"]),
        (SAMPLE + bytes(20480), None, [BAD_END]),
        (SAMPLE[:-1] + b"x", None, [BAD_END]),
    ],
)
def test_damage(data: bytes, read_error: str | None, findings: list[str] | None) -> None:
    if read_error is None:
        list(sparse_tar.read(io.BytesIO(data), "t"))
    else:
        with pytest.raises(UserError) as caught:
            list(sparse_tar.read(io.BytesIO(data), "t"))
        assert str(caught.value) == read_error
    found = sparse_tar.verify(io.BytesIO(data))
    assert found == findings if findings is not None else found


@pytest.mark.parametrize("size", [1 << 40, 1 << 80])
def test_members_of_sizes_that_no_file_has(size: int) -> None:
    data = damage(SAMPLE, 124, b"\x80" + size.to_bytes(11, "big"))
    plain = damage(data, 156, b"0")
    with pytest.raises(UserError) as caught:
        list(sparse_tar.read(io.BytesIO(plain), "t"))
    assert str(caught.value) == "t: the tar archive is cut off"
    for each in (data, plain):
        assert "x: its data cannot be followed, or is cut off" in sparse_tar.verify(io.BytesIO(each))


def test_overlapping_segments() -> None:
    data = damage(SAMPLE, 386 + 24, b"00000000000")
    (member,) = sparse_tar.read(io.BytesIO(data), "t")
    with pytest.raises(UserError, match=r"^tar member 'x' has an impossible sparse map: bad extent at 0, 4096 bytes, "):
        member.content("t")
    assert sparse_tar.verify(io.BytesIO(data)) == ["x: the segment at 0 overlaps another or does not begin at a block"]


@given(cut=st.integers(0, len(SAMPLE)), at=st.integers(0, 2000), noise=st.binary(max_size=40), mend=st.booleans())
def test_any_damage_is_answered(cut: int, at: int, noise: bytes, mend: bool) -> None:
    data = damage(SAMPLE, at, noise, mend)[:cut]
    with contextlib.suppress(UserError):
        for member in sparse_tar.read(io.BytesIO(data), "t"):
            member.content("t")
    sparse_tar.verify(io.BytesIO(data))


@given(st.binary(max_size=3000))
def test_random_bytes(data: bytes) -> None:
    with contextlib.suppress(UserError):
        list(sparse_tar.read(io.BytesIO(data), "t"))
    sparse_tar.verify(io.BytesIO(data))


def test_plain_files_are_plain_members(tmp_path: Path) -> None:
    data = archive(Member("v", image(4, (0, b"1.2\n"))))
    assert (data[156:157], data[512:516]) == (b"0", b"1.2\n")


@given(st.lists(contents(), max_size=3), st.booleans())
def test_the_plan_is_what_is_written(images: list[ExtentMap], sparse: bool) -> None:
    members = [Member(f"x{number}", each, sparse=sparse) for number, each in enumerate(images)]
    planned = ImageReader(sparse_tar.plan(members), Sources({}))
    assert planned.size == sparse_tar.archive_size(members)
    assert planned.read(0, planned.size) == archive(*members)
