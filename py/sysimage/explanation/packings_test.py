"""Differences planted in packings, archives, texts and plans, each with the exact sentence."""

import errno
import io
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import cpio, extents, tree, zstd
from sysimage.errors import UserError
from sysimage.explanation import explain
from sysimage.explanation.testing import (
    HOSTNAME,
    MTIME,
    NONE,
    OTHER_TIME,
    PARTITION,
    Change,
    archive,
    bytes_of,
    change,
    content,
    disk,
    packed,
    patched,
    root,
    told,
)
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader
from sysimage.sparse_tar import Member
from sysimage.tree import NANOSECONDS, NodeType, Tree, directory, file

DISK = disk()
SECTORS = PARTITION * 512
MEMBER = Member("disk.img", DISK)
PACKED = packed(archive([MEMBER]))
TAR_TYPES = {NodeType.DIRECTORY: tarfile.DIRTYPE, NodeType.SYMLINK: tarfile.SYMTYPE, NodeType.FILE: tarfile.REGTYPE}


def layer(*plants: Change, form: int = tarfile.PAX_FORMAT, owner: str = "root", step: int = 1) -> bytes:
    """The sample root as Python's tarfile writes it."""
    out = io.BytesIO()
    planted = root(*plants)
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for path, node in list(planted.walk())[1:][::step]:
            entry = tarfile.TarInfo(path)
            entry.mode, entry.uid, entry.gid, entry.mtime = node.mode, node.uid, node.gid, node.mtime // NANOSECONDS
            entry.uname, entry.type, entry.linkname = owner, TAR_TYPES[node.type], node.target
            data = ImageReader(node.data, NONE).read(0, node.data.size)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def tree_file(folder: Path, *plants: Change) -> bytes:
    planted = Tree(directory(mtime=MTIME))
    planted.add("a", file(ExtentMap.of_slice("layer", 512, 10)))
    for plant in plants:
        plant(planted)
    tree.save(planted, folder / "tree")
    return (folder / "tree").read_bytes()


def map_file(folder: Path, image: ExtentMap) -> bytes:
    extents.save(image, folder / "map", folder / "literals", "literals")
    return (folder / "map").read_bytes()


# What stands on the other side, and what is said of it.
PACKINGS = [
    (
        lambda: packed(archive([MEMBER]), level=1),
        [
            (
                "zstd: the same content, compressed with other settings or by another version: 2224 bytes "
                "against 2216; block 1 is compressed (942 bytes) against compressed (932 bytes)"
            ),
        ],
    ),
    (
        lambda: packed(archive([MEMBER]), write_checksum=False),
        [
            "zstd frame header: checksum written against not written",
        ],
    ),
    (
        lambda: packed(archive([MEMBER]), write_content_size=False),
        [
            "zstd frame header: window size that of the content against 262144",
            "zstd frame header: content size 235520 against not written",
        ],
    ),
    (
        lambda: packed(archive([MEMBER])[:4096]) + packed(archive([MEMBER])[4096:]),
        [
            "zstd: 1 frame against 2",
        ],
    ),
    (
        lambda: packed(archive([Member("disk.img", DISK, mtime=5)])),
        [
            "disk.img: mtime 1970-01-01T00:00:00Z against 1970-01-01T00:00:05Z",
        ],
    ),
    (
        lambda: packed(archive([Member("disk.img", disk(guid=10))])),
        [
            (
                "disk.img GPT header: DiskGUID 00000000-0000-0000-0000-000000000009 against "
                "00000000-0000-0000-0000-00000000000A"
            ),
        ],
    ),
    (
        lambda: packed(archive([Member("disk.img", ExtentMap.of_bytes(bytes_of(DISK)))])),
        [
            ("disk.img: sparse map: 5 stored segments against 1; segment 1 is bytes 0-20479 against bytes 0-50331647"),
        ],
    ),
    (
        lambda: packed(archive([Member("other.img", DISK)])),
        [
            "member disk.img (a file) is only in ours",
            "member other.img (a file) is only in theirs",
        ],
    ),
    (
        lambda: PACKED[:-50],
        [
            "cannot be compared as a zstd file: theirs: not a whole zstd file: it ends within a frame",
            (
                "content differs first at byte 2174 of 2224 against 2174: 2c ee 00 31 07 c8 7f 82 9b 76 e0 5c 8d "
                "07 64 95 ... against the end"
            ),
        ],
    ),
    (
        lambda: archive([MEMBER]),
        [
            "a zstd file against a tar archive",
            'content differs first at byte 0 of 2224 against 235520: 28 b5 2f fd a4 00 98 03 against "disk.img"',
        ],
    ),
]

LAYERS = [
    (
        lambda: layer(change("etc/hostname", mtime=OTHER_TIME)),
        [
            "etc/hostname: mtime 2025-08-09T00:00:00Z against 2001-01-01T00:00:00Z",
        ],
    ),
    (
        lambda: layer(content("etc/hostname", HOSTNAME.replace(b"long", b"Long"))),
        [
            'etc/hostname: content differs first at byte 17 of 48 (line 1): "l" against "L"',
        ],
    ),
    (
        lambda: layer(lambda tree: tree.remove("usr")),
        [
            "member usr (a directory), with 3 more below, is only in ours",
        ],
    ),
    (
        lambda: layer(change("usr/bin/link", target="tail")),
        [
            'usr/bin/link: target "tool" against "tail"',
        ],
    ),
    (
        lambda: layer(step=-1),
        [
            "members in another order: member 1 of those in both is etc against usr/bin/tool",
        ],
    ),
    (
        lambda: layer() + bytes(512),
        [
            (
                "between or behind the members, it differs first at byte 20480 of 20480 against 20992: the end "
                "against 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ..."
            ),
        ],
    ),
    (
        lambda: layer()[:3000],
        [
            "cannot be compared as a tar archive: theirs: ends at byte 3000, inside an entry",
            (
                "content differs first at byte 3000 of 20480 against 3000: b8 b9 ba bb bc bd be bf c0 c1 c2 c3 "
                "c4 c5 c6 c7 ... against the end"
            ),
        ],
    ),
    (
        lambda: patched(layer(), (512 + 300, b"x")),
        [
            "cannot be compared as a tar archive: theirs: no tar header at byte 512 (its checksum is wrong)",
            'content differs first at byte 812 of 20480: 00 against "x"',
        ],
    ),
]

TEXTS = [
    (
        (b"one\ntwo\n", b"one\nTwo\n"),
        [
            'content differs first at byte 4 of 8 (line 2): "t" against "T"',
        ],
    ),
    (
        (b"one\n", b"one\ntwo\n"),
        [
            'content differs first at byte 4 of 4 against 8 (line 2): the end against "two\\n"',
        ],
    ),
    (
        (b"\0\1\2", b"\0\1\3"),
        [
            "content differs first at byte 2 of 3: 02 against 03",
        ],
    ),
    (
        (b"a=1 quiet root=x\n", b"a=2 root=x\n"),
        [
            'the word "a=1" against "a=2"',
            'the word "quiet" is only in ours',
        ],
    ),
    (
        (b"a=1 b=2\n", b"b=2 a=1\n"),
        [
            'content differs first at byte 0 of 8 (line 1): "a" against "b"',
        ],
    ),
    (
        (b'{"a": [1, 2], "b": "x"}', b'{"a": [1, 3], "c": "x"}'),
        [
            "a[1] 2 against 3",
            'b ("x") is only in ours',
            'c ("x") is only in theirs',
        ],
    ),
    (
        (b'{"a":1}', b'{"a": 1}'),
        [
            (
                "the same values are written differently: it differs first at byte 5 of 7 against 8 (line 1): "
                '"1}" against " 1"'
            ),
        ],
    ),
    (
        (b"[" * 5000 + b"1" + b"]" * 5000, b"[" * 5000 + b"2" + b"]" * 5000),
        [
            'content differs first at byte 5000 of 10001 (line 1): "1" against "2"',
        ],
    ),
    (
        (b"", b"x"),
        [
            'content differs first at byte 0 of 0 against 1 (line 1): the end against "x"',
        ],
    ),
    (
        (b"same", b"same"),
        [],
    ),
]

TREES = [
    (
        change("a", mode=0o600),
        [
            "/a: mode 0644 against 0600",
        ],
    ),
    (
        change("a", content=ExtentMap.of_slice("layer", 512, 11)),
        [
            "/a: content size 10 against 11",
            (
                "/a: content: 1 extent against 1; extent 1 is bytes 0-9 from byte 512 of layer against bytes "
                "0-10 from byte 512 of layer"
            ),
        ],
    ),
    (
        lambda tree: tree.add("b", file(ExtentMap(0))),
        [
            "/b: a file is only in theirs",
        ],
    ),
]

MAP = ExtentMap(100, [Extent(0, 10, FileSlice("a", 5)), Extent(50, 10, b"0123456789")])
MAPS = [
    (
        ExtentMap(100, [Extent(0, 10, FileSlice("b", 5)), Extent(50, 10, b"0123456789")]),
        [
            ("map: 2 extents against 2; extent 1 is bytes 0-9 from byte 5 of a against bytes 0-9 from byte 5 of b"),
        ],
    ),
    (
        ExtentMap(110, [Extent(0, 10, FileSlice("a", 5))]),
        [
            "map size 100 against 110",
            "map: 2 extents against 1; extent 2 is bytes 50-59 from byte 0 of literals against none",
        ],
    ),
]


@pytest.mark.parametrize(("other", "sentences"), PACKINGS)
def test_packings(tmp_path: Path, other: Callable[[], bytes], sentences: list[str]) -> None:
    assert told(tmp_path, PACKED, other()) == sentences


@pytest.mark.parametrize(("other", "sentences"), LAYERS)
def test_layers(tmp_path: Path, other: Callable[[], bytes], sentences: list[str]) -> None:
    assert told(tmp_path, layer(), other()) == sentences


@pytest.mark.parametrize(("both", "sentences"), TEXTS)
def test_texts(tmp_path: Path, both: tuple[bytes, bytes], sentences: list[str]) -> None:
    assert told(tmp_path, *both) == sentences


@pytest.mark.parametrize(("plant", "sentences"), TREES)
def test_tree_files(tmp_path: Path, plant: Change, sentences: list[str]) -> None:
    assert told(tmp_path, tree_file(tmp_path), tree_file(tmp_path, plant)) == sentences


@pytest.mark.parametrize(("other", "sentences"), MAPS)
def test_extent_maps(tmp_path: Path, other: ExtentMap, sentences: list[str]) -> None:
    assert told(tmp_path, map_file(tmp_path, MAP), map_file(tmp_path, other)) == sentences


def test_owners_of_every_member(tmp_path: Path) -> None:
    sentences = told(tmp_path, layer(), layer(owner="builder"), limit=2)
    assert sentences == [
        'etc: uname "root" against "builder"',
        'etc/blob: uname "root" against "builder"',
        "5 more differences are left out",
    ]


def test_dialects_of_tar(tmp_path: Path) -> None:
    sentences = told(tmp_path, layer(), layer(form=tarfile.GNU_FORMAT), limit=1)
    assert sentences == ['etc: header field magic "ustar" against "ustar "', "13 more differences are left out"]


def test_records_that_only_say_when_a_file_was_read(tmp_path: Path) -> None:
    def archive_with(time: str) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            entry = tarfile.TarInfo("a")
            entry.pax_headers = {"atime": time}
            tar.addfile(entry)
        return out.getvalue()

    assert told(tmp_path, archive_with("1.5"), archive_with("2.5")) == ['a: header record atime "1.5" against "2.5"']


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zstd, "decompress", full)
    damaged, rest = told(tmp_path, PACKED, PACKED + b"x")
    assert re.sub(r"in /\S+:", "in FOLDER:", damaged) == (
        "cannot be compared as a zstd file: ours: it cannot be unpacked in FOLDER: No space left on device"
    )
    assert rest.startswith(f"content differs first at byte {len(PACKED)} of ")


def test_initrds(tmp_path: Path) -> None:
    archives = [
        packed(cpio.make(root(plant), NONE)) for plant in (lambda tree: None, change("usr/bin/tool", mode=0o700))
    ]
    assert told(tmp_path, *archives) == ["/usr/bin/tool: mode 0755 against 0700"]


def test_equal_files(tmp_path: Path) -> None:
    for each in (DISK, PACKED, layer(), tree_file(tmp_path), map_file(tmp_path, MAP)):
        assert told(tmp_path, each, each) == []


def test_other_names(tmp_path: Path) -> None:
    sentences = told(tmp_path, layer(lambda tree: tree.remove("usr")), layer(), names=("here", "there"))
    assert sentences == ["member usr (a directory), with 3 more below, is only in there"]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        explain(tmp_path / "none", tmp_path / "none")
    assert str(caught.value) == f"cannot read {tmp_path / 'none'}: No such file or directory"


def test_huge_images_cost_their_content(tmp_path: Path) -> None:
    ours, theirs = (ExtentMap(1 << 43, [Extent(1 << 42, 3, data)]) for data in (b"abc", b"abd"))
    assert told(tmp_path, ours, theirs) == [
        'content differs first at byte 4398046511106 of 8796093022208: "c" against "d"'
    ]


def test_huge_archives_are_mapped_not_copied(tmp_path: Path) -> None:
    size = 1 << 40
    archives = []
    for time in (1, 2):
        entry = tarfile.TarInfo("large")
        entry.size, entry.mtime = size, time
        header = entry.tobuf(tarfile.GNU_FORMAT)
        archives.append(ExtentMap(size + 4096, [Extent(0, len(header), header)]))
    assert told(tmp_path, *archives) == ["large: mtime 1970-01-01T00:00:01Z against 1970-01-01T00:00:02Z"]


@pytest.mark.parametrize("start", [b"\x28\xb5\x2f\xfd", b"070701", b'{"format":"tree/1', b'{"format":"extent-map/1'])
def test_huge_holes_behind_the_right_beginning_are_not_read(tmp_path: Path, start: bytes) -> None:
    size = 1 << 42
    ours, theirs = (ExtentMap(size, [Extent(0, len(start), start), Extent(size - 1, 1, end)]) for end in (b"a", b"b"))
    assert told(tmp_path, ours, theirs) == [f'content differs first at byte {size - 1} of {size}: "a" against "b"']


@settings(deadline=None, max_examples=40)
@given(at=st.integers(0, 30000), noise=st.binary(min_size=1, max_size=64), cut=st.integers(0, 30000))
def test_any_damage_of_archives_is_answered(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes, cut: int
) -> None:
    for whole in (layer(), PACKED):
        damaged = patched(whole, (min(at, len(whole) - 1), noise))[: max(cut, 1)]
        sentences = told(tmp_path_factory.mktemp("damage"), whole, damaged)
        assert bool(sentences) == (damaged != whole)
