"""Every byte of an image's files, read once: digests for the manifest, and what must not be in any file."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

from sysimage.extents import ImageReader
from sysimage.inspection import Image, Volume

# A private key, and not only the words that a program prints around one: something in base 64 follows its header.
_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:\s|\\n|[A-Za-z-]{1,20}: [^\n]{0,80}\n){1,10}[A-Za-z0-9+/=]{16}"
    rb"|AGE-SECRET-KEY-1[A-Z0-9]{58}"
    rb"|PuTTY-User-Key-File-[0-9]: "
)
# What the composer's own folders are called, on any machine: Bazel's.
_BUILD_PLACE = re.compile(rb"[^\s\0]{0,60}/(?:execroot|bazel-out)/[^\s\0]{0,60}")
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"
_UNPACKED_MAX = 256 << 20  # bytes that are looked at of one compressed file


@dataclass(frozen=True, slots=True)
class Content:
    """What reading a file showed: its SHA-256, and headers of private keys and places of the build in it."""

    sha256: str
    private_keys: tuple[str, ...]
    build_places: tuple[str, ...]


def scan(image: Image) -> dict[tuple[str, str], Content]:
    """All files of all volumes, by volume and path."""
    found: dict[tuple[str, str], Content] = {}
    for volume in image.volumes:
        if volume.tree is not None:
            found |= {(volume.name, path): content for path, content in _scan(image, volume)}
    return found


def _scan(image: Image, volume: Volume) -> Iterator[tuple[str, Content]]:
    assert volume.tree is not None
    known: dict[int, Content] = {}
    for path, node in volume.tree.walk():
        if node.content is not None:
            number = volume.tree.number(path)
            if number not in known:
                known[number] = look_at(ImageReader(node.content, image.reader.sources).read(0, node.size))
            yield path, known[number]


def look_at(data: bytes) -> Content:
    """What one file's bytes show; of compressed ones (gzip, zstd) also what they unpack to."""
    keys: set[str] = set()
    places: set[str] = set()
    for piece in _layers(data):
        # Looking for the fixed words first is ten times as fast.
        if b"PRIVATE KEY" in piece or b"AGE-SECRET-KEY-1" in piece or b"PuTTY-User-Key-File" in piece:
            keys |= {match[0].split(b"\n")[0].decode("ascii", "replace")[:60] for match in _KEY.finditer(piece)}
        if b"execroot/" in piece or b"bazel-out/" in piece:
            places |= {match[0].decode("ascii", "replace") for match in _BUILD_PLACE.finditer(piece)}
    return Content(hashlib.sha256(data).hexdigest(), tuple(sorted(keys)), tuple(sorted(places)))


def _layers(data: bytes) -> Iterator[bytes]:
    yield data
    try:
        if data.startswith(_ZSTD):
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        elif data.startswith(_GZIP):
            data = gzip.decompress(data)
        else:
            return
    except (zstandard.ZstdError, OSError, EOFError, zlib.error):
        return  # named like it, but something else
    yield data[:_UNPACKED_MAX]
