"""GUID partition tables: layouts refused, bytes pinned, damage found in either copy."""

import contextlib
import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import gpt
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources
from sysimage.gpt import Layout, Partition
from sysimage.places import Content

ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
DISK = "01234567-89AB-CDEF-0123-456789ABCDEF"
MIB = 1 << 20

Row = dict[str, Any]


def guid(number: int) -> str:
    return str(UUID(int=number + (1 << 100))).upper()


def row(key: int, name: str, start: int, size: int, **others: Any) -> Row:
    return {"name": name, "start": start, "size": size, "type": LINUX, "guid": guid(key), **others}


def text(*rows: Row, **others: Any) -> str:
    return json.dumps({"disk_guid": DISK, "partitions": rows, **others})


SAMPLE = text(row(1, "one", 2048, 2048), row(2, "two", 6144, 4096, attributes=4), row(3, "drei ß", 4096, 2048))


def reader(image: ExtentMap) -> ImageReader:
    return ImageReader(image, Sources({}))


def sample() -> ExtentMap:
    contents: dict[str, Content] = {
        "one": ExtentMap.of_bytes(b"first"),
        "two": gpt.EMPTY,
        "drei ß": ExtentMap(MIB, [Extent(MIB - 4, 4, b"last")]),
    }
    return gpt.plan(gpt.parse(SAMPLE), contents)


def test_disk_is_golden() -> None:
    image = sample()
    assert image.size == 6 * MIB
    data = reader(image).read(0, image.size)
    assert hashlib.sha256(data).hexdigest() == "cd6163b364f420daed06863a16addf7500694e76525e812ea70d5ccf8d9817b6"


def test_contents_are_at_their_places() -> None:
    image = sample()
    assert reader(image).read(MIB, 6) == b"first\0"
    assert reader(image).read(3 * MIB - 5, 5) == b"\0last"
    assert image.mapped == 9 + (34 + 33) * 512


def test_a_partition_is_an_image_of_its_own() -> None:
    disk = reader(sample())
    content = gpt.open_partition(disk, "drei ß")
    assert content.size == MIB
    assert content.read(MIB - 5, 5) == b"\0last"
    with pytest.raises(UserError, match=r"^there is no partition 'three' \(hint: there are one, two, drei ß\)$"):
        gpt.open_partition(disk, "three")


@pytest.mark.parametrize(
    ("end", "sectors"),
    [(4096, 6144), (67725312 + 20971520, 88698880), (411648 + 209715200, 210128896), (8192, 10240)],
)
def test_the_smallest_disk(end: int, sectors: int) -> None:
    assert gpt.parse(text(row(1, "x", 2048, end - 2048))).size == sectors


def test_an_expanded_disk_has_its_backup_at_the_end() -> None:
    layout = gpt.parse(SAMPLE).expanded(50 << 30)
    image = reader(gpt.plan(layout, dict.fromkeys(["one", "two", "drei ß"], gpt.EMPTY)))
    assert image.size == 50 << 30
    assert gpt.read_copy(image, "backup").header_at == (50 << 30) // 512 - 1
    assert gpt.verify(image) == []
    with pytest.raises(UserError, match=r"^a disk of 1000 bytes is not possible: it is no multiple of 512$"):
        layout.expanded(1000)
    with pytest.raises(UserError, match=r"^partition 'two' takes sectors 6144 to 10239, but 34 to 8158 of the disk's"):
        layout.expanded(4 << 20)


def grown(disk: ExtentMap, size: int) -> ExtentMap:
    """A disk that became larger, and then was expanded."""
    data = bytearray(reader(disk).read(0, disk.size).ljust(size, b"\0"))
    for offset, new in gpt.expand(reader(ExtentMap.of_bytes(bytes(data)))):
        data[offset : offset + len(new)] = new
    return ExtentMap.of_bytes(bytes(data))


def test_a_disk_that_grew_is_the_one_that_was_planned_so_large() -> None:
    contents: dict[str, Content] = {"one": ExtentMap.of_bytes(b"first"), "two": gpt.EMPTY, "drei ß": gpt.EMPTY}
    layout = gpt.parse(SAMPLE)
    for size in (9 * MIB, 7 * MIB + 512, 6 * MIB + 512, 6 * MIB):
        planned = reader(gpt.plan(layout.expanded(size), contents)).read(0, size)
        assert reader(grown(gpt.plan(layout, contents), size)).read(0, size) == planned
        # It may grow again.
        assert gpt.verify(reader(grown(grown(sample(), size), 10 * MIB))) == []


def test_what_grew_is_whole_at_every_moment() -> None:
    data = bytearray(reader(sample()).read(0, 6 * MIB).ljust(9 * MIB, b"\0"))
    before = gpt.read(reader(sample())).partitions
    for offset, new in gpt.expand(reader(ExtentMap.of_bytes(bytes(data)))):
        assert gpt.read(reader(ExtentMap.of_bytes(bytes(data)))).partitions == before
        data[offset : offset + len(new)] = new


def test_boot_code_stays_where_a_disk_grew() -> None:
    data = b"boot code".ljust(440, b"\x90") + reader(sample()).read(440, 6 * MIB - 440)
    assert reader(grown(ExtentMap.of_bytes(data), 7 * MIB)).read(0, 440) == data[:440]


@pytest.mark.parametrize(
    ("disk", "message"),
    [
        (sample().slice(0, 5 * MIB), "the disk ends at sector 10239, but its table has the backup at 12287"),
        (ExtentMap(6 * MIB), "the primary header (sector 1) has no signature"),
    ],
)
def test_a_disk_that_cannot_be_expanded(disk: ExtentMap, message: str) -> None:
    with pytest.raises(UserError) as caught:
        gpt.expand(reader(disk))
    assert str(caught.value) == message


def test_a_huge_disk_costs_nothing() -> None:
    layout = gpt.parse(text(row(1, "x", 2048, 1 << 40)))
    image = gpt.plan(layout, {"x": ExtentMap(1 << 49)})
    assert image.mapped == (34 + 33) * 512
    assert gpt.verify(reader(image)) == []


def test_read_is_what_was_planned() -> None:
    image = reader(sample())
    for copy in ("primary", "backup"):
        table = gpt.read_copy(image, copy)
        assert (table.disk_guid, table.first_usable, table.last_usable) == (UUID(DISK), 34, 12288 - 34)
        assert [(p.number, p.name, p.first, p.last, p.attributes) for p in table.partitions] == [
            (1, "one", 2048, 4095, 0),
            (2, "two", 6144, 10239, 4),
            (3, "drei ß", 4096, 6143, 0),
        ]
    assert gpt.read(image)["two"].length == 2 * MIB
    assert gpt.find(image)
    assert gpt.verify(image) == []


def test_inspect() -> None:
    found = gpt.inspect(reader(sample()))
    assert found["partitions"][1] == {
        "number": 2,
        "name": "two",
        "first": 6144,
        "last": 10239,
        "bytes": 2 * MIB,
        "type": LINUX,
        "guid": guid(2),
        "attributes": 4,
    }
    assert (found["copy"], found["disk_guid"], found["sectors"]) == ("primary", DISK, 12288)


ONE = row(1, "one", 2048, 2048)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("{", "the layout is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "the layout is a list, an object is wanted"),
        ("{}", "the layout has no 'disk_guid'"),
        (json.dumps({"disk_guid": DISK}), "the layout has no 'partitions'"),
        (text(sise=5), "the layout has an unknown field 'sise' (hint: fields are disk_guid, partitions, size)"),
        (text(size=True), "the layout: size is True, expected int"),
        (
            json.dumps({"disk_guid": "x", "partitions": []}),
            "disk_guid is 'x', which is not a GUID",
        ),
        (text({**ONE, "type": "EF00"}), "type of partition 'one' is 'EF00', which is not a GUID"),
        (text({**ONE, "start": "2048"}), "partition 1 of the layout: start is '2048', expected int"),
        (text({"name": "one"}), "partition 1 of the layout has no 'start'"),
        (
            text({**ONE, "label": "x"}),
            "partition 1 of the layout has an unknown field 'label' (hint: fields are "
            "name, start, size, type, guid, number, attributes)",
        ),
        (
            text({**ONE, "start": 2049}),
            "partition 'one' starts at sector 2049, which is not a multiple of 2048 (hint: use 4096)",
        ),
        (
            text({**ONE, "size": 100}),
            "partition 'one' has a size in sectors of 100, which is not a multiple of 2048 (hint: use 2048)",
        ),
        (text({**ONE, "size": 0}), "partition 'one' has a size of 0 sectors"),
        (text({**ONE, "size": -2048}), "partition 'one' has a size of -2048 sectors"),
        (
            text({**ONE, "name": "x" * 37}),
            f"partition '{'x' * 37}': the name has 37 UTF-16 units, 1 to 36 (none of them 0) are possible",
        ),
        (
            text({**ONE, "name": "😀" * 19}),
            f"partition '{'😀' * 19}': the name has 38 UTF-16 units, 1 to 36 (none of them 0) are possible",
        ),
        (
            text({**ONE, "name": ""}),
            "partition '': the name has 0 UTF-16 units, 1 to 36 (none of them 0) are possible",
        ),
        (text({**ONE, "number": 129}), "partition 'one' has number 129, 1 to 128 are possible"),
        (
            text({**ONE, "attributes": 1 << 64}),
            "partition 'one' has attributes 0x10000000000000000, which are not 64 bits",
        ),
        (text({**ONE, "guid": str(UUID(int=0))}), "partition 'one' has an all-zero GUID"),
        (text({**ONE, "type": str(UUID(int=0))}), "partition 'one' has an all-zero type"),
        (text(ONE, row(2, "one", 4096, 2048)), "partitions 'one' and 'one' have one name: one"),
        (text(ONE, row(2, "two", 4096, 2048, number=1)), "partitions 'one' and 'two' have one number: 1"),
        (text(ONE, row(1, "two", 4096, 2048)), f"partitions 'one' and 'two' have one GUID: {guid(1)}"),
        (
            text(row(1, "one", 2048, 6144), row(2, "two", 6144, 4096)),
            "partitions 'one' and 'two' overlap by 2048 sectors (hint: start 'two' at sector 8192 or later)",
        ),
        (
            text(row(1, "outer", 2048, 10240), row(2, "inner", 4096, 2048)),
            "partitions 'outer' and 'inner' overlap by 2048 sectors (hint: start 'inner' at sector 12288 or later)",
        ),
        (
            text({**ONE, "start": 0}),
            "partition 'one' takes sectors 0 to 2047, but 34 to 4062 of the disk's 4096 are usable "
            "(hint: start at sector 2048)",
        ),
        (
            text(ONE, size=4096),
            "partition 'one' takes sectors 2048 to 4095, but 34 to 4062 of the disk's 4096 are usable "
            "(hint: the disk needs 6144 sectors)",
        ),
    ],
)
def test_bad_layouts(layout: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        gpt.parse(layout)
    assert str(caught.value) == message


def test_layout_files(tmp_path: Path) -> None:
    path = tmp_path / "layout.json"
    path.write_text(SAMPLE)
    layout = gpt.load(path)
    assert (layout["two"].offset, layout["two"].length, layout.length) == (3 * MIB, 2 * MIB, 6 * MIB)
    with pytest.raises(UserError, match=r"^there is no partition 'x' \(hint: there are one, two, drei ß\)$"):
        layout["x"]
    with pytest.raises(UserError, match=r"^there is no partition 'x' \(hint: the table is empty\)$"):
        gpt.parse(text())["x"]
    path.write_text(text(size="1"))
    with pytest.raises(UserError) as caught:
        gpt.load(path)
    assert str(caught.value) == f"{path}: the layout: size is '1', expected int"
    path.write_bytes(b"\xff")
    with pytest.raises(UserError) as caught:
        gpt.load(path)
    assert str(caught.value) == f"cannot read layout {path}: it is not text"
    with pytest.raises(UserError) as caught:
        gpt.load(tmp_path / "none")
    assert str(caught.value) == f"cannot read layout {tmp_path / 'none'}: No such file or directory"


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            {"one": ExtentMap(MIB + 1)},
            "the content of partition 'one' has 1048577 bytes, 1 more than the partition's 1048576",
        ),
        ({}, "partition 'one' has no content (hint: give it an image, or declare it empty)"),
        (
            {"one": gpt.EMPTY, "One": gpt.EMPTY},
            "content is given for partition 'One', which the layout does not have",
        ),
    ],
)
def test_bad_contents(contents: Mapping[str, Content], message: str) -> None:
    with pytest.raises(UserError) as caught:
        gpt.plan(gpt.parse(text(ONE)), contents)
    assert str(caught.value) == message


def patched(at: int, data: bytes, checksums: bool = False) -> ImageReader:
    """The sample disk with some bytes changed, and if wanted both headers' checksums set right."""
    disk = bytearray(reader(sample()).read(0, 6 * MIB))
    disk[at : at + len(data)] = data
    if checksums:
        for header in (512, 6 * MIB - 512):
            (entries,) = struct.unpack_from("<Q", disk, header + 72)
            struct.pack_into("<I", disk, header + 88, zlib.crc32(disk[entries * 512 : entries * 512 + 16384]))
            struct.pack_into("<I", disk, header + 16, 0)
            struct.pack_into("<I", disk, header + 16, zlib.crc32(disk[header : header + 92]))
    return reader(ExtentMap.of_bytes(bytes(disk)))


BACKUP = 6 * MIB - 512
BACKUP_ENTRIES = 6 * MIB - 33 * 512


@pytest.mark.parametrize(
    ("image", "copy", "findings"),
    [
        (patched(510, b"\0"), "primary", ["protective MBR: no signature 55 AA"]),
        (patched(450, b"\x83"), "primary", ["protective MBR: the first record has type 0x83, expected 0xee"]),
        (
            patched(458, b"\xff\xff\xff\xff"),
            "primary",
            ["protective MBR: the record covers 4294967295 sectors from 1, expected 12287 from 1"],
        ),
        (patched(466, b"\x83"), "primary", ["protective MBR: there are more records than the protective one"]),
        (patched(512, b"X"), "backup", ["primary header: no signature"]),
        (patched(512 + 56, b"X"), "backup", ["primary header: wrong checksum"]),
        (patched(1024, b"X"), "backup", ["primary entries: wrong checksum"]),
        (patched(BACKUP, b"X"), "primary", ["backup header: no signature"]),
        (
            patched(BACKUP + 24, b"X"),
            "primary",
            ["backup header: wrong checksum", "backup header: says it is at sector 12120, is at 12287"],
        ),
        (patched(BACKUP_ENTRIES + 200, b"X"), "primary", ["backup entries: wrong checksum"]),
        (patched(1024 + 48, b"\1", True), "primary", ["primary and backup table differ"]),
        (
            patched(512 + 32, b"\1", True),
            "primary",
            ["primary header: says the other is at sector 12033, expected 12287"],
        ),
        (patched(512 + 8, b"\1", True), "primary", ["primary header: revision is 0x10001"]),
        (patched(512 + 100, b"\1"), "primary", ["primary header: reserved bytes are not zero"]),
        (patched(512 + 72, b"\x30"), "backup", ["primary header: wrong checksum"]),
    ],
)
def test_damage(image: ImageReader, copy: str, findings: list[str]) -> None:
    assert gpt.verify(image) == findings
    assert gpt.read(image).copy == copy


def both(change: Callable[[bytearray], None]) -> ImageReader:
    """The sample disk with its entries changed in both copies, checksums right."""
    disk = bytearray(reader(sample()).read(0, 6 * MIB))
    entries = disk[1024 : 1024 + 16384]
    change(entries)
    disk[BACKUP_ENTRIES : BACKUP_ENTRIES + 16384] = entries
    disk[1024 : 1024 + 16384] = entries
    for header in (512, BACKUP):
        struct.pack_into("<I", disk, header + 88, zlib.crc32(entries))
        struct.pack_into("<I", disk, header + 16, 0)
        struct.pack_into("<I", disk, header + 16, zlib.crc32(disk[header : header + 92]))
    return reader(ExtentMap.of_bytes(bytes(disk)))


def put(at: int, code: str, *values: Any) -> Callable[[bytearray], None]:
    return lambda entries: struct.pack_into("<" + code, entries, at, *values)


def copy_entry(field: slice) -> Callable[[bytearray], None]:
    """Gives the second entry the first one's field."""

    def change(entries: bytearray) -> None:
        entries[128 + field.start : 128 + field.stop] = entries[field]

    return change


@pytest.mark.parametrize(
    ("change", "findings"),
    [
        (put(32, "Q", 4096), ["partition 1: ends at sector 4095, before its start 4096"]),
        (
            put(32, "QQ", 20480, 22527),
            ["partition 1: sectors 20480 to 22527 are not all in the usable area"],
        ),
        (put(40, "Q", 4000), ["partition 1: sectors 2048 to 4000 are not whole MiB"]),
        (put(40, "Q", 6143), ["partitions 1 and 3 overlap"]),
        (copy_entry(slice(56, 128)), ["partition 2: same name as partition 1"]),
        (copy_entry(slice(16, 32)), [f"partition 2: same GUID as partition 1: {guid(1)}"]),
        (put(16, "16s", b""), ["partition 1: the GUID is zero"]),
    ],
)
def test_bad_entries(change: Callable[[bytearray], None], findings: list[str]) -> None:
    assert gpt.verify(both(change)) == findings


def test_no_table() -> None:
    image = reader(ExtentMap(1 << 30))
    assert not gpt.find(image)
    with pytest.raises(UserError) as caught:
        gpt.read(image)
    assert str(caught.value) == (
        "no GUID partition table: the primary header (sector 1) has no signature; "
        "the backup header (sector 2097151) has no signature"
    )
    assert gpt.verify(reader(ExtentMap(1000))) == [
        "a disk of 1000 bytes has no room for a table, or no whole number of sectors"
    ]


@given(
    cut=st.integers(0, 6 * MIB),
    at=st.one_of(st.integers(440, 1400), st.integers(BACKUP_ENTRIES, 6 * MIB - 1)),
    noise=st.binary(max_size=64),
    checksums=st.booleans(),
)
def test_any_damage_is_answered(cut: int, at: int, noise: bytes, checksums: bool) -> None:
    with contextlib.suppress(struct.error):
        image = patched(at, noise[: 6 * MIB - at], checksums)
        for each in (image, reader(image.map.slice(0, cut))):
            gpt.verify(each)
            with contextlib.suppress(UserError):
                gpt.inspect(each)
            with contextlib.suppress(UserError):
                assert all(offset >= 0 for offset, _ in gpt.expand(each))


@given(st.binary(max_size=2048))
def test_random_bytes(data: bytes) -> None:
    image = reader(ExtentMap(64 * 1024, [Extent(0, len(data), data)] if data else []))
    assert gpt.verify(image)
    with pytest.raises(UserError):
        gpt.read(image)


@given(st.data())
def test_any_layout_comes_back(data: st.DataObject) -> None:
    sector, partitions = 2048, []
    names = data.draw(
        st.lists(
            st.text(st.characters(codec="utf-16", exclude_characters="\0"), min_size=1, max_size=18),
            unique=True,
            max_size=6,
        )
    )
    numbers = data.draw(st.permutations(range(1, 129)))
    for number, name in zip(numbers, names, strict=False):
        sector += 2048 * data.draw(st.integers(0, 1 << 30))
        size = 2048 * data.draw(st.integers(1, 1 << 30))
        partitions.append(
            Partition(number, name, sector, size, UUID(ESP), UUID(int=number), data.draw(st.integers(0, (1 << 64) - 1)))
        )
        sector += size
    layout = Layout(UUID(DISK), sector + 2048, tuple(partitions))
    image = reader(gpt.plan(layout, {p.name: gpt.EMPTY for p in partitions}))
    assert gpt.verify(image) == []
    found = [(p.number, p.name, p.first, p.last + 1, p.attributes) for p in gpt.read(image).partitions]
    assert found == sorted((p.number, p.name, p.start, p.end, p.attributes) for p in partitions)
