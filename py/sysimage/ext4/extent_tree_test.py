import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.ext4.allocate import Allocator, bitmap, count_in
from sysimage.ext4.extent_tree import Run, build, covered_blocks, entries_needed, split, tree_blocks
from sysimage.extents import Extent, ExtentMap


@pytest.mark.parametrize(
    ("pieces", "size", "expected"),
    [
        ([], 0, []),
        ([], 10_000, []),
        ([(0, 1)], 1, [(0, 1)]),
        ([(0, 4096)], 4096, [(0, 1)]),
        ([(4095, 2)], 5000, [(0, 2)]),
        ([(0, 10), (100, 10), (4000, 10)], 9000, [(0, 1)]),
        ([(0, 10), (4096, 10)], 9000, [(0, 2)]),
        ([(0, 10), (8192, 10)], 9000, [(0, 1), (2, 1)]),
        ([(12288, 1), (12290, 5000)], 20_000, [(3, 2)]),
    ],
)
def test_covered_blocks(pieces: list[tuple[int, int]], size: int, expected: list[tuple[int, int]]) -> None:
    content = ExtentMap(size, [Extent(offset, length, bytes(length)) for offset, length in pieces])
    assert covered_blocks(content, 4096, "f") == expected


def test_an_extent_has_32768_blocks_at_most() -> None:
    assert split([Run(0, 100, 32768)]) == [Run(0, 100, 32768)]
    assert split([Run(5, 100, 70_000)]) == [Run(5, 100, 32768), Run(32773, 32868, 32768), Run(65541, 65636, 4464)]
    assert entries_needed([(0, 32768), (40_000, 32769)]) == 3


@pytest.mark.parametrize(
    ("entries", "blocks"),
    [(0, 0), (4, 0), (5, 1), (340, 1), (341, 2), (4 * 340, 4), (4 * 340 + 1, 6), (4 * 340 * 340 + 1, 1367)],
)
def test_depth(entries: int, blocks: int) -> None:
    assert tree_blocks(entries, 4096) == blocks
    extents = [Run(2 * number, 1000 + number, 1) for number in range(min(entries, 5000))]
    root, nodes = build(extents, list(range(7, 7 + blocks)), 4096)
    assert len(root) == 60
    assert len(nodes) == tree_blocks(len(extents), 4096)
    assert all(len(node) == 4096 for node in nodes)


def test_allocator_goes_around_what_is_reserved() -> None:
    allocator = Allocator(2, 100, [(0, 2), (10, 12), (50, 60)])
    assert allocator.take(4) == [(2, 4)]
    assert allocator.take(6) == [(6, 4), (12, 2)]
    assert allocator.take_whole(37) == 60
    assert allocator.take(0) == []
    assert allocator.used == [(0, 14), (50, 97)]
    with pytest.raises(ValueError, match="1 blocks too few up to block 100"):
        allocator.take(4)


@given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70))), st.integers(0, 40), st.integers(1, 32))
def test_bitmap(pairs: list[tuple[int, int]], start: int, count: int) -> None:
    ranges = [(first, max(first, last)) for first, last in pairs]
    data = bitmap(ranges, start, start + count, 4)
    for index in range(32):
        wanted = index >= count or any(first <= start + index < last for first, last in ranges)
        assert bool(data[index // 8] >> index % 8 & 1) == wanted


def test_count_in() -> None:
    assert count_in([(0, 5), (8, 20)], 3, 10) == 4
