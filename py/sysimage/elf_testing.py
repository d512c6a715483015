"""ELF files for tests: small ones that need what the test wants."""

import struct

from sysimage import elf

BASE = 0x400000


def make(
    needed: list[str], interpreter: str = "/lib64/ld-linux-x86-64.so.2", soname: str = "", runpath: str = ""
) -> bytes:
    """A file with nothing but what the loader looks at, all in one segment; `needed` are sonames."""
    names = b"\0"
    tags: list[tuple[int, int]] = []
    for kind, name in [*((1, name) for name in needed), (14, soname), (29, runpath)]:
        if not name:
            continue
        tags.append((kind, len(names)))
        names += name.encode() + b"\0"
    headers = 64 + 3 * 56
    strings_at = headers + len(interpreter) + 1
    dynamic_at = strings_at + len(names)
    tags += [(5, BASE + strings_at), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    size = dynamic_at + len(dynamic)
    ident = elf.MAGIC + bytes([2, 1, 1]) + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 4096)
    interp = struct.pack("<IIQQQQQQ", 3, 4, headers, BASE + headers, 0, len(interpreter) + 1, 0, 1)
    dyn = struct.pack("<IIQQQQQQ", 2, 6, dynamic_at, BASE + dynamic_at, 0, len(dynamic), 0, 8)
    return header + load + interp + dyn + interpreter.encode() + b"\0" + names + dynamic


def make_32(soname: str) -> bytes:
    """A library of 32 bits, all in one segment."""
    names = b"\0" + soname.encode() + b"\0"
    names_at = 52 + 2 * 32
    dynamic = struct.pack("<IIIIII", 5, BASE + names_at, 14, 1, 0, 0)
    size = names_at + len(names) + len(dynamic)
    ident = elf.MAGIC + bytes([1, 1, 1]) + bytes(9)
    header = ident + struct.pack("<HHIIIIIHHHHHH", 3, 3, 1, 0, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    load = struct.pack("<IIIIIIII", 1, 0, BASE, BASE, size, size, 5, 4096)
    dyn = struct.pack("<IIIIIIII", 2, size - len(dynamic), BASE, BASE, len(dynamic), len(dynamic), 6, 4)
    return header + load + dyn + names + dynamic
