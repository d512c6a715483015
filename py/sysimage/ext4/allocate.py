"""Handing out blocks from low to high, around the few that are taken already."""

from collections.abc import Iterable


class Allocator:
    """Blocks from `start` to `end`, in ascending order.

    Args:
        start, end: the blocks there are.
        reserved: (start, end) ranges in use, sorted, not overlapping.

    Running out is a bug: the geometry was made for what is asked for.
    """

    def __init__(self, start: int, end: int, reserved: Iterable[tuple[int, int]] = ()) -> None:
        self._next = start
        self._end = end
        self._reserved = [each for each in reserved if each[1] > start]
        self._used: list[tuple[int, int]] = list(reserved)

    def take(self, count: int) -> list[tuple[int, int]]:
        """(first, count) pieces that are `count` blocks together; more than one only around reserved blocks."""
        pieces: list[tuple[int, int]] = []
        while count:
            limit = self._reserved[0][0] if self._reserved else self._end
            size = min(count, limit - self._next)
            if size > 0:
                pieces.append((self._next, size))
                self._mark(self._next, self._next + size)
                self._next += size
                count -= size
            if count:
                if not self._reserved:
                    raise ValueError(f"{count} blocks too few up to block {self._end}")
                self._next = self._reserved.pop(0)[1]
        return pieces

    def take_whole(self, count: int) -> int:
        """The first of `count` blocks in one piece; a gap may stay free before reserved blocks."""
        while self._reserved and self._next + count > self._reserved[0][0]:
            self._next = self._reserved.pop(0)[1]
        return self.take(count)[0][0]

    def _mark(self, start: int, end: int) -> None:
        if self._used and self._used[-1][1] == start:
            start = self._used.pop()[0]
        self._used.append((start, end))

    @property
    def used(self) -> list[tuple[int, int]]:
        """(start, end) of all blocks in use, sorted; the reserved ones are among them."""
        joined: list[tuple[int, int]] = []
        for start, end in sorted(self._used):
            if joined and joined[-1][1] == start:
                start = joined.pop()[0]
            joined.append((start, end))
        return joined


def bitmap(ranges: Iterable[tuple[int, int]], start: int, end: int, size: int) -> bytes:
    """A bitmap of `size` bytes for the blocks `start` to `end`: set where a range is, and behind `end`.

    Args:
        ranges: (start, end), in the numbers of the blocks.
    """
    bits = 0
    for first, last in ranges:
        low, high = max(first, start) - start, min(last, end) - start
        if low < high:
            bits |= (1 << high) - (1 << low)
    bits |= (1 << 8 * size) - (1 << end - start)
    return bits.to_bytes(size, "little")


def count_in(ranges: Iterable[tuple[int, int]], start: int, end: int) -> int:
    """How many numbers from `start` to `end` the ranges hold."""
    return sum(max(0, min(last, end) - max(first, start)) for first, last in ranges)
