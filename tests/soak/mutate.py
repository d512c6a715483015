"""Valid input made invalid: cut, flipped, spliced, repeated, with numbers at their extremes."""

import re
import struct
import zlib
from collections.abc import Callable
from random import Random

from sysimage.lvm import format as lvm

_EXTREMES = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_WIDE_EXTREMES = (*_EXTREMES, 1 << 32, (1 << 40) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_NUMBERS = re.compile(rb"[0-9]+")
_WORDS = (
    *(b"0", b"-1", b"00", b"07777", b"4294967295", b"4294967296", b"18446744073709551616", b"9" * 25, b"1" * 5000),
    *(
        b"1e999",
        b"NaN",
        b"\xc2\xb2",
        b"\xd9\xa3",
        b"0x10",
        b"1_0",
        b"+1",
        b"",
        b" ",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
    ),
    *(
        b"..",
        b"/",
        b"//",
        b".",
        b"\xff\xfe",
        b"\0",
        b"\n",
        b"\r",
        b"\t",
        b"\\",
        b"'",
        b'"',
        b"`",
        b"$",
        b"${",
        b"$(",
        b")",
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b"*",
        b"(",
        b"|",
        b"%",
        b"%s",
        b"#",
        b":",
        b"=",
        b",",
        b"-",
        b"\xe2\x80\xa8",
        b"\xed\xa0\x80",
    ),
    *(b"\x1c", b"\x85", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b"\xcc\x81"),
)
_NESTED = 20_000  # repeats of a bracket, quote or word, at most
_MAX = 4 << 20  # bytes of what comes out


def random_bytes(random: Random) -> bytes:
    """Nothing but noise, sometimes of few different bytes."""
    size = random.choice((0, 1, 7, 100, 512, 4096, 70_000))
    if random.random() < 0.3:
        return bytes(random.choices(random.randbytes(3), k=size))
    return random.randbytes(size)


def cut(random: Random, data: bytearray) -> None:
    """Ends early, or begins late."""
    at = random.randint(0, len(data))
    if random.random() < 0.8:
        del data[at:]
    else:
        del data[:at]


def _place(random: Random, data: bytearray) -> int:
    """A byte's place: mostly one that is not zero, since images consist of zeros."""
    for _ in range(20):
        at = random.randrange(len(data))
        if data[at] or random.random() < 0.05:
            return at
    return at


def flip(random: Random, data: bytearray) -> None:
    """Other bits in a few bytes."""
    for _ in range(random.choice((1, 1, 2, 5, 30))):
        data[_place(random, data)] ^= 1 << random.randrange(8)


def overwrite(random: Random, data: bytearray) -> None:
    """Another run of bytes somewhere."""
    at = _place(random, data)
    count = random.choice((1, 1, 2, 4, 8, 16, 100))
    data[at : at + count] = random.choice((bytes(count), b"\xff" * count, random.randbytes(count)))


def number(random: Random, data: bytearray) -> None:
    """A number of 1 to 8 bytes, aligned, of either byte order, at an extreme or near what it was."""
    size = random.choice((1, 2, 4, 4, 4, 8))
    at = _place(random, data) // size * size
    old = bytes(data[at : at + size])
    order = random.choice(("little", "little", "little", "big"))
    value = random.choice(_WIDE_EXTREMES)
    if random.random() < 0.3:
        value = int.from_bytes(old, order) + random.choice((-1, 1, 2, -8, 256))  # type: ignore[arg-type]
    data[at : at + len(old)] = (value % (1 << 8 * size)).to_bytes(size, order)[: len(old)]  # type: ignore[arg-type]


def splice(random: Random, data: bytearray) -> None:
    """A piece of it put, or written, somewhere else in it."""
    start = random.randrange(len(data))
    piece = data[start : start + random.choice((1, 4, 16, 32, 100, 512, 1024, 4096))]
    at = random.randrange(len(data))
    if random.random() < 0.5:
        data[at : at + len(piece)] = piece
    else:
        data[at:at] = piece


def remove(random: Random, data: bytearray) -> None:
    """A piece less."""
    at = random.randrange(len(data))
    del data[at : at + random.choice((1, 2, 4, 16, 512, 1024))]


def digits(random: Random, data: bytearray) -> None:
    """A number in digits at an extreme, or some other word in its place."""
    found = [match.span() for match in _NUMBERS.finditer(data[: 1 << 20])]
    if found:
        start, end = random.choice(found)
        # In fields of fixed width the width may be kept, or not.
        word = random.choice(_WORDS)
        data[start:end] = word[: end - start].rjust(end - start, b"0") if random.random() < 0.3 else word


def insert_word(random: Random, data: bytearray) -> None:
    """A word of which parsers are fond, somewhere."""
    at = random.randint(0, len(data))
    data[at:at] = random.choice(_WORDS)


def repeat(random: Random, data: bytearray) -> None:
    """A short piece many times: deep nesting, long lines, long lists."""
    at = random.randrange(len(data))
    piece = bytes(data[at : at + random.choice((1, 1, 2, 3, 8))])
    if random.random() < 0.5:
        piece = random.choice(
            (b"[", b"{", b"(", b"$(", b"${a:-", b'{"a":', b"\\(", b"a*", b"(a|", b"'", b'"', b"{1,9}", b"u=r,")
        )
    data[at:at] = piece * random.randint(2, _NESTED)


def lines(random: Random, data: bytearray) -> None:
    """Lines removed, doubled, joined, exchanged."""
    rows = bytes(data).splitlines(keepends=True) or [b""]
    one, other = random.randrange(len(rows)), random.randrange(len(rows))
    match random.randrange(4):
        case 0:
            del rows[one]
        case 1:
            rows.insert(other, rows[one])
        case 2:
            rows[one] = rows[one].rstrip(b"\r\n")
        case _:
            rows[one], rows[other] = rows[other], rows[one]
    data[:] = b"".join(rows)


def words(random: Random, data: bytearray) -> None:
    """A word, or what stands between brackets, quotes and separators, removed or exchanged with another."""
    parts = re.split(rb"([\s\"'\[\]{}(),:;=|&$#]+)", bytes(data[: 1 << 18]))
    one, other = random.randrange(len(parts)), random.randrange(len(parts))
    if random.random() < 0.4:
        parts[one] = b"" if random.random() < 0.5 else random.choice(_WORDS)
    else:
        parts[one], parts[other] = parts[other], parts[one]
    data[: 1 << 18] = b"".join(parts)


_BINARY: tuple[Callable[[Random, bytearray], None], ...] = (
    flip,
    overwrite,
    number,
    number,
    number,
    splice,
    cut,
    remove,
)
_TEXT: tuple[Callable[[Random, bytearray], None], ...] = (
    digits,
    digits,
    insert_word,
    lines,
    words,
    words,
    repeat,
    flip,
    cut,
    splice,
    remove,
)


def mutate(random: Random, sample: bytes, text: bool) -> bytes:
    """A sample with one to a few things changed; now and then noise of no relation to it."""
    if random.random() < 0.02:
        return random_bytes(random)
    data = bytearray(sample)
    changes = _TEXT if text else (*_BINARY, digits)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if data:
            random.choice(changes)(random, data)
    return bytes(data[:_MAX])


def repair_tar(data: bytearray) -> None:
    """Makes the checksums of tar headers right again, so that what else is wrong with them is looked at."""
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])


def repair_gpt(data: bytearray) -> None:
    """Makes the checksums of both copies of a partition table right again, as far as they can be found."""
    for at in range(512, len(data) - 511, 512):
        if data[at : at + 8] != b"EFI PART":
            continue
        header_size, entries_at, count, size = (
            *struct.unpack_from("<I", data, at + 12),
            *struct.unpack_from("<QII", data, at + 72),
        )
        if count * size <= len(data):
            crc = zlib.crc32(data[entries_at * 512 : entries_at * 512 + count * size])
            struct.pack_into("<I", data, at + 88, crc)
        if header_size <= 512:
            struct.pack_into("<I", data, at + 16, 0)
            struct.pack_into("<I", data, at + 16, zlib.crc32(data[at : at + header_size]))


def repair_lvm(data: bytearray) -> None:
    """Makes the checksums of a physical volume right again: of label, header of the metadata area, and its text."""
    label, area = lvm.LABEL_AT * lvm.SECTOR, lvm.AREA_AT
    if len(data) < area + lvm.AREA_HEADER:
        return
    offset, length, _, flags = lvm.TEXT_LOCATION.unpack_from(data, area + lvm.AREA.size)
    text = bytes(data[area + offset : area + offset + length])
    lvm.TEXT_LOCATION.pack_into(data, area + lvm.AREA.size, offset, length, lvm.crc(text), flags)
    struct.pack_into("<I", data, area, lvm.crc(bytes(data[area + lvm.AREA_CRC_END : area + lvm.AREA_HEADER])))
    behind = bytes(data[label + lvm.LABEL_CRC_END : label + lvm.SECTOR])
    struct.pack_into("<I", data, label + lvm.LABEL_CRC_END - 4, lvm.crc(behind))
