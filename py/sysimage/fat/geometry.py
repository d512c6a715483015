"""How a FAT volume is divided: reserved sectors, two tables, root directory (FAT16), clusters."""

from dataclasses import dataclass

from sysimage.errors import UserError
from sysimage.fat import format as fat
from sysimage.fat.format import CLUSTER_SIZES, SECTOR, FatType

# Volume size in bytes up to which a cluster size in bytes is the usual one (Microsoft's tables).
_USUAL_FAT16 = ((16 << 20, 1024), (128 << 20, 2048), (256 << 20, 4096), (512 << 20, 8192), (1 << 30, 16384))
_USUAL_FAT32 = ((260 << 20, 512), (8 << 30, 4096), (16 << 30, 8192), (32 << 30, 16384))
_FAT32_FROM = 512 << 20  # bytes: from this size on FAT32 is the usual type
_ROOT_ENTRIES = 512  # of FAT16
_DATA_ALIGNMENT = 8  # sectors: clusters of 4096 bytes lie at multiples of 4096
_MAX_SECTORS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Geometry:
    """A division of a volume. Counts are in sectors of 512 bytes unless they say otherwise."""

    type: FatType
    total: int
    reserved: int
    fat_sectors: int
    cluster_sectors: int

    @property
    def root_entries(self) -> int:
        """Entries of the fixed root directory; FAT32 has none."""
        return 0 if self.type is FatType.FAT32 else _ROOT_ENTRIES

    @property
    def root_start(self) -> int:
        """Where the fixed root directory lies."""
        return self.reserved + fat.FAT_COPIES * self.fat_sectors

    @property
    def data_start(self) -> int:
        """Where the clusters lie."""
        return self.root_start + self.root_entries * fat.ENTRY.size // SECTOR

    @property
    def clusters(self) -> int:
        """How many there are."""
        return (self.total - self.data_start) // self.cluster_sectors

    @property
    def cluster_size(self) -> int:
        """In bytes."""
        return self.cluster_sectors * SECTOR

    def cluster_offset(self, number: int) -> int:
        """Where a cluster lies, in bytes."""
        return (self.data_start + (number - fat.FIRST_CLUSTER) * self.cluster_sectors) * SECTOR


def limits(kind: FatType) -> tuple[int, int]:
    """The fewest and the most clusters that we give a file system of this type."""
    if kind is FatType.FAT32:
        return fat.FAT32_MIN + fat.MARGIN, fat.FAT32_MAX - fat.MARGIN
    return fat.FAT16_MIN + fat.MARGIN, fat.FAT32_MIN - 1 - fat.MARGIN


def usual_type(size: int) -> FatType:
    """What a volume of so many bytes is formatted as when nobody says."""
    return FatType.FAT32 if size >= _FAT32_FROM else FatType.FAT16


def usual_cluster_size(kind: FatType, size: int) -> int:
    """The cluster size in bytes of a volume of so many bytes when nobody says."""
    table = _USUAL_FAT32 if kind is FatType.FAT32 else _USUAL_FAT16
    return next((cluster for limit, cluster in table if size <= limit), CLUSTER_SIZES[-1])


def divide(size: int, kind: FatType, cluster_size: int | None) -> Geometry:
    """Divides a volume of a given size (bytes).

    Args:
        size: in bytes.
        kind: FAT16 or FAT32.
        cluster_size: in bytes, or None for the usual one, or the next that makes the number of clusters right.

    Raises:
        UserError: no division is possible.
    """
    if size % SECTOR or size <= 0 or size // SECTOR > _MAX_SECTORS:
        raise UserError(f"a FAT of {size} bytes is not possible: 1 to {_MAX_SECTORS} sectors of {SECTOR} bytes are")
    low, high = limits(kind)
    candidates = [cluster_size] if cluster_size is not None else _candidates(usual_cluster_size(kind, size))
    geometries = [_divide(size // SECTOR, kind, candidate // SECTOR) for candidate in candidates]
    for geometry in geometries:
        if low <= geometry.clusters <= high:
            return geometry
    first = geometries[0]
    raise UserError(
        f"a {kind.name} of {size} bytes with clusters of {first.cluster_size} would have "
        f"{max(first.clusters, 0)} clusters, {low} to {high} are possible",
        hint="choose another type, size or cluster size",
    )


def compact(clusters: int, kind: FatType, cluster_size: int) -> Geometry:
    """The smallest volume that has at least so many clusters.

    Raises:
        UserError: the type does not allow so many.
    """
    low, high = limits(kind)
    if clusters > high:
        raise UserError(f"{clusters} clusters of {cluster_size} bytes are needed, {kind.name} has at most {high}")
    clusters = max(clusters, low)
    per_cluster = cluster_size // SECTOR
    fat_sectors = _fat_sectors(clusters, kind)
    empty = _aligned(kind, 0, fat_sectors, per_cluster)
    total = empty.data_start + clusters * per_cluster
    if total > _MAX_SECTORS:
        raise UserError(f"{clusters} clusters of {cluster_size} bytes are needed, more than {_MAX_SECTORS} sectors")
    return _aligned(kind, total, fat_sectors, per_cluster)


def _candidates(usual: int) -> list[int]:
    """The usual cluster size, then smaller ones, then larger ones."""
    smaller = [size for size in reversed(CLUSTER_SIZES) if size < usual]
    return [usual, *smaller, *(size for size in CLUSTER_SIZES if size > usual)]


def _fat_sectors(clusters: int, kind: FatType) -> int:
    return -(-(clusters + fat.FIRST_CLUSTER) * kind.value // (8 * SECTOR))


def _divide(total: int, kind: FatType, cluster_sectors: int) -> Geometry:
    # The tables shrink the room for the clusters that they must describe: shrink until it fits.
    fat_sectors = _fat_sectors(total // cluster_sectors, kind)
    while True:
        geometry = _aligned(kind, total, fat_sectors, cluster_sectors)
        needed = _fat_sectors(max(geometry.clusters, 0), kind)
        if needed >= fat_sectors:
            return geometry
        smaller = _aligned(kind, total, needed, cluster_sectors)
        if _fat_sectors(max(smaller.clusters, 0), kind) > needed:
            return geometry
        fat_sectors = needed


def _aligned(kind: FatType, total: int, fat_sectors: int, cluster_sectors: int) -> Geometry:
    reserved = 32 if kind is FatType.FAT32 else 1
    start = Geometry(kind, total, reserved, fat_sectors, cluster_sectors).data_start
    return Geometry(kind, total, reserved + -start % _DATA_ALIGNMENT, fat_sectors, cluster_sectors)
