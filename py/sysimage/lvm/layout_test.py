"""Layouts: what is refused, and why."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sysimage import lvm
from sysimage.errors import UserError
from sysimage.extents import ExtentMap
from sysimage.lvm.testing import KIB, ONE, SAMPLE, empty, row, text, uuid
from sysimage.places import Content

UUID_HINT = "(hint: 32 letters, digits, ! and #, hyphens after 6, 10, 14, 18, 22 and 26 of them)"


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("{", "the layout is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "the layout is a list, an object is wanted"),
        (text(vg=None), "the layout has no 'vg'"),
        (text(volumes=None), "the layout has no 'volumes'"),
        (
            text(seqno=5),
            "the layout has an unknown field 'seqno' (hint: fields are vg, vg_uuid, pv_uuid, size, pe_start, "
            "extent_size, creation_time, volumes, creation_host)",
        ),
        (text(size=True), "the layout: size is True, expected int"),
        (text(vg_uuid=5), "the layout: vg_uuid is 5, expected str"),
        (text(5), "volume 1 of the layout is a int, an object is wanted"),  # type: ignore[arg-type]
        (text({**ONE, "start": "0"}), "volume 1 of the layout: start is '0', expected int"),
        (text({"name": "one"}), "volume 1 of the layout has no 'uuid'"),
        (
            text(ONE, row(2, "two", 5, 1, size=5)),
            "volume 2 of the layout has an unknown field 'size' (hint: fields are name, uuid, start, extents)",
        ),
        (text(vg=""), "vg '': the name has 0 characters, 1 to 127 are possible"),
        (
            text(vg="-x"),
            "vg '-x': a name has letters, digits and +_.- only, no hyphen at its start, and is not . or ..",
        ),
        (text(vg="version"), "vg 'version': the metadata has a field of this name beside the group"),
        (text(vg_uuid=uuid(1)[:-1]), f"vg_uuid is '{uuid(1)[:-1]}', which is not a UUID of LVM {UUID_HINT}"),
        (text(vg_uuid="0" * 32), f"vg_uuid is '{'0' * 32}', which is not a UUID of LVM {UUID_HINT}"),
        (
            text(pv_uuid="000000-0000-0000-0000-0000-0000-00000ü"),
            f"pv_uuid is '000000-0000-0000-0000-0000-0000-00000ü', which is not a UUID of LVM {UUID_HINT}",
        ),
        (
            text({**ONE, "uuid": "2B110BB7-CDEC-7D41-B97E-893EDCBE5428"}),
            f"uuid of volume 'one' is '2B110BB7-CDEC-7D41-B97E-893EDCBE5428', which is not a UUID of LVM {UUID_HINT}",
        ),
        (
            text(vg_uuid=uuid(101)),
            f"the group and the physical volume have one UUID: {uuid(101)}",
        ),
        (text(row(101, "one", 0, 1)), f"the physical volume and volume 'one' have one UUID: {uuid(101)}"),
        (text(ONE, row(1, "two", 4, 1)), f"volume 'one' and volume 'two' have one UUID: {uuid(1)}"),
        (text(ONE, row(2, "one", 4, 1)), "there are two volumes 'one'"),
        (text({**ONE, "name": "x" * 128}), f"volume '{'x' * 128}': the name has 128 characters, 1 to 127 are possible"),
        (
            text({**ONE, "name": "x-" * 60}),
            f"volume '{'x-' * 60}': its device would have the name 'group-{'x--' * 60}' of 186 characters, "
            "127 are possible",
        ),
        (
            text({**ONE, "name": "a b"}),
            "volume 'a b': a name has letters, digits and +_.- only, no hyphen at its start, and is not . or ..",
        ),
        (
            text({**ONE, "name": "ä"}),
            "volume 'ä': a name has letters, digits and +_.- only, no hyphen at its start, and is not . or ..",
        ),
        (
            text({**ONE, "name": ".."}),
            "volume '..': a name has letters, digits and +_.- only, no hyphen at its start, and is not . or ..",
        ),
        (
            text({**ONE, "name": "snapshot1"}),
            "volume 'snapshot1': LVM keeps names that begin with 'snapshot' to itself",
        ),
        (text({**ONE, "name": "pvmove0"}), "volume 'pvmove0': LVM keeps names that begin with 'pvmove' to itself"),
        (text({**ONE, "name": "a_rmeta_0"}), "volume 'a_rmeta_0': LVM keeps names with '_rmeta' to itself"),
        (text({**ONE, "start": -1}), "volume 'one' starts at extent -1"),
        (text({**ONE, "extents": 0}), "volume 'one' has a size of 0 extents"),
        (text({**ONE, "extents": -4}), "volume 'one' has a size of -4 extents"),
        (
            text(extent_size=100),
            "extent_size is 100 sectors, LVM wants a power of two or a multiple of 256, 8 to 4194304 "
            "(hint: 8192 sectors are the usual 4 MiB)",
        ),
        (
            text(extent_size=0),
            "extent_size is 0 sectors, LVM wants a power of two or a multiple of 256, 8 to 4194304 "
            "(hint: 8192 sectors are the usual 4 MiB)",
        ),
        (
            text(extent_size=8388608),
            "extent_size is 8388608 sectors, LVM wants a power of two or a multiple of 256, 8 to 4194304 "
            "(hint: 8192 sectors are the usual 4 MiB)",
        ),
        (
            text(pe_start=2047),
            "pe_start is sector 2047, a multiple of 8 from 24 on is possible (hint: 2048 sectors are the usual 1 MiB)",
        ),
        (
            text(pe_start=16),
            "pe_start is sector 16, a multiple of 8 from 24 on is possible (hint: 2048 sectors are the usual 1 MiB)",
        ),
        (
            text(size=2303),
            "the physical volume has 2303 sectors, but its first extent ends at sector 2304",
        ),
        (
            text(size=1 << 40, extent_size=8),
            "the physical volume has 137438953216 extents, at most 4294967295 are possible "
            "(hint: make extent_size larger)",
        ),
        (text(creation_time=0), "creation_time is 0, 1 to 4294967295 seconds since 1970 are possible"),
        (text(creation_time=1 << 32), "creation_time is 4294967296, 1 to 4294967295 seconds since 1970 are possible"),
        (text(creation_host=""), "creation_host '' has 0 characters, 1 to 64 are possible"),
        (
            text(row(1, "one", 118, 3)),
            "volume 'one' takes extents 118 to 120, but the physical volume has 120 (hint: it needs 33024 sectors)",
        ),
        (
            text(row(1, "one", 0, 4), row(2, "two", 3, 4)),
            "volumes 'one' and 'two' overlap by 1 extents (hint: start 'two' at extent 4 or later)",
        ),
        (
            text(row(1, "outer", 0, 9), row(2, "inner", 2, 2)),
            "volumes 'outer' and 'inner' overlap by 2 extents (hint: start 'inner' at extent 9 or later)",
        ),
    ],
)
def test_bad_layouts(layout: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        lvm.parse(layout)
    assert str(caught.value) == message


def test_layout_files(tmp_path: Path) -> None:
    path = tmp_path / "layout.json"
    path.write_text(SAMPLE)
    assert lvm.load(path) == lvm.parse(SAMPLE)
    path.write_text(text(size="1"))
    with pytest.raises(UserError) as caught:
        lvm.load(path)
    assert str(caught.value) == f"{path}: the layout: size is '1', expected int"


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            {"one": ExtentMap(512 * KIB + 1)},
            "the content of volume 'one' has 524289 bytes, 1 more than the volume's 524288",
        ),
        ({}, "volume 'one' has no content (hint: give it an image, or declare it empty)"),
        ({"one": lvm.EMPTY, "One": lvm.EMPTY}, "content is given for volume 'One', which the layout does not have"),
    ],
)
def test_bad_contents(contents: Mapping[str, Content], message: str) -> None:
    with pytest.raises(UserError) as caught:
        lvm.plan(lvm.parse(text(ONE)), contents)
    assert str(caught.value) == message


def test_a_metadata_area_that_is_too_small() -> None:
    rows = [row(number, f"v{number}", number, 1) for number in range(12)]
    with pytest.raises(UserError) as caught:
        empty(lvm.parse(text(*rows, pe_start=24)))
    assert str(caught.value) == (
        "the metadata of 12 volumes has 3938 bytes, before pe_start there is room for 3584 (hint: make pe_start larger)"
    )
