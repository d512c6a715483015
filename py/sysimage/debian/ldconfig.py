"""/etc/ld.so.cache: where the dynamic loader finds libraries, in glibc's format 1.1.

Layout, all numbers little endian: a header of 48 bytes (magic `glibc-ld.so.cache1.1`, number of entries,
bytes of strings, flags 2 for little endian, three bytes of padding, offset of the extension,
three unused words); entries of 24 bytes (flags i32, offset of the library's name u32, of its path
u32, unused u32, hardware capabilities u64), sorted by name, descending; NUL-ended strings; and,
at a multiple of four, the extension (magic, number of sections; tag, flags, offset, size of each; their
contents). Section 0 says what wrote the cache, section 1 names the glibc-hwcaps subdirectories.
Source: glibc 2.41, sysdeps/generic/dl-cache.h, elf/cache.c, elf/ldconfig.c.
"""

import fnmatch
import functools
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sysimage import elf
from sysimage import tree as t
from sysimage.debian.root import Root
from sysimage.extents import ImageReader
from sysimage.tree import NodeType

CACHE = "etc/ld.so.cache"
CONFIGURATION = "etc/ld.so.conf"
SYSTEM = ("/lib", "/usr/lib")
PROGRAM = "usr/sbin/ldconfig"
HWCAPS = "glibc-hwcaps"
MAX_INCLUDES = 20

_HEADER = struct.Struct("<20sIIB3xI12x")
_ENTRY = struct.Struct("<iIIIQ")
_SECTION = struct.Struct("<IIII")
_MAGIC = b"glibc-ld.so.cache1.1"
_LITTLE_ENDIAN = 2
_EXTENSION_MAGIC = 0xEAA42174
_GENERATOR, _HWCAPS_NAMES = 0, 1  # tags of sections
_HWCAP_EXTENSION = 1 << 62  # in an entry: the low word is the number of a subdirectory
# What an entry says of a library's ABI, by ELF class and machine.
_FLAGS = {
    (elf.CLASS_64, 62): 0x0303,  # x86-64
    (elf.CLASS_32, 62): 0x0803,  # x32
    (elf.CLASS_32, 3): 0x0003,  # i386
    (elf.CLASS_64, 183): 0x0A03,  # AArch64
}
_GENERATOR_TEXT = re.compile(rb"ldconfig \([^\0]{1,80}\) [^\0]{1,40}version [0-9.]+(?=\0)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A library: the name by which programs ask for it, its path, the ABI, its glibc-hwcaps subdirectory."""

    soname: str
    path: str
    flags: int
    hwcaps: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of a library in its directory. is_link: it is there only to lead to the real file."""

    name: str
    flags: int
    is_link: bool


def update(root: Root) -> None:
    """Makes the links that libraries are found by, where they are missing, and writes the cache."""
    entries: list[Entry] = []
    for directory in directories(root):
        entries += _search(root, directory, "")
        for name in root.names(f"{directory}/{HWCAPS}"):
            entries += _search(root, f"{directory}/{HWCAPS}/{name}", name)
    root.write(CACHE, encode(entries, _generator(root)), 0o644)


def directories(root: Root) -> list[str]:
    """The directories that are searched, as they are named, in order; each only once, under its first name."""
    named: dict[str, str] = {}
    for path in (*_configured(root, CONFIGURATION, 0, set()), *SYSTEM):
        if root.is_directory(path):
            named.setdefault(root.resolve(path), path.rstrip("/"))
    return list(named.values())


def _configured(root: Root, path: str, depth: int, seen: set[str]) -> Iterator[str]:
    # A file that was read before names nothing new, and files that include each other would never end.
    if depth > MAX_INCLUDES or not root.is_file(path) or root.resolve(path) in seen:
        return
    seen.add(root.resolve(path))
    for line in root.text(path).splitlines():
        words = line.partition("#")[0].replace(":", " ").replace(",", " ").split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                folder, _, last = pattern.rpartition("/")
                for name in root.names(folder or "etc"):
                    if fnmatch.fnmatchcase(name, last):
                        yield from _configured(root, f"{folder or 'etc'}/{name}", depth + 1, seen)
        elif words[:1] != ["hwcap"]:
            yield from words


def _search(root: Root, directory: str, hwcaps: str) -> Iterator[Entry]:
    found: dict[str, _Found] = {}
    for name in root.names(directory):
        if not name.startswith(("lib", "ld-")) or ".so" not in name:
            continue
        library = _library(root, directory, name)
        if library is None:
            continue
        soname, each = library
        other = found.get(soname)
        if other is None or (other.is_link, compare(each.name, other.name)) > (each.is_link, 0):
            found[soname] = each
    for soname, each in found.items():
        if hwcaps:
            # No links are made here: the loader is given the file's own name.
            yield Entry(soname, f"{directory}/{each.name}", each.flags, hwcaps)
            continue
        if not each.is_link and each.name != soname and root.get(f"{directory}/{soname}") is None:
            root.symlink(f"{directory}/{soname}", each.name)
        yield Entry(soname, f"{directory}/{soname}", each.flags, hwcaps)


def _library(root: Root, directory: str, name: str) -> tuple[str, _Found] | None:
    """The name that a file is found by, and the file; None where it is no library."""
    place = root.place(f"{directory}/{name}")
    real = root.resolve(place)
    node = root.tree.get(real)
    if node is None or node.type is not NodeType.FILE or node.content is None:
        return None
    extents = node.content.extents
    if len(extents) == 1 and extents[0].length == node.size:
        data: bytes | memoryview = root.sources.view(extents[0])
    else:
        data = ImageReader(node.content, root.sources).read(0, node.size)
    try:
        header = elf.header(data)
        soname = elf.linking(data).soname or name
    except ValueError:
        return None  # a linker script, or nothing that could be loaded
    flags = _FLAGS.get((header.elf_class, header.machine))
    if flags is None or not header.shared:
        return None
    is_link = place != real
    if is_link:
        # A link whose target is not the library's own name counts as a file, unless it is a linker's .so.
        last = t.basename(real)
        if last != soname and not (last.endswith(".so") and soname.startswith(last)):
            is_link = False
    if is_link:
        soname = name
    return soname, _Found(name, flags, is_link)


def compare(one: str, other: str) -> int:
    """Compares names as glibc does: numbers in them by value, digits after all else. Negative, 0 or positive."""
    at = at2 = 0
    while at < len(one):
        char = one[at]
        char2 = other[at2 : at2 + 1]
        if char.isdigit() and char2.isdigit():
            digits, digits2 = _digits(one, at), _digits(other, at2)
            if int(digits) != int(digits2):
                return int(digits) - int(digits2)
            at += len(digits)
            at2 += len(digits2)
        elif char.isdigit():
            return 1
        elif char2.isdigit():
            return -1
        elif char != char2:
            return ord(char) - (ord(char2) if char2 else 0)
        else:
            at += 1
            at2 += 1
    return -1 if at2 < len(other) else 0


def _digits(text: str, at: int) -> str:
    end = at
    while end < len(text) and text[end].isdigit():
        end += 1
    return text[at:end]


def _compare_entries(one: Entry, other: Entry) -> int:
    """By name and then ABI, descending; glibc-hwcaps before what every processor can run."""
    result = compare(other.soname, one.soname) or other.flags - one.flags
    if result:
        return result
    if one.hwcaps and other.hwcaps:
        return (one.hwcaps > other.hwcaps) - (one.hwcaps < other.hwcaps)
    return bool(other.hwcaps) - bool(one.hwcaps)


def encode(entries: Iterable[Entry], generator: bytes = b"") -> bytes:
    """The cache file of these libraries; of equal entries the one that comes first is found."""
    ordered = sorted(entries, key=functools.cmp_to_key(_compare_entries))
    names = sorted({entry.hwcaps for entry in ordered if entry.hwcaps})
    texts = {text for entry in ordered for text in (entry.soname, entry.path)}
    start = _HEADER.size + _ENTRY.size * len(ordered)
    strings, offsets = _string_table({t.encode(text) for text in texts.union(names)}, start)
    end = start + len(strings)
    extension = end + -end % 4
    out = bytearray(_HEADER.pack(_MAGIC, len(ordered), len(strings), _LITTLE_ENDIAN, extension))
    for entry in ordered:
        hwcap = _HWCAP_EXTENSION | names.index(entry.hwcaps) if entry.hwcaps else 0
        key, value = offsets[t.encode(entry.soname)], offsets[t.encode(entry.path)]
        out += _ENTRY.pack(entry.flags, key, value, 0, hwcap)
    out += strings + bytes(extension - end)
    table = b"".join(struct.pack("<I", offsets[t.encode(name)]) for name in names)
    at = extension + 8 + _SECTION.size * (2 if names else 1)
    sections = [(_GENERATOR, 0, at + len(table), len(generator))]
    if names:
        sections.append((_HWCAPS_NAMES, 0, at, len(table)))
    out += struct.pack("<II", _EXTENSION_MAGIC, len(sections))
    for section in sections:
        out += _SECTION.pack(*section)
    return bytes(out + table + generator)


def _string_table(texts: set[bytes], start: int) -> tuple[bytes, dict[bytes, int]]:
    """NUL-ended strings and where each begins; one that is the end of another shares its bytes."""
    table = bytearray()
    offsets: dict[bytes, int] = {}
    last = b""
    for text in sorted(texts, key=lambda each: each[::-1], reverse=True):
        if last.endswith(text) and last:
            offsets[text] = offsets[last] + len(last) - len(text)
        else:
            offsets[text] = start + len(table)
            table += text + b"\0"
            last = text
    return bytes(table), offsets


def _generator(root: Root) -> bytes:
    """What the ldconfig in the tree would sign with: its own name and version."""
    if not root.is_file(PROGRAM):
        return b""
    match = _GENERATOR_TEXT.search(root.read(PROGRAM))
    return match[0] if match else b""
