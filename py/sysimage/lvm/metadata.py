"""The text in which LVM tells of a volume group: written for a layout, and its grammar read.

The grammar (libdm/libdm-config.c): sections `NAME { ... }`, values `NAME = VALUE`, where a value is a number, a string
in double quotes (with a backslash before a quote or a backslash) or in single ones (without), or a list of such in
brackets; comments from `#` to the end of the line. A zero byte ends the text.
"""

import re
from collections.abc import Iterator
from typing import NoReturn

from sysimage.errors import UserError
from sysimage.lvm import format as lvm
from sysimage.lvm.layout import Layout, LogicalVolume
from sysimage.text import DIGITS

MAX_DEPTH = 16  # sections in each other; LVM's own metadata has 4
Scalar = int | float | str
Value = Scalar | list[Scalar]
Section = dict[str, "Value | Section"]

# LVM writes here by what name it last knew the device, as a hint for readers; of one that is not there it writes this.
_DEVICE = "[unknown]"

_TOKEN = re.compile(
    rb"""
    (?P<skip> [ \t\r\n]++ | \#[^\n]*+)
  | (?P<sign> [{}\[\],=])
  | (?P<escaped> "(?:[^"\\]++|\\.)*+")
  | (?P<plain> '[^']*+')
  | (?P<word> [A-Za-z0-9_.+\-/!@&:]++)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{DIGITS}}}")
_FLOAT = re.compile(rf"[+-]?[0-9]{{1,{DIGITS}}}\.[0-9]{{0,{DIGITS}}}")


def render(layout: Layout) -> bytes:
    """The first text of a group, as LVM puts it on disk: without indentation, a zero byte at the end."""
    lines = [
        f"{layout.vg} {{",
        f'id = "{layout.vg_uuid}"',
        "seqno = 1",
        'format = "lvm2" # informational',
        'status = ["RESIZEABLE", "READ", "WRITE"]',
        "flags = []",
        f"extent_size = {layout.extent_size}",
        "max_lv = 0",
        "max_pv = 0",
        "metadata_copies = 0",
        "",
        "physical_volumes {",
        "",
        "pv0 {",
        f'id = "{layout.pv_uuid}"',
        f'device = "{_DEVICE}"',
        "",
        'status = ["ALLOCATABLE"]',
        "flags = []",
        f"dev_size = {layout.size}",
        f"pe_start = {layout.pe_start}",
        f"pe_count = {layout.extents}",
        "}",
        "}",
        "",
    ]
    if layout.volumes:
        lines.append("logical_volumes {")
        for volume in layout.volumes:
            lines += _render_volume(layout, volume)
        lines.append("}")
    lines += [
        "}",
        f'contents = "{lvm.TEXT_CONTENTS}"',
        f"version = {lvm.TEXT_VERSION}",
        "",
        'description = ""',
        "",
        f'creation_host = "{layout.creation_host}"',
        f"creation_time = {layout.creation_time}",
        "",
    ]
    return "\n".join(lines).encode("ascii") + b"\n\0"


def _render_volume(layout: Layout, volume: LogicalVolume) -> Iterator[str]:
    yield from (
        "",
        f"{volume.name} {{",
        f'id = "{volume.uuid}"',
        'status = ["READ", "WRITE", "VISIBLE"]',
        "flags = []",
        f"creation_time = {layout.creation_time}",
        f'creation_host = "{layout.creation_host}"',
        "segment_count = 1",
        "",
        "segment1 {",
        "start_extent = 0",
        f"extent_count = {volume.extents}",
        "",
        'type = "striped"',
        "stripe_count = 1",
        "",
        "stripes = [",
        f'"pv0", {volume.start}',
        "]",
        "}",
        "}",
    )


def parse(text: bytes) -> Section:
    """The sections and values of a text.

    Raises:
        UserError: it breaks the grammar; the message says in which line.
    """
    return _Parser(text.partition(b"\0")[0]).file()


class _Parser:
    """One token ahead. Time and memory are a multiple of the text's length."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._position = 0
        self._kind = ""  # of the token in hand; empty at the end
        self._token = ""
        self._start = 0
        self._next()

    def file(self) -> Section:
        """All there is."""
        found = self._entries(0)
        if self._kind:
            self._refuse("there is a } without a {")
        return found

    def _entries(self, depth: int) -> Section:
        """Values and sections up to the end of the section or of the text."""
        found: Section = {}
        while self._kind and not self._is("}"):
            if self._kind not in ("word", "string"):
                self._refuse(f"there is {self._token!r}, a name is wanted")
            name = self._take()
            if name in found:
                self._refuse(f"{name!r} comes twice")
            if self._is("{"):
                found[name] = self._section(name, depth + 1)
            elif self._is("="):
                self._next()
                found[name] = self._value()
            else:
                self._refuse(f"behind {name!r} neither = nor {{ follows")
        return found

    def _section(self, name: str, depth: int) -> Section:
        if depth > MAX_DEPTH:
            self._refuse(f"more than {MAX_DEPTH} sections are in each other")
        self._next()
        found = self._entries(depth)
        if not self._is("}"):
            self._refuse(f"the section {name!r} has no end")
        self._next()
        return found

    def _value(self) -> Value:
        if not self._is("["):
            return self._scalar()
        self._next()
        items: list[Scalar] = []
        while not self._is("]"):
            items.append(self._scalar())
            if self._is(","):
                self._next()
            elif not self._is("]"):
                self._refuse("a list has neither , nor ] where one is wanted")
        self._next()
        return items

    def _scalar(self) -> Scalar:
        if self._kind == "string":
            return self._take()
        if self._kind != "word":
            self._refuse(f"there is {self._token or 'the end'!r}, a value is wanted")
        word = self._token
        if _INTEGER.fullmatch(word):
            value: Scalar = int(word)
        elif _FLOAT.fullmatch(word):
            value = float(word)
        else:
            self._refuse(f"{word[:40]!r} is neither a number nor a string in quotes")
        self._next()
        return value

    def _is(self, sign: str) -> bool:
        return self._kind == "sign" and self._token == sign

    def _take(self) -> str:
        token = self._token
        self._next()
        return token

    def _next(self) -> None:
        kind: str | None = "skip"
        while kind == "skip":
            self._start = self._position
            if self._position == len(self._text):
                self._kind = self._token = ""
                return
            match = _TOKEN.match(self._text, self._position)
            if match is None:
                self._refuse(f"{chr(self._text[self._position])!r} begins nothing that is known")
            kind = match.lastgroup
            self._position = match.end()
        assert match is not None and kind is not None
        token = match.group().decode("utf-8", "surrogateescape")
        if kind in ("escaped", "plain"):
            token = token[1:-1]
            if kind == "escaped" and "\\" in token:
                token = _ESCAPE.sub(r"\1", token)
            kind = "string"
        self._kind, self._token = kind, token

    def _refuse(self, why: str) -> NoReturn:
        line = self._text.count(b"\n", 0, self._start) + 1
        raise UserError(f"LVM metadata, line {line}: {why}")
