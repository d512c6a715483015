"""FAT: geometry, names, bytes, everything read back, everything refused, damage found."""

import contextlib
import datetime
import hashlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysimage import fat
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources
from sysimage.fat import FatReader, FatType, Options
from sysimage.fat.names import fold, short_names
from sysimage.tree import Node, NodeType, Tree, directory, file, join, symlink

NONE = Sources({})
MIB = 1 << 20
SECOND = 1_000_000_000
TIME = int(datetime.datetime(2025, 8, 9, 12, 34, 56, tzinfo=datetime.UTC).timestamp()) * SECOND

TYPES = [FatType.FAT16, FatType.FAT32]


def reader(image: ExtentMap) -> ImageReader:
    return ImageReader(image, NONE)


def tree_of(**paths: bytes) -> Tree:
    tree = Tree()
    for path, content in paths.items():
        tree.add(path, file(content))
    return tree


def sample() -> Tree:
    tree = Tree(directory(mtime=TIME))
    tree.add("EFI", directory(mtime=TIME))
    tree.add("EFI/BOOT", directory(mtime=TIME))
    tree.add("EFI/BOOT/BOOTX64.EFI", file(b"MZ" * 4000, mtime=TIME))
    tree.add("grub.cfg", file(b"set timeout=0\n", mtime=TIME))
    tree.add("A long name with Ünïcode.text", file(b"long", mtime=TIME))
    tree.add("EMPTY", file(b"", mtime=TIME))
    return tree


def contents(tree: Tree, sources: Sources = NONE) -> dict[str, bytes | None]:
    return {path: tree.read(path, sources) if node.content is not None else None for path, node in tree.walk()}


@pytest.mark.parametrize(
    ("kind", "size", "digest"),
    [
        (FatType.FAT16, None, "7c8a880e06c1fd543072080cdb328dfcd8e74233588943beff5bb2f359e18ac6"),
        (FatType.FAT32, None, "114aed582af935b728484f9c283dc3ddb2d88234b07126927dc00dacecb0379e"),
        (FatType.FAT16, 100 * MIB, "5cc485e70d1d62c5cad5dd4f63982a018ef40c10c1d89a048d8dc11029eceebf"),
        (FatType.FAT32, 100 * MIB, "50ac9badf3fd713a0d8442fc46e6c521fee91d9a56a566e8156824d243afdbd2"),
    ],
)
def test_volumes_are_golden(kind: FatType, size: int | None, digest: str) -> None:
    image = fat.plan(sample(), Options(size, kind, label="GRUB", volume_id=0x1C0FFEE1, hidden_sectors=2048))
    hashed = hashlib.sha256(b"%d" % image.size)
    for extent in image.extents:
        hashed.update(b"%d %d" % (extent.offset, extent.length))
        hashed.update(NONE.view(extent))
    assert hashed.hexdigest() == digest


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("size", [None, 64 * MIB])
def test_what_goes_in_comes_out(kind: FatType, size: int | None) -> None:
    image = reader(fat.plan(sample(), Options(size, kind, label="X")))
    tree = FatReader(image).tree()
    assert contents(tree) == contents(sample())
    assert {path: node.mtime for path, node in tree.walk() if path} == dict.fromkeys(list(contents(tree))[1:], TIME)
    assert fat.verify(image) == []
    assert fat.find(image)


def test_inspect() -> None:
    image = fat.plan(sample(), Options(64 * MIB, FatType.FAT32, label="GRUB", volume_id=0x1C0FFEE1, hidden_sectors=7))
    assert fat.inspect(reader(image)) == {
        "type": "FAT32",
        "label": "GRUB",
        "volume_id": "1C0FFEE1",
        "size": 64 * MIB,
        "cluster_size": 512,
        "clusters": 128984,
        "used": 512 * 21,
        "free": 512 * (128984 - 21),
        "hidden_sectors": 7,
        "paths": 6,
    }


def test_boot_sector_is_golden() -> None:
    """Field by field as the specification has them, for the numbers that firmware looks at."""
    image = reader(
        fat.plan(Tree(), Options(100 * MIB, FatType.FAT16, label="ESP", volume_id=0x12345678, hidden_sectors=2048))
    )
    boot = image.read(0, 512)
    assert boot[:3] == b"\xeb\x3c\x90"
    assert struct.unpack_from("<HBHBHHBHHHII", boot, 11) == (512, 4, 8, 2, 512, 0, 0xF8, 200, 63, 255, 2048, 204800)
    assert struct.unpack_from("<BBBI11s8s", boot, 36) == (0x80, 0, 0x29, 0x12345678, b"ESP        ", b"FAT16   ")
    assert boot[510:] == b"\x55\xaa"
    assert image.read(8 * 512, 6) == b"\xf8\xff\xff\xff\0\0"


@pytest.mark.parametrize(
    ("size", "kind", "expected", "cluster_size"),
    [
        (3 * MIB, None, "FAT16", 512),
        (16 * MIB, None, "FAT16", 1024),
        (100 * MIB, None, "FAT16", 2048),
        (511 * MIB, None, "FAT16", 8192),
        (512 * MIB, None, "FAT32", 4096),
        (100 * MIB, FatType.FAT32, "FAT32", 512),
        (1 << 40, None, "FAT32", 32768),
        (2040 * MIB, FatType.FAT16, "FAT16", 32768),
    ],
)
def test_type_and_clusters_follow_the_size(size: int, kind: FatType | None, expected: str, cluster_size: int) -> None:
    image = fat.plan(Tree(), Options(size, kind))
    found = fat.inspect(reader(image))
    assert (found["type"], found["cluster_size"], found["size"]) == (expected, cluster_size, size)
    assert fat.verify(reader(image)) == []
    assert image.mapped < 4096


@given(st.integers(2 * MIB // 512, 1 << 31), st.sampled_from([None, *TYPES]), st.sampled_from([None, 512, 4096, 32768]))
def test_any_size(sectors: int, kind: FatType | None, cluster_size: int | None) -> None:
    with contextlib.suppress(UserError):
        image = reader(fat.plan(tree_of(x=b"x"), Options(sectors * 512, kind, cluster_size)))
        assert fat.verify(image) == []
        boot = FatReader(image).boot
        assert boot.type is (kind or boot.type)
        # No cluster is wasted, and the data begin where blocks of 4096 do.
        assert boot.size - boot.data_start - boot.clusters * boot.cluster_size < boot.cluster_size
        assert boot.data_start % 4096 == 0


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("reserve", [0, 5 * MIB])
def test_compact_volumes_fit_their_content(kind: FatType, reserve: int) -> None:
    content = ExtentMap(40 * MIB, [Extent(0, 1, b"x")])
    tree = Tree()
    tree.add("x", file(content))
    image = reader(fat.plan(tree, Options(type=kind, reserve=reserve)))
    found = fat.inspect(image)
    assert reserve <= found["free"] <= reserve + found["cluster_size"]
    assert fat.verify(image) == []


def test_holes_stay_holes() -> None:
    tree = Tree()
    tree.add("sparse", file(ExtentMap(3 << 30, [Extent(1 << 30, 3, b"abc")])))
    image = fat.plan(tree, Options(4 << 30))
    assert image.mapped < 7 * MIB  # the tables, for 3 GiB
    found = FatReader(reader(image)).tree()["sparse"].data
    assert (found.size, found.mapped, found.extents[0].offset) == (3 << 30, 3, 1 << 30)


def test_hard_links_become_files() -> None:
    tree = tree_of(a=b"same")
    tree.link("b", "a")
    image = reader(fat.plan(tree))
    assert contents(FatReader(image).tree()) == {"": None, "a": b"same", "b": b"same"}
    assert fat.verify(image) == []


@pytest.mark.parametrize(
    ("mtime", "stored"),
    [
        (TIME + 1 * SECOND + 999, TIME),
        (TIME + 2 * SECOND, TIME + 2 * SECOND),
        (0, 315532800 * SECOND),
        (-5, 315532800 * SECOND),
        (4354819198 * SECOND, 4354819198 * SECOND),
        (1 << 62, 4354819198 * SECOND),
    ],
)
def test_times(mtime: int, stored: int) -> None:
    tree = Tree()
    tree.add("x", file(b"", mtime=mtime))
    assert FatReader(reader(fat.plan(tree))).tree()["x"].mtime == stored


def test_a_directory_of_many_entries() -> None:
    tree = Tree()
    tree.add("many", directory())
    for number in range(5000):
        tree.add(f"many/file number {number}.data", file(b""))
    for kind in TYPES:
        image = reader(fat.plan(tree, Options(type=kind)))
        assert contents(FatReader(image).tree()) == contents(tree)
        assert fat.verify(image) == []


# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["BOOTX64.EFI"], ["BOOTX64 EFI"]),
        (["grub.cfg"], ["GRUB    CFG"]),
        (["README"], ["README     "]),
        ([".hidden"], ["HIDDEN~1   "]),
        (["a.b.c"], ["AB~1    C  "]),
        (["with space.txt"], ["WITHSP~1TXT"]),
        (["a+b"], ["A_B~1      "]),
        (["ünïcödé"], ["_N_C_D~1   "]),
        (["longextension.jpeg"], ["LONGEX~1JPE"]),
        (["longname-1", "longname-2"], ["LONGNA~1   ", "LONGNA~2   "]),
        (["FOOBAR~1.TXT", "foobarbaz.txt"], ["FOOBAR~1TXT", "FOOBAR~2TXT"]),
        (["foobar~1.txt", "foobarbaz.txt"], ["FOOBAR~1TXT", "FOOBAR~2TXT"]),
        (["...x"], ["X~1        "]),
        (["😀"], ["_~1        "]),
    ],
)
def test_short_names(names: list[str], expected: list[str]) -> None:
    found = short_names("", names)
    assert [found[name].decode() for name in names] == expected


def test_more_than_nine_of_a_kind() -> None:
    found = short_names("", [f"some long name {number:05}" for number in range(12345)])
    assert len(set(found.values())) == 12345
    assert found["some long name 00009"] == b"SOMEL~10   "
    assert found["some long name 12344"] == b"SO~12345   "


legal = st.text(
    st.characters(codec="utf-8", exclude_characters='"*/:<>?\\|\x7f', exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=30,
).filter(lambda name: name == name.rstrip(". ") and len(name.encode()) <= 255)
legal_sets = st.lists(
    st.one_of(legal, st.text("aA~1. ", min_size=1, max_size=12).filter(lambda n: n == n.rstrip(". "))),
    unique_by=fold,
    max_size=12,
)


@given(legal_sets)
def test_short_names_are_unambiguous(names: list[str]) -> None:
    found = short_names("", names)
    dotted = {name: f"{s[:8].decode().rstrip()}.{s[8:].decode().rstrip()}".rstrip(".") for name, s in found.items()}
    assert len(set(found.values())) == len(names)
    for name, short in dotted.items():
        assert all(fold(other) != short for other in names if other != name)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(legal_sets, max_size=5), st.sampled_from(TYPES), st.data())
def test_any_tree_comes_back(levels: list[list[str]], kind: FatType, data: st.DataObject) -> None:
    tree = Tree()
    parents = [""]
    for names in levels:
        above = data.draw(st.sampled_from(parents))
        for name in names:
            path = join(above, name)
            if any(fold(name) == fold(other) for other in tree.children(above)):
                continue
            if data.draw(st.booleans()):
                tree.add(path, directory(mtime=TIME))
                parents.append(path)
            else:
                tree.add(path, file(data.draw(st.binary(max_size=1500)), mtime=TIME))
    image = reader(fat.plan(tree, Options(type=kind)))
    assert fat.verify(image) == []
    assert contents(FatReader(image).tree()) == contents(tree)


# --- What is refused --------------------------------------------------------------------------------------------------


def with_node(path: str, node: Node) -> Tree:
    tree = Tree()
    tree.put(path, node)
    return tree


@pytest.mark.parametrize(
    ("tree", "options", "message"),
    [
        (with_node("d/x", symlink("y")), Options(), "/d/x is a link; FAT holds files and directories only"),
        (with_node("x", Node(NodeType.BLOCK, 0)), Options(), "/x is a block; FAT holds files and directories only"),
        (
            with_node("x", Node(NodeType.FILE, 0o644, xattrs={"user.a": b""}, content=ExtentMap(0))),
            Options(),
            "/x has the extended attribute 'user.a'; FAT holds none",
        ),
        (
            with_node("x", file(ExtentMap(1 << 32))),
            Options(),
            "/x has 4294967296 bytes; a file on FAT has at most 4294967295",
        ),
        (tree_of(**{"a:b": b""}), Options(), "/: FAT cannot hold the name 'a:b': it has ':'"),
        (tree_of(**{"a\n?": b""}), Options(), "/: FAT cannot hold the name 'a\\n?': it has '\\n', '?'"),
        (with_node("d/x.", file(b"")), Options(), "/d: FAT cannot hold the name 'x.': it ends in '.'"),
        (tree_of(**{"x ": b""}), Options(), "/: FAT cannot hold the name 'x ': it ends in ' '"),
        (tree_of(**{"\udcff": b""}), Options(), "/: FAT cannot hold the name '\\udcff': it is not UTF-8"),
        (
            tree_of(**{"Read.me": b"", "README": b"", "readme": b""}),
            Options(),
            "/: 'README' and 'readme' are one name to FAT, which does not tell case apart",
        ),
        (
            tree_of(x=bytes(3 * MIB)),
            Options(3 * MIB),
            "the content needs 3145728 bytes in clusters, 45056 more than the 3100672 of a FAT16 of 3145728 bytes",
        ),
        (
            tree_of(**{f"file number {n}": b"" for n in range(257)}),
            Options(100 * MIB),
            "the root directory needs 761 entries, FAT16 has 512 (hint: use FAT32, or put files into directories)",
        ),
        (
            with_node("d", directory()),
            Options(1000),
            "a FAT of 1000 bytes is not possible: 1 to 4294967295 sectors of 512 bytes are",
        ),
        (
            Tree(),
            Options(1 << 20),
            "a FAT16 of 1048576 bytes with clusters of 1024 would have 1000 clusters, 4101 to 65508 are possible "
            "(hint: choose another type, size or cluster size)",
        ),
        (
            Tree(),
            Options(1 << 40, FatType.FAT16),
            "a FAT16 of 1099511627776 bytes with clusters of 32768 would have 33550335 clusters, "
            "4101 to 65508 are possible (hint: choose another type, size or cluster size)",
        ),
        (
            with_node("x", file(ExtentMap(3 << 30))),
            Options(type=FatType.FAT16),
            "98304 clusters of 32768 bytes are needed, FAT16 has at most 65508",
        ),
    ],
)
def test_what_fat_cannot_hold(tree: Tree, options: Options, message: str) -> None:
    with pytest.raises(UserError) as caught:
        fat.plan(tree, options)
    assert str(caught.value) == message


def test_a_directory_too_large() -> None:
    tree = Tree()
    tree.add("d", directory())
    for number in range(32768):
        tree.add(f"d/f{number}", file(b""))
    with pytest.raises(UserError, match=r"^/d needs 65538 directory entries, FAT has at most 65536$"):
        fat.plan(tree)


LABEL = "characters other than A-Z, 0-9, $%'-_@~`!(){}^#& and inner blanks"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Options(label="TWELVE CHARS"), "FAT label 'TWELVE CHARS' has 12 characters, 11 are possible"),
        (lambda: Options(label="config"), f"FAT label 'config' has {LABEL} (hint: use 'CONFIG')"),
        (lambda: Options(label="A.B"), f"FAT label 'A.B' has {LABEL}"),
        (lambda: Options(label=" A"), f"FAT label ' A' has {LABEL} (hint: use 'A')"),
        (lambda: Options(type=FatType.FAT12), "FAT12 is not written (hint: use FAT16)"),
        (lambda: Options(volume_id=1 << 32), "FAT volume id 0x100000000 does not fit 32 bits"),
        (lambda: Options(hidden_sectors=-1), "-1 hidden sectors do not fit 32 bits"),
        (
            lambda: Options(cluster_size=1000),
            "FAT cluster size 1000 is none of 512, 1024, 2048, 4096, 8192, 16384, 32768",
        ),
    ],
)
def test_bad_options(make: Callable[[], Options], message: str) -> None:
    with pytest.raises(UserError) as caught:
        make()
    assert str(caught.value) == message


# --- Damage -----------------------------------------------------------------------------------------------------------


def whole(kind: FatType) -> tuple[FatReader, bytes]:
    image = reader(fat.plan(sample(), Options(None, kind, label="X", reserve=4096)))
    return FatReader(image), image.read(0, image.size)


VOLUMES = {kind: whole(kind) for kind in TYPES}
# Clusters of 512 bytes of the FAT32 one: 2 the root, 3 the long name, 4 EFI, 5 grub.cfg, 6 BOOT, 7-22 BOOTX64.EFI.


def place(kind: FatType, what: str) -> int:
    """Where something lies in a volume: "boot", "fat", "fat2", "root", or the number of a cluster."""
    boot = VOLUMES[kind][0].boot
    if what == "root":
        return boot.root_start if kind is FatType.FAT16 else boot.data_start
    if what.isdigit():
        return boot.data_start + (int(what) - 2) * boot.cluster_size
    return {"boot": 0, "fat": boot.fat_start, "fat2": boot.fat_start + boot.fat_size}[what]


def damaged(kind: FatType, *changes: tuple[str, int, bytes]) -> ImageReader:
    data = bytearray(VOLUMES[kind][1])
    for what, at, new in changes:
        start = place(kind, what) + at
        data[start : start + len(new)] = new
    return reader(ExtentMap.of_bytes(bytes(data)))


def entry(number: int, value: int) -> tuple[tuple[str, int, bytes], tuple[str, int, bytes]]:
    """A table entry of FAT32, changed in both copies."""
    return ("fat", number * 4, value.to_bytes(4, "little")), ("fat2", number * 4, value.to_bytes(4, "little"))


END = 0x0FFFFFFF


@pytest.mark.parametrize(
    ("changes", "findings"),
    [
        ([("boot", 510, b"x")], ["boot sector: no signature 55 AA"]),
        ([("boot", 0, b"x")], ["boot sector: jump is 120, expected 235 or 233"]),
        ([("boot", 11, b"\0\4")], ["boot sector: bytes in a sector is 1024, expected 512"]),
        ([("boot", 16, b"\1")], ["boot sector: number of tables is 1, expected 2"]),
        ([("boot", 21, b"\0")], ["boot sector: media is 0, expected 248 or 240"]),
        ([("boot", 40, b"\x80")], ["boot sector: mirroring flags 0x80, version 0x0; 0 is known"]),
        ([("boot", 100, b"x")], ["boot sector: its copy (sector 6) differs or is missing"]),
        ([("fat2", 40, b"x")], ["tables: the copies differ at byte 40"]),
        ([*entry(1, 0x07FFFFFF)], ["tables: entry 1 is 0x7ffffff, so the volume was not cleanly unmounted"]),
        ([*entry(0, 0x0FFFFFF0)], ["tables: entry 0 is 0xffffff0"]),
        (
            [*entry(10, 0)],
            [
                "/EFI/BOOT/BOOTX64.EFI: its chain breaks off after cluster 10",
                "/EFI/BOOT/BOOTX64.EFI: 8000 bytes, but 4 clusters of 512",
                "tables: 12 clusters belong to no file, the first is 11",
                "FSInfo: 65520 free clusters, there are 65521",
            ],
        ),
        (
            [*entry(22, 7)],
            ["/EFI/BOOT/BOOTX64.EFI: cluster 7 belongs to /EFI/BOOT/BOOTX64.EFI already"],
        ),
        (
            [*entry(5, 999_999)],
            ["/grub.cfg: cluster 999999 does not exist"],
        ),
        (
            [*entry(3, 4)],
            [
                "/A long name with Ünïcode.text: 4 bytes, but 2 clusters of 512",
                "/EFI: cluster 4 belongs to /A long name with Ünïcode.text already",
                "/EFI: its entries for itself and its parent are wrong: []",
                "tables: 17 clusters belong to no file, the first is 6",
            ],
        ),
        ([*entry(500, END)], ["tables: 1 clusters belong to no file, the first is 500", "FSInfo"]),
        ([("root", 0, b"Y")], ["/: label b'Y          ', the boot sector says b'X          '"]),
        ([("root", 32, b"\x42")], ["/: the long name of 'ALONGN~1.TEX' is broken"]),
        ([("root", 32 + 1, b"\0\0")], ["/: the long name of 'ALONGN~1.TEX' is broken"]),
        ([("6", 26, b"\5")], ["/EFI/BOOT: its entries for itself and its parent are wrong"]),
        ([("6", 64 + 28, b"\0\0")], ["/EFI/BOOT/BOOTX64.EFI: 0 bytes, but 16 clusters of 512"]),
        ([("6", 64 + 11, b"\x10")], ["/EFI/BOOT/BOOTX64.EFI: a directory with a size of 8000"]),
        ([("6", 96 + 32, b"x")], ["/EFI/BOOT: entries behind the end of the directory"]),
    ],
)
def test_damage_is_found(changes: list[tuple[str, int, bytes]], findings: list[str]) -> None:
    found = fat.verify(damaged(FatType.FAT32, *changes))
    assert [each[: len(expected)] for each, expected in zip(found, findings, strict=False)] == findings, found


def test_fsinfo_is_checked() -> None:
    assert fat.verify(damaged(FatType.FAT32, ("boot", 512, b"x"))) == ["FSInfo: wrong signatures"]
    assert fat.verify(damaged(FatType.FAT32, ("boot", 512 + 488, b"\0"))) == [
        "FSInfo: 65280 free clusters, there are 65520"
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("boot", 0, b"x")], "no FAT: the boot sector does not begin with a jump"),
        ([("boot", 510, b"x")], "no FAT: the boot sector does not end in 55 AA"),
        ([("boot", 11, b"\0\0")], "no FAT: the boot sector says sectors of 0 bytes"),
        ([("boot", 13, b"\3")], "no FAT: the boot sector says 3 sectors in a cluster"),
        ([("boot", 14, b"\0")], "no FAT: the boot sector says 0 reserved sectors"),
        ([*entry(22, 7)], "/EFI/BOOT/BOOTX64.EFI: its chain goes to cluster 7, which is in a chain already"),
        ([*entry(10, 0)], "/EFI/BOOT/BOOTX64.EFI: its chain goes to cluster 0, which does not exist"),
        (
            [*entry(10, END)],
            "/EFI/BOOT/BOOTX64.EFI: it has 8000 bytes, but its chain only 2048",
        ),
    ],
)
def test_damage_is_not_read(changes: list[tuple[str, int, bytes]], message: str) -> None:
    with pytest.raises(UserError) as caught:
        FatReader(damaged(FatType.FAT32, *changes)).tree()
    assert str(caught.value) == message


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(TYPES),
    what=st.sampled_from(["boot", "fat", "root", "3", "6"]),
    at=st.integers(0, 500),
    noise=st.binary(min_size=1, max_size=40),
    cut=st.integers(0, 1 << 22),
)
def test_any_damage_is_answered(kind: FatType, what: str, at: int, noise: bytes, cut: int) -> None:
    image = damaged(kind, (what, at, noise))
    for each in (image, reader(image.map.slice(0, min(cut, image.size)))):
        fat.verify(each)
        with contextlib.suppress(UserError):
            fat.inspect(each)


@given(st.binary(min_size=512, max_size=512), st.integers(0, 1 << 40))
def test_random_boot_sectors(data: bytes, size: int) -> None:
    sector = b"\xeb" + data[1:510] + b"\x55\xaa"
    image = reader(ExtentMap(max(size, 512), [Extent(0, 512, sector)]))
    fat.verify(image)
    with contextlib.suppress(UserError):
        fat.inspect(image)
