"""Volume groups: bytes pinned, what was planned read back, and what LVM makes of a group later."""

import hashlib
import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import lvm
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader
from sysimage.lvm import Layout, LogicalVolume, metadata
from sysimage.lvm import format as on_disk
from sysimage.lvm.testing import (
    KIB,
    MIB,
    ONE,
    SAMPLE,
    SIZE,
    area,
    empty,
    reader,
    replaced,
    row,
    sample,
    seal,
    text,
    uuid,
    with_text,
)

TEXT = """\
group {
id = "000000-0000-0000-0000-0000-0000-000100"
seqno = 1
format = "lvm2" # informational
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = 256
max_lv = 0
max_pv = 0
metadata_copies = 0

physical_volumes {

pv0 {
id = "000000-0000-0000-0000-0000-0000-000101"
device = "[unknown]"

status = ["ALLOCATABLE"]
flags = []
dev_size = 32768
pe_start = 2048
pe_count = 120
}
}

logical_volumes {

one {
id = "000000-0000-0000-0000-0000-0000-000001"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
creation_time = 1620345600
creation_host = "localhost"
segment_count = 1

segment1 {
start_extent = 0
extent_count = 4

type = "striped"
stripe_count = 1

stripes = [
"pv0", 0
]
}
}
}
}
contents = "Text Format Volume Group"
version = 1

description = ""

creation_host = "localhost"
creation_time = 1620345600

"""


def test_volume_group_is_golden() -> None:
    image = sample()
    assert image.size == SIZE * 512
    data = reader(image).read(0, image.size)
    assert hashlib.sha256(data).hexdigest() == "f04866fd3a96dcfe0c52f36f4ec949bbd2cfc448af9a522adc8f5be48dd133dd"


def test_text_is_golden() -> None:
    assert metadata.render(lvm.parse(text(ONE))) == TEXT.encode() + b"\0"


def test_a_group_without_volumes() -> None:
    layout = lvm.parse(text())
    image = empty(layout)
    assert b"logical_volumes" not in metadata.render(layout)
    assert lvm.read(image).volumes == ()
    assert lvm.verify(image) == []
    with pytest.raises(UserError, match=r"^volume group 'group' has no volume 'one' \(hint: it has none\)$"):
        lvm.open_volume(image, "one")


def test_contents_are_at_their_places() -> None:
    image = reader(sample())
    assert image.read(MIB, 6) == b"first\0"
    assert image.read(MIB + 7 * 128 * KIB - 5, 5) == b"\0last"
    assert image.map.mapped == 9 + 512 + 512 + len(metadata.render(lvm.parse(SAMPLE)))


def test_a_volume_is_an_image_of_its_own() -> None:
    image = reader(sample())
    content = lvm.open_volume(image, "A_b.c+d-e")
    assert content.size == 384 * KIB
    assert content.read(384 * KIB - 5, 5) == b"\0last"
    assert lvm.read(image)["A_b.c+d-e"].offset == MIB + 4 * 128 * KIB
    with pytest.raises(UserError) as caught:
        lvm.open_volume(image, "three")
    assert str(caught.value) == "volume group 'group' has no volume 'three' (hint: there are one, two, A_b.c+d-e)"


def test_a_huge_volume_costs_nothing() -> None:
    rows = [row(number + 1000, f"v{number}", number << 20, 1 << 20) for number in range(200)]
    layout = lvm.parse(text(*rows, size=1 << 40, extent_size=2048))
    begin = time.process_time()
    image = reader(lvm.plan(layout, {each["name"]: ExtentMap(1 << 40) for each in rows}))
    assert lvm.verify(image) == []
    assert lvm.open_volume(image, "v199").size == 1 << 40
    assert time.process_time() - begin < 5
    assert image.map.mapped < 200 * KIB


def test_nothing_is_read_of_the_contents() -> None:
    """The source is not there: a planner that looked into it would fail."""
    planned = lvm.plan(lvm.parse(text(ONE)), {"one": ExtentMap.of_slice("nowhere", 0, 512 * KIB)})
    assert planned.sources() == ["nowhere"]


def test_read_is_what_was_planned() -> None:
    image = reader(sample())
    group = lvm.read(image)
    assert (group.name, group.uuid, group.pv_uuid, group.pv_name) == ("group", uuid(100), uuid(101), "pv0")
    assert (group.extent_size, group.pe_start, group.extents, group.seqno) == (128 * KIB, MIB, 120, 1)
    assert [(volume.name, volume.uuid, volume.offset, volume.size) for volume in group.volumes] == [
        ("one", uuid(1), MIB, 512 * KIB),
        ("two", uuid(2), 2 * MIB, 256 * KIB),
        ("A_b.c+d-e", uuid(3), MIB + 512 * KIB, 384 * KIB),
    ]
    assert lvm.find(image)
    assert lvm.verify(image) == []


def test_inspect() -> None:
    found = json.loads(json.dumps(lvm.inspect(reader(sample()))))
    volumes = found.pop("volumes")
    assert found == {
        "vg": "group",
        "uuid": uuid(100),
        "seqno": 1,
        "extent_bytes": 128 * KIB,
        "pv": "pv0",
        "pv_uuid": uuid(101),
        "pe_start": MIB,
        "extents": 120,
        "bytes": SIZE * 512,
        "other_pvs": {},
    }
    assert volumes[1] == {
        "name": "two",
        "uuid": uuid(2),
        "bytes": 256 * KIB,
        "segments": [{"start": 0, "bytes": 256 * KIB, "type": "striped", "areas": [{"pv": "pv0", "offset": 2 * MIB}]}],
    }


@settings(deadline=None)
@given(st.data())
def test_any_layout_comes_back(data: st.DataObject) -> None:
    letters = "abcXYZ0189+_.-"
    names = data.draw(
        st.lists(
            st.text(letters, min_size=1, max_size=20).filter(lambda name: name[0] != "-" and name not in (".", "..")),
            unique=True,
            max_size=6,
        )
    )
    keys = iter(data.draw(st.permutations(range(len(names)))))
    extent_size = data.draw(st.sampled_from([8, 256, 768, 8192, 4194304]))
    pe_start = 8 * data.draw(st.integers(8, 1000))
    volumes, position = [], 0
    for name in names:
        position += data.draw(st.integers(0, 1 << 20))
        extents = data.draw(st.integers(1, 1 << 20))
        volumes.append(LogicalVolume(name, uuid(next(keys)), position, extents))
        position += extents
    spare = data.draw(st.integers(0, extent_size * 3))
    layout = Layout(
        vg=data.draw(st.sampled_from(["vg", "a-b", "1", "x.y+z"])),
        vg_uuid=uuid(1000),
        pv_uuid="!#azAZ-0123-4567-89bc-defg-hijk-lmnopq",
        size=pe_start + max(position, 1) * extent_size + spare,
        pe_start=pe_start,
        extent_size=extent_size,
        creation_time=data.draw(st.integers(1, (1 << 32) - 1)),
        volumes=tuple(volumes),
    )
    image = empty(layout)
    assert lvm.verify(image) == []
    group = lvm.read(image)
    assert (group.name, group.uuid, group.pv_uuid) == (layout.vg, layout.vg_uuid, layout.pv_uuid)
    assert (group.extent_size, group.pe_start, group.extents) == (extent_size * 512, pe_start * 512, layout.extents)
    found = [(volume.name, volume.uuid, volume.offset, volume.size) for volume in group.volumes]
    assert found == [
        (each.name, each.uuid, (pe_start + each.start * extent_size) * 512, each.extents * extent_size * 512)
        for each in volumes
    ]


def test_a_text_over_the_end_of_the_ring() -> None:
    size = MIB - 4096
    for offset in (512, 1024, size - 512, size - 1024):
        image = with_text(replaced("seqno = 1", "seqno = 77"), offset)
        assert lvm.read(image).seqno == 77
        assert lvm.verify(image) == []


TWO_SEGMENTS = """\
segment_count = 2
segment2 { start_extent = 2 extent_count = 1 type = "striped" stripe_count = 1 stripes = [ "pv0", 20 ] }
segment1 { start_extent = 0 extent_count = 2 type = "linear" stripe_count = 1 stripes = [ "pv0", 30 ] }
}
}
}
"""


def in_pieces() -> ImageReader:
    def change(whole: str) -> str:
        head, _, rest = whole.rpartition("segment_count = 1")
        return head + TWO_SEGMENTS + rest[rest.index("contents =") :]

    pv = with_text(change).map
    marks = [Extent(MIB + extent * 128 * KIB, 2, b"%d" % extent) for extent in (20, 30, 31)]
    return reader(ExtentMap(pv.size, [*pv.extents, *marks]))


def test_a_volume_in_pieces() -> None:
    image = in_pieces()
    volume = lvm.open_volume(image, "A_b.c+d-e")
    assert [volume.read(at * 128 * KIB, 2) for at in range(3)] == [b"30", b"31", b"20"]
    assert volume.size == 384 * KIB
    with pytest.raises(UserError, match=r"^volume 'A_b\.c\+d-e' is not in one piece$"):
        _ = lvm.read(image)["A_b.c+d-e"].offset
    assert lvm.verify(image) == []


OTHER_PV = (
    f'pv1 {{ id = "{uuid(200)}" status = ["ALLOCATABLE"] dev_size = 32768 pe_start = 2048 pe_count = 120 }}\npv0 {{'
)


def test_volumes_that_lie_over_each_other() -> None:
    """A text of some kilobytes must not stand for contents without end."""
    many = "".join(
        f"""segment{number + 1} {{ start_extent = {number * 100} extent_count = 100 type = "striped" stripe_count = 1
        stripes = [ "pv0", 0 ] }}\n"""
        for number in range(1000)
    )
    first = 'segment1 { start_extent = 0 extent_count = 200 type = "striped" stripe_count = 2 stripes = [ '
    for segments in (many, first + '"pv0", 0, "pv0", 0 ] }'):
        count = segments.count("start_extent")

        def change(whole: str, segments: str = segments, count: int = count) -> str:
            head, _, rest = whole.partition("segment_count = 1")
            return f"{head}segment_count = {count}\n{segments}}}\n}}\n}}\n" + rest[rest.index("contents =") :]

        with pytest.raises(UserError, match=r"up to here the volumes take 200 extents of pv0, which has 120$"):
            lvm.read(with_text(change))


def test_a_volume_elsewhere() -> None:
    def change(whole: str) -> str:
        return replaced("pv0 {", OTHER_PV)(replaced('"pv0", 8', '"pv1", 8')(whole))

    image = with_text(change)
    group = lvm.read(image)
    assert group.physical_volumes == {"pv1": uuid(200), "pv0": uuid(101)}
    assert lvm.open_volume(image, "one").size == 512 * KIB
    with pytest.raises(UserError, match=r"^volume 'two' lies on pv1, not on this physical volume$"):
        lvm.open_volume(image, "two")
    assert lvm.inspect(image)["other_pvs"] == {"pv1": uuid(200)}
    assert lvm.verify(image) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'stripe_count = 1\n\nstripes = [\n"pv0", 8\n]',
            'stripe_count = 2\nstripe_size = 128\nstripes = [ "pv0", 8, "pv0", 9 ]',
            "volume 'two' is striped over 2 areas, only linear segments can be read",
        ),
        (
            'type = "striped"\nstripe_count = 1\n\nstripes = [\n"pv0", 8\n]',
            'type = "mirror"',
            "volume 'two' has a segment of type 'mirror', only linear ones can be read",
        ),
        ('"pv0", 8', '"one", 0', "volume 'two' lies on one, not on this physical volume"),
    ],
)
def test_volumes_that_are_not_linear(old: str, new: str, message: str) -> None:
    image = with_text(replaced(old, new))
    assert lvm.open_volume(image, "one").size == 512 * KIB
    assert lvm.inspect(image)["volumes"][1]["name"] == "two"
    with pytest.raises(UserError) as caught:
        lvm.open_volume(image, "two")
    assert str(caught.value) == message
    assert lvm.verify(image) == []


def test_hidden_volumes_are_no_hint() -> None:
    image = with_text(lambda whole: whole.replace('"WRITE", "VISIBLE"', '"WRITE"', 1))
    with pytest.raises(UserError, match=r"\(hint: there are two, A_b\.c\+d-e\)$"):
        lvm.open_volume(image, "none")


def second_area(first: bytes, second: bytes) -> ImageReader:
    """The sample with another metadata area at its end, as `pvcreate --metadatacopies 2` makes it."""
    data = bytearray(empty(lvm.parse(SAMPLE)).read(0, SIZE * 512))
    end = len(data) - MIB
    data[4096:MIB] = area(first, 512, 4096, MIB - 4096) if first else bytes(MIB - 4096)
    data[end:] = area(second, 512, end, MIB) if second else bytes(MIB)
    places = on_disk.LOCATION.pack(MIB, 0) + bytes(16)
    places += on_disk.LOCATION.pack(4096, MIB - 4096) + on_disk.LOCATION.pack(end, MIB) + bytes(16)
    places += on_disk.EXTENSION.pack(2, 1)
    data[512 + 72 : 1024] = places.ljust(512 - 72, b"\0")
    seal(data)
    return reader(ExtentMap.of_bytes(bytes(data)))


def test_two_metadata_areas() -> None:
    plain = metadata.render(lvm.parse(SAMPLE)).replace(b"pe_count = 120", b"pe_count = 112")
    newer = plain.replace(b"seqno = 1", b"seqno = 5")
    for first, second, seqno, findings in (
        (plain, plain, 1, []),
        (plain, newer, 5, ["the metadata areas have different texts"]),
        (newer, plain, 5, ["the metadata areas have different texts"]),
        (plain, b"", 1, None),
        (b"", newer, 5, None),
        (b"garbage {\0", newer, 5, ["the metadata areas have different texts", None]),
    ):
        image = second_area(first, second)
        assert lvm.read(image).seqno == seqno
        found = lvm.verify(image)
        if findings is None:
            assert all(line.startswith("metadata area at byte ") for line in found)
            assert re.fullmatch(r"metadata area at byte (4096: no magic|\d+: wrong checksum)", found[0])
        else:
            assert len(found) == len(findings)
            assert all(wanted in (None, line) for wanted, line in zip(findings, found, strict=True))
