"""Layouts of volume groups as data, checked before anything is written.

A layout is a JSON file for a group with one physical volume:

    {
      "vg": "hostlvm",
      "vg_uuid": "4c7GVZ-Df82-QEcJ-xXtV-JgRL-IjLE-hK0FgA",
      "pv_uuid": "eu0VQE-HlTi-EyRc-GceP-xZtn-3j6t-iqEwyv",
      "size": 209715200,
      "pe_start": 2048,
      "extent_size": 8192,
      "creation_time": 1620345600,
      "volumes": [
        {"name": "config", "uuid": "SIs20R-l6gh-2Rli-KAP0-ZO88-3Y4q-G9JPAm", "start": 0, "extents": 25}
      ]
    }

size (of the physical volume), pe_start (where extent 0 begins) and extent_size are in sectors of 512 bytes; start and
extents of a volume count extents. "creation_host" may be given; it is "localhost" otherwise.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sysimage import places, values
from sysimage.errors import UserError
from sysimage.lvm import format as lvm
from sysimage.places import Place

PE_START_ALIGNMENT = 8  # sectors: pages, and blocks of filesystems, lie on blocks of 4096 bytes
EXTENT_SIZE_UNIT = 256  # sectors: what LVM takes of sizes that are no powers of two
EXTENT_SIZE_MAX = (1 << 31) // lvm.SECTOR  # sectors; LVM keeps the number in 32 bits, and nobody uses more than 2 GiB
TIME_MAX = (1 << 32) - 1

_NAME = re.compile(r"[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*")
# lvm(8): what LVM calls parts of its own volumes.
_RESERVED_STARTS = ("snapshot", "pvmove")
_RESERVED_PARTS = (
    "_cdata", "_cmeta", "_corig", "_cpool", "_cvol", "_iorig", "_mimage", "_mlog", "_pmspare", "_rimage", "_rmeta",
    "_tdata", "_tmeta", "_vdata", "_vorigin", "_wcorig",
)  # fmt: skip
# What stands beside the group in the metadata.
_RESERVED_GROUPS = ("contents", "version", "description", "creation_host", "creation_time")


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """A volume in one piece: `extents` extents from extent `start` of the physical volume on.

    Raises:
        UserError: an impossible name or UUID, no extents.
    """

    name: str
    uuid: str
    start: int
    extents: int

    def __post_init__(self) -> None:
        what = f"volume {self.name!r}"
        _check_name(what, self.name)
        for start in _RESERVED_STARTS:
            if self.name.startswith(start):
                raise UserError(f"{what}: LVM keeps names that begin with {start!r} to itself")
        for part in _RESERVED_PARTS:
            if part in self.name:
                raise UserError(f"{what}: LVM keeps names with {part!r} to itself")
        _check_uuid(f"uuid of {what}", self.uuid)
        if self.start < 0:
            raise UserError(f"{what} starts at extent {self.start}")
        if self.extents < 1:
            raise UserError(f"{what} has a size of {self.extents} extents")

    @property
    def end(self) -> int:
        """The first extent behind it."""
        return self.start + self.extents


@dataclass(frozen=True, slots=True)
class Layout:
    """A volume group with one physical volume. size, pe_start and extent_size are in sectors of 512 bytes.

    Raises:
        UserError: an impossible name, UUID, size or time; volumes overlap, share a name or UUID, or reach past the end.
    """

    vg: str
    vg_uuid: str
    pv_uuid: str
    size: int
    pe_start: int
    extent_size: int
    creation_time: int
    volumes: tuple[LogicalVolume, ...]
    creation_host: str = "localhost"

    def __post_init__(self) -> None:
        _check_name(f"vg {self.vg!r}", self.vg)
        if self.vg in _RESERVED_GROUPS:
            raise UserError(f"vg {self.vg!r}: the metadata has a field of this name beside the group")
        _check_uuid("vg_uuid", self.vg_uuid)
        _check_uuid("pv_uuid", self.pv_uuid)
        self._check_sizes()
        # LVM takes 0 for a time that nobody knows.
        if not 1 <= self.creation_time <= TIME_MAX:
            raise UserError(f"creation_time is {self.creation_time}, 1 to {TIME_MAX} seconds since 1970 are possible")
        values.host_name("creation_host", self.creation_host)
        self._check_identities()
        self._check_volumes()

    def _check_sizes(self) -> None:
        if not PE_START_ALIGNMENT <= self.extent_size <= EXTENT_SIZE_MAX or (
            self.extent_size & (self.extent_size - 1) and self.extent_size % EXTENT_SIZE_UNIT
        ):
            raise UserError(
                f"extent_size is {self.extent_size} sectors, LVM wants a power of two or a multiple of "
                f"{EXTENT_SIZE_UNIT}, {PE_START_ALIGNMENT} to {EXTENT_SIZE_MAX}",
                hint="8192 sectors are the usual 4 MiB",
            )
        first = lvm.AREA_AT // lvm.SECTOR + 2 * PE_START_ALIGNMENT
        if self.pe_start < first or self.pe_start % PE_START_ALIGNMENT:
            raise UserError(
                f"pe_start is sector {self.pe_start}, a multiple of {PE_START_ALIGNMENT} from {first} on is possible",
                hint="2048 sectors are the usual 1 MiB",
            )
        if self.size < self.pe_start + self.extent_size:
            raise UserError(
                f"the physical volume has {self.size} sectors, but its first extent ends at sector "
                f"{self.pe_start + self.extent_size}"
            )
        if self.extents > lvm.EXTENTS_MAX:
            raise UserError(
                f"the physical volume has {self.extents} extents, at most {lvm.EXTENTS_MAX} are possible",
                hint="make extent_size larger",
            )

    def _check_identities(self) -> None:
        names: set[str] = set()
        owners = {self.vg_uuid: "the group"}
        for what, uuid in [("the physical volume", self.pv_uuid)] + [
            (f"volume {v.name!r}", v.uuid) for v in self.volumes
        ]:
            if uuid in owners:
                raise UserError(f"{owners[uuid]} and {what} have one UUID: {uuid}")
            owners[uuid] = what
        for volume in self.volumes:
            if volume.name in names:
                raise UserError(f"there are two volumes {volume.name!r}")
            names.add(volume.name)
            mapped = lvm.mapped_name(self.vg, volume.name)
            if len(mapped) > lvm.MAPPED_NAME_MAX:
                raise UserError(
                    f"volume {volume.name!r}: its device would have the name {mapped!r} of {len(mapped)} characters, "
                    f"{lvm.MAPPED_NAME_MAX} are possible"
                )

    def _check_volumes(self) -> None:
        for volume in self.volumes:
            if volume.end > self.extents:
                raise UserError(
                    f"volume {volume.name!r} takes extents {volume.start} to {volume.end - 1}, "
                    f"but the physical volume has {self.extents}",
                    hint=f"it needs {self.pe_start + volume.end * self.extent_size} sectors",
                )
        places.refuse_overlaps("volume", "extent", ((each.name, each.start, each.end) for each in self.volumes))

    @property
    def extents(self) -> int:
        """Whole extents that the physical volume has room for."""
        return (self.size - self.pe_start) // self.extent_size

    @property
    def length(self) -> int:
        """Size of the physical volume in bytes."""
        return self.size * lvm.SECTOR

    def places(self) -> Iterable[Place]:
        """Where the volumes lie."""
        extent = self.extent_size * lvm.SECTOR
        start = self.pe_start * lvm.SECTOR
        return (Place(each.name, start + each.start * extent, each.extents * extent) for each in self.volumes)


def _check_name(what: str, name: str) -> None:
    if not 1 <= len(name) <= lvm.NAME_MAX:
        raise UserError(f"{what}: the name has {len(name)} characters, 1 to {lvm.NAME_MAX} are possible")
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise UserError(f"{what}: a name has letters, digits and +_.- only, no hyphen at its start, and is not . or ..")


def _check_uuid(what: str, text: str) -> None:
    if not lvm.is_uuid(text):
        raise UserError(
            f"{what} is {text!r}, which is not a UUID of LVM",
            hint="32 letters, digits, ! and #, hyphens after 6, 10, 14, 18, 22 and 26 of them",
        )


def load(path: Path | str) -> Layout:
    """Reads a layout file.

    Raises:
        UserError: it cannot be read, is no layout, or its volumes are impossible.
    """
    return places.load(path, parse)


def parse(text: str) -> Layout:
    """A layout out of its JSON. Errors: as `load`."""
    required = {"vg": str, "vg_uuid": str, "pv_uuid": str, "size": int, "pe_start": int, "extent_size": int}
    fields = places.parse_object(text, {**required, "creation_time": int, "volumes": list}, {"creation_host": str})
    rows = fields.pop("volumes")
    return Layout(volumes=tuple(_volume(row, place) for place, row in enumerate(rows, 1)), **fields)


def _volume(row: object, place: int) -> LogicalVolume:
    fields = places.fields(
        f"volume {place} of the layout", row, {"name": str, "uuid": str, "start": int, "extents": int}, {}
    )
    return LogicalVolume(**fields)
