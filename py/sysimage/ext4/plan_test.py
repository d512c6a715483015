import hashlib
import struct
from typing import Any

import pytest

from sysimage import tree as trees
from sysimage.errors import UserError
from sysimage.ext4 import FileContexts, inspect, plan, read, verify
from sysimage.ext4.layout import SUPERBLOCK_OFFSET
from sysimage.ext4.testing import LOST_FOUND, differences, options
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources
from sysimage.tree import Node, NodeType, Tree

NO_SOURCES = Sources({})


def tree_of(**nodes: Node) -> Tree:
    tree = Tree()
    for name, node in nodes.items():
        tree.add(name, node)
    return tree


def acl(version: int, *entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", version) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def digest(image: ExtentMap) -> str:
    return hashlib.sha256(ImageReader(image, NO_SOURCES).read(0, image.size)).hexdigest()


def small_tree() -> Tree:
    label = {"security.selinux": b"system_u:object_r:bin_t:s0\0"}
    tree = Tree(trees.directory(mtime=1_500_000_000_123_456_789))
    tree.add("bin", trees.directory())
    tree.add("bin/tool", Node(NodeType.FILE, 0o4755, 5, 70_000, -1, label, ExtentMap.of_bytes(b"tool" * 3000)))
    tree.link("bin/other", "bin/tool")
    tree.add("link", trees.symlink("bin/tool"))
    tree.add("long", trees.symlink("x" * 100))
    tree.add("null", Node(NodeType.CHARACTER, 0o666, device=(1, 3)))
    tree.add("sparse", trees.file(ExtentMap(1 << 33, [Extent(1 << 32, 5, b"hello")])))
    tree.add("many", trees.directory())
    for number in range(300):
        tree.add(f"many/{number:032d}", Node(NodeType.FILE, 0o600, xattrs={"user.x": b"y" * 100}, content=ExtentMap(0)))
    return tree


def test_golden() -> None:
    # A change here changes every image: let it be one that was meant.
    image = plan(small_tree(), options(label="golden", journal=True, reserve=1 << 20))
    assert image.size == 5_423_104
    assert digest(image) == "9c476c5df7bf29dbc228fd4d54f54401a7e77577fe7dbf5f39dbbbec9bd3c4a6"


def test_same_input_same_image() -> None:
    assert plan(small_tree(), options()) == plan(small_tree(), options())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"journal": True},
        {"block_size": 1024},
        {"block_size": 2048, "inode_size": 512, "journal": True},
        {"size": 300 << 20},
        {"size": (300 << 20) + 777},
        {"block_size": 1024, "size": 50 << 20},
        {"read_only": True, "inodes": 20_000},
        {"reserve": 200 << 20},
    ],
)
def test_round_trip(changes: dict[str, Any]) -> None:
    tree = small_tree()
    image = plan(tree, options(**changes))
    reader = ImageReader(image, NO_SOURCES)
    assert differences(tree, read(reader), NO_SOURCES, NO_SOURCES) == []
    assert verify(reader) == []


def test_compact_is_full_to_the_last_block() -> None:
    info = inspect(ImageReader(plan(small_tree(), options()), NO_SOURCES))
    assert info.free_blocks == 0
    assert info.free_inodes < 16
    assert info.size == plan(small_tree(), options()).size


def test_reserve_is_free() -> None:
    info = inspect(ImageReader(plan(small_tree(), options(reserve=10 << 20)), NO_SOURCES))
    assert 10 << 20 <= info.free_blocks * info.block_size < (10 << 20) + 65536
    assert info.free_inodes >= (10 << 20) // 16384


def test_inspect() -> None:
    info = inspect(ImageReader(plan(Tree(), options(size=100 << 20, label="Größe", journal=True)), NO_SOURCES))
    assert (info.label, info.size, info.block_size, info.groups) == ("Größe", 100 << 20, 4096, 1)
    assert info.uuid == "11223344-5566-7788-99aa-bbccddeeff00"
    assert info.hash_seed == "00000000-0000-0000-0000-00000000004d"
    assert info.journal_size == 4 << 20
    assert info.inodes - info.free_inodes == 11
    assert info.used == (info.blocks - info.free_blocks) * 4096
    assert info.created == info.written == 1_700_000_000
    assert info.clean
    assert info.features == [
        *("has_journal", "ext_attr", "dir_index", "sparse_super2", "filetype", "extents", "64bit", "flex_bg"),
        *("sparse_super", "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum"),
    ]


def test_contents_are_not_read() -> None:
    # The source does not even exist.
    content = ExtentMap(3_000_000, [Extent(10_000, 2_000_000, FileSlice("layer.tar", 512))])
    image = plan(tree_of(file=trees.file(content)), options())
    assert [extent for extent in image.extents if isinstance(extent.source, FileSlice)] == [
        Extent(image.size // 4096 * 4096 - 489 * 4096 + 10_000 % 4096, 2_000_000, FileSlice("layer.tar", 512))
    ]


def test_cost_does_not_follow_size() -> None:
    literals = {}
    for size in (10 << 30, 1 << 40):
        image = plan(small_tree(), options(size=size))
        literals[size] = sum(extent.length for extent in image.extents)
        assert image.size == size
        assert verify(ImageReader(image, NO_SOURCES)) == []
    # Two copies of 8192 descriptors are 1 MiB; the bitmaps of the groups with inode tables half of that.
    assert literals[1 << 40] - literals[10 << 30] < 1 << 21


def test_content_over_the_backup_in_group_1() -> None:
    big = ExtentMap.of_slice("big", 0, 300 << 20)
    tree = tree_of(big=trees.file(big), small=trees.file(b"small"))
    image = plan(tree, options(block_size=4096))
    assert verify(ImageReader(image, NO_SOURCES)) == []
    got = read(ImageReader(image, NO_SOURCES))["big"].content
    assert got == big


def test_more_inodes_than_blocks_ask_for() -> None:
    tree = Tree()
    tree.add("d", trees.directory())
    for number in range(70_000):
        tree.add(f"d/{number}", Node(NodeType.FIFO, 0o600))
    image = plan(tree, options())
    info = inspect(ImageReader(image, NO_SOURCES))
    assert info.inodes - info.free_inodes == 70_012
    assert info.groups >= 3
    assert info.size < 26 << 20


def test_lost_found_of_the_tree_is_kept() -> None:
    tree = Tree()
    tree.add(LOST_FOUND, trees.directory(0o711, uid=3))
    tree.add(f"{LOST_FOUND}/file", trees.file(b"x"))
    got = read(ImageReader(plan(tree, options()), NO_SOURCES))
    assert differences(tree, got, NO_SOURCES, NO_SOURCES) == []


def test_labels() -> None:
    contexts = FileContexts.parse("/.* a:b:default_t:s0\n/bin/.* a:b:bin_t:s0\n/none <<none>>\n", "fc")
    tree = tree_of(bin=trees.directory(), none=Node(NodeType.FIFO, 0o600, xattrs={"security.selinux": b"old\0"}))
    tree.add("bin/a", trees.file(b"a"))
    tree.link("bin/b", "bin/a")
    got = read(ImageReader(plan(tree, options(file_contexts=contexts)), NO_SOURCES))
    assert got["bin/a"].xattrs == {"security.selinux": b"a:b:bin_t:s0\0"}
    assert got["bin"].xattrs == got[LOST_FOUND].xattrs == {"security.selinux": b"a:b:default_t:s0\0"}
    assert got["none"].xattrs == {}
    tree.link("elsewhere", "bin/a")
    with pytest.raises(UserError) as caught:
        plan(tree, options(file_contexts=contexts))
    assert str(caught.value) == (
        "/elsewhere and /bin/a are one file, but file_contexts labels them a:b:default_t:s0 and a:b:bin_t:s0 "
        "(hint: add a line that gives both the same label)"
    )


FIFO = Node(NodeType.FIFO, 0o600)
BAD_TREES: list[tuple[dict[str, Node], str]] = [
    ({"f": trees.file(b"", uid=-1)}, "/f: owner -1:0 is not possible (0 to 4294967294)"),
    ({"f": trees.file(b"", gid=1 << 32)}, "/f: owner 0:4294967296 is not possible (0 to 4294967294)"),
    ({"f": trees.file(b"", mode=0o10644)}, "/f: mode 10644 has more than permission bits"),
    (
        {"f": trees.file(b"", mtime=15_032_385_536 * 10**9)},
        "/f: time 15032385536 s is out of the range of ext4 (hint: -2147483648 to 15032385535: from 1901 to 2446)",
    ),
    (
        {"f": trees.file(b"", mtime=-2_147_483_648 * 10**9 - 1)},
        "/f: time -2147483649 s is out of the range of ext4 (hint: -2147483648 to 15032385535: from 1901 to 2446)",
    ),
    ({"l": trees.symlink("")}, "/l: a symbolic link to '' is not possible"),
    ({"l": trees.symlink("a\0b")}, "/l: a symbolic link to 'a\\x00b' is not possible"),
    (
        {"l": trees.symlink("t" * 4096)},
        "/l: target of 4096 bytes is too long for ext4 (hint: at most 4095 bytes with blocks of 4096)",
    ),
    (
        {"c": Node(NodeType.CHARACTER, 0o600, device=(4096, 0))},
        "/c: device 4096:0 is out of range (hint: major 0 to 4095, minor 0 to 1048575)",
    ),
    (
        {"b": Node(NodeType.BLOCK, 0o600, device=(1, 1 << 20))},
        "/b: device 1:1048576 is out of range (hint: major 0 to 4095, minor 0 to 1048575)",
    ),
    (
        {"f": trees.file(ExtentMap(1 << 44))},
        "/f is too large for ext4: 17592186044416 bytes (hint: at most 17592186040320 bytes with blocks of 4096)",
    ),
    (
        {"f": Node(NodeType.FIFO, 0o600, xattrs={"user.big": b"x" * 4100})},
        "/f: extended attributes are 60 bytes too large for ext4 (largest: 'user.big', 4100 bytes) "
        "(hint: the inode and one block of 4096 bytes hold them; a larger inode size or block size helps)",
    ),
    (
        {"f": Node(NodeType.FIFO, 0o600, xattrs={"os2.x": b""})},
        "/f: ext4 cannot hold an extended attribute named 'os2.x' "
        "(hint: user., trusted., security. or system. and 1 to 255 more bytes)",
    ),
    (
        {"f": Node(NodeType.FIFO, 0o600, xattrs={"user.": b""})},
        "/f: ext4 cannot hold an extended attribute named 'user.' "
        "(hint: user., trusted., security. or system. and 1 to 255 more bytes)",
    ),
    (
        {"f": Node(NodeType.FIFO, 0o600, xattrs={"system.posix_acl_access": b"\2\0\0\0\1"})},
        "/f: system.posix_acl_access is not an access control list: 0200000001 (5 bytes)",
    ),
    (
        {"f": Node(NodeType.FIFO, 0o600, xattrs={"system.posix_acl_access": acl(2, (3, 6, 0))})},
        "/f: system.posix_acl_access has an impossible entry: tag 0x3, permissions 0o6",
    ),
    (
        {"f": Node(NodeType.FIFO, 0o600, xattrs={"system.posix_acl_default": acl(2)})},
        "/f has system.posix_acl_default, which only directories have",
    ),
    (
        {LOST_FOUND: FIFO},
        "/lost+found is a fifo; ext4 needs a directory of that name "
        "(hint: take it out of the tree, or make it a directory)",
    ),
]


@pytest.mark.parametrize(("nodes", "message"), BAD_TREES, ids=[message[:40] for _, message in BAD_TREES])
def test_bad_trees(nodes: dict[str, Node], message: str) -> None:
    with pytest.raises(UserError) as caught:
        plan(tree_of(**nodes), options())
    assert str(caught.value) == message


def test_too_many_hard_links() -> None:
    tree = tree_of(f=FIFO)
    for number in range(65_000):
        tree.link(f"f{number}", "f")
    with pytest.raises(UserError) as caught:
        plan(tree, options())
    assert str(caught.value) == "/f has 65001 hard links; ext4 counts up to 65000"


def test_as_many_hard_links_as_there_can_be() -> None:
    tree = tree_of(f=FIFO)
    for number in range(64_999):
        tree.link(f"f{number}", "f")
    assert len(read(ImageReader(plan(tree, options()), NO_SOURCES)).links("f")) == 65_000


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"block_size": 8192}, "ext4 block size 8192 is not one of 1024, 2048, 4096"),
    ({"inode_size": 128}, "ext4 inode size 128 is not one of 256, 512, 1024"),
    ({"size": -1}, "ext4 size -1 is negative"),
    ({"reserve": -1}, "ext4 reserve -1 is negative"),
    ({"inodes": 0}, "ext4 cannot have 0 inodes (hint: 1 to 4294967295)"),
    ({"inodes": 5}, "5 inodes are too few for this content (hint: 12 are needed; leave the number out to have enough)"),
    ({"epoch": 1 << 34}, "ext4 epoch 17179869184 is not within 0 to 15032385535 seconds"),
    ({"epoch": -1}, "ext4 epoch -1 is not within 0 to 15032385535 seconds"),
    (
        {"label": "ü" * 9},
        "ext4 label 'üüüüüüüüü' is not possible: 18 bytes (hint: at most 16 bytes, none of them NUL)",
    ),
    (
        {"size": 0},
        "content is larger than its partition: 45056 bytes are needed, 45056 more than the 0 there are "
        "(hint: make the partition larger or the content smaller)",
    ),
    (
        {"size": 45055},
        "content is larger than its partition: 45056 bytes are needed, 4096 more than the 45055 there are "
        "(hint: make the partition larger or the content smaller)",
    ),
    (
        {"size": 1 << 20, "reserve": 1 << 20},
        "content with its reserve is larger than its partition: 1110016 bytes are needed, "
        "61440 more than the 1048576 there are (hint: make the partition larger or the content smaller)",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD_OPTIONS, ids=[message[:40] for _, message in BAD_OPTIONS])
def test_bad_options(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        plan(tree_of(f=trees.file(b"content")), options(**changes))
    assert str(caught.value) == message


def test_exactly_fitting_size() -> None:
    tree = tree_of(f=trees.file(b"content"))
    size = plan(tree, options()).size
    assert size == 45056
    assert digest(plan(tree, options(size=size))) == digest(plan(tree, options()))


def test_superblock_comes_first() -> None:
    for block_size in (1024, 4096):
        image = plan(Tree(), options(block_size=block_size))
        assert ImageReader(image, NO_SOURCES).read(SUPERBLOCK_OFFSET + 56, 2) == b"\x53\xef"
        assert ImageReader(image, NO_SOURCES).read(0, SUPERBLOCK_OFFSET) == bytes(SUPERBLOCK_OFFSET)
