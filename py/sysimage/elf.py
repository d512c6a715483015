"""ELF: what a program or library is linked with, no more.

Source: System V ABI, "Object Files" and "Dynamic Linking"; AMD64 supplement. All little-endian.
An Elf64_Ehdr has e_type 2 bytes at 16, e_machine 2 at 18, e_phoff 8 at 32, e_phentsize 2 at 54, e_phnum
2 at 56; an Elf32_Ehdr has e_phoff 4 at 28, e_phentsize at 42, e_phnum at 44. An Elf64_Phdr has
p_type 4, p_flags 4, p_offset 8, p_vaddr 8, p_paddr 8, p_filesz 8, p_memsz 8, p_align 8; an Elf32_Phdr p_type,
p_offset, p_vaddr, p_paddr, p_filesz and so on, 4 each. An ElfNN_Dyn has d_tag and d_val, NN bits each.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\x7fELF"

CLASS_32 = 1
CLASS_64 = 2
_LITTLE_ENDIAN = 1
_HEADER_SIZE = {CLASS_32: 52, CLASS_64: 64}
_TYPE_SHARED = 3  # ET_DYN
_PT_LOAD = 1
_PT_DYNAMIC = 2
_PT_INTERP = 3
_DT_NULL = 0
_DT_NEEDED = 1
_DT_STRTAB = 5
_DT_SONAME = 14
_DT_RUNPATH = 29
_STRING_MAX = 4096

Data = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Header:
    """What the file is for: its class (CLASS_32 or CLASS_64), its e_machine, and whether it is a shared object."""

    elf_class: int
    machine: int
    shared: bool


@dataclass(frozen=True, slots=True)
class Linking:
    """How a program or library is linked.

    interpreter: its loader ("" for a static program or a library); needed: the libraries that it wants;
    soname: the name that it goes by itself ("": none); runpath: folders in which its own libraries are sought first.
    """

    interpreter: str
    needed: tuple[str, ...]
    soname: str = ""
    runpath: tuple[str, ...] = ()


def is_elf(data: Data) -> bool:
    """Whether a file is an ELF file at all (a script is not)."""
    return bytes(data[:4]) == MAGIC


def header(data: Data) -> Header:
    """Reads the header.

    Raises:
        ValueError: not a little-endian ELF file.
    """
    if not is_elf(data) or len(data) < 20 or data[4] not in _HEADER_SIZE or data[5] != _LITTLE_ENDIAN:
        raise ValueError("not a little-endian ELF file")
    if len(data) < _HEADER_SIZE[data[4]]:
        raise ValueError("cut short in its header")
    kind, machine = struct.unpack_from("<HH", data, 16)
    return Header(data[4], machine, kind == _TYPE_SHARED)


def linking(data: Data) -> Linking:
    """Reads the dynamic section.

    Raises:
        ValueError: not a little-endian ELF file, cut short, or damaged.
    """
    wide = header(data).elf_class == CLASS_64
    try:
        return _linking(data, wide)
    except (struct.error, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise ValueError(f"cut short or damaged: {error}") from error


def _linking(data: Data, wide: bool) -> Linking:
    interpreter = ""
    loads: list[tuple[int, int, int]] = []
    tags: list[tuple[int, int]] = []
    for kind, offset, address, size in _segments(data, wide):
        if kind == _PT_LOAD:
            loads.append((address, offset, size))
        elif kind == _PT_DYNAMIC:
            tags = list(_tags(data, offset, size, wide))
        elif kind == _PT_INTERP:
            interpreter = bytes(data[offset : offset + size]).rstrip(b"\0").decode()
    names: dict[int, list[str]] = {_DT_NEEDED: [], _DT_SONAME: [], _DT_RUNPATH: []}
    if any(tag in names for tag, _ in tags):
        tables = [value for tag, value in tags if tag == _DT_STRTAB]
        if not tables:
            raise IndexError("the dynamic section has no string table")
        strings = _file_offset(tables[0], loads)
        for tag, value in tags:
            if tag in names:
                names[tag].append(_string(data, strings + value))
    runpath = tuple(folder for text in names[_DT_RUNPATH] for folder in text.split(":") if folder)
    return Linking(interpreter, tuple(names[_DT_NEEDED]), "".join(names[_DT_SONAME][:1]), runpath)


def _segments(data: Data, wide: bool) -> Iterator[tuple[int, int, int, int]]:
    """Type, offset, address and size in the file of each segment."""
    if wide:
        table, entry_size, count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    else:
        table, entry_size, count = *struct.unpack_from("<I", data, 28), *struct.unpack_from("<HH", data, 42)
    for at in range(table, table + count * entry_size, entry_size or 1):
        if wide:
            kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, at)
        else:
            kind, offset, address, _, size = struct.unpack_from("<IIIII", data, at)
        if offset + size > len(data):
            raise IndexError(f"a segment ends at byte {offset + size}, behind the end of the file")
        yield kind, offset, address, size


def _tags(data: Data, offset: int, size: int, wide: bool) -> Iterator[tuple[int, int]]:
    entry = struct.Struct("<QQ" if wide else "<II")
    for at in range(offset, offset + size, entry.size):
        tag, value = entry.unpack_from(data, at)
        if tag == _DT_NULL:
            return
        yield tag, value


def _file_offset(address: int, loads: list[tuple[int, int, int]]) -> int:
    for start, offset, size in loads:
        if start <= address < start + size:
            return offset + address - start
    raise IndexError(f"address {address:#x} is in no segment")


def _string(data: Data, offset: int) -> str:
    text, end, _ = bytes(data[offset : offset + _STRING_MAX]).partition(b"\0")
    if not end:
        raise IndexError(f"the name at byte {offset} does not end")
    return text.decode()
