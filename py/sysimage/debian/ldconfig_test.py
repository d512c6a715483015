"""The loader's cache: which libraries, under which name, in which order, in which bytes."""

import struct

import pytest

from sysimage import tree as t
from sysimage.debian.ldconfig import Entry, compare, directories, encode, update
from sysimage.debian.testing import root_of

X86_64 = 62


def library(soname: str = "", machine: int = X86_64, kind: int = 3) -> bytes:
    """A shared object of 64 bits with nothing but a dynamic section."""
    strings = b"\0" + soname.encode() + b"\0"
    header, segment = 64, 56
    table = header + 2 * segment
    dynamic = struct.pack("<qQ", 5, table) + (struct.pack("<qQ", 14, 1) if soname else b"") + struct.pack("<qQ", 0, 0)
    end = table + len(strings) + len(dynamic)
    out = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    out += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, header, 0, 0, header, segment, 2, 0, 0, 0)
    out += struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, end, end, 4096)
    out += struct.pack("<IIQQQQQQ", 2, 4, table + len(strings), 0, 0, len(dynamic), len(dynamic), 8)
    return out + strings + dynamic


@pytest.mark.parametrize(
    ("one", "other", "sign"),
    [
        ("liba.so.1", "liba.so.1", 0),
        ("liba.so.2", "liba.so.10", -1),
        ("liba.so.10", "liba.so.2", 1),
        ("liba.so", "liba.so.1", -1),
        ("liba1.so", "liba.so", 1),
        ("liba.so", "liba1.so", -1),
        ("liba.so", "libb.so", -1),
        ("lib1.so.007", "lib1.so.7", 0),
    ],
)
def test_order_of_names(one: str, other: str, sign: int) -> None:
    result = compare(one, other)
    assert (result > 0) - (result < 0) == sign


def test_golden_bytes() -> None:
    cache = encode(
        [Entry("liba.so.1", "/lib/liba.so.1", 0x303), Entry("libb.so.1", "/lib/v/libb.so.1", 0x303, "x86-64-v2")], b"me"
    )
    strings = b"x86-64-v2\0/lib/v/libb.so.1\0/lib/liba.so.1\0"
    start = 48 + 2 * 24
    end = start + len(strings)
    extension = end + -end % 4
    assert cache == b"".join(
        [
            b"glibc-ld.so.cache1.1",
            struct.pack("<IIIIIII", 2, len(strings), 2, extension, 0, 0, 0),
            struct.pack("<iIIIQ", 0x303, start + 17, start + 10, 0, 1 << 62),
            struct.pack("<iIIIQ", 0x303, start + 32, start + 27, 0, 0),
            strings,
            bytes(extension - end),
            struct.pack("<II", 0xEAA42174, 2),
            struct.pack("<IIII", 0, 0, extension + 44, 2),
            struct.pack("<IIII", 1, 0, extension + 40, 4),
            struct.pack("<I", start),
            b"me",
        ]
    )


def test_directories_come_in_order_and_once() -> None:
    files: dict[str, str | bytes | t.Node] = {f"{path}/.keep": "" for path in ("opt/lib", "usr/lib/x", "usr/local/lib")}
    root = root_of(
        files
        | {
            "etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n/opt/lib # mine\n/none\n",
            "etc/ld.so.conf.d/b.conf": "/usr/lib/x\n",
            "etc/ld.so.conf.d/a.conf": "/usr/local/lib:/usr/local/lib/\n",
            "etc/ld.so.conf.d/c.txt": "/nowhere\n",
            "nowhere/.keep": "",
            "lib": t.symlink("usr/lib"),
        }
    )
    assert directories(root) == ["/usr/local/lib", "/usr/lib/x", "/opt/lib", "/lib"]


def test_update_finds_libraries_and_makes_missing_links() -> None:
    files: dict[str, str | bytes | t.Node] = {
        "usr/lib/libold.so.1.2": library("libold.so.1"),
        "usr/lib/libold.so.1.10": library("libold.so.1"),
        "usr/lib/libplain.so": library(),
        "usr/lib/libdev.so": t.symlink("libdev.so.3"),
        "usr/lib/libdev.so.3": library("libdev.so.3"),
        "usr/lib/libother.so.1": library("libother.so.1", machine=8),
        "usr/lib/libtext.so": "INPUT(libdev.so.3)\n",
        "usr/lib/notalib.so": library("notalib.so"),
        "usr/lib/glibc-hwcaps/x86-64-v3/libdev.so.3": library("libdev.so.3"),
        "usr/sbin/ldconfig": b"\0ldconfig (Test 1) stable release version 2.41\0more",
    }
    root = root_of(files)
    update(root)
    assert root.link_target("usr/lib/libold.so.1") == "libold.so.1.10"
    assert root.read("etc/ld.so.cache") == encode(
        [
            Entry("libplain.so", "/usr/lib/libplain.so", 0x303),
            Entry("libold.so.1", "/usr/lib/libold.so.1", 0x303),
            Entry("libdev.so.3", "/usr/lib/glibc-hwcaps/x86-64-v3/libdev.so.3", 0x303, "x86-64-v3"),
            Entry("libdev.so", "/usr/lib/libdev.so", 0x303),
            Entry("libdev.so.3", "/usr/lib/libdev.so.3", 0x303),
        ],
        b"ldconfig (Test 1) stable release version 2.41",
    )
