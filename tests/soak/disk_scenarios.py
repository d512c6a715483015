"""Partition tables and hash trees before sgdisk, sfdisk and veritysetup."""

import json
from pathlib import Path
from random import Random
from uuid import UUID

from sysimage import gpt, verity
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, open_raw
from sysimage.gpt import EMPTY, Layout, Partition
from sysimage.materialise import write_raw
from sysimage.places import Content
from tests.soak import draw, judges
from tests.soak.draw import PATTERN, PATTERN_SIZE
from tests.soak.scenario import Finding, Scenario

_MIB = 2048  # sectors
_TYPES = (UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4"), UUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"))
_ALPHABET = "abc XYZ_-.\u00fc\u2603\U0001f600/\\'\"$"
_BLOCK = verity.BLOCK


def _uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128) | 1)


def any_disk(random: Random, scratch: Path) -> None:
    """Partitions of any number, order, size up to a TiB, names and attributes."""
    count = random.choice((0, 1, 3, 10, 127, 128))
    numbers = random.sample(range(1, 129), count)
    start = _MIB
    rows = []
    contents: dict[str, Content] = {}
    names: set[str] = set()
    for number in numbers:
        start += random.choice((0, 0, _MIB, 1000 * _MIB))
        size = random.choice((1, 2, 100, 1 << random.randrange(21))) * _MIB
        name = "".join(random.choices(_ALPHABET, k=random.randint(1, 18))).strip() or "p"
        name = f"{number}" if name in names else name
        names.add(name)
        attributes = random.choice((0, 1, 4, 1 << 60, random.getrandbits(64)))
        rows.append(Partition(number, name, start, size, random.choice(_TYPES), _uuid(random), attributes))
        contents[name] = random.choice((EMPTY, ExtentMap.of_bytes(random.randbytes(5000))))
        start += size
    random.shuffle(rows)
    layout = Layout(_uuid(random), gpt_size(random, start), tuple(rows))
    image = gpt.plan(layout, contents)
    path = scratch / "image"
    with draw.pattern(random, scratch) as sources:
        judges.materialise(random, image, sources, path)
    said = judges.run("sgdisk", "--verify", path).decode("utf-8", "replace")
    if "No problems found." not in said or "Warning" in said or "Caution" in said:
        raise Finding(f"sgdisk --verify: {said}")
    said = judges.run("sfdisk", "--verify", path).decode("utf-8", "replace")
    if "No errors detected." not in said:
        raise Finding(f"sfdisk --verify: {said}")
    table = json.loads(judges.run("sfdisk", "--json", path))["partitiontable"]
    found = {
        int(row["node"].removeprefix(str(path))): (row["start"], row["size"], UUID(row["type"]), UUID(row["uuid"]))
        for row in table.get("partitions", [])
    }
    judges.wrong("sfdisk --json", found, {row.number: (row.start, row.size, row.type, row.guid) for row in rows})
    reader = open_raw(path)
    with reader.sources:
        judges.nothing("verify", gpt.verify(reader))
        entries = {each.number: (each.name, each.first, each.last) for each in gpt.read(reader).partitions}
        judges.wrong("read back", entries, {row.number: (row.name, row.start, row.end - 1) for row in rows})
        for row in rows:
            content = contents[row.name]
            if isinstance(content, ExtentMap):
                judges.wrong(
                    f"content of {row.name}", reader.read(row.offset, 5000), ImageReader(content, sources).read(0, 5000)
                )


def gpt_size(random: Random, end: int) -> int:
    """Sectors of a disk whose last partition ends there."""
    return end + random.choice((33, _MIB, 1 << 33))


def any_hash_tree(random: Random, scratch: Path) -> None:
    """Data of any size with holes, any salt: veritysetup makes the same root hash, and takes ours."""
    size = random.choice((1, _BLOCK, 128 * _BLOCK, 129 * _BLOCK, random.randrange(1, 30 << 20), 128 * 128 * _BLOCK + 1))
    extents = []
    position = 0
    for _ in range(random.choice((0, 1, 5, 300))):
        position += random.choice((0, 1, _BLOCK, random.randrange(1 << 20)))
        length = random.choice((1, 100, _BLOCK, 70_000, PATTERN_SIZE))
        if position + length > size:
            break
        extents.append(Extent(position, length, FileSlice(PATTERN, PATTERN_SIZE - length)))
        position += length
    salt = random.randbytes(random.choice((0, 1, 32, 255, 256)))
    path = scratch / "image"
    with draw.pattern(random, scratch) as sources:
        planned = verity.plan(ExtentMap(size, extents), sources, salt, _uuid(random))
        judges.materialise(random, planned.map, sources, path)
        offset = f"--hash-offset={planned.hash_offset}"
        judges.run("veritysetup", "verify", offset, path, path, planned.root_hash.hex())
        reader = open_raw(path)
        with reader.sources:
            superblock = verity.read_superblock(reader, planned.hash_offset)
            judges.nothing("verify", verity.verify(reader, superblock, planned.root_hash))
            place = random.randrange(planned.data_blocks * _BLOCK)
            old = reader.read(place, 1)
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes((old[0] ^ 1,)))
        judges.run("veritysetup", "verify", offset, path, path, planned.root_hash.hex(), statuses=(1, 2))
        theirs = scratch / "theirs"
        write_raw(ExtentMap(size, extents).resized(planned.hash_offset), sources, theirs)
        said = judges.run(
            *("veritysetup", "format", f"--salt={salt.hex() or '-'}", f"--uuid={planned.uuid}"),
            *(f"--data-blocks={planned.data_blocks}", offset, theirs, theirs),
        )
        if planned.root_hash.hex().encode() not in said:
            raise Finding(f"veritysetup makes another root hash than {planned.root_hash.hex()}: {said!r}")


def impossible_disks(random: Random, _scratch: Path) -> None:
    """Layouts that overlap, reach out of the disk, or share something are refused."""
    first = Partition(1, "a", _MIB, 10 * _MIB, _TYPES[0], _uuid(random))
    start = random.choice((_MIB, 5 * _MIB, 10 * _MIB, 500 * _MIB))
    changes = random.choice(((2, "b", start), (1, "b", 20 * _MIB), (2, "a", 20 * _MIB)))
    number, name, start = changes
    try:
        second = Partition(number, name, start, _MIB, _TYPES[0], _uuid(random))
        Layout(_uuid(random), 100 * _MIB, (first, second))
    except UserError:
        return
    raise Finding(f"a layout with {first} and {changes} is taken")


SCENARIOS = (
    Scenario("gpt-disk", "gpt", any_disk, 2),
    Scenario("gpt-refusal", "gpt", impossible_disks, 0.1),
    Scenario("verity-tree", "verity", any_hash_tree, 3),
)
