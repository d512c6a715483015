"""Damaged groups: each fault is found by its name, and refused by the reader where it must not be read."""

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import lvm
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader
from sysimage.lvm import format as on_disk
from sysimage.lvm import metadata
from sysimage.lvm.testing import KIB, MIB, SAMPLE, SIZE, reader, replaced, sample, uuid, with_bytes, with_text


def patched(at: int, data: bytes, checksums: bool = False) -> ImageReader:
    """The sample with some bytes changed, and if wanted the headers' checksums set right."""
    return with_bytes(reader(sample()), at, data, checksums)


def number(value: int) -> bytes:
    return struct.pack("<Q", value)


LABEL = 512
HEADER = LABEL + 32
DATA_AREA = HEADER + 40
AREA_PLACE = DATA_AREA + 32
EXTENSION = AREA_PLACE + 32
LOCATION = 4096 + 40
BIG = 1 << 63


@pytest.mark.parametrize(
    ("at", "data", "checksums", "refusal", "findings"),
    [
        (
            LABEL,
            b"X",
            False,
            "there is no LVM label in the first four sectors",
            ["label: it is in the sectors [], expected [1]"],
        ),
        (0, b"LABELONE", False, None, ["label: it is in the sectors [0, 1], expected [1]"]),
        (
            LABEL + 17,
            b"\xff",
            False,
            "the LVM label in sector 1 has a wrong checksum",
            ["label: wrong checksum"],
        ),
        (
            HEADER,
            b"\xff",
            False,
            "the LVM label in sector 1 has a wrong checksum",
            ["label: wrong checksum", f"label: has the UUID 'ÿ{uuid(101)[1:]}', which is none"],
        ),
        (
            LABEL + 8,
            number(3),
            True,
            "the LVM label in sector 1 says it is in sector 3",
            ["label: says it is in sector 3, is in 1"],
        ),
        (
            LABEL + 20,
            b"\xf0\x01",
            True,
            "the LVM label in sector 1 says the PV header is at its byte 496",
            ["label: says the PV header is at its byte 496, expected 32"],
        ),
        (
            LABEL + 24,
            b"LVM1",
            True,
            "the LVM label in sector 1 has the type b'LVM1 001', only b'LVM2 001' is known",
            ["label: has the type b'LVM1 001', expected b'LVM2 001'"],
        ),
        (
            HEADER,
            b'"',
            True,
            f"the LVM label in sector 1 has the UUID '\"{uuid(101)[1:]}', which is none",
            [f"label: has the UUID '\"{uuid(101)[1:]}', which is none"],
        ),
        (
            HEADER + 32,
            number(BIG),
            True,
            None,
            [f"label: says the device has {BIG} bytes, the image has {SIZE * 512}"],
        ),
        (
            HEADER + 32,
            number(SIZE * 512 - 512),
            True,
            None,
            ["physical volume 'pv0': dev_size is 32768 sectors, the label says 16776704 bytes"],
        ),
        (
            DATA_AREA,
            b"\x01" * (512 - 72),
            True,
            "the LVM label in sector 1 has a list of areas without an end",
            [
                "label: names 26 data areas, expected 1",
                "label: names 0 metadata areas, expected 1 or 2",
            ],
        ),
        (
            DATA_AREA,
            number(2 * MIB),
            True,
            None,
            ["physical volume 'pv0': pe_start is sector 2048, the label says byte 2097152"],
        ),
        (
            DATA_AREA + 8,
            number(BIG),
            True,
            None,
            [f"label: the data area (byte 1048576, {BIG} bytes) does not lie between label and end"],
        ),
        (
            AREA_PLACE,
            bytes(16),
            True,
            f"the physical volume {uuid(101)} belongs to no volume group",
            ["label: names 0 metadata areas, expected 1 or 2"],
        ),
        (
            AREA_PLACE,
            number(BIG),
            True,
            f"the metadata area at byte {BIG} has {MIB - 4096} bytes, the image {SIZE * 512}",
            [f"label: the metadata area (byte {BIG}, {MIB - 4096} bytes) does not lie between label and end"],
        ),
        (
            AREA_PLACE + 8,
            number(BIG),
            True,
            f"the metadata area at byte 4096 has {BIG} bytes, the image {SIZE * 512}",
            [f"label: the metadata area (byte 4096, {BIG} bytes) does not lie between label and end"],
        ),
        (
            AREA_PLACE,
            number(512),
            True,
            "the metadata area at byte 512 has a wrong checksum in its header",
            [f"label: the metadata area (byte 512, {MIB - 4096} bytes) does not lie between label and end"],
        ),
        (
            AREA_PLACE + 8,
            number(2 * MIB),
            True,
            "the metadata area at byte 4096 of 2097152 bytes says it has 1044480 at byte 4096",
            ["label: the metadata area (byte 4096, 2097152 bytes) lies over the data area (byte 1048576)"],
        ),
        (EXTENSION, b"\x09", True, None, ["label: the extension has version 9, expected 2"]),
        (EXTENSION + 4, b"\0", True, None, ["label: the extension has flags 0x0, expected 0x1"]),
        (EXTENSION + 100, b"\1", True, None, ["label: bytes behind the extension are not zero"]),
        (
            4096,
            b"\xff",
            False,
            "the metadata area at byte 4096 has a wrong checksum in its header",
            ["metadata area at byte 4096: wrong checksum"],
        ),
        (
            4100,
            b"X",
            True,
            "the metadata area at byte 4096 has no known header",
            ["metadata area at byte 4096: no magic"],
        ),
        (
            4116,
            b"\2",
            True,
            "the metadata area at byte 4096 has no known header",
            ["metadata area at byte 4096: version is 2"],
        ),
        (
            4120,
            number(8192),
            True,
            "the metadata area at byte 4096 of 1044480 bytes says it has 1044480 at byte 8192",
            ["metadata area at byte 4096: says it is at byte 8192"],
        ),
        (
            4128,
            number(8192),
            True,
            "the metadata area at byte 4096 of 1044480 bytes says it has 8192 at byte 4096",
            ["metadata area at byte 4096: says it has 8192 bytes, the label says 1044480"],
        ),
        (
            LOCATION,
            number(0),
            True,
            f"the physical volume {uuid(101)} belongs to no volume group",
            ["no metadata area has a text"],
        ),
        (
            LOCATION + 20,
            b"\1",
            True,
            f"the physical volume {uuid(101)} belongs to no volume group",
            ["no metadata area has a text"],
        ),
        (LOCATION + 20, b"\2", True, None, ["metadata area at byte 4096: flags are 0x2"]),
        (
            LOCATION,
            number(BIG),
            True,
            f"the metadata area at byte 4096 says its text has TEXT bytes from {BIG} on",
            [f"metadata area at byte 4096: the text (TEXT bytes from {BIG} on) does not lie in the ring"],
        ),
        (
            LOCATION,
            number(8),
            True,
            "the metadata area at byte 4096 says its text has TEXT bytes from 8 on",
            ["metadata area at byte 4096: the text (TEXT bytes from 8 on) does not lie in the ring"],
        ),
        (
            LOCATION + 8,
            number(BIG),
            True,
            f"the metadata area at byte 4096 says its text has {BIG} bytes from 512 on",
            [f"metadata area at byte 4096: the text ({BIG} bytes from 512 on) does not lie in the ring"],
        ),
        (
            LOCATION + 8,
            number(5),
            True,
            "the metadata area at byte 4096 has a text with a wrong checksum",
            ["metadata area at byte 4096: the text has a wrong checksum"],
        ),
        (
            4608,
            b"G",
            False,
            "the metadata area at byte 4096 has a text with a wrong checksum",
            ["metadata area at byte 4096: the text has a wrong checksum"],
        ),
        (
            LOCATION + 24,
            number(512),
            True,
            None,
            ["metadata area at byte 4096: there is a text that was not committed"],
        ),
    ],
)
def test_damage(at: int, data: bytes, checksums: bool, refusal: str | None, findings: list[str]) -> None:
    image = patched(at, data, checksums)
    length = str(len(metadata.render(lvm.parse(SAMPLE))))
    assert lvm.verify(image) == [finding.replace("TEXT", length) for finding in findings]
    if refusal is None:
        assert lvm.read(image).name == "group"
        return
    with pytest.raises(UserError) as caught:
        lvm.read(image)
    assert str(caught.value) == refusal.replace("TEXT", length)


@pytest.mark.parametrize(
    ("old", "new", "refusal", "findings"),
    [
        (
            "Text Format Volume Group",
            "Text",
            "LVM metadata: contents 'Text' of version 1 are not known",
            ["the text does not say that it is an LVM text of version 1"],
        ),
        (
            "\nversion = 1",
            "\nversion = 2",
            "LVM metadata: contents 'Text Format Volume Group' of version 2 are not known",
            ["the text does not say that it is an LVM text of version 1"],
        ),
        (
            "contents =",
            "other { }\ncontents =",
            "LVM metadata: there are 2 groups, 1 is wanted",
            ["the text has 2 groups"],
        ),
        (
            "seqno = 1",
            "seqno = [",
            "LVM metadata, line 4: 'format' is neither a number nor a string in quotes",
            ["LVM metadata, line 4: 'format' is neither a number nor a string in quotes"],
        ),
        (
            "seqno = 1",
            "seqno = 0",
            None,
            ["group 'group': seqno is 0"],
        ),
        (
            "seqno = 1\n",
            "",
            "volume group 'group': seqno is None, a number from 0 to 4294967295 is wanted",
            ["group 'group': seqno is missing, or of another type than int"],
        ),
        (
            "extent_size = 256",
            "extent_size = 0",
            "volume group 'group': extent_size is 0, a number from 1 to 4294967295 is wanted",
            ["group 'group': extent_size is 0"],
        ),
        (
            "extent_size = 256",
            "extent_size = 8192",
            "physical volume 'pv0' ends at byte 504365056, the image at 16777216",
            ["physical volume 'pv0': 120 extents from sector 2048 on do not fit into its 32768 sectors"],
        ),
        (
            f'group {{\nid = "{uuid(100)}"',
            'group {\nid = "x"',
            "volume group 'group': id is 'x', a UUID is wanted",
            ["group 'group': id 'x' is no UUID"],
        ),
        ('"RESIZEABLE", ', "", None, ["group 'group': status has no RESIZEABLE, so LVM would not change it"]),
        ('"ALLOCATABLE"', "", None, ["physical volume 'pv0': status has no ALLOCATABLE, so LVM would not use it"]),
        (
            f'pv0 {{\nid = "{uuid(101)}"',
            f'pv0 {{\nid = "{uuid(102)}"',
            f"volume group 'group' has 0 physical volumes {uuid(101)}, which the label names",
            [f"the label's UUID {uuid(101)} is none of the group's physical volumes"],
        ),
        (
            "physical_volumes {",
            "other {",
            "volume group 'group' has no section 'physical_volumes'",
            ["group 'group': physical_volumes is missing, or of another type than dict"],
        ),
        (
            "dev_size = 32768",
            "dev_size = 65536",
            None,
            ["physical volume 'pv0': dev_size is 65536 sectors, the image has 16777216 bytes"],
        ),
        (
            "pe_count = 120",
            "pe_count = 121",
            "physical volume 'pv0' ends at byte 16908288, the image at 16777216",
            ["physical volume 'pv0': 121 extents from sector 2048 on do not fit into its 32768 sectors"],
        ),
        (
            "pe_count = 120",
            "pe_count = 9",
            "volume 'two', segment 1 lies on extents 8 to 9, pv0 has 9",
            ["volume 'two', segment 1: 2 extents from 8 on are not all on 'pv0'"],
        ),
        (
            "pe_start = 2048",
            "pe_start = 1024",
            None,
            ["physical volume 'pv0': pe_start is sector 1024, the label says byte 1048576"],
        ),
        (
            "pe_start = 2048",
            "pe_start = -1",
            "physical volume 'pv0': pe_start is -1, a number from 1 to 18014398509481984 is wanted",
            [
                "physical volume 'pv0': 120 extents from sector -1 on do not fit into its 32768 sectors",
                "physical volume 'pv0': pe_start is sector -1, the label says byte 1048576",
            ],
        ),
        ("logical_volumes {\n\none {", "logical_volumes {\n\n-one {", None, ["volume '-one': LVM takes no such name"]),
        (
            f'one {{\nid = "{uuid(1)}"',
            f'one {{\nid = "{uuid(2)}"',
            None,
            ["volume 'two': same UUID as volume 'one'"],
        ),
        (
            f'one {{\nid = "{uuid(1)}"',
            "one {\nid = 1",
            "volume 'one': id is 1, a UUID is wanted",
            ["volume 'one': id is missing, or of another type than str"],
        ),
        ('"READ", "WRITE", "VISIBLE"', '"VISIBLE"', None, ["volume 'one': status has no READ"]),
        (
            "segment_count = 1",
            "segment_count = 2",
            "volume 'one' has 1 segments, but a segment_count of 2",
            ["volume 'one': segment_count is 2, there are 1 segments"],
        ),
        (
            "segment_count = 1",
            "segment_count = 4294967295",
            "volume 'one' has 1 segments, but a segment_count of 4294967295",
            ["volume 'one': segment_count is 4294967295, there are 1 segments"],
        ),
        (
            "segment1 {",
            "segment2 {",
            "volume 'one' has no section 'segment1'",
            ["volume 'one': segment1 is missing, or of another type than dict"],
        ),
        (
            "start_extent = 0",
            "start_extent = 1",
            "volume 'one', segment 1 starts at byte 131072, 0 is expected",
            ["volume 'one', segment 1: 4 extents from 1 on, expected some from 0 on"],
        ),
        (
            "extent_count = 4",
            "extent_count = 0",
            "volume 'one', segment 1: extent_count is 0, a number from 1 to 4294967295 is wanted",
            ["volume 'one', segment 1: 0 extents from 0 on, expected some from 0 on"],
        ),
        (
            "extent_count = 4",
            "extent_count = 5",
            None,
            ["volume 'one', segment 1 and volume 'A_b.c+d-e', segment 1 overlap on 'pv0'"],
        ),
        (
            'type = "striped"',
            "type = 1",
            "volume 'one', segment 1: type is 1, a string is wanted",
            ["volume 'one', segment 1: it has no type"],
        ),
        (
            "stripe_count = 1",
            "stripe_count = 1000000",
            "volume 'one', segment 1: stripes are not 1000000 pairs of a name and an extent",
            ["volume 'one', segment 1: stripe_count is 1000000, there are 1 stripes and 4 extents"],
        ),
        (
            '"pv0", 0',
            '"pv7", 0',
            "volume 'one', segment 1 lies on 'pv7', which the group does not have",
            ["volume 'one', segment 1: it lies on 'pv7', which is no physical volume of the group"],
        ),
        (
            '"pv0", 0',
            '"pv0", "0"',
            "volume 'one', segment 1 lies on extent '0'",
            ["volume 'one', segment 1: 4 extents from '0' on are not all on 'pv0'"],
        ),
        (
            '"pv0", 0',
            '"pv0", -1',
            "volume 'one', segment 1 lies on extent -1",
            ["volume 'one', segment 1: 4 extents from -1 on are not all on 'pv0'"],
        ),
        (
            '"pv0", 0',
            '"pv0", 117',
            "volume 'one', segment 1 lies on extents 117 to 120, pv0 has 120",
            ["volume 'one', segment 1: 4 extents from 117 on are not all on 'pv0'"],
        ),
    ],
)
def test_bad_texts(old: str, new: str, refusal: str | None, findings: list[str]) -> None:
    image = with_text(replaced(old, new))
    assert lvm.verify(image) == findings
    if refusal is None:
        assert lvm.read(image).name == "group"
        return
    with pytest.raises(UserError) as caught:
        lvm.read(image)
    assert str(caught.value) == refusal


def test_a_text_without_its_zero() -> None:
    image = reader(sample())
    length = len(metadata.render(lvm.parse(SAMPLE))) - 1
    location = struct.pack("<QI", length, on_disk.crc(image.read(4608, length)))
    cut = with_bytes(image, LOCATION + 8, location, checksums=True)
    assert lvm.verify(cut) == ["metadata area at byte 4096: the text does not end with its first zero byte"]
    assert lvm.read(cut).name == "group"  # nothing of it is missing


def test_images_that_are_none() -> None:
    for size in (0, 511, 1024, MIB, MIB + 1):
        image = reader(ExtentMap(size))
        assert not lvm.find(image)
        assert len(lvm.verify(image)) == 1
        with pytest.raises(UserError, match=r"^there is no LVM label in the first four sectors$"):
            lvm.read(image)
    assert lvm.verify(reader(ExtentMap(MIB + 1))) == [
        "a physical volume of 1048577 bytes has no room for metadata, or no whole number of sectors"
    ]


def test_an_image_that_is_cut_off() -> None:
    image = reader(sample())
    with pytest.raises(UserError, match=r"^physical volume 'pv0' ends at byte 16777216, the image at 8388608$"):
        lvm.open_volume(reader(image.map.slice(0, 8 * MIB)), "one")
    cut = reader(image.map.slice(0, 5000))
    with pytest.raises(UserError, match=r"^the metadata area at byte 4096 has 1044480 bytes, the image 5000$"):
        lvm.read(cut)


def test_a_larger_partition_is_no_fault() -> None:
    """As on a disk that was enlarged: before pvresize, and after it, which changes the text but not the label."""
    image = reader(sample().resized(SIZE * 1024))
    assert lvm.verify(image) == []
    assert lvm.open_volume(image, "one").read(0, 5) == b"first"

    def resized(whole: str) -> str:
        for old, new in (("seqno = 1", "seqno = 2"), ("dev_size = 32768", "dev_size = 65496"), ("= 120", "= 247")):
            whole = replaced(old, new)(whole)
        return whole

    later = reader(with_text(resized).map.resized(SIZE * 1024))
    assert lvm.read(later).extents == 247
    assert lvm.verify(later) == []


@settings(deadline=None)
@given(
    cut=st.integers(0, SIZE * 512),
    at=st.one_of(st.integers(0, 1024), st.integers(4096, 4200), st.integers(4608, 6500)),
    noise=st.binary(max_size=64),
    checksums=st.booleans(),
)
def test_any_damage_is_answered(cut: int, at: int, noise: bytes, checksums: bool) -> None:
    image = patched(at, noise, checksums)
    for each in (image, reader(image.map.slice(0, cut))):
        lvm.verify(each)
        with contextlib.suppress(UserError):
            for volume in lvm.inspect(each)["volumes"]:
                lvm.open_volume(each, volume["name"])


_FIELDS = [
    "seqno", "status", "extent_size", "pe_start", "pe_count", "id", "dev_size", "segment_count", "start_extent",
    "extent_count", "type", "stripe_count", "stripes", "segment1", "pv0", "logical_volumes", "contents", "version",
]  # fmt: skip


_VALUES = ["-1", "0", "1", "4294967295", "18446744073709551615", '""', '"pv0"', "[]", '["pv0", 0]', "1.5"]


@settings(deadline=None)
@given(
    field=st.sampled_from(_FIELDS),
    value=st.sampled_from(
        ["-1", "0", "1", "4294967295", "18446744073709551615", '""', '"pv0"', "[]", '["pv0", 0]', "1.5"]
    ),
    place=st.integers(0, 5),
)
def test_any_text_is_answered(field: str, value: str, place: int) -> None:
    def change(whole: str) -> str:
        parts = whole.split(f"{field} = ")
        if len(parts) <= place + 1:
            return whole.replace(field, value)
        rest = parts[place + 1].partition("\n")[2]
        return (
            f"{field} = ".join(parts[: place + 1])
            + f"{field} = {value}\n"
            + f"{field} = ".join([rest, *parts[place + 2 :]])
        )

    image = with_text(change)
    lvm.verify(image)
    with contextlib.suppress(UserError):
        for volume in lvm.inspect(image)["volumes"]:
            lvm.open_volume(image, volume["name"])


@given(st.binary(max_size=2048))
def test_random_bytes(data: bytes) -> None:
    image = reader(ExtentMap(64 * KIB, [Extent(0, len(data), data)] if data else []))
    assert lvm.verify(image)
    with pytest.raises(UserError):
        lvm.read(image)
