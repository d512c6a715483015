"""What is on an image: its partitions, and in each the file system and hash tree that are found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sysimage import ext4, fat, gpt, verity
from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.tree import Tree

WHOLE = "image"  # name of the only volume of an image without partitions
# Content that is named, not looked into: what, offset in bytes, magic.
_OTHERS = (
    ("LUKS", 0, b"LUKS\xba\xbe"),
    ("LVM", 512, b"LABELONE"),
    ("squashfs", 0, b"hsqs"),
    ("EROFS", 1024, b"\xe2\xe1\xf5\xe0"),
    ("XFS", 0, b"XFSB"),
    ("Btrfs", 0x10040, b"_BHRfS_M"),
    ("swap", 4086, b"SWAPSPACE2"),
)


@dataclass(frozen=True, slots=True)
class Volume:
    """A partition, or an image without partitions.

    offset and length are in bytes; stored is how many of them come from somewhere. content
    is what was found ("ext4", "FAT16", "LUKS", ..., "empty" or "unknown"); details are what
    the file system's inspector says; used and capacity are its fill in bytes. findings
    are what its verifiers say, if they were asked.
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


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its table, if it has one, and its volumes in the order in which they lie."""

    reader: ImageReader
    table: Mapping[str, Any] | None
    volumes: tuple[Volume, ...]
    findings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Volume:
        for volume in self.volumes:
            if volume.name == name:
                return volume
        raise UserError(f"there is no volume {name!r}", hint=f"there are {', '.join(v.name for v in self.volumes)}")

    def all_findings(self) -> list[str]:
        """What is wrong with the image and its volumes, each with the volume's name."""
        of_volumes = [f"{volume.name}: {finding}" for volume in self.volumes for finding in volume.findings]
        return [*self.findings, *of_volumes]

    def read(self, place: str) -> bytes:
        """The content of a file, named VOLUME:PATH.

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
    volumes = tuple(_volume(reader, *place, hashes.get(place[0]), verify) for place in places)
    for name in hashes:
        if all(volume.name != name or volume.verity is None for volume in volumes):
            raise UserError(f"a root hash is given for volume {name!r}, which has no verity hash tree")
    return Image(reader, table, volumes, tuple(findings))


def _volume(reader: ImageReader, name: str, offset: int, length: int, root_hash: bytes | None, verify: bool) -> Volume:
    content = ImageReader(reader.map.slice(offset, length), reader.sources)
    stored = content.map.mapped
    try:
        if ext4.find(content):
            return _ext4(content, name, offset, root_hash, verify)
        if fat.find(content):
            details = fat.inspect(content)
            return Volume(
                name,
                offset,
                length,
                stored,
                details["type"],
                details["label"],
                details["used"],
                details["used"] + details["free"],
                details,
                tree=fat.FatReader(content).tree(),
                findings=tuple(fat.verify(content)) if verify else (),
            )
    except UserError as error:
        return Volume(name, offset, length, stored, "damaged", findings=(str(error),))
    return Volume(name, offset, length, stored, _other(content))


def _other(content: ImageReader) -> str:
    for what, offset, magic in _OTHERS:
        if content.read(offset, len(magic)) == magic:
            return what
    return "unknown" if content.map.extents else "empty"


def _ext4(content: ImageReader, name: str, offset: int, root_hash: bytes | None, verify: bool) -> Volume:
    details = ext4.inspect(content)
    findings = ext4.verify(content) if verify else []
    found = _verity(content, details.size)
    if found is not None and verify:
        expected = root_hash or bytes.fromhex(found["root_hash"])
        findings += verity.verify(content, verity.read_superblock(content, found["hash_offset"]), expected)
    elif root_hash is not None and found is not None and found["root_hash"] != root_hash.hex():
        findings.append(f"the root hash is {found['root_hash']}, expected {root_hash.hex()}")
    return Volume(
        name,
        offset,
        content.size,
        content.map.mapped,
        "ext4",
        details.label,
        details.used,
        details.size,
        asdict(details),
        found,
        ext4.read(content),
        tuple(findings),
    )


def _verity(content: ImageReader, size: int) -> Mapping[str, Any] | None:
    """The hash tree right behind a file system of that size, if there is one."""
    offset = size + -size % verity.BLOCK
    try:
        return verity.inspect(content, offset)
    except UserError:
        return None
