"""What is on an image: its partitions and logical volumes, and in each the file system and hash tree that are found."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sysimage import ext4, fat, gpt, lvm, verity, volumes
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, ImageReader
from sysimage.tree import Tree

WHOLE = "image"  # name of the only volume of an image without partitions
# Content that is named, not looked into: what, offset in bytes, magic.
_OTHERS = (
    ("LUKS", 0, b"LUKS\xba\xbe"),
    ("LVM", 512, b"LABELONE"),  # in a logical volume: a physical one in a partition is looked into
    ("squashfs", 0, b"hsqs"),
    ("EROFS", 1024, b"\xe2\xe1\xf5\xe0"),
    ("XFS", 0, b"XFSB"),
    ("Btrfs", 0x10040, b"_BHRfS_M"),
    ("swap", 4086, b"SWAPSPACE2"),
)

_NOTHING = ExtentMap(0)


@dataclass(frozen=True, slots=True)
class Volume:
    """A partition, a logical volume in one, or an image without partitions.

    offset and length are in bytes; stored is how many of them come from somewhere. A logical volume may lie in
    several pieces; offset is that of the first. content is what was found: "ext4", "FAT16", "LVM", "LUKS", ...,
    "empty" or "unknown"; "damaged"; "unreadable" where it does not lie on this image alone. details are what the
    inspector of that says; used and capacity are its fill in bytes. findings are what its verifiers say, if they were
    asked. holder is the name of what a logical volume lies in, and None for others. map is where the bytes are.
    """

    name: str
    offset: int
    length: int
    stored: int
    content: str
    label: str = ""
    used: int = 0
    capacity: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    verity: Mapping[str, Any] | None = None
    tree: Tree | None = None
    findings: tuple[str, ...] = ()
    holder: str | None = None
    map: ExtentMap = _NOTHING

    @property
    def short_name(self) -> str:
        """Its name within what holds it."""
        return self.name if self.holder is None else self.name.removeprefix(volumes.join(self.holder, ""))


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its table, if it has one, and its volumes in the order in which they lie.

    The logical volumes of a physical volume follow it.
    """

    reader: ImageReader
    table: Mapping[str, Any] | None
    volumes: tuple[Volume, ...]
    findings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Volume:
        for volume in self.volumes:
            if volume.name == name:
                return volume
        raise UserError(f"there is no volume {name!r}", hint=f"there are {', '.join(v.name for v in self.volumes)}")

    def open(self, volume: Volume) -> ImageReader:
        """The bytes of a volume."""
        return ImageReader(volume.map, self.reader.sources)

    def held(self, name: str | None = None) -> tuple[Volume, ...]:
        """The logical volumes in a volume; without a name, the volumes that lie in no other."""
        return tuple(volume for volume in self.volumes if volume.holder == name)

    def all_findings(self) -> list[str]:
        """What is wrong with the image and its volumes, each with the volume's name."""
        of_volumes = [f"{volume.name}: {finding}" for volume in self.volumes for finding in volume.findings]
        return [*self.findings, *of_volumes]

    def read(self, place: str) -> bytes:
        """The content of a file, named VOLUME:PATH, where VOLUME may be PARTITION/VOLUME.

        Raises:
            UserError: there is no such volume or file, or the volume has no readable file system.
        """
        name, colon, path = place.partition(":")
        if not colon:
            raise UserError(f"{place!r} is not of the form VOLUME:PATH")
        volume = self[name]
        if volume.tree is None:
            raise UserError(f"{place!r}: volume {name!r} has no file system that can be read ({volume.content})")
        return volume.tree.read(path.strip("/"), self.reader.sources)


def look(reader: ImageReader, root_hashes: Mapping[str, bytes] | None = None, verify: bool = False) -> Image:
    """Looks at an image.

    Args:
        reader: the image.
        root_hashes: verity root hashes by volume name, for those that are known from elsewhere.
        verify: whether to run the verifiers of everything found; it costs reading all of the content.

    Raises:
        UserError: a root hash is given for a volume that has no hash tree.
    """
    table = None
    findings: list[str] = []
    places = [(WHOLE, 0, reader.size)]
    if gpt.find(reader):
        findings = gpt.verify(reader) if verify else []
        try:
            found = gpt.read(reader)
            table = gpt.inspect(reader)
            ordered = sorted(found.partitions, key=lambda entry: entry.first)
            places = [(entry.name, entry.offset, entry.length) for entry in ordered]
        except UserError as error:
            findings = findings or [str(error)]
            places = []
    hashes = root_hashes or {}
    found_volumes = [
        volume
        for name, offset, length in places
        for volume in _volumes(_part(reader, offset, length), name, offset, hashes, verify)
    ]
    for name in hashes:
        if all(volume.name != name or volume.verity is None for volume in found_volumes):
            raise UserError(f"a root hash is given for volume {name!r}, which has no verity hash tree")
    return Image(reader, table, tuple(found_volumes), tuple(findings))


def _part(reader: ImageReader, offset: int, length: int) -> ImageReader:
    return ImageReader(reader.map.slice(offset, length), reader.sources)


def _volumes(
    content: ImageReader,
    name: str,
    offset: int,
    root_hashes: Mapping[str, bytes],
    verify: bool,
    holder: str | None = None,
) -> Iterator[Volume]:
    """A volume, then those in it."""
    volume = Volume(name, offset, content.size, content.map.mapped, "", holder=holder, map=content.map)
    group: lvm.VolumeGroup | None = None
    try:
        if ext4.find(content):
            volume = _ext4(volume, content, root_hashes.get(name), verify)
        elif fat.find(content):
            volume = _fat(volume, content, verify)
        elif holder is None and lvm.find(content):
            group = lvm.read(content)
            volume = _lvm(volume, content, group, verify)
        else:
            volume = replace(volume, content=_other(content))
    except UserError as error:
        volume = replace(volume, content="damaged", findings=(str(error),))
    yield volume
    for each in group.volumes if group is not None else ():
        inside = volumes.join(name, each.name)
        try:
            inner, (_, _, place) = each.open(content), next(each.pieces())
        except UserError as error:
            yield Volume(inside, offset, each.size, 0, "unreadable", findings=(str(error),), holder=name)
        else:
            yield from _volumes(inner, inside, offset + place, root_hashes, verify, name)


def _fat(volume: Volume, content: ImageReader, verify: bool) -> Volume:
    details = fat.inspect(content)
    return replace(
        volume,
        content=details["type"],
        label=details["label"],
        used=details["used"],
        capacity=details["used"] + details["free"],
        details=details,
        tree=fat.FatReader(content).tree(),
        findings=tuple(fat.verify(content)) if verify else (),
    )


def _lvm(volume: Volume, content: ImageReader, group: lvm.VolumeGroup, verify: bool) -> Volume:
    """What of the physical volume is given to volumes counts as used."""
    segments = [segment for each in group.volumes for segment in each.segments]
    given = sum(each.length // len(each.areas) for each in segments for area in each.areas if area.offset is not None)
    return replace(
        volume,
        content="LVM",
        label=group.name,
        used=given,
        capacity=group.extents * group.extent_size,
        details=lvm.inspect(content, group),
        findings=tuple(lvm.verify(content)) if verify else (),
    )


def _ext4(volume: Volume, content: ImageReader, root_hash: bytes | None, verify: bool) -> Volume:
    details = ext4.inspect(content)
    findings = ext4.verify(content) if verify else []
    found = _verity(content, details.size)
    if found is not None and verify:
        expected = root_hash or bytes.fromhex(found["root_hash"])
        findings += verity.verify(content, verity.read_superblock(content, found["hash_offset"]), expected)
    elif root_hash is not None and found is not None and found["root_hash"] != root_hash.hex():
        findings.append(f"the root hash is {found['root_hash']}, expected {root_hash.hex()}")
    return replace(
        volume,
        content="ext4",
        label=details.label,
        used=details.used,
        capacity=details.size,
        details=asdict(details),
        verity=found,
        tree=ext4.read(content),
        findings=tuple(findings),
    )


def _verity(content: ImageReader, size: int) -> Mapping[str, Any] | None:
    """The hash tree right behind a file system of that size, if there is one."""
    offset = size + -size % verity.BLOCK
    try:
        return verity.inspect(content, offset)
    except UserError:
        return None


def _other(content: ImageReader) -> str:
    for what, offset, magic in _OTHERS:
        if content.read(offset, len(magic)) == magic:
            return what
    return "unknown" if content.map.extents else "empty"
