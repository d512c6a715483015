"""ELF files for tests: small ones that need what the test wants."""

import struct

from sysimage import elf

BASE = 0x400000


def make(needed: list[str], interpreter: str = "/lib64/ld-linux-x86-64.so.2") -> bytes:
    """A file with nothing but what the loader looks at, all in one segment; `needed` are sonames."""
    names = b"\0"
    tags: list[tuple[int, int]] = []
    for name in needed:
        tags.append((1, len(names)))
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
