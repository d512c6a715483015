"""Bytes against bytes: where they differ, at the cost of what is stored, not of what the holes would be."""

from collections.abc import Iterator

from sysimage.explanation import words
from sysimage.explanation.findings import Findings, Pair, Place, Rank

BLOCK = 4096  # bytes: what is told apart when ranges are listed
_CHUNK = 1 << 20  # bytes compared at once
_TEXT_MAX = 1 << 20  # bytes of a file that is looked at as text


def stored(pair: Pair) -> Iterator[tuple[int, int]]:
    """(start, end) of what either side stores, in order, widened to blocks and joined; within the shorter side."""
    size = min(pair.ours.size, pair.theirs.size)
    spans = sorted(
        (extent.offset // BLOCK * BLOCK, min(-(-extent.end // BLOCK) * BLOCK, size))
        for reader in (pair.ours, pair.theirs)
        for extent in reader.map.extents
    )
    start = end = 0
    for first, last in spans:
        if first > end:
            if start < end:
                yield start, end
            start = first
        end = max(end, last)
    if start < end:
        yield start, end


def differing(pair: Pair) -> Iterator[tuple[int, int]]:
    """(start, end) of the runs of blocks that differ, in order; within the shorter side."""
    start = end = 0
    for first, last in stored(pair):
        for chunk in range(first, last, _CHUNK):
            length = min(_CHUNK, last - chunk)
            ours, theirs = pair.ours.read(chunk, length), pair.theirs.read(chunk, length)
            for reader in (pair.ours, pair.theirs):
                reader.sources.mark_read(length)
            if ours == theirs:
                continue
            for at in range(0, length, BLOCK):
                if ours[at : at + BLOCK] == theirs[at : at + BLOCK]:
                    continue
                if chunk + at != end:
                    if start < end:
                        yield start, end
                    start = chunk + at
                end = min(chunk + at + BLOCK, last)
    if start < end:
        yield start, end


def equal(pair: Pair) -> bool:
    """Whether both sides are the same bytes."""
    return pair.ours.size == pair.theirs.size and next(differing(pair), None) is None


def first_difference(pair: Pair) -> int | None:
    """The first byte that differs; the shorter's end if that is all that does; None if nothing does."""
    for start, end in differing(pair):
        ours, theirs = pair.ours.read(start, end - start), pair.theirs.read(start, end - start)
        return start + next(at for at in range(end - start) if ours[at] != theirs[at])
    if pair.ours.size != pair.theirs.size:
        return min(pair.ours.size, pair.theirs.size)
    return None


def values(pair: Pair, at: int) -> str:
    """What stands at the first byte that differs, and the bytes after it that differ too, on both sides."""
    ours, theirs = pair.ours.read(at, words.SHOWN + 1), pair.theirs.read(at, words.SHOWN + 1)
    length = 0
    while length < words.SHOWN and length < min(len(ours), len(theirs)) and ours[length] != theirs[length]:
        length += 1
    if not length:  # one side ends here
        return f"{_end(ours, pair.ours.size, at)} against {_end(theirs, pair.theirs.size, at)}"
    more = length == words.SHOWN
    return f"{words.data(ours[:length], more)} against {words.data(theirs[:length], more)}"


def _end(rest: bytes, size: int, at: int) -> str:
    return words.data(rest, size > at + words.SHOWN) if rest else "the end"


def sizes(pair: Pair) -> str:
    """The size, or both sizes."""
    return str(pair.ours.size) if pair.ours.size == pair.theirs.size else f"{pair.ours.size} against {pair.theirs.size}"


def is_text(pair: Pair) -> bool:
    """Whether both sides are text of a moderate size."""
    for reader in (pair.ours, pair.theirs):
        if reader.size > _TEXT_MAX:
            return False
        data = reader.read(0, reader.size)
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
        if b"\0" in data:
            return False
    return True


def compare_bytes(
    pair: Pair, place: Place, findings: Findings, what: str = "content", rank: Rank = Rank.CONTENT
) -> None:
    """The first byte that differs, with both values, and where it lies in all that holds it."""
    at = first_difference(pair)
    if at is None:
        return
    notes = place.where(at)
    if is_text(pair):
        notes.insert(0, f"line {pair.ours.read(0, at).count(10) + 1}")
    note = f" ({', '.join(notes)})" if notes else ""
    sentence = f"{what} differs first at byte {at} of {sizes(pair)}{note}: {values(pair, at)}"
    findings.add(rank, what, place, sentence)
