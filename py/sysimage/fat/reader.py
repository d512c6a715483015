"""Reads FAT file systems (also FAT12): into a tree, or as a summary.

Written for damaged images too: every cluster is visited once, so time and memory are
bounded by the image, and what contradicts itself is a `UserError`.
"""

import datetime
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sysimage.errors import UserError
from sysimage.extents import ExtentMap, ImageReader
from sysimage.fat import format as fat
from sysimage.fat.format import SECTOR, FatType
from sysimage.tree import NANOSECONDS, Node, Tree, directory, file, join

_TABLE_PAGE = 3 << 14  # bytes of a table read at once; a multiple of 1.5, 2 and 4
_SECTOR_SIZES = (512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class BootSector:
    """What the boot sector says. Sizes and places in bytes, but for clusters, which are counted."""

    type: FatType
    sector_size: int
    cluster_size: int
    size: int
    fat_start: int
    fat_size: int
    fat_copies: int
    root_start: int
    root_size: int
    root_cluster: int
    data_start: int
    clusters: int
    hidden_sectors: int
    volume_id: int
    label: str


def find(image: ImageReader) -> bool:
    """Whether there is anything that looks like a FAT boot sector."""
    try:
        read_boot_sector(image)
    except UserError:
        return False
    return True


def read_boot_sector(image: ImageReader) -> BootSector:
    """The boot sector of a file system that begins where the image begins.

    Raises:
        UserError: there is none, or it is impossible.
    """
    data = image.read(0, SECTOR)
    if len(data) < SECTOR or data[0] not in (0xEB, 0xE9):
        raise UserError("no FAT: the boot sector does not begin with a jump")
    if struct.unpack_from("<H", data, fat.SIGNATURE_OFFSET)[0] != fat.SIGNATURE:
        raise UserError("no FAT: the boot sector does not end in 55 AA")
    _, _, sector, per_cluster, reserved, copies, root_entries, small, media, fat16, _, _, hidden, large = (
        fat.BOOT.unpack_from(data)
    )
    sectors, fat_sectors, root_cluster, extended_at = small or large, fat16, 0, fat.BOOT.size
    if not fat16:
        fat_sectors, _, _, root_cluster, _, _ = fat.BOOT_FAT32.unpack_from(data, fat.BOOT.size)
        extended_at += fat.BOOT_FAT32.size
    for what, wrong in (
        (f"sectors of {sector} bytes", sector not in _SECTOR_SIZES),
        (f"{per_cluster} sectors in a cluster", per_cluster == 0 or per_cluster & (per_cluster - 1)),
        (f"{reserved} reserved sectors", reserved == 0),
        (f"{copies} tables", copies not in (1, 2)),
        (f"media {media:#04x}", media < 0xF0),
        (f"{fat_sectors} sectors in a table", fat_sectors == 0),
    ):
        if wrong:
            raise UserError(f"no FAT: the boot sector says {what}")
    root_start = reserved + copies * fat_sectors
    root_sectors = -(-root_entries * fat.ENTRY.size // sector)
    data_start = root_start + root_sectors
    clusters = (sectors - data_start) // per_cluster
    if clusters < 1 or sectors * sector > image.size:
        raise UserError(
            f"no FAT: the boot sector says {sectors} sectors, data from {data_start}, in {image.size} bytes"
        )
    kind = FatType.FAT32 if not fat16 else FatType.of_clusters(clusters)
    if (clusters + fat.FIRST_CLUSTER) * kind.value > fat_sectors * sector * 8:
        raise UserError(f"no FAT: a table of {fat_sectors} sectors is too small for {clusters} clusters")
    _, _, signature, volume_id, label, _ = fat.BOOT_EXTENDED.unpack_from(data, extended_at)
    has_label = signature == fat.EXTENDED_SIGNATURE and label != fat.NO_LABEL
    return BootSector(
        type=kind,
        sector_size=sector,
        cluster_size=per_cluster * sector,
        size=sectors * sector,
        fat_start=reserved * sector,
        fat_size=fat_sectors * sector,
        fat_copies=copies,
        root_start=root_start * sector,
        root_size=root_entries * fat.ENTRY.size,
        root_cluster=root_cluster,
        data_start=data_start * sector,
        clusters=clusters,
        hidden_sectors=hidden,
        volume_id=volume_id if signature == fat.EXTENDED_SIGNATURE else 0,
        label=label.decode("cp437").rstrip() if has_label else "",
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory entry with its long name, if it has one. raw: the 32 bytes of the short one."""

    name: str
    attributes: int
    cluster: int
    size: int
    mtime: int
    raw: bytes = b""


class FatReader:
    """A FAT file system in an image.

    Raises:
        UserError: there is no FAT at the beginning of the image.
    """

    def __init__(self, image: ImageReader) -> None:
        self.image = image
        self.boot = read_boot_sector(image)
        self._page: tuple[int, bytes] = (-1, b"")
        # Entries of the table up to the last that can be other than 0; for each, 1 if its cluster was visited.
        table = image.map.overlapping(self.boot.fat_start, self.boot.fat_size)
        end = max((extent.end for extent in table), default=self.boot.fat_start) - self.boot.fat_start
        entries = min(end * 8 // self.boot.type.value + 1, self.boot.clusters + fat.FIRST_CLUSTER)
        self._visited = bytearray(entries)

    def _forget(self) -> None:
        """Begins anew with clusters that no chain has visited."""
        self._visited = bytearray(len(self._visited))

    def entry(self, cluster: int) -> int:
        """The table's entry of a cluster: the next one of its chain, or a mark."""
        bits = self.boot.type.value
        at = cluster * bits // 8
        page = at // _TABLE_PAGE
        if self._page[0] != page:
            # Two bytes more: a FAT12 entry may begin in the last byte.
            self._page = (page, self.image.read(self.boot.fat_start + page * _TABLE_PAGE, _TABLE_PAGE + 2))
        data = self._page[1]
        place = at - page * _TABLE_PAGE
        if bits == 32:
            return int.from_bytes(data[place : place + 4], "little") & 0x0FFFFFFF
        value = int.from_bytes(data[place : place + 2], "little")
        if bits == 16:
            return value
        return value >> 4 if cluster & 1 else value & 0xFFF

    def runs(self, what: str, first: int) -> Iterator[tuple[int, int]]:
        """The chain that begins at a cluster, as runs (first cluster, count).

        Raises:
            UserError: it leaves the file system or meets a cluster that something else has.
        """
        start = cluster = first
        while True:
            if not fat.FIRST_CLUSTER <= cluster < self.boot.clusters + fat.FIRST_CLUSTER:
                raise UserError(f"{what}: its chain goes to cluster {cluster}, which does not exist")
            if cluster < len(self._visited) and self._visited[cluster]:
                raise UserError(f"{what}: its chain goes to cluster {cluster}, which is in a chain already")
            following = 0
            if cluster < len(self._visited):
                self._visited[cluster] = 1
                following = self.entry(cluster)
            if following != cluster + 1:
                yield start, cluster + 1 - start
                start = following
            if following > self.boot.type.bad_cluster:
                return
            cluster = following

    def content(self, what: str, first: int, size: int | None) -> ExtentMap:
        """The map of a chain's bytes, cut to `size`. Errors: as `runs`, or the chain is shorter than `size`."""
        parts = []
        position = 0
        if first or size is None:
            for start, count in self.runs(what, first):
                length = count * self.boot.cluster_size
                if size is None or position < size:
                    offset = self.boot.data_start + (start - fat.FIRST_CLUSTER) * self.boot.cluster_size
                    cut = length if size is None else min(length, size - position)
                    parts.append((position, self.image.map.slice(offset, cut)))
                position += length
        if size is not None and position < size:
            raise UserError(f"{what}: it has {size} bytes, but its chain only {position}")
        return ExtentMap.union(position if size is None else size, parts)

    def tree(self) -> Tree:
        """All files and directories; contents are slices of the image's own sources.

        Modes are those that Linux shows by default; times have no zone and are taken as UTC.

        Raises:
            UserError: the file system contradicts itself.
        """
        tree = Tree(directory(0o755))
        for path, entry in self.walk():
            if entry.attributes & fat.ATTRIBUTE_VOLUME:
                continue
            if entry.attributes & fat.ATTRIBUTE_DIRECTORY:
                tree.add(path, directory(0o755, mtime=entry.mtime))
            else:
                tree.add(path, self._file(f"/{path}", entry))
        return tree

    def walk(self) -> Iterator[tuple[str, Entry]]:
        """All directory entries with their paths, in the order of the disk, directories before what is in them.

        The volume's label is one of them; `.` and `..` are not.

        Raises:
            UserError: the file system contradicts itself.
        """
        self._forget()
        pending = [("", self._root())]
        while pending:
            path, content = pending.pop()
            for entry in self._entries(content):
                child = join(path, entry.name)
                if entry.name in (".", ".."):
                    continue
                yield child, entry
                if entry.attributes & fat.ATTRIBUTE_DIRECTORY and not entry.attributes & fat.ATTRIBUTE_VOLUME:
                    pending.append((child, self._directory(f"/{child}", entry.cluster)))

    def label(self) -> str:
        """The volume label: the root directory's entry, or the boot sector's."""
        self._forget()
        for entry in self._entries(self._root()):
            if entry.attributes & fat.ATTRIBUTE_VOLUME:
                return entry.name
        return self.boot.label

    def free_clusters(self) -> int:
        """Clusters whose table entry is 0. Holes of the image are not looked at one by one."""
        bits = self.boot.type.value
        end = (self.boot.clusters + fat.FIRST_CLUSTER) * bits // 8
        used = 0
        seen = fat.FIRST_CLUSTER
        for extent in self.image.map.overlapping(self.boot.fat_start, end):
            start = max((extent.offset - self.boot.fat_start) * 8 // bits, seen)
            stop = -(-(extent.end - self.boot.fat_start) * 8 // bits)
            seen = min(stop, self.boot.clusters + fat.FIRST_CLUSTER)
            used += sum(1 for cluster in range(start, seen) if self.entry(cluster))
        return self.boot.clusters - used

    def _file(self, what: str, entry: Entry) -> Node:
        mode = 0o555 if entry.attributes & fat.ATTRIBUTE_READ_ONLY else 0o755
        return file(self.content(what, entry.cluster, entry.size), mode, mtime=entry.mtime)

    def _root(self) -> bytes:
        if self.boot.root_cluster:
            return self._directory("the root directory", self.boot.root_cluster)
        return self.image.read(self.boot.root_start, self.boot.root_size)

    def _directory(self, what: str, cluster: int) -> bytes:
        content = self.content(what, cluster, None)
        limit = fat.MAX_DIRECTORY_ENTRIES * fat.ENTRY.size
        return ImageReader(content, self.image.sources).read(0, limit)

    def _entries(self, data: bytes) -> Iterator[Entry]:
        parts: list[tuple[int, int, bytes]] = []
        for place in range(0, len(data) - fat.ENTRY.size + 1, fat.ENTRY.size):
            entry = data[place : place + fat.ENTRY.size]
            if entry[0] == 0:
                return
            if entry[0] == fat.DELETED:
                parts = []
                continue
            if entry[11] & 0x3F == fat.ATTRIBUTE_LONG_NAME:
                order, first, _, _, checksum, second, _, third = fat.LONG_ENTRY.unpack(entry)
                if order & fat.LONG_LAST:
                    parts = []
                parts.append((order, checksum, first + second + third))
                continue
            yield self._short_entry(entry, parts)
            parts = []

    def _short_entry(self, entry: bytes, parts: list[tuple[int, int, bytes]]) -> Entry:
        name, attributes, case, _, _, _, _, high, time, date, low, size = fat.ENTRY.unpack(entry)
        cluster = low | high << 16 if self.boot.type is FatType.FAT32 else low
        text = _long_name(name, parts)
        if attributes & fat.ATTRIBUTE_VOLUME:
            text = name.decode("cp437").rstrip()
        elif not text:
            text = _short_name(name, case)
        return Entry(text, attributes, cluster, size, _mtime(date, time), entry)


def _long_name(short: bytes, parts: list[tuple[int, int, bytes]]) -> str:
    """The long name that belongs to a short one, or nothing if the parts do not."""
    checksum = fat.short_name_checksum(short)
    for place, (order, check, _) in enumerate(parts):
        expected = len(parts) - place | (fat.LONG_LAST if place == 0 else 0)
        if order != expected or check != checksum:
            return ""
    units = b"".join(part for _, _, part in reversed(parts))
    try:
        return units.decode("utf-16-le").partition("\0")[0]
    except UnicodeDecodeError:
        return ""


def _short_name(name: bytes, case: int) -> str:
    # 05 stands for E5, which as a first byte would mean a free entry.
    if name[0] == 0x05:
        name = b"\xe5" + name[1:]
    base, extension = (part.decode("cp437").rstrip() for part in (name[:8], name[8:]))
    if case & fat.LOWER_BASE:
        base = base.lower()
    if case & fat.LOWER_EXTENSION:
        extension = extension.lower()
    return f"{base}.{extension}" if extension else base


def _mtime(date: int, time: int) -> int:
    try:
        at = datetime.datetime(
            (date >> 9) + 1980,
            date >> 5 & 15,
            date & 31,
            time >> 11,
            time >> 5 & 63,
            (time & 31) * 2,
            tzinfo=datetime.UTC,
        )
    except ValueError:
        return 0
    return int(at.timestamp()) * NANOSECONDS


def inspect(image: ImageReader) -> Mapping[str, Any]:
    """The file system as data for JSON; sizes in bytes.

    Raises:
        UserError: there is none, or it contradicts itself.
    """
    reader = FatReader(image)
    boot = reader.boot
    free = reader.free_clusters()
    return {
        "type": boot.type.name,
        "label": reader.label(),
        "volume_id": f"{boot.volume_id:08X}",
        "size": boot.size,
        "cluster_size": boot.cluster_size,
        "clusters": boot.clusters,
        "used": (boot.clusters - free) * boot.cluster_size,
        "free": free * boot.cluster_size,
        "hidden_sectors": boot.hidden_sectors,
        "paths": len(reader.tree()) - 1,
    }
