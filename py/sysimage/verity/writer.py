"""Plans a protected image: hashes what is mapped, and what is not once.

A hole costs nothing: the hash of the zero block is computed once, and so is, level
by level, the hash block of 128 equal digests. Where such hash blocks must lie on the
disk, one literal stands for many of them.
"""

import hashlib
import os
import signal
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self
from uuid import UUID

from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, Sources
from sysimage.verity import format as verity
from sysimage.verity.format import BLOCK, DIGEST, PER_BLOCK

_TASK = 256  # blocks hashed in one piece of work
_LARGE = 16 * BLOCK  # smaller extents are gathered before they are hashed
_WORTH_SHARING = 8 << 20  # bytes that are worth a process of their own
_SHARED = 256  # equal hash blocks in one literal


@dataclass(frozen=True, slots=True)
class VerityImage:
    """A planned image and what the kernel must be told to open it.

    data_blocks counts the blocks of 4096 bytes that are protected.
    """

    map: ExtentMap
    root_hash: bytes
    salt: bytes
    uuid: UUID
    data_blocks: int

    @property
    def hash_offset(self) -> int:
        """Where the superblock lies, in bytes; the data end there."""
        return self.data_blocks * BLOCK

    @property
    def hash_start(self) -> int:
        """The block where the tree begins, as the kernel's table wants it."""
        return self.data_blocks + 1

    def parameters(self) -> dict[str, Any]:
        """All of it as data for JSON."""
        return {
            "root_hash": self.root_hash.hex(),
            "salt": self.salt.hex(),
            "uuid": str(self.uuid),
            "algorithm": verity.ALGORITHM,
            "hash_type": verity.HASH_TYPE,
            "data_block_size": BLOCK,
            "hash_block_size": BLOCK,
            "data_blocks": self.data_blocks,
            "hash_offset": self.hash_offset,
            "hash_start": self.hash_start,
            "size": self.map.size,
        }


def plan(image: ExtentMap, sources: Sources, salt: bytes, uuid: UUID) -> VerityImage:
    """Protects an image with a hash tree behind it. The bytes are those of `veritysetup format --hash-offset`.

    Args:
        image: the data; filled up with zeros to whole blocks of 4096 bytes.
        sources: the files behind its slices.
        salt: 0 to 256 bytes.
        uuid: for the superblock.

    Raises:
        UserError: the image is empty, the salt is too long, or a source is missing or too short.
    """
    if len(salt) > verity.SALT_MAX:
        raise UserError(f"the verity salt has {len(salt)} bytes, 0 to {verity.SALT_MAX} are possible")
    if image.size == 0:
        raise UserError("an empty image cannot be protected by verity")
    data_blocks = -(-image.size // BLOCK)
    digest = partial(_digests, hashlib.sha256(salt))
    level = _Level(data_blocks, digest(bytes(BLOCK)))
    for first, digests in _hash_data(image, sources, digest):
        level.put(first, digests)
    levels = []
    while level.count > 1:
        levels.append(level)
        level = level.above(digest)
    superblock = verity.SUPERBLOCK.pack(
        verity.SIGNATURE,
        verity.VERSION,
        verity.HASH_TYPE,
        uuid.bytes,
        verity.ALGORITHM.encode(),
        BLOCK,
        BLOCK,
        data_blocks,
        len(salt),
        salt,
    )
    extents = [*image.extents, Extent(data_blocks * BLOCK, len(superblock), superblock)]
    position = (data_blocks + 1) * BLOCK
    for each in reversed(levels):
        extents += each.extents(position)
        position += each.blocks * BLOCK
    return VerityImage(ExtentMap(position, extents), level.root(), salt, uuid, data_blocks)


def _digests(salted: "hashlib._Hash", blocks: bytes | memoryview) -> bytes:
    """The digests of whole blocks, one behind the other. `salted` has the salt in it already."""
    digests = []
    for start in range(0, len(blocks), BLOCK):
        state = salted.copy()
        state.update(blocks[start : start + BLOCK])
        digests.append(state.digest())
    return b"".join(digests)


def _hash_data(image: ExtentMap, sources: Sources, digest: "partial[bytes]") -> Iterator[tuple[int, bytes]]:
    """Digests of the mapped blocks: (first block, digests), in any order.

    A large image is hashed by two processes, one half each. (Two threads would wait for each other's
    hold on the interpreter once a block.) Should the second one fail for whatever reason, the first
    does its share too, and meets the error, if there is one.
    """
    middle = _middle(image)
    if middle is None:
        yield from _hash_blocks(image, sources, digest, 0)
        return
    first, second = image.slice(0, middle), image.slice(middle, image.size - middle)
    with _Helper(partial(_hash_blocks, second, sources, digest, middle // BLOCK)) as helper:
        yield from _hash_blocks(first, sources, digest, 0)
        results = helper.results()
    yield from results if results is not None else _hash_blocks(second, sources, digest, middle // BLOCK)


def _middle(image: ExtentMap) -> int | None:
    """A block's offset that halves the mapped bytes; None if there are too few of them to share the work."""
    half = image.mapped // 2
    if half < _WORTH_SHARING:
        return None
    for extent in image.extents:
        if half < extent.length:
            return (extent.offset + half) // BLOCK * BLOCK
        half -= extent.length
    return None


def _hash_blocks(
    image: ExtentMap, sources: Sources, digest: "partial[bytes]", base: int
) -> Iterator[tuple[int, bytes]]:
    """Digests of the mapped blocks, which are numbered from `base` on."""
    for first, blocks in _mapped_blocks(image, sources):
        yield base + first, digest(blocks)
        sources.mark_read(len(blocks))


class _Helper:
    """A forked process that does part of the work and sends its results through a pipe."""

    _RECORD = struct.Struct("=QQ")  # first block, bytes of digests

    def __init__(self, work: Callable[[], Iterator[tuple[int, bytes]]]) -> None:
        self._reader, writer = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            status = 1
            try:
                with open(writer, "wb") as pipe:
                    for first, digests in work():
                        pipe.write(self._RECORD.pack(first, len(digests)) + digests)
                status = 0
            finally:
                # Nothing of the parent's, no buffer and no clean-up, may be run twice.
                os._exit(status)
        os.close(writer)
        self._received: list[bytes] = []
        # Takes the results as they come, so that the process need not wait for a full pipe.
        self._receiver = threading.Thread(target=self._receive)
        self._receiver.start()
        self._status = -1

    def _receive(self) -> None:
        with open(self._reader, "rb") as pipe:
            self._received.append(pipe.read())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._status < 0:
            os.kill(self._process, signal.SIGKILL)
            self._wait()

    def _wait(self) -> None:
        self._receiver.join()
        _, self._status = os.waitpid(self._process, 0)

    def results(self) -> Iterator[tuple[int, bytes]] | None:
        """All results when the process has ended; None if it did not end well."""
        self._wait()
        return self._unpacked(b"".join(self._received)) if self._status == 0 else None

    def _unpacked(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        position = 0
        while position < len(data):
            first, length = self._RECORD.unpack_from(data, position)
            position += self._RECORD.size
            yield first, data[position : position + length]
            position += length


def _mapped_blocks(image: ExtentMap, sources: Sources) -> Iterator[tuple[int, memoryview]]:
    """Runs of whole blocks of which some byte is mapped: (first block, bytes), in order.

    Blocks inside a large extent are views of its source; what is smaller, or shares a block
    with another extent, is gathered first.
    """
    gathered = _Gathered()
    for extent in image.extents:
        if extent.length < _LARGE:
            yield from gathered.add(extent.offset, sources.view(extent))
            continue
        first = extent.offset + -extent.offset % BLOCK
        end = extent.end - extent.end % BLOCK
        if first > extent.offset:
            yield from gathered.add(extent.offset, sources.view(extent.cut(extent.offset, first)))
        yield from gathered.flush()
        for start in range(first, end, _TASK * BLOCK):
            yield start // BLOCK, sources.view(extent.cut(start, min(start + _TASK * BLOCK, end)))
        if end < extent.end:
            yield from gathered.add(end, sources.view(extent.cut(end, extent.end)))
    yield from gathered.flush()


class _Gathered:
    """Blocks put together from extents that follow each other without a whole block between them."""

    def __init__(self) -> None:
        self._first = 0  # block
        self._data = bytearray()

    def add(self, offset: int, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Takes bytes at an offset of the image; gives back what is complete before them."""
        behind = self._first + -(-len(self._data) // BLOCK)
        block = offset // BLOCK
        if block > behind or (block == behind and len(self._data) >= _TASK * BLOCK):
            yield from self.flush()
        if not self._data:
            self._first = block
        self._data += bytes(offset - self._first * BLOCK - len(self._data))
        self._data += data

    def flush(self) -> Iterator[tuple[int, memoryview]]:
        """Gives back what there is."""
        if self._data:
            self._data += bytes(-len(self._data) % BLOCK)
            yield self._first, memoryview(self._data)
            self._data = bytearray()


@dataclass(slots=True)
class _Level:
    """The digests that stand for `count` blocks, held as the hash blocks they lie in.

    Only hash blocks with a digest other than `common` are kept, and the last one (its rest
    is zeros, not `common`).
    """

    count: int
    common: bytes
    _kept: dict[int, bytearray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keep(self.blocks - 1)

    @property
    def blocks(self) -> int:
        """Hash blocks."""
        return -(-self.count // PER_BLOCK)

    def _keep(self, block: int) -> bytearray:
        if block not in self._kept:
            used = min(self.count - block * PER_BLOCK, PER_BLOCK)
            self._kept[block] = bytearray((self.common * used).ljust(BLOCK, b"\0"))
        return self._kept[block]

    def put(self, first: int, digests: bytes) -> None:
        """Sets digests from the block `first` on."""
        while digests:
            place = first % PER_BLOCK
            piece = digests[: (PER_BLOCK - place) * DIGEST]
            self._keep(first // PER_BLOCK)[place * DIGEST : place * DIGEST + len(piece)] = piece
            first += len(piece) // DIGEST
            digests = digests[len(piece) :]

    def above(self, digest: "partial[bytes]") -> "_Level":
        """The level that stands for these hash blocks."""
        level = _Level(self.blocks, digest(self.common * PER_BLOCK))
        for block, content in self._kept.items():
            level.put(block, digest(bytes(content)))
        return level

    def root(self) -> bytes:
        """The one digest of a level of one."""
        return bytes(self._kept[0][:DIGEST])

    def extents(self, position: int) -> Iterator[Extent]:
        """The hash blocks, the first at `position` (bytes)."""
        shared = self.common * PER_BLOCK * min(_SHARED, self.blocks)
        done = 0
        kept = sorted(self._kept)
        for index, block in enumerate(kept):
            while done < block:
                count = min(block - done, _SHARED)
                literal = shared if count * BLOCK == len(shared) else shared[: count * BLOCK]
                yield Extent(position + done * BLOCK, count * BLOCK, literal)
                done += count
            if index and kept[index - 1] == block - 1:
                continue
            run = self._run(kept, index)
            yield Extent(position + block * BLOCK, len(run), run)
            done = block + len(run) // BLOCK

    def _run(self, kept: Sequence[int], index: int) -> bytes:
        """The kept hash blocks that follow each other without a gap, from kept[index] on."""
        end = index + 1
        while end < len(kept) and kept[end] == kept[end - 1] + 1:
            end += 1
        return b"".join(self._kept[block] for block in kept[index:end])
