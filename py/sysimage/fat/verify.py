"""Judges a FAT file system. Shares nothing with writer and reader but the format's constants."""

import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sysimage.extents import ImageReader
from sysimage.fat import format as fat
from sysimage.fat.format import SECTOR, FatType

_MAX_FINDINGS = 100


def verify(image: ImageReader) -> list[str]:
    """What is wrong with the file system that begins where the image begins; nothing if it is all right.

    Checked: boot sector and its copy, FSInfo, that the tables are equal, every chain (in range, ended,
    crossing no other, as long as the file), lost clusters, dot entries, long names and their checksums,
    duplicate names, label.
    At most 100 findings are returned.
    """
    sector = image.read(0, SECTOR)
    volume = _check_boot(image, sector)
    if isinstance(volume, str):
        return [volume]
    volume.check_boot_copies(sector)
    volume.check_tables()
    volume.check_tree()
    volume.check_lost()
    return volume.findings[:_MAX_FINDINGS]


def _check_boot(image: ImageReader, sector: bytes) -> "_Volume | str":
    """The volume, or why it cannot be looked at any further."""
    if len(sector) < SECTOR or struct.unpack_from("<H", sector, fat.SIGNATURE_OFFSET)[0] != fat.SIGNATURE:
        return "boot sector: no signature 55 AA"
    jump, _, size, per_cluster, reserved, copies, root, small, media, fat16, *_, large = fat.BOOT.unpack_from(sector)
    info = backup = root_cluster = 0
    fat_sectors, extended_at = fat16, fat.BOOT.size
    if not fat16:
        fat_sectors, flags, version, root_cluster, info, backup = fat.BOOT_FAT32.unpack_from(sector, fat.BOOT.size)
        extended_at += fat.BOOT_FAT32.size
        if flags or version:
            return f"boot sector: mirroring flags {flags:#x}, version {version:#x}; 0 is known"
    for what, value, allowed in (
        ("jump", jump[0], (0xEB, 0xE9)),
        ("bytes in a sector", size, (SECTOR,)),
        ("sectors in a cluster", per_cluster, tuple(each // SECTOR for each in fat.CLUSTER_SIZES)),
        ("number of tables", copies, (fat.FAT_COPIES,)),
        ("media", media, (fat.MEDIA, 0xF0)),
    ):
        if value not in allowed:
            return f"boot sector: {what} is {value}, expected {' or '.join(map(str, allowed))}"
    if bool(small) == bool(large) or not reserved or not fat_sectors:
        return f"boot sector: total sectors {small} and {large}, reserved {reserved}, table {fat_sectors}"
    total = small or large
    data_at = reserved + copies * fat_sectors + -(-root * fat.ENTRY.size // SECTOR)
    count = (total - data_at) // per_cluster
    if total * SECTOR > image.size or count < 1:
        return f"boot sector: {total} sectors, data from {data_at}, but the image has {image.size} bytes"
    kind = FatType.of_clusters(count)
    if (kind is FatType.FAT32) == bool(fat16):
        return f"boot sector: {count} clusters make it {kind.name}, but its fields say otherwise"
    if bool(root) == (kind is FatType.FAT32):
        return f"boot sector: {root} entries in the root directory of a {kind.name}"
    if (count + fat.FIRST_CLUSTER) * kind.value > fat_sectors * SECTOR * 8:
        return f"boot sector: tables of {fat_sectors} sectors are too small for {count} clusters"
    _, _, signature, _, label, name = fat.BOOT_EXTENDED.unpack_from(sector, extended_at)
    volume = _Volume(image, kind, reserved, fat_sectors, root, data_at, per_cluster * SECTOR, count, root_cluster)
    volume.info, volume.backup, volume.label = info, backup, label
    volume.media = media
    if signature != fat.EXTENDED_SIGNATURE or name.rstrip() != kind.name.encode():
        volume.findings.append(f"boot sector: signature {signature:#x}, type {name!r}, expected 0x29, {kind.name}")
    return volume


@dataclass(slots=True)
class _Volume:
    image: ImageReader
    kind: FatType
    reserved: int
    fat_sectors: int
    root_entries: int
    data_at: int
    cluster_size: int
    count: int
    root_cluster: int
    info: int = 0
    backup: int = 0
    label: bytes = b""
    media: int = 0
    findings: list[str] = field(default_factory=list)
    table: "array[int]" = field(default_factory=lambda: array("I"))  # entries, up to the last that can be other than 0
    visited: bytearray = field(default_factory=bytearray)  # for each entry, 1 if its cluster is in a chain
    runs: list[tuple[int, int, str]] = field(default_factory=list)  # of chains: first cluster, count, path

    def check_boot_copies(self, boot: bytes) -> None:
        if self.kind is not FatType.FAT32:
            return
        if not 0 < self.backup < self.reserved or self.image.read(self.backup * SECTOR, SECTOR) != boot:
            self.findings.append(f"boot sector: its copy (sector {self.backup}) differs or is missing")
        if not 0 < self.info < self.reserved:
            self.findings.append(f"FSInfo: sector {self.info} is not a reserved one")

    def check_tables(self) -> None:
        """Compares the copies and takes up the entries; what is a hole in both is not looked at."""
        start, size = self.reserved * SECTOR, self.fat_sectors * SECTOR
        first = list(self._mapped(start, size))
        second = list(self._mapped(start + size, size))
        for at, length in sorted({*first, *second}):
            one = self.image.read(start + at, length)
            other = self.image.read(start + size + at, length)
            if one != other:
                place = next(n for n in range(length) if one[n] != other[n])
                self.findings.append(f"tables: the copies differ at byte {at + place}")
                break
        limit = self.count + fat.FIRST_CLUSTER
        end = max((at + length for at, length in first), default=0) * 8 // self.kind.value
        self.table = array("I", bytes(4 * min(max(end, fat.FIRST_CLUSTER), limit)))
        self.visited = bytearray(len(self.table))
        for at, length in first:
            self._take_up(at * 8 // self.kind.value, self.image.read(start + at, length))
        marks = (self.table[0], self.table[1])
        self.table[0] = self.table[1] = 0
        if marks[0] != self.kind.end_of_chain & ~0xFF | self.media:
            self.findings.append(f"tables: entry 0 is {marks[0]:#x}")
        if marks[1] != self.kind.end_of_chain:
            self.findings.append(f"tables: entry 1 is {marks[1]:#x}, so the volume was not cleanly unmounted")

    def _mapped(self, start: int, size: int) -> Iterator[tuple[int, int]]:
        """Ranges (offset from `start`, length) with content, in pieces that begin and end at whole entries."""
        step = 3 * SECTOR * 64
        last = -1
        for extent in self.image.map.overlapping(start, size):
            for piece in range((extent.offset - start) // step, -(-(extent.end - start) // step)):
                if piece > last:
                    yield piece * step, min(step, size - piece * step)
                    last = piece

    def _take_up(self, first: int, data: bytes) -> None:
        """Takes up the entries in a piece of the table, of which `first` is the first."""
        values: Iterable[int]
        if self.kind is FatType.FAT12:
            triples = (int.from_bytes(data[place : place + 3], "little") for place in range(0, len(data), 3))
            values = (value for triple in triples for value in (triple & 0xFFF, triple >> 12))
        else:
            # The highest 4 bits of FAT32 are not part of an entry.
            width = self.kind.value // 8
            words = struct.unpack_from(f"<{len(data) // width}{'HI'[width == 4]}", data)
            values = (word & self.kind.end_of_chain for word in words)
        piece = array("I", values)[: len(self.table) - first]
        self.table[first : first + len(piece)] = piece

    def _chain(self, what: str, first: int) -> list[tuple[int, int]]:
        """The chain that begins at a cluster, as runs (first cluster, count), up to where it is wrong."""
        chain: list[tuple[int, int]] = []
        start = cluster = first
        while not (obstacle := self._obstacle(cluster, what)):
            following = 0
            if cluster < len(self.table):
                self.visited[cluster] = 1
                following = self.table[cluster]
            if following != cluster + 1:
                chain.append((start, cluster + 1 - start))
                start = following
            if following > self.kind.bad_cluster:
                break
            if following in (0, self.kind.bad_cluster):
                self.findings.append(f"{what}: its chain breaks off after cluster {cluster}")
                break
            cluster = following
        if obstacle:
            self.findings.append(f"{what}: {obstacle}")
            if start < cluster:
                chain.append((start, cluster - start))
        self.runs += [(at, count, what) for at, count in chain]
        return chain

    def _obstacle(self, cluster: int, what: str) -> str:
        """Why a chain, that of `what`, cannot go on with a cluster; nothing if it can."""
        if not fat.FIRST_CLUSTER <= cluster < self.count + fat.FIRST_CLUSTER:
            return f"cluster {cluster} does not exist"
        if cluster >= len(self.visited) or not self.visited[cluster]:
            return ""
        # The runs of the chain in hand are not among the others yet.
        owner = next((path for at, count, path in self.runs if at <= cluster < at + count), what)
        return f"cluster {cluster} belongs to {owner} already"

    def _read(self, path: str, chain: list[tuple[int, int]]) -> bytes:
        """The content of a directory."""
        room = fat.MAX_DIRECTORY_ENTRIES * fat.ENTRY.size // self.cluster_size
        total = sum(count for _, count in chain)
        if total > room:
            self.findings.append(f"{path}: a directory of {total} clusters, at most {room} are possible")
        parts = []
        for first, count in chain:
            offset = self.data_at * SECTOR + (first - fat.FIRST_CLUSTER) * self.cluster_size
            parts.append(self.image.read(offset, min(count, room) * self.cluster_size))
            room -= min(count, room)
        return b"".join(parts)

    def check_tree(self) -> None:
        if self.kind is FatType.FAT32:
            root = self._read("/", self._chain("/", self.root_cluster))
        else:
            size = self.root_entries * fat.ENTRY.size
            root = self.image.read(self.data_at * SECTOR - size, size)
        pending = [("/", 0, 0, root)]
        while pending and len(self.findings) < _MAX_FINDINGS:
            path, here, above, data = pending.pop()
            for name, attributes, cluster, size in self._entries(path, data, here, above):
                if len(self.findings) >= _MAX_FINDINGS:
                    return
                child = f"{path.rstrip('/')}/{name}"
                if not attributes & fat.ATTRIBUTE_DIRECTORY:
                    self._check_file(child, cluster, size)
                    continue
                if size:
                    self.findings.append(f"{child}: a directory with a size of {size}")
                pending.append((child, cluster, here, self._read(child, self._chain(child, cluster))))

    def _check_file(self, path: str, cluster: int, size: int) -> None:
        count = sum(count for _, count in self._chain(path, cluster)) if cluster else 0
        if count != -(-size // self.cluster_size):
            self.findings.append(f"{path}: {size} bytes, but {count} clusters of {self.cluster_size}")

    def _entries(self, path: str, data: bytes, here: int, above: int) -> Iterator[tuple[str, int, int, int]]:
        """Entries of one directory that stand for something in it: name, attributes, first cluster, size."""
        parts: list[bytes] = []
        seen: set[str] = set()
        dots: list[tuple[bytes, int]] = []
        for place in range(0, len(data), fat.ENTRY.size):
            raw = data[place : place + fat.ENTRY.size]
            if raw[0] == 0:
                if any(data[place:]):
                    self.findings.append(f"{path}: entries behind the end of the directory")
                break
            if raw[0] == fat.DELETED:
                continue
            if raw[11] == fat.ATTRIBUTE_LONG_NAME:
                parts.append(raw)
                continue
            short, attributes, _, _, _, _, _, high, _, _, low, size = fat.ENTRY.unpack(raw)
            cluster = high << 16 | low
            if attributes & fat.ATTRIBUTE_VOLUME:
                if path != "/" or short != self.label:
                    self.findings.append(f"{path}: label {short!r}, the boot sector says {self.label!r}")
            elif short.startswith(b"."):
                dots.append((short.rstrip(), cluster))
            else:
                name = self._name(path, short, parts)
                for alias in {name.casefold(), _dotted(short).casefold()}:
                    if alias in seen:
                        self.findings.append(f"{path}: two entries with the name {alias!r}")
                    seen.add(alias)
                yield name, attributes, cluster, size
            parts = []
        if dots != ([] if path == "/" else [(b".", here), (b"..", above)]):
            self.findings.append(f"{path}: its entries for itself and its parent are wrong: {dots}")

    def _name(self, path: str, short: bytes, parts: list[bytes]) -> str:
        name = _dotted(short)
        if not parts:
            return name
        checksum = fat.short_name_checksum(short)
        text = b""
        for order, raw in enumerate(reversed(parts), 1):
            number, first, _, kind, check, second, cluster, third = fat.LONG_ENTRY.unpack(raw)
            expected = order | (fat.LONG_LAST if order == len(parts) else 0)
            if (number, kind, check, cluster) != (expected, 0, checksum, 0):
                self.findings.append(f"{path}: the long name of {name!r} is broken")
                return name
            text += first + second + third
        long_name = text.decode("utf-16-le", "replace")
        long_name, end, padding = long_name.partition("\0")
        if not long_name or padding.strip("\uffff") or (end and len(parts) * fat.LONG_UNITS - len(padding) < 1):
            self.findings.append(f"{path}: the long name of {name!r} is broken")
        return long_name

    def check_lost(self) -> None:
        bad = self.kind.bad_cluster
        lost = [n for n, value in enumerate(self.table) if value and not self.visited[n] and value != bad]
        if lost:
            self.findings.append(f"tables: {len(lost)} clusters belong to no file, the first is {lost[0]}")
        if self.kind is not FatType.FAT32 or not 0 < self.info < self.reserved:
            return
        lead, _, middle, free, hint, _, trail = fat.FSINFO.unpack(self.image.read(self.info * SECTOR, SECTOR))
        if (lead, middle, trail) != fat.FSINFO_SIGNATURES:
            self.findings.append("FSInfo: wrong signatures")
        expected = self.count - len(self.table) + self.table.count(0)
        if free != expected:
            self.findings.append(f"FSInfo: {free} free clusters, there are {expected}")
        if hint != 0xFFFFFFFF and not fat.FIRST_CLUSTER <= hint < self.count + fat.FIRST_CLUSTER:
            self.findings.append(f"FSInfo: cluster {hint}, to look for free ones from, does not exist")


def _dotted(short: bytes) -> str:
    base, extension = short[:8].decode("cp437").rstrip(), short[8:].decode("cp437").rstrip()
    return f"{base}.{extension}" if extension else base
