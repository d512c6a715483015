"""ELF: which libraries a program wants, no more.

Source: System V ABI, "Object Files" and "Dynamic Linking"; AMD64 supplement. An
Elf64_Ehdr has e_phoff at byte 32, e_phentsize at 54, e_phnum at 56. An Elf64_Phdr has
p_type 4, p_flags 4, p_offset 8, p_vaddr 8, p_paddr 8, p_filesz 8, p_memsz 8, p_align 8.
An Elf64_Dyn has d_tag 8, d_val 8. All little-endian.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\x7fELF"

_CLASS_64 = 2
_LITTLE_ENDIAN = 1
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<QQ")
_PT_LOAD = 1
_PT_DYNAMIC = 2
_PT_INTERP = 3
_DT_NULL = 0
_DT_NEEDED = 1
_DT_STRTAB = 5


@dataclass(frozen=True, slots=True)
class Linking:
    """How a program or library is linked: its loader ("" for a static program or a library) and what it needs."""

    interpreter: str
    needed: tuple[str, ...]


def is_elf(data: bytes) -> bool:
    """Whether a file is an ELF file at all (a script is not)."""
    return data[:4] == MAGIC


def linking(data: bytes) -> Linking:
    """Reads the dynamic section of a 64-bit little-endian ELF file.

    Raises:
        ValueError: not such a file, or cut short.
    """
    if not is_elf(data) or data[4:6] != bytes([_CLASS_64, _LITTLE_ENDIAN]):
        raise ValueError("not a 64-bit little-endian ELF file")
    try:
        return _linking(data)
    except (struct.error, IndexError) as error:
        raise ValueError(f"cut short or damaged: {error}") from error


def _linking(data: bytes) -> Linking:
    offset, entry_size, count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    interpreter = ""
    loads: list[tuple[int, int, int]] = []
    dynamic: tuple[int, int] | None = None
    for index in range(count):
        kind, _, file_offset, address, _, size, _, _ = _PROGRAM_HEADER.unpack_from(data, offset + index * entry_size)
        if kind == _PT_LOAD:
            loads.append((address, file_offset, size))
        elif kind == _PT_DYNAMIC:
            dynamic = (file_offset, size)
        elif kind == _PT_INTERP:
            interpreter = data[file_offset : file_offset + size].rstrip(b"\0").decode()
    if dynamic is None:
        return Linking(interpreter, ())
    tags = list(_tags(data, *dynamic))
    strings = next(_file_offset(value, loads) for tag, value in tags if tag == _DT_STRTAB)
    return Linking(interpreter, tuple(_string(data, strings + value) for tag, value in tags if tag == _DT_NEEDED))


def _tags(data: bytes, offset: int, size: int) -> Iterator[tuple[int, int]]:
    for at in range(offset, offset + size, _DYNAMIC.size):
        tag, value = _DYNAMIC.unpack_from(data, at)
        if tag == _DT_NULL:
            return
        yield tag, value


def _file_offset(address: int, loads: list[tuple[int, int, int]]) -> int:
    for start, offset, size in loads:
        if start <= address < start + size:
            return offset + address - start
    raise IndexError(f"address {address:#x} is in no segment")


def _string(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
