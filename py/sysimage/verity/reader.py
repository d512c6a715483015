"""Reads verity superblocks."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.verity import format as verity


@dataclass(frozen=True, slots=True)
class Superblock:
    """A superblock, and where it lies (`offset`, bytes). The data blocks lie before it."""

    offset: int
    uuid: UUID
    data_blocks: int
    salt: bytes

    @property
    def hash_start(self) -> int:
        """The block where the tree begins."""
        return self.offset // verity.BLOCK + 1

    @property
    def end(self) -> int:
        """Where the tree ends, in bytes."""
        return (self.hash_start + sum(verity.level_blocks(self.data_blocks))) * verity.BLOCK


def read_superblock(image: ImageReader, offset: int) -> Superblock:
    """The superblock at an offset in bytes.

    Raises:
        UserError: there is none, or it is of a kind that this package does not know.
    """
    data = image.read(offset, verity.SUPERBLOCK.size)
    if not data.startswith(verity.SIGNATURE):
        raise UserError(f"there is no verity superblock at byte {offset}")
    if len(data) < verity.SUPERBLOCK.size:
        raise UserError(f"the verity superblock at byte {offset} is cut off")
    (_, version, kind, uuid, algorithm, data_size, hash_size, data_blocks, salt_size, salt) = verity.SUPERBLOCK.unpack(
        data
    )
    for what, value, expected in (
        ("version", version, verity.VERSION),
        ("hash type", kind, verity.HASH_TYPE),
        ("algorithm", algorithm.rstrip(b"\0").decode("ascii", "replace"), verity.ALGORITHM),
        ("data block size", data_size, verity.BLOCK),
        ("hash block size", hash_size, verity.BLOCK),
    ):
        if value != expected:
            raise UserError(f"the verity superblock at byte {offset} has {what} {value!r}, only {expected!r} is known")
    if salt_size > verity.SALT_MAX:
        raise UserError(f"the verity superblock at byte {offset} has a salt of {salt_size} bytes")
    if not 0 < data_blocks <= offset // verity.BLOCK:
        raise UserError(
            f"the verity superblock at byte {offset} says {data_blocks} data blocks, "
            f"1 to {offset // verity.BLOCK} can lie before it"
        )
    return Superblock(offset, UUID(bytes=uuid), data_blocks, salt[:salt_size])


def inspect(image: ImageReader, offset: int) -> Mapping[str, Any]:
    """The superblock as data for JSON, with the hash of the tree's first block: the root hash, if all is well.

    Raises:
        UserError: there is no superblock at that offset (bytes).
    """
    superblock = read_superblock(image, offset)
    top = superblock.hash_start if superblock.data_blocks > 1 else 0
    root = hashlib.sha256(superblock.salt + image.read(top * verity.BLOCK, verity.BLOCK))
    return {
        "root_hash": root.hexdigest(),
        "salt": superblock.salt.hex(),
        "uuid": str(superblock.uuid),
        "data_blocks": superblock.data_blocks,
        "hash_offset": superblock.offset,
        "hash_start": superblock.hash_start,
        "end": superblock.end,
    }
