"""Checks a protected image against its root hash, top down, as the kernel would.

Shares nothing with the writer but the format's constants.
"""

import hashlib

from sysimage.extents import ImageReader
from sysimage.verity import format as verity
from sysimage.verity.reader import Superblock

_RUN = 256  # blocks read at once


def verify(image: ImageReader, superblock: Superblock, root_hash: bytes) -> list[str]:
    """What is wrong: the first bad block, by its place; nothing if all is right.

    Args:
        image: data, superblock and tree.
        superblock: as read from it.
        root_hash: 32 bytes.
    """
    if image.size < superblock.end:
        return [f"the image has {image.size} bytes, its hash tree ends at {superblock.end}"]
    checker = _Checker(image, superblock.salt)
    levels = verity.level_blocks(superblock.data_blocks)
    # Blocks of the parents of the level in hand, in the image; the root hash is parent of the first.
    first = superblock.hash_start
    parents: int | None = None
    for depth, count in enumerate(reversed(levels)):
        what = f"hash tree, level {len(levels) - 1 - depth}"
        bad = checker.check_level(what, first, count, parents, root_hash)
        if bad:
            return bad
        parents, first = first, first + count
    return checker.check_level("data", 0, superblock.data_blocks, parents, root_hash)


class _Checker:
    def __init__(self, image: ImageReader, salt: bytes) -> None:
        self._image = image
        self._salt = salt
        self._zero = hashlib.sha256(salt + bytes(verity.BLOCK)).digest()

    def check_level(self, what: str, first: int, count: int, parents: int | None, root_hash: bytes) -> list[str]:
        """Compares `count` blocks from block `first` on with the digests in the blocks from `parents` on."""
        for start in range(0, count, _RUN):
            blocks = min(_RUN, count - start)
            if parents is None:
                expected = root_hash
            else:
                expected = self._image.read(parents * verity.BLOCK + start * verity.DIGEST, blocks * verity.DIGEST)
            actual = self._digests((first + start) * verity.BLOCK, blocks)
            if actual != expected:
                return [self._name(what, first, start, expected, actual)]
            self._image.sources.mark_read(blocks * verity.BLOCK)
        return []

    def _digests(self, offset: int, blocks: int) -> bytes:
        if next(self._image.map.overlapping(offset, blocks * verity.BLOCK), None) is None:
            return self._zero * blocks
        data = memoryview(self._image.read(offset, blocks * verity.BLOCK))
        salted = hashlib.sha256(self._salt)
        digests = []
        for place in range(0, len(data), verity.BLOCK):
            state = salted.copy()
            state.update(data[place : place + verity.BLOCK])
            digests.append(state.digest())
        return b"".join(digests)

    def _name(self, what: str, first: int, start: int, expected: bytes, actual: bytes) -> str:
        size = verity.DIGEST
        bad = next(n for n in range(0, len(actual), size) if actual[n : n + size] != expected[n : n + size])
        block = start + bad // size
        text = f"{what}: block {block} (byte {(first + block) * verity.BLOCK}) does not match"
        return f"{text} its hash: {actual[bad : bad + size].hex()}, expected {expected[bad : bad + size].hex()}"
