"""Just enough ELF to know a shared library: its machine and its DT_SONAME.

Source: the System V ABI, "Object Files" and "Dynamic Linking".
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MAGIC = b"\x7fELF"
_LITTLE_ENDIAN = 1
_SHARED = 3  # ET_DYN
_LOAD, _DYNAMIC = 1, 2  # program header types
_END, _STRINGS, _SONAME = 0, 5, 14  # dynamic tags


@dataclass(frozen=True, slots=True)
class Library:
    """A shared object: ELF class (1: 32 bits, 2: 64), e_machine, and DT_SONAME (empty: it has none)."""

    elf_class: int
    machine: int
    soname: str


def read_library(data: bytes | memoryview) -> Library | None:
    """What a file says of itself; None where it is no (sound, little-endian) shared object."""
    if len(data) < 64 or bytes(data[:4]) != _MAGIC or data[5] != _LITTLE_ENDIAN:
        return None
    elf_class = data[4]
    kind, machine = struct.unpack_from("<HH", data, 16)
    if kind != _SHARED or elf_class not in (1, 2):
        return None
    try:
        return Library(elf_class, machine, _soname(data, elf_class == 2))
    except (struct.error, ValueError):
        return None


def _segments(data: bytes | memoryview, wide: bool) -> Iterator[tuple[int, int, int, int]]:
    """(type, offset, address, size in the file) of each program header."""
    start, size, count = (
        (*struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54))
        if wide
        else (*struct.unpack_from("<I", data, 28), *struct.unpack_from("<HH", data, 42))
    )
    if start + count * size > len(data):
        raise ValueError("the program headers lie outside of the file")
    for number in range(count):
        at = start + number * size
        if wide:
            kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, at)
        else:
            kind, offset, address, _, length = struct.unpack_from("<IIIII", data, at)
        yield kind, offset, address, length


def _soname(data: bytes | memoryview, wide: bool) -> str:
    segments = list(_segments(data, wide))
    entry = struct.Struct("<qQ" if wide else "<iI")
    for kind, offset, _, length in segments:
        if kind != _DYNAMIC:
            continue
        if offset + length > len(data):
            raise ValueError("the dynamic section lies outside of the file")
        tags: dict[int, int] = {}
        for at in range(offset, offset + length - entry.size + 1, entry.size):
            tag, value = entry.unpack_from(data, at)
            if tag == _END:
                break
            tags[tag] = value
        if _SONAME in tags and _STRINGS in tags:
            return _string(data, segments, tags[_STRINGS] + tags[_SONAME])
    return ""


def _string(data: bytes | memoryview, segments: list[tuple[int, int, int, int]], address: int) -> str:
    for kind, offset, start, length in segments:
        if kind == _LOAD and start <= address < start + length:
            at = offset + address - start
            text, nul, _ = bytes(data[at : at + 4096]).partition(b"\0")
            if nul:
                return text.decode("utf-8", "surrogateescape")
    raise ValueError("the name lies outside of the file")
