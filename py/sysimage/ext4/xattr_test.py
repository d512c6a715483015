import struct

from hypothesis import given
from hypothesis import strategies as st

from sysimage.ext4 import plan, read, verify
from sysimage.ext4.testing import options
from sysimage.ext4.verify_sums import xattr_hashes
from sysimage.ext4.xattr import NOTHING, acl_to_disk, entry_hash, pack
from sysimage.extents import ImageReader, Sources
from sysimage.tree import Node, NodeType, Tree

ROOM = 96  # behind the fields of an inode of 256 bytes
NO_ID = 0xFFFFFFFF


def test_nothing() -> None:
    assert pack({}, ROOM, 4096, "f", False) is NOTHING


def test_one_in_the_inode() -> None:
    packed = pack({"user.name": b"value"}, ROOM, 4096, "f", False)
    assert packed.block == b""
    assert packed.inline == (
        struct.pack("<I", 0xEA020000)
        + struct.pack("<BBHIII", 4, 1, 84, 0, 5, entry_hash(b"name", b"value"))
        + b"name"
        + bytes(64)
        + b"value\0\0\0"
    )


def test_full_inode_then_block() -> None:
    # 96 bytes, less 4 for the magic and 4 for the end, less 20 for the entry.
    assert pack({"user.name": b"v" * 68}, ROOM, 4096, "f", False).block == b""
    assert pack({"user.name": b"v" * 69}, ROOM, 4096, "f", False).inline == b""


def test_the_larger_goes_into_the_inode() -> None:
    packed = pack({"user.a": b"1" * 30, "user.b": b"2" * 50}, ROOM, 4096, "f", False)
    assert b"2" * 50 in packed.inline
    assert b"1" * 30 in packed.block


def test_entries_of_a_block_are_in_order() -> None:
    names = ["user.zz", "user.b", "trusted.a", "security.a", "user.a"]
    block = pack(dict.fromkeys(names, b"x" * 100), ROOM, 4096, "f", False).block
    found = []
    position = 32
    while block[position]:
        size, index = block[position], block[position + 1]
        found.append((index, block[position + 16 : position + 16 + size]))
        position += 16 + (size + 3 & ~3)
    assert found == [(1, b"a"), (1, b"b"), (1, b"zz"), (4, b"a"), (6, b"a")]


@given(st.binary(max_size=255), st.binary(max_size=300))
def test_hash_is_what_the_verifier_computes(name: bytes, value: bytes) -> None:
    assert entry_hash(name, value) == xattr_hashes(name, value)[0]


def test_acl_on_disk() -> None:
    entries = [(1, 6, NO_ID), (2, 7, 1000), (4, 4, NO_ID), (16, 7, NO_ID), (32, 0, NO_ID)]
    linux = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    assert acl_to_disk(linux, "acl") == struct.pack("<IHHHHIHHHHHH", 1, 1, 6, 2, 7, 1000, 4, 4, 16, 7, 32, 0)


def test_equal_blocks_are_shared_by_1024_inodes_at_most() -> None:
    tree = Tree()
    for number in range(2500):
        tree.add(f"{number}", Node(NodeType.FIFO, 0o600, xattrs={"user.long": b"x" * 200}))
    image = plan(tree, options())
    without = Tree()
    for number in range(2500):
        without.add(f"{number}", Node(NodeType.FIFO, 0o600))
    assert image.size - plan(without, options()).size == 3 * 4096
    reader = ImageReader(image, Sources({}))
    assert verify(reader) == []
    assert read(reader)["2499"].xattrs == {"user.long": b"x" * 200}
