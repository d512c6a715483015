"""tar archives, written: ustar headers, and PAX records for what they cannot hold.

Sparse files are GNU sparse 1.0 inside PAX, which GNU tar, libarchive, Python and Go's
archive/tar (container engines) all read. Sources: POSIX.1-2017, pax, "Interchange Format";
GNU tar's manual, appendix "Tar Internals".

A ustar header is one block of 512 bytes: name 100, mode 8, uid 8, gid 8, size 12,
mtime 12, checksum 8, type 1, link name 100, magic 6, version 2, user 32, group 32,
major 8, minor 8, name prefix 155, and 12 unused. Numbers are octal digits in ASCII.
"""

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, FileSlice, Sources
from sysimage.tree import NANOSECONDS, Node, NodeType, encode

BLOCK = 512
END = bytes(2 * BLOCK)  # end-of-archive marker

_NAME_SIZE = 100
_PREFIX_SIZE = 155
_MAX_ID = 8**7 - 1
_MAX_NUMBER = 8**11 - 1  # of size and mtime

_TYPES = {
    NodeType.FILE: b"0",
    NodeType.SYMLINK: b"2",
    NodeType.CHARACTER: b"3",
    NodeType.BLOCK: b"4",
    NodeType.DIRECTORY: b"5",
    NodeType.FIFO: b"6",
}
_HARD_LINK = b"1"
_XATTR = "SCHILY.xattr."

CUT_MIN = 32 << 10  # bytes of a content that has frames of its own, where the archive is cut into frames
_BATCH_BYTES = 8 << 20
_BATCH_BUFFERS = 1000  # below IOV_MAX (1024)


Buffers = Sequence[bytes | memoryview]


def _write_all(descriptor: int, buffers: Buffers) -> None:
    while buffers:
        written = os.writev(descriptor, buffers)
        done = 0
        while done < len(buffers) and written >= len(buffers[done]):
            written -= len(buffers[done])
            done += 1
        buffers = [*buffers[done:]]
        if written:
            buffers[0] = memoryview(buffers[0])[written:]


class Writer:
    """Writes one archive to a file, large contents without a copy in user space.

    `out` is the file, or what takes the bytes in its place, in order and some MiB at a time. `key` is the key under
    which the archive itself will be a source: what `add` returns takes its content from there. `cut` is called before
    and after each content of CUT_MIN bytes and more.
    """

    def __init__(
        self, out: BinaryIO | Callable[[Buffers], None], key: str, cut: Callable[[], None] | None = None
    ) -> None:
        self._out = out if callable(out) else partial(_write_all, out.fileno())
        self._cut = cut
        self._key = key
        self._pending: list[bytes | memoryview] = []
        self._pending_bytes = 0
        self.position = 0

    def add(self, path: str, node: Node, sources: Sources) -> Node:
        """Writes an inode, and returns it with its content in this archive.

        Raises:
            UserError: a socket, or a source that cannot be read.
        """
        if node.type not in _TYPES:
            raise UserError(f"/{path} is a {node.type.value}; a tar archive cannot hold it", hint="remove it")
        name = encode(path)
        if node.type is NodeType.DIRECTORY:
            name = name + b"/" if name else b"./"
        if node.content is None:
            self._header(name, node, _TYPES[node.type], 0, encode(node.target), {})
            return node
        regions = _regions(node.content)
        if regions == [(0, node.content.size)] or not node.content.size:
            self._header(name, node, _TYPES[NodeType.FILE], node.content.size, b"", {})
            start = self.position
            large = node.content.size >= CUT_MIN
            if large:
                self._mark()
            self._content(node.content, 0, node.content.size, sources)
            if large:
                self._mark()
            self._write(bytes(-node.content.size % BLOCK))
            return replace(node, content=ExtentMap.of_slice(self._key, start, node.content.size))
        return self._sparse(name, node, node.content, regions, sources)

    def _sparse(
        self, name: bytes, node: Node, content: ExtentMap, regions: list[tuple[int, int]], sources: Sources
    ) -> Node:
        listed = regions if regions and sum(regions[-1]) == content.size else [*regions, (content.size, 0)]
        lines = [len(listed), *itertools.chain.from_iterable(listed)]
        table = b"".join(b"%d\n" % number for number in lines)
        table += bytes(-len(table) % BLOCK)
        records = {
            "GNU.sparse.major": b"1",
            "GNU.sparse.minor": b"0",
            "GNU.sparse.name": name,
            "GNU.sparse.realsize": b"%d" % content.size,
        }
        folder, _, base = name.rpartition(b"/")
        # What a reader without sparse support would name it; GNU tar uses its process id where the 0 is.
        visible = b"/".join(part for part in (folder, b"GNUSparseFile.0", base) if part)
        stored = len(table) + sum(length for _, length in regions)
        self._header(visible, node, _TYPES[NodeType.FILE], stored, b"", records)
        self._write(table)
        extents = []
        for offset, length in regions:
            extents.append(Extent(offset, length, FileSlice(self._key, self.position)))
            self._content(content, offset, length, sources)
            self._write(bytes(-length % BLOCK))
        return replace(node, content=ExtentMap(content.size, extents))

    def link(self, path: str, target: str, node: Node) -> None:
        """Writes a hard link to an entry that was written before; node is the inode of both."""
        self._header(encode(path), replace(node, xattrs={}), _HARD_LINK, 0, encode(target), {})

    def close(self) -> None:
        """Writes the end-of-archive marker and what is still pending."""
        self._write(END)
        self._flush()

    def _header(self, name: bytes, node: Node, kind: bytes, size: int, link: bytes, records: dict[str, bytes]) -> None:
        short, prefix = _split(name)
        seconds, fraction = divmod(node.mtime, NANOSECONDS)
        if short is None and "GNU.sparse.name" not in records:
            records["path"] = name
        if len(link) > _NAME_SIZE:
            records["linkpath"] = link
        if node.uid > _MAX_ID:
            records["uid"] = b"%d" % node.uid
        if node.gid > _MAX_ID:
            records["gid"] = b"%d" % node.gid
        if size > _MAX_NUMBER:
            records["size"] = b"%d" % size
        if fraction or not 0 <= seconds <= _MAX_NUMBER:
            records["mtime"] = _decimal(node.mtime)
        for key in sorted(node.xattrs, key=encode):
            records[_XATTR + key] = node.xattrs[key]
        if records:
            self._records(name, records)
        self._write(
            _block(
                short if short is not None else name[:_NAME_SIZE],
                node.mode,
                node.uid if node.uid <= _MAX_ID else 0,
                node.gid if node.gid <= _MAX_ID else 0,
                size if size <= _MAX_NUMBER else 0,
                min(max(seconds, 0), _MAX_NUMBER),
                kind,
                link[:_NAME_SIZE],
                node.device,
                prefix,
            )
        )

    def _records(self, name: bytes, records: dict[str, bytes]) -> None:
        names = (records.get(key, b"") for key in ("path", "linkpath", "GNU.sparse.name"))
        if not all(_is_utf8(value) for value in names):
            records = {"hdrcharset": b"BINARY", **records}
        data = b"".join(_record(encode(key), value) for key, value in records.items())
        label = b"PaxHeaders.0/" + name.rstrip(b"/").rpartition(b"/")[2][:80]
        self._write(_block(label, 0o644, 0, 0, len(data), 0, b"x", b"", (0, 0), b""))
        self._write(data)
        self._write(bytes(-len(data) % BLOCK))

    def _content(self, content: ExtentMap, offset: int, length: int, sources: Sources) -> None:
        position = offset
        for extent in content.overlapping(offset, length):
            if extent.offset > position:
                self._write(bytes(extent.offset - position))
            # In pieces: of a compressed source each is a copy.
            for start in range(extent.offset, extent.end, _BATCH_BYTES):
                self._write(sources.view(extent.cut(start, min(start + _BATCH_BYTES, extent.end))))
            position = extent.end
        self._write(bytes(offset + length - position))

    def _write(self, data: bytes | memoryview) -> None:
        if not data:
            return
        self._pending.append(data)
        self._pending_bytes += len(data)
        self.position += len(data)
        if self._pending_bytes >= _BATCH_BYTES or len(self._pending) >= _BATCH_BUFFERS:
            self._flush()

    def _mark(self) -> None:
        if self._cut is not None:
            self._flush()
            self._cut()

    def _flush(self) -> None:
        self._out(self._pending)
        self._pending = []
        self._pending_bytes = 0


def _block(
    name: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    kind: bytes,
    link: bytes,
    device: tuple[int, int],
    prefix: bytes,
) -> bytes:
    head = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(_NAME_SIZE, b"\0"), mode, uid, gid, size, mtime)
    tail = b"%b%bustar\x0000%b%07o\0%07o\0%b" % (
        kind,
        link.ljust(_NAME_SIZE, b"\0"),
        bytes(64),
        *device,
        prefix.ljust(_PREFIX_SIZE + 12, b"\0"),
    )
    checksum = sum(head) + 8 * 0x20 + sum(tail)
    return b"%b%06o\0 %b" % (head, checksum, tail)


def _split(name: bytes) -> tuple[bytes | None, bytes]:
    """A name as ustar's (name, prefix), split at a slash; (None, b"") if it does not fit."""
    if len(name) <= _NAME_SIZE:
        return name, b""
    cut = name.find(b"/", max(len(name) - _NAME_SIZE - 1, 1), _PREFIX_SIZE + 1)
    if cut < 0 or cut == len(name) - 1:
        return None, b""
    return name[cut + 1 :], name[:cut]


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE` and a newline, where LENGTH counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _decimal(nanoseconds: int) -> bytes:
    seconds, fraction = divmod(abs(nanoseconds), NANOSECONDS)
    text = f"{'-' if nanoseconds < 0 else ''}{seconds}.{fraction:09d}".rstrip("0").rstrip(".")
    return text.encode()


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _regions(content: ExtentMap) -> list[tuple[int, int]]:
    """(offset, length) of the data, widened to blocks.

    Only the last region may have a length that is no multiple of a block: GNU tar pads
    every region, Go's reader none, so anything else would be read differently.
    """
    regions: list[tuple[int, int]] = []
    for extent in content.extents:
        start = extent.offset // BLOCK * BLOCK
        end = min(-(-extent.end // BLOCK) * BLOCK, content.size)
        if regions and start <= sum(regions[-1]):
            start = regions.pop()[0]
        regions.append((start, end - start))
    return regions
