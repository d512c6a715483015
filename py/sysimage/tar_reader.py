"""tar archives, read: in every dialect that packages and layers come in.

ustar, GNU (long names, old sparse), PAX (with GNU sparse 0.0, 0.1 and 1.0), and what
came before ustar. Contents stay in the archive, as slices of it. Sources: POSIX.1-2017,
pax, "Interchange Format"; GNU tar's manual, appendix "Tar Internals".
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, FileSlice, Sources
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, decode, normalize, parent

BLOCK = 512

_HARD_LINK = b"1"
_TYPES = {
    b"0": NodeType.FILE,
    b"\0": NodeType.FILE,
    b"7": NodeType.FILE,  # contiguous
    b"S": NodeType.FILE,  # old GNU sparse
    b"2": NodeType.SYMLINK,
    b"3": NodeType.CHARACTER,
    b"4": NodeType.BLOCK,
    b"5": NodeType.DIRECTORY,
    b"6": NodeType.FIFO,
}
_XATTR = "SCHILY.xattr."
_DIGITS = 20  # of a decimal number, at most: enough for 64 bits


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive: an inode, or (node is None) a hard link to the entry `link`.

    path and link are tree paths; user and group are the names beside the numeric ids. at and end are
    where its headers begin (those that extend the proper one come first) and where they end, in bytes.
    """

    path: str
    node: Node | None
    link: str = ""
    user: str = ""
    group: str = ""
    at: int = 0
    end: int = 0


def read(path: Path | str, key: str) -> Tree:
    """An archive as a tree whose contents are slices of the archive (under `key`).

    A path that comes twice keeps its last form; parents that are not in it are 0755, 0:0.

    Raises:
        UserError: not a tar archive, cut short, or damaged.
    """
    tree = Tree()
    with Sources({key: path}) as sources:
        size = os.stat(sources.paths[key]).st_size if os.path.exists(path) else 0
        view = sources.view(Extent(0, size, FileSlice(key, 0)))
        try:
            for member in members(view, key, str(path)):
                place(tree, member, str(path))
        finally:
            view.release()
    return tree


def place(tree: Tree, member: Member, origin: str) -> None:
    """Puts one entry into a tree: over another file it replaces it, a directory keeps its content.

    Raises:
        UserError: a hard link to nothing, or the name of a directory used for something else.
    """
    try:
        if member.node is not None:
            if member.path:
                tree.put(member.path, member.node)
            elif member.node.type is NodeType.DIRECTORY:
                tree.set("", member.node)
            else:
                raise UserError(f"the root is a {member.node.type.value}")
        elif member.link not in tree:
            raise UserError(f"/{member.path} is a hard link to /{member.link}, which does not come before it")
        elif member.path != member.link:
            if member.path in tree and not tree.is_directory(member.path):
                tree.remove(member.path)
            tree.make_directories(parent(member.path))
            tree.link(member.path, member.link)
    except UserError as error:
        raise UserError(f"{origin}: {error.message}", error.hint) from error


def members(data: memoryview, key: str | None, origin: str) -> Iterator[Member]:
    """The entries of an archive in memory, in their order.

    Args:
        data: the archive, not compressed.
        key: contents become slices of this source; None: literals (copies).
        origin: what to call the archive in errors.

    Raises:
        UserError: not a tar archive, cut short, or damaged.
    """
    try:
        yield from _Reader(data, key).members()
    except _DamagedError as error:
        raise UserError(f"{origin}: {error}", hint="fetch or build it again") from error


class _DamagedError(Exception):
    """Something in an archive that cannot be."""


class _Reader:
    def __init__(self, data: memoryview, key: str | None) -> None:
        self.data = data
        self.key = key
        self.position = 0
        self.header_end = 0

    def take(self, length: int) -> memoryview:
        start = self.position
        if length < 0:
            raise _DamagedError(f"the entry before byte {start} has a size of {length} bytes")
        if start + length > len(self.data):
            raise _DamagedError(f"ends at byte {len(self.data)}, inside an entry")
        self.position = start + length + -length % BLOCK
        return self.data[start : start + length]

    def members(self) -> Iterator[Member]:
        defaults: list[tuple[str, bytes]] = []
        records: list[tuple[str, bytes]] = []
        first = 0
        while True:
            at = self.position
            if at + BLOCK > len(self.data):
                raise _DamagedError(f"ends at byte {len(self.data)} without an end-of-archive marker; it was cut short")
            header = bytes(self.take(BLOCK))
            if not header.rstrip(b"\0"):
                return
            _check(header, at)
            size = parse_number(header[124:136], at)
            match header[156:157]:
                case b"x":
                    records += parse_records(bytes(self.take(size)), at)
                case b"g":
                    defaults += parse_records(bytes(self.take(size)), at)
                case b"L":
                    records.append(("path", bytes(self.take(size)).rstrip(b"\0")))
                case b"K":
                    records.append(("linkpath", bytes(self.take(size)).rstrip(b"\0")))
                case b"V":
                    self.take(size)
                case _:
                    member = self.member(header, at, [*defaults, *records])
                    yield replace(member, at=first, end=self.header_end)
                    records, first = [], self.position

    def member(self, header: bytes, at: int, records: list[tuple[str, bytes]]) -> Member:
        self.header_end = self.position
        extra = dict(records)
        name = extra.get("GNU.sparse.name") or extra.get("path") or _name(header)
        path = _path(name, at)
        kind = header[156:157]
        link = extra.get("linkpath") or _text(header[157:257])
        user = decode(extra.get("uname", _text(header[265:297])))
        group = decode(extra.get("gname", _text(header[297:329])))
        size = _decimal_number(extra["size"], at) if "size" in extra else parse_number(header[124:136], at)
        if kind == _HARD_LINK:
            # POSIX allows a hard link to carry content; tools that do so repeat the first entry's.
            self.take(size)
            return Member(path, None, _path(link, at), user, group)
        node_type = _TYPES.get(kind)
        if node_type is None:
            raise _DamagedError(f"entry {decode(name)!r} at byte {at} is of the unknown type {kind!r}")
        if node_type is NodeType.FILE and name.endswith(b"/"):
            node_type = NodeType.DIRECTORY  # before ustar
        content = self.content(kind, header, size, records, at) if node_type is NodeType.FILE else None
        if content is None and node_type is NodeType.DIRECTORY:
            self.take(size)
        device = (0, 0)
        if node_type in (NodeType.CHARACTER, NodeType.BLOCK):
            device = (parse_number(header[329:337], at), parse_number(header[337:345], at))
        if any(key.startswith("SCHILY.acl.") for key in extra):
            raise _DamagedError(f"entry {decode(name)!r} has access control lists, which are not supported")
        node = Node(
            node_type,
            0o777 if node_type is NodeType.SYMLINK else parse_number(header[100:108], at) & 0o7777,
            _decimal_number(extra["uid"], at) if "uid" in extra else parse_number(header[108:116], at),
            _decimal_number(extra["gid"], at) if "gid" in extra else parse_number(header[116:124], at),
            _time(extra["mtime"], at) if "mtime" in extra else parse_number(header[136:148], at) * NANOSECONDS,
            {key[len(_XATTR) :]: value for key, value in extra.items() if key.startswith(_XATTR)},
            content,
            decode(link) if node_type is NodeType.SYMLINK else "",
            device,
        )
        return Member(path, node, "", user, group)

    def content(self, kind: bytes, header: bytes, size: int, records: list[tuple[str, bytes]], at: int) -> ExtentMap:
        if kind == b"S":
            real, pairs = self.old_sparse(header, at)
            self.header_end = self.position
            start, stored = self.position, size
        else:
            sparse = _sparse_records(records, at)
            start, stored = self.position, size
            if sparse is None:
                self.take(size)
                return self.slices(size, [(0, size)], start)
            real, listed = sparse
            if listed is None:
                listed, used = self.sparse_table(size, at)
                start, stored = start + used, size - used
                self.position = start
            pairs = listed
        self.take(stored)
        position = 0
        for offset, length in pairs:
            if length < 0 or offset < position or offset + length > real:
                raise _DamagedError(f"the sparse map of the entry at byte {at} is not in order")
            position = offset + length
        if sum(length for _, length in pairs) > stored:
            raise _DamagedError(f"the sparse map of the entry at byte {at} has more data than the entry")
        return self.slices(real, pairs, start)

    def slices(self, size: int, pairs: Iterable[tuple[int, int]], start: int) -> ExtentMap:
        extents = []
        for offset, length in pairs:
            if not length:
                continue
            source = FileSlice(self.key, start) if self.key is not None else bytes(self.data[start : start + length])
            extents.append(Extent(offset, length, source))
            start += length
        return ExtentMap(size, extents)

    def old_sparse(self, header: bytes, at: int) -> tuple[int, list[tuple[int, int]]]:
        """Old GNU: four pairs at 386, a flag at 482 for more blocks (21 pairs, flag at 504), the real size at 483."""
        pairs = _pairs(header[386:482], at)
        more = header[482]
        while more:
            block = bytes(self.take(BLOCK))
            pairs += _pairs(block[:504], at)
            more = block[504]
        return parse_number(header[483:495], at), pairs

    def sparse_table(self, size: int, at: int) -> tuple[list[tuple[int, int]], int]:
        """GNU sparse 1.0: the map is lines of decimal numbers before the data; also its length in bytes."""
        start = self.position
        table = bytes(self.data[start : start + size])
        lines: list[int] = []
        position = 0
        wanted = 1
        while len(lines) < wanted:
            end = table.find(b"\n", position, position + 24)
            if end < 0:
                raise _DamagedError(f"the sparse map of the entry at byte {at} is cut short")
            lines.append(_decimal_number(table[position:end], at))
            position = end + 1
            if len(lines) == 1:
                wanted = 1 + 2 * lines[0]
        return list(zip(lines[1::2], lines[2::2], strict=True)), position + -position % BLOCK


def _sparse_records(records: list[tuple[str, bytes]], at: int) -> tuple[int, list[tuple[int, int]] | None] | None:
    """(real size, pairs) of a PAX sparse file; pairs are None where they stand before the data; None: not sparse."""
    extra = dict(records)
    if "GNU.sparse.major" in extra:
        return _decimal_number(extra.get("GNU.sparse.realsize", b""), at), None
    if "GNU.sparse.map" in extra:
        numbers = [_decimal_number(each, at) for each in extra["GNU.sparse.map"].split(b",") if each]
    elif "GNU.sparse.numblocks" in extra:
        wanted = ("GNU.sparse.offset", "GNU.sparse.numbytes")
        numbers = [_decimal_number(value, at) for key, value in records if key in wanted]
    else:
        return None
    if len(numbers) % 2:
        raise _DamagedError(f"the sparse map of the entry at byte {at} is cut short")
    return _decimal_number(extra.get("GNU.sparse.size", b""), at), list(zip(numbers[::2], numbers[1::2], strict=True))


def _pairs(data: bytes, at: int) -> list[tuple[int, int]]:
    fields = [data[start : start + 24] for start in range(0, len(data), 24)]
    return [(parse_number(each[:12], at), parse_number(each[12:], at)) for each in fields if each[0]]


def _check(header: bytes, at: int) -> None:
    stated = parse_number(header[148:156], at)
    body = header[:148] + b" " * 8 + header[156:]
    if sum(body) != stated and sum(byte - 256 if byte > 127 else byte for byte in body) != stated:
        raise _DamagedError(f"no tar header at byte {at} (its checksum is wrong)")


def parse_number(field: bytes, at: int) -> int:
    """A number of a header (octal, or GNU's base 256), which begins at byte `at` of the archive."""
    if field[0] & 0x80:  # GNU: base 256, two's complement
        value = int.from_bytes(field, "big")
        return value - (1 << 8 * len(field)) if field[0] & 0x40 else value - (0x80 << 8 * (len(field) - 1))
    text = field.strip(b" \0").partition(b"\0")[0]
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise _DamagedError(f"no tar header at byte {at} (a number in it is {field!r})") from None


def _decimal_number(text: bytes, at: int) -> int:
    if not text.isdigit() or len(text) > _DIGITS:
        raise _DamagedError(f"the entry at byte {at} has {text[:50]!r} where a number must stand")
    return int(text)


def _time(text: bytes, at: int) -> int:
    whole, _, fraction = text.removeprefix(b"-").partition(b".")
    nanoseconds = _decimal_number(whole or b"0", at) * NANOSECONDS
    if fraction:
        nanoseconds += _decimal_number(fraction[:9].ljust(9, b"0"), at)
    return -nanoseconds if text.startswith(b"-") else nanoseconds


def parse_records(data: bytes, at: int) -> list[tuple[str, bytes]]:
    """The records of an extended header (keyword, value), which begins at byte `at` of the archive."""
    records = []
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        # No more than what is there, and more than its own digits: each turn comes further.
        length = _decimal_number(data[position:space], at) if space > 0 else 0
        if not position <= space < position + length <= len(data):
            raise _DamagedError(f"the extended header at byte {at} is damaged")
        record = data[space + 1 : position + length]
        key, separator, value = record.partition(b"=")
        if not separator or not value.endswith(b"\n"):
            raise _DamagedError(f"the extended header at byte {at} is damaged")
        records.append((decode(key), value[:-1]))
        position += length
    return records


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _name(header: bytes) -> bytes:
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else b""
    name = _text(header[:100])
    return prefix + b"/" + name if prefix else name


def _path(name: bytes, at: int) -> str:
    try:
        return normalize(decode(name))
    except UserError as error:
        raise _DamagedError(f"the entry at byte {at}: {error.message}") from error
