"""Names: which a FAT can hold, their short forms (8.3), their directory entries.

A name gets a short form of its own: upper case, without what a short name cannot
hold, with a number (`~1`) where something was lost or taken. The numbers are given
in the order of the names, so they follow from the set of names alone.
"""

import re
from collections.abc import Sequence

from sysimage.errors import UserError
from sysimage.fat import format as fat

_FORBIDDEN = frozenset('"*/:<>?\\|')
_SHORT_CHARACTERS = r"[A-Z0-9$%'\-_@~`!(){}^#&]"
_EXACT = re.compile(rf"{_SHORT_CHARACTERS}{{1,8}}(\.{_SHORT_CHARACTERS}{{1,3}})?")
_NOT_SHORT = re.compile(rf"(?!{_SHORT_CHARACTERS}).", re.DOTALL)
_LABEL = re.compile(r"[A-Z0-9$%'\-_@~`!(){}^#& ]*")
LABEL_MAX = 11


def fold(name: str) -> str:
    """A name without regard to case: names with one fold are one name to a FAT."""
    return "".join(upper if len(upper := character.upper()) == 1 else character for character in name)


def check(path: str, name: str) -> None:
    """Makes sure that a long name is possible.

    Raises:
        UserError: it is not.
    """
    what = f"/{path}: FAT cannot hold the name {name!r}"
    try:
        units = len(name.encode("utf-16-le")) // 2
    except UnicodeEncodeError as error:
        raise UserError(f"{what}: it is not UTF-8") from error
    bad = sorted({c for c in name if c in _FORBIDDEN or ord(c) < 0x20 or ord(c) == 0x7F})
    if bad:
        raise UserError(f"{what}: it has {', '.join(map(repr, bad))}")
    if units > fat.LONG_NAME_MAX:
        raise UserError(f"{what}: it has {units} UTF-16 units, {fat.LONG_NAME_MAX} are possible")
    if name.endswith((".", " ")):
        raise UserError(f"{what}: it ends in {name[-1]!r}")


def label_bytes(label: str) -> bytes:
    """A volume label as it is stored.

    Raises:
        UserError: it is too long, or has characters that a label cannot have.
    """
    if len(label) > LABEL_MAX:
        raise UserError(f"FAT label {label!r} has {len(label)} characters, {LABEL_MAX} are possible")
    if not _LABEL.fullmatch(label) or label != label.strip():
        hint = f"use {label.upper().strip()!r}" if _LABEL.fullmatch(label.upper().strip()) else ""
        allowed = "A-Z, 0-9, $%'-_@~`!(){}^#& and inner blanks"
        raise UserError(f"FAT label {label!r} has characters other than {allowed}", hint)
    return label.encode().ljust(LABEL_MAX)


def short_names(path: str, names: Sequence[str]) -> dict[str, bytes]:
    """For each name of the directory at `path` its short form: 11 bytes, padded with blanks.

    Raises:
        UserError: a name is impossible, or two differ only in case.
    """
    folded: dict[str, str] = {}
    for name in names:
        check(path, name)
        other = folded.setdefault(fold(name), name)
        if other != name:
            raise UserError(f"/{path}: {other!r} and {name!r} are one name to FAT, which does not tell case apart")
    taken: set[str] = set()
    tails: dict[tuple[str, str], int] = {}
    result: dict[str, bytes] = {}
    # Names that are short already keep theirs.
    for name in sorted(names, key=lambda name: (not _EXACT.fullmatch(name), name)):
        base, extension, lost = _basis(name)
        short = _dotted(base, extension)
        if lost or short in taken or folded.get(short, name) != name:
            number = tails.get((base, extension), 1)
            while True:
                tail = f"~{number}"
                short = _dotted(base[: 8 - len(tail)] + tail, extension)
                number += 1
                if short not in taken and folded.get(short, name) == name:
                    break
            tails[base, extension] = number
        taken.add(short)
        base, _, extension = short.partition(".")
        result[name] = base.encode().ljust(8) + extension.encode().ljust(3)
    return result


def _dotted(base: str, extension: str) -> str:
    return f"{base}.{extension}" if extension else base


def _basis(name: str) -> tuple[str, str, bool]:
    """Base and extension of the short form, and whether something was lost on the way."""
    upper = fold(name)
    kept = upper.replace(" ", "").lstrip(".")
    base, dot, extension = kept.rpartition(".")
    if not dot:
        base, extension = kept, ""
    plain = base.replace(".", "")
    short_base = _NOT_SHORT.sub("_", plain)[:8]
    short_extension = _NOT_SHORT.sub("_", extension)[:3]
    return short_base or "_", short_extension, _dotted(short_base, short_extension) != upper


def long_entries(name: str, short: bytes) -> list[bytes]:
    """The entries that hold a long name, as they stand before its short one; none if that says it all."""
    base, extension = short[:8].rstrip().decode(), short[8:].rstrip().decode()
    if _dotted(base, extension) == name:
        return []
    units = name.encode("utf-16-le")
    count = -(-len(units) // 2 // fat.LONG_UNITS)
    if len(units) < count * fat.LONG_UNITS * 2:
        units = (units + b"\0\0").ljust(count * fat.LONG_UNITS * 2, b"\xff")
    checksum = fat.short_name_checksum(short)
    entries = []
    for order in range(count, 0, -1):
        part = units[(order - 1) * fat.LONG_UNITS * 2 : order * fat.LONG_UNITS * 2]
        last = fat.LONG_LAST if order == count else 0
        entries.append(
            fat.LONG_ENTRY.pack(
                order | last, part[:10], fat.ATTRIBUTE_LONG_NAME, 0, checksum, part[10:22], 0, part[22:]
            )
        )
    return entries
