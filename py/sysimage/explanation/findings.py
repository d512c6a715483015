"""What a comparison found: sentences, the most telling first, and a count of those that nobody needs to read."""

import contextlib
import enum
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sysimage.errors import UserError
from sysimage.extents import ExtentMap, FileSlice, ImageReader

T = TypeVar("T")

THE_DISK, THE_IMAGE, THE_PARTITION, THE_VOLUME = "the disk", "the image", "the partition", "the volume"
# What lies in a physical volume, which is a partition or an image of its own, is a logical volume.
_HELD = {THE_PARTITION: THE_VOLUME, THE_IMAGE: THE_VOLUME}


class Rank(enum.IntEnum):
    """How much a difference tells. What follows from others comes last: a checksum says only that something changed."""

    CONTENT = 0  # entries that are missing, bytes of files
    ATTRIBUTE = 1  # owners, modes, times, identifiers
    LAYOUT = 2  # the same things in another order or at other places
    PACKING = 3  # the same bytes packed in another way
    CONSEQUENCE = 4  # hash trees, checksums, counters


@dataclass(frozen=True, slots=True)
class Pair:
    """The same thing on both sides."""

    ours: ImageReader
    theirs: ImageReader

    def slice(self, offset: int, length: int) -> "Pair":
        """The same range of both."""
        return Pair(part(self.ours, offset, length), part(self.theirs, offset, length))


def place_in(holder: ExtentMap, held: ExtentMap) -> Callable[[int], int | None]:
    """From a byte of a file to the same byte of the image that it was read out of: by the sources of both."""

    def find(byte: int) -> int | None:
        for extent in held.overlapping(byte, 1):
            for each in holder.extents:
                if isinstance(extent.source, FileSlice) and isinstance(each.source, FileSlice):
                    distance = extent.source.offset - each.source.offset
                    if extent.source.source == each.source.source and 0 <= distance < each.length:
                        return each.offset + distance
        return None

    return find


@contextlib.contextmanager
def side(name: str) -> Iterator[None]:
    """Says in errors of which side they are."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error.message}", error.hint) from error


def part(reader: ImageReader, offset: int, length: int) -> ImageReader:
    """A range of an image as an image of its own."""
    return ImageReader(reader.map.slice(offset, length), reader.sources)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: words that name it, and how its bytes lie in what holds it.

    chain: (what the holder is called, from a byte of the part to a byte of the holder; None where there is none),
    the innermost first.
    """

    words: str = ""
    chain: tuple[tuple[str, Callable[[int], int | None]], ...] = ()

    def within(self, words: str) -> "Place":
        """A place inside, whose bytes are this one's."""
        return replace(self, words=" ".join(filter(None, (self.words, words))))

    def alone(self, words: str) -> "Place":
        """A place inside, whose bytes are nothing's but its own."""
        return Place(self.within(words).words)

    def part(self, words: str, holder: str, offset: int) -> "Place":
        """A part that begins at an offset of this place, which is called `holder`."""
        return self.mapped(words, holder, lambda byte: byte + offset)

    def mapped(self, words: str, holder: str, to_holder: Callable[[int], int | None]) -> "Place":
        """A part whose bytes lie anywhere in this place."""
        return Place(self.within(words).words, ((holder, to_holder), *self.chain))

    @property
    def called(self) -> str:
        """What the parts of this place call it: what holds it says what it is."""
        return _HELD.get(self.chain[0][0], THE_PARTITION) if self.chain else THE_IMAGE

    def where(self, offset: int) -> list[str]:
        """A byte of it in everything that holds it: `byte 5 of the partition`, `byte 1048581 of the disk`."""
        found = []
        for name, to_holder in self.chain:
            byte = to_holder(offset)
            if byte is None:
                break
            offset = byte
            found.append(f"byte {byte} of {name}")
        return found


@dataclass(slots=True)
class Findings:
    """Takes sentences. Of those with the same key (thousands of files with another time, say) only some are kept.

    names: what the sides are called. limit: sentences that are wanted in all. count: differences so far.
    derived: values that follow from something else, as our side has them: their side's value, and what it is.
    """

    names: tuple[str, str] = ("ours", "theirs")
    limit: int = 20
    count: int = 0
    derived: dict[str, tuple[str, str]] = field(default_factory=dict)
    _kept: dict[tuple[Rank, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def both(self, pair: Pair, reading: Callable[[ImageReader], T]) -> tuple[T, T]:
        """What is read out of both sides; an error says of which side it is."""
        with side(self.names[0]):
            ours = reading(pair.ours)
        with side(self.names[1]):
            return ours, reading(pair.theirs)

    def add(self, rank: Rank, key: str, place: Place, sentence: str) -> None:
        """One difference. key: what kind of difference it is."""
        self.count += 1
        kept = self._kept[rank, key]
        if len(kept) < self.limit:
            kept.append(f"{place.words}: {sentence}" if place.words else sentence)

    def only(self, rank: Rank, key: str, place: Place, mine: bool, what: str) -> None:
        """Something that one side lacks."""
        self.add(rank, key, place, f"{what} is only in {self.names[not mine]}")

    def fields(self, rank: Rank, key: str, place: Place, ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
        """Values of named fields, in words; those that differ are differences."""
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            mine, other = ours.get(name), theirs.get(name)
            if mine is None or other is None:
                self.only(rank, f"{key} {name}", place, mine is not None, f"{name} {mine or other}")
            elif mine != other:
                self.add(rank, f"{key} {name}", place, f"{name} {mine} against {other}")

    def sentences(self) -> list[str]:
        """The most telling first; of the same rank, one of each key before a second of any."""
        chosen = list(self._ordered())[: self.limit]
        left = self.count - len(chosen)
        if left:
            chosen.append(f"{left} more {'difference is' if left == 1 else 'differences are'} left out")
        return chosen

    def _ordered(self) -> Iterator[str]:
        for rank in Rank:
            lists = [kept for (of, _), kept in self._kept.items() if of is rank]
            for turn in range(max(map(len, lists), default=0)):
                for kept in lists:
                    yield from kept[turn : turn + 1]
