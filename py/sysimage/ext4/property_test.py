"""Random trees: what comes out of the image is what went in, and the verifier agrees."""

import tempfile
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage.errors import UserError
from sysimage.ext4 import plan, read, verify
from sysimage.ext4.testing import LOST_FOUND, differences, options, write_over
from sysimage.extents import Extent, ExtentMap, FileSlice, Sources, open_raw
from sysimage.tree import Node, NodeType, Tree, decode, join

SOURCE_SIZE = 1 << 16
SOURCE = bytes((index * 7 + index // 256) & 0xFF for index in range(SOURCE_SIZE))

names = st.binary(min_size=1, max_size=255).filter(
    lambda name: not set(name) & {0, 0x2F} and name not in (b".", b"..", LOST_FOUND.encode())
)
times = st.integers(-(1 << 31) * 10**9, ((1 << 34) - (1 << 31)) * 10**9 - 1)
owners = st.integers(0, (1 << 32) - 2)
targets = st.binary(min_size=1, max_size=1000).filter(lambda target: 0 not in target).map(decode)
attribute_names = st.builds(
    "{}{}".format, st.sampled_from(["user.", "trusted.", "security."]), st.text(min_size=1, max_size=20)
).filter(lambda name: "\0" not in name)
attributes = st.dictionaries(attribute_names, st.binary(max_size=150), max_size=4)


@st.composite
def contents(draw: st.DrawFn) -> ExtentMap:
    """Pieces at any offset, with holes of any length between them."""
    extents: list[Extent] = []
    position = 0
    for _ in range(draw(st.integers(0, 8))):
        position += draw(st.one_of(st.just(0), st.integers(0, 20_000), st.integers(0, 1 << 33)))
        length = draw(st.integers(1, 10_000))
        start = draw(st.integers(0, SOURCE_SIZE - length))
        literal = draw(st.booleans())
        extents.append(
            Extent(position, length, SOURCE[start : start + length] if literal else FileSlice("source", start))
        )
        position += length
    return ExtentMap(position + draw(st.integers(0, 10_000)), extents)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    kind = draw(st.sampled_from(NodeType))
    fields: dict[str, Any] = {}
    if kind is NodeType.FILE:
        fields["content"] = draw(contents())
    elif kind is NodeType.SYMLINK:
        fields["target"] = draw(targets)
    elif kind in (NodeType.CHARACTER, NodeType.BLOCK):
        fields["device"] = (draw(st.integers(0, 0xFFF)), draw(st.integers(0, 0xFFFFF)))
    mode = draw(st.integers(0, 0o7777))
    return Node(kind, mode, draw(owners), draw(owners), draw(times), draw(attributes), **fields)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    tree = Tree(Node(NodeType.DIRECTORY, 0o755, mtime=draw(times), xattrs=draw(attributes)))
    folders = [""]
    linkable: list[str] = []
    for _ in range(draw(st.integers(0, 25))):
        path = join(draw(st.sampled_from(folders)), decode(draw(names)))
        if path in tree:
            continue
        if linkable and draw(st.integers(0, 4)) == 0:
            tree.link(path, draw(st.sampled_from(linkable)))
            continue
        node = draw(nodes())
        tree.add(path, node)
        if node.type is NodeType.DIRECTORY:
            folders.append(path)
        else:
            linkable.append(path)
    return tree


layouts = st.fixed_dictionaries(
    {
        "block_size": st.sampled_from([1024, 2048, 4096]),
        "inode_size": st.sampled_from([256, 512]),
        "journal": st.sampled_from([False, False, False, True]),
        "reserve": st.sampled_from([0, 0, 100_000]),
    }
)


@settings(max_examples=60, deadline=None)
@given(trees(), layouts, st.binary(min_size=1000, max_size=1000))
def test_round_trip_over_random_bytes(tree: Tree, layout: dict[str, Any], filler: bytes) -> None:
    try:
        image = plan(tree, options(**layout))
    except UserError as error:
        assert "extended attributes are" in error.message and layout["block_size"] < 4096, error
        return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.write_bytes(SOURCE)
        sources = Sources({"source": source})
        path = Path(folder, "image")
        write_over(image, path, sources, filler * 64)
        reader = open_raw(path)
        assert differences(tree, read(reader), sources, reader.sources) == []
        assert verify(reader) == []


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3000), st.integers(1, 200), st.sampled_from([1024, 4096]), st.integers(0, 1 << 64))
def test_directories_of_any_size(count: int, length: int, block_size: int, seed: int) -> None:
    random = Random(seed)
    tree = Tree()
    for number in range(count):
        name = f"{number}-" + "".join(random.choice("abc\xe9") for _ in range(random.randint(0, length)))
        tree.add(name, Node(NodeType.FIFO, 0o600))
    image = plan(tree, options(block_size=block_size))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image")
        write_over(image, path, Sources({}), b"\xff" * 65536)
        reader = open_raw(path)
        assert differences(tree, read(reader), Sources({}), reader.sources) == []
        assert verify(reader) == []
