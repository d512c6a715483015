"""Plans a FAT file system: boot sector, tables and directories as literals, file contents by reference.

What a FAT cannot hold is an error where it would be missed (links, devices, extended
attributes, impossible names), and left out where every FAT lacks it: owners and modes.
A file with several hard links becomes as many files.
"""

import datetime
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from sysimage.errors import UserError
from sysimage.extents import ExtentMap
from sysimage.fat import format as fat
from sysimage.fat import geometry as geometries
from sysimage.fat.format import CLUSTER_SIZES, SECTOR, FatType
from sysimage.fat.geometry import Geometry
from sysimage.fat.names import LABEL_MAX, label_bytes, long_entries, short_names
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, join

_TIME_MIN = int(datetime.datetime(1980, 1, 1, tzinfo=datetime.UTC).timestamp())
_TIME_MAX = int(datetime.datetime(2107, 12, 31, 23, 59, 58, tzinfo=datetime.UTC).timestamp())
_OEM_NAME = b"SYSIMAGE"
# int 18h (nothing to boot here), then an endless loop.
_BOOT_CODE = b"\xcd\x18\xeb\xfe"
_SECTORS_PER_TRACK = 63
_HEADS = 255
_DRIVE = 0x80
_TINY = 8 << 20  # bytes of content up to which the smallest clusters make the smallest volume


@dataclass(frozen=True, slots=True)
class Options:
    """What a FAT is to be like, apart from its content.

    size: in bytes; None makes it as small as the content allows.
    type: FAT16 or FAT32; None leaves it to the size (FAT32 from 512 MiB on).
    cluster_size: in bytes; None leaves it to type and size.
    label: at most 11 characters; none if empty.
    volume_id: the 32-bit serial number.
    hidden_sectors: sectors of the disk before the partition.
    reserve: bytes to keep free when the size is None.
    """

    size: int | None = None
    type: FatType | None = None
    cluster_size: int | None = None
    label: str = ""
    volume_id: int = 0
    hidden_sectors: int = 0
    reserve: int = 0

    def __post_init__(self) -> None:
        label_bytes(self.label)
        if self.type is FatType.FAT12:
            raise UserError("FAT12 is not written", hint="use FAT16")
        if not 0 <= self.volume_id <= 0xFFFFFFFF:
            raise UserError(f"FAT volume id {self.volume_id:#x} does not fit 32 bits")
        if not 0 <= self.hidden_sectors <= 0xFFFFFFFF:
            raise UserError(f"{self.hidden_sectors} hidden sectors do not fit 32 bits")
        if self.cluster_size is not None and self.cluster_size not in CLUSTER_SIZES:
            raise UserError(f"FAT cluster size {self.cluster_size} is none of {', '.join(map(str, CLUSTER_SIZES))}")


@dataclass(slots=True)
class _Item:
    """A file or directory, and where it comes to lie."""

    path: str
    node: Node
    parent: "_Item | None"
    entries: list[tuple[bytes, bytes, "_Item"]] = field(default_factory=list)  # long parts, short name, child
    fixed: int = 0  # entries of a directory that stand for no child
    cluster: int = 0  # the first; 0 is none
    clusters: int = 0

    @property
    def is_directory(self) -> bool:
        return self.node.type is NodeType.DIRECTORY

    @property
    def entry_count(self) -> int:
        return self.fixed + sum(len(parts) // fat.ENTRY.size + 1 for parts, _, _ in self.entries)

    @property
    def size(self) -> int:
        """Bytes that need clusters."""
        return self.entry_count * fat.ENTRY.size if self.is_directory else self.node.size


def plan(tree: Tree, options: Options = Options()) -> ExtentMap:
    """The map of a FAT that holds a tree.

    Modification times are kept to 2 seconds, in UTC, and brought into 1980 to 2107.

    Raises:
        UserError: the tree has something that a FAT cannot hold, or too much of it, or the options
            contradict each other.
    """
    items = _collect(tree, bool(options.label))
    geometry = _geometry(items, options)
    root_entries = items[0].entry_count
    if geometry.root_entries and root_entries > geometry.root_entries:
        raise UserError(
            f"the root directory needs {root_entries} entries, {geometry.type.name} has {geometry.root_entries}",
            hint="use FAT32, or put files into directories",
        )
    used = _allocate(items, geometry)
    if used > geometry.clusters:
        raise UserError(
            f"the content needs {used * geometry.cluster_size} bytes in clusters, "
            f"{(used - geometry.clusters) * geometry.cluster_size} more than the "
            f"{geometry.clusters * geometry.cluster_size} of a {geometry.type.name} of {geometry.total * SECTOR} bytes"
        )
    placed = _boot_area(geometry, options, used)
    table = ExtentMap.of_bytes(_table(items, geometry, used))
    for copy in range(fat.FAT_COPIES):
        placed.append(((geometry.reserved + copy * geometry.fat_sectors) * SECTOR, table))
    for item in items:
        content = ExtentMap.of_bytes(_directory(item, options.label)) if item.is_directory else item.node.data
        at = geometry.cluster_offset(item.cluster) if item.cluster else geometry.root_start * SECTOR
        placed.append((at, content))
    return ExtentMap.union(geometry.total * SECTOR, placed)


def _collect(tree: Tree, labelled: bool) -> list[_Item]:
    """All files and directories, the root first, each directory before what is in it."""
    root = _Item("", tree[""], None, fixed=int(labelled))
    items = [root]
    for item in items:
        _check(item)
        if not item.is_directory:
            continue
        names = tree.children(item.path)
        shorts = short_names(item.path, names)
        for name in names:
            path = join(item.path, name)
            # Every directory but the root has entries for itself and its parent.
            child = _Item(path, tree[path], item, fixed=2)
            item.entries.append((b"".join(long_entries(name, shorts[name])), shorts[name], child))
            items.append(child)
        if item.entry_count > fat.MAX_DIRECTORY_ENTRIES:
            raise UserError(
                f"/{item.path} needs {item.entry_count} directory entries, FAT has at most {fat.MAX_DIRECTORY_ENTRIES}"
            )
    return items


def _check(item: _Item) -> None:
    node = item.node
    if node.type not in (NodeType.FILE, NodeType.DIRECTORY):
        raise UserError(f"/{item.path} is a {node.type.value}; FAT holds files and directories only")
    if node.xattrs:
        raise UserError(f"/{item.path} has the extended attribute {min(node.xattrs)!r}; FAT holds none")
    if node.size > fat.MAX_FILE_SIZE and not item.is_directory:
        raise UserError(f"/{item.path} has {node.size} bytes; a file on FAT has at most {fat.MAX_FILE_SIZE}")


def _needed(items: Sequence[_Item], kind: FatType, cluster_size: int) -> int:
    """Clusters that the content takes. The root directory of FAT16 takes none."""
    skip = 0 if kind is FatType.FAT32 else 1
    count = sum(-(-item.size // cluster_size) for item in items[skip:])
    # Even an empty root directory of FAT32 has a cluster.
    return count + (kind is FatType.FAT32 and items[0].size == 0)


def _geometry(items: Sequence[_Item], options: Options) -> Geometry:
    if options.size is not None:
        kind = options.type or geometries.usual_type(options.size)
        return geometries.divide(options.size, kind, options.cluster_size)
    content = sum(item.size for item in items) + options.reserve
    kind = options.type or geometries.usual_type(content)
    if options.cluster_size is not None:
        sizes = [options.cluster_size]
    else:
        usual = geometries.usual_cluster_size(kind, content) if content > _TINY else SECTOR
        sizes = [size for size in CLUSTER_SIZES if size >= usual]
    counts = [_needed(items, kind, size) + -(-options.reserve // size) for size in sizes]
    _, most = geometries.limits(kind)
    fitting = [(count, size) for count, size in zip(counts, sizes, strict=True) if count <= most]
    count, cluster_size = fitting[0] if fitting else (counts[-1], sizes[-1])
    return geometries.compact(count, kind, cluster_size)


def _allocate(items: Sequence[_Item], geometry: Geometry) -> int:
    """Gives every item its clusters, one behind the other; how many there are in all."""
    next_cluster = fat.FIRST_CLUSTER
    for item in items:
        item.clusters = -(-item.size // geometry.cluster_size)
        if item.parent is None:
            item.clusters = 0 if geometry.root_entries else max(item.clusters, 1)
        if item.clusters:
            item.cluster = next_cluster
            next_cluster += item.clusters
    return next_cluster - fat.FIRST_CLUSTER


def _table(items: Sequence[_Item], geometry: Geometry, used: int) -> bytes:
    """The used part of a table; what is behind it is zeros."""
    end = geometry.type.end_of_chain
    # Every cluster is followed by the next, but the last ones.
    code = "I" if geometry.type is FatType.FAT32 else "H"
    table = array(code, range(1, used + fat.FIRST_CLUSTER + 1))
    # The first entry repeats the media byte; in the second all bits say that the volume is clean.
    table[0] = end & ~0xFF | fat.MEDIA
    table[1] = end
    for item in items:
        if item.clusters:
            table[item.cluster + item.clusters - 1] = end
    if sys.byteorder == "big":
        table.byteswap()
    return table.tobytes()


def _directory(item: _Item, label: str) -> bytes:
    entries = []
    if item.parent is not None:
        # The root is cluster 0 to the entry of a parent, wherever it lies.
        above = item.parent.cluster if item.parent.parent is not None else 0
        entries.append(_entry(b".".ljust(LABEL_MAX), fat.ATTRIBUTE_DIRECTORY, item.node, item.cluster, 0))
        entries.append(_entry(b"..".ljust(LABEL_MAX), fat.ATTRIBUTE_DIRECTORY, item.parent.node, above, 0))
    elif label:
        entries.append(_entry(label_bytes(label), fat.ATTRIBUTE_VOLUME, item.node, 0, 0))
    for long_parts, short, child in item.entries:
        kind = fat.ATTRIBUTE_DIRECTORY if child.is_directory else fat.ATTRIBUTE_ARCHIVE
        size = 0 if child.is_directory else child.size
        entries.append(long_parts + _entry(short, kind, child.node, child.cluster, size))
    return b"".join(entries)


def _entry(name: bytes, attributes: int, node: Node, cluster: int, size: int) -> bytes:
    date, time = dos_time(node.mtime)
    return fat.ENTRY.pack(name, attributes, 0, 0, time, date, date, cluster >> 16, time, date, cluster & 0xFFFF, size)


def dos_time(mtime: int) -> tuple[int, int]:
    """Date and time words of a time in nanoseconds since 1970; brought into 1980 to 2107."""
    seconds = min(max(mtime // NANOSECONDS, _TIME_MIN), _TIME_MAX)
    at = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
    return (at.year - 1980) << 9 | at.month << 5 | at.day, at.hour << 11 | at.minute << 5 | at.second // 2


def _boot_area(geometry: Geometry, options: Options, used: int) -> list[tuple[int, ExtentMap]]:
    """The sectors before the tables, each at its offset in bytes."""
    boot = ExtentMap.of_bytes(_boot_sector(geometry, options))
    placed = [(0, boot)]
    if geometry.type is FatType.FAT32:
        first, second, third = fat.FSINFO_SIGNATURES
        free = geometry.clusters - used
        hint = used + fat.FIRST_CLUSTER if free else 0xFFFFFFFF
        info = ExtentMap.of_bytes(fat.FSINFO.pack(first, b"", second, free, hint, b"", third))
        placed += [
            (fat.FSINFO_SECTOR * SECTOR, info),
            (fat.BACKUP_SECTOR * SECTOR, boot),
            ((fat.BACKUP_SECTOR + fat.FSINFO_SECTOR) * SECTOR, info),
        ]
    return placed


def _boot_sector(geometry: Geometry, options: Options) -> bytes:
    is_fat32 = geometry.type is FatType.FAT32
    # A total that fits 16 bits stands in the old field; FAT32 does not use it.
    small_total = geometry.total if geometry.total < 0x10000 and not is_fat32 else 0
    tail = fat.BOOT_EXTENDED.pack(
        _DRIVE,
        0,
        fat.EXTENDED_SIGNATURE,
        options.volume_id,
        label_bytes(options.label) if options.label else fat.NO_LABEL,
        geometry.type.name.encode().ljust(8),
    )
    if is_fat32:
        tail = (
            fat.BOOT_FAT32.pack(geometry.fat_sectors, 0, 0, fat.FIRST_CLUSTER, fat.FSINFO_SECTOR, fat.BACKUP_SECTOR)
            + tail
        )
    code_at = fat.BOOT.size + len(tail)
    head = fat.BOOT.pack(
        bytes([0xEB, code_at - 2, 0x90]),  # jump over the fields, nop
        _OEM_NAME,
        SECTOR,
        geometry.cluster_sectors,
        geometry.reserved,
        fat.FAT_COPIES,
        geometry.root_entries,
        small_total,
        fat.MEDIA,
        0 if is_fat32 else geometry.fat_sectors,
        _SECTORS_PER_TRACK,
        _HEADS,
        options.hidden_sectors,
        0 if small_total else geometry.total,
    )
    code = (head + tail + _BOOT_CODE).ljust(fat.SIGNATURE_OFFSET, b"\0")
    return code + struct.pack("<H", fat.SIGNATURE)
