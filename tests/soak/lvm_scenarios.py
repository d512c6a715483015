"""Volume groups before pvck and blkid."""

from pathlib import Path
from random import Random

from sysimage import lvm
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, ImageReader, open_raw
from sysimage.lvm import EMPTY, Layout, LogicalVolume
from sysimage.lvm.format import UUID_CHARACTERS
from sysimage.places import Content
from tests.soak import draw, judges
from tests.soak.scenario import Finding, Scenario

_NAME_STARTS = "abcXYZ0129_+."
_NAME_CHARACTERS = _NAME_STARTS + "-"
_SECTORS_MAX = 1 << 33  # 4 TiB: what the file systems of test machines take as a sparse file
_FLOPPY = 1440 << 10  # bytes up to which blkid does not look for members of groups
_PVCK = ("pvck", "--driverloaded=n", "--nolocking", "--dump")


def lvm_uuid(random: Random) -> str:
    """A UUID with all characters that LVM takes."""
    return lvm.hyphenated("".join(random.choices(UUID_CHARACTERS, k=32)))


def any_layout(random: Random, most: int) -> Layout:
    """Up to so many volumes of any size, in any order; metadata areas from the smallest that will do to large ones."""
    count = random.randint(0, most)
    extent_size = random.choice((8, 16, 256, 768, 8192, 1 << 22))
    names: set[str] = set()
    while len(names) < count:
        rest = "".join(random.choices(_NAME_CHARACTERS, k=random.choice((0, 1, 5, 30))))
        names.add(random.choice(_NAME_STARTS) + rest)
    largest = _SECTORS_MAX // extent_size // (2 * count + 1)  # extents of a volume, or of a gap
    position = 0
    volumes = []
    for name in sorted(names - {".", ".."}):
        position += min(largest, random.choice((0, 0, 1, 1000)))
        extents = min(largest, random.choice((1, 2, 25, 1 << random.randrange(16))))
        volumes.append(LogicalVolume(name, lvm_uuid(random), position, extents))
        position += extents
    random.shuffle(volumes)
    # A volume's text has less than 500 bytes with such names, and there is room for two texts.
    pe_start = 8 * (1 + -(-(1500 + 2 * (1500 + 500 * count)) // 4096) + random.choice((1, 2, 100, 10_000)))
    spare = random.choice((0, 1, extent_size - 1, 5 * extent_size))
    return Layout(
        vg=random.choice(("vg", "a-b", "1", "x.y+z")),
        vg_uuid=lvm_uuid(random),
        pv_uuid=lvm_uuid(random),
        size=pe_start + max(1, position) * extent_size + spare,
        pe_start=pe_start,
        extent_size=extent_size,
        creation_time=random.choice((1, 1620345600, (1 << 32) - 1)),
        volumes=tuple(volumes),
    )


def any_group(random: Random, scratch: Path) -> None:
    """A group with contents here and there: pvck has no complaint, and it reads back as it was planned."""
    layout = any_layout(random, random.choice((0, 1, 8, 200)))
    contents: dict[str, Content] = {}
    for volume in layout.volumes:
        length = min(5000, volume.extents * layout.extent_size * 512)
        contents[volume.name] = random.choice((EMPTY, ExtentMap.of_bytes(random.randbytes(length))))
    image = lvm.plan(layout, contents)
    path = scratch / "image"
    with draw.pattern(random, scratch) as sources:
        judges.materialise(random, image, sources, path)
        for dump in ("headers", "metadata"):
            said = judges.run(*_PVCK, dump, path).decode("utf-8", "replace")
            if "CHECK" in said:
                raise Finding(f"pvck --dump {dump}: {said}")
        if image.size > _FLOPPY:
            said = judges.run("blkid", "--probe", "--output=value", "--match-tag=TYPE", path).decode()
            judges.wrong("blkid", said, "LVM2_member\n")
        reader = open_raw(path)
        with reader.sources:
            judges.nothing("verify", lvm.verify(reader))
            group = lvm.read(reader)
            places = {place.name: (place.offset, place.length) for place in layout.places()}
            found = {volume.name: (volume.offset, volume.size) for volume in group.volumes}
            judges.wrong("read back", found, places)
            for name, content in contents.items():
                if isinstance(content, ExtentMap):
                    wanted = ImageReader(content, sources).read(0, content.size)
                    judges.wrong(f"content of {name}", group[name].open(reader).read(0, content.size), wanted)


def impossible_groups(random: Random, _scratch: Path) -> None:
    """Volumes that overlap, reach past the end, or share something are refused."""
    start = random.choice((0, 5, 9))
    name, start, identity = random.choice((("b", start, 1), ("b", 95, 1), ("a", 20, 1), ("b", 20, 0)))
    identities = [lvm_uuid(random), lvm_uuid(random)]
    try:
        volumes = (LogicalVolume("a", identities[0], 0, 10), LogicalVolume(name, identities[identity], start, 10))
        Layout("vg", lvm_uuid(random), lvm_uuid(random), 2048 + 100 * 8192, 2048, 8192, 1, volumes)
    except UserError:
        return
    raise Finding(f"a group with the volumes {volumes} is taken")


SCENARIOS = (
    Scenario("lvm-group", "lvm", any_group, 2),
    Scenario("lvm-refusal", "lvm", impossible_groups, 0.1),
)
