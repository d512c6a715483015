"""Volume groups before foreign judges that take a file: pvck, which knows every field, and blkid.

LVM's other programs take devices only; they have their say in `lvm_machine_test`.
"""

import re
import subprocess
from pathlib import Path

import pytest

from sysimage import lvm
from sysimage.extents import Extent, ExtentMap, Sources, open_raw
from sysimage.lvm import Layout, LogicalVolume, metadata
from sysimage.materialise import write_raw

GIB = 1 << 30
# A sandbox has no device-mapper, and no place for locks.
PVCK = ("pvck", "--driverloaded=n", "--nolocking")


def uuid(number: int) -> str:
    return lvm.hyphenated(f"{number:032}")


def layout(size: int, pe_start: int, extent_size: int, *volumes: LogicalVolume) -> Layout:
    return Layout("group-1", uuid(1), "!#azAZ-0123-4567-89bc-defg-hijk-lmnopq", size, pe_start, extent_size, 5, volumes)


LAYOUTS = {
    "none": layout(8192, 2048, 1024),
    "one": layout(8192, 2048, 1024, LogicalVolume("root", uuid(2), 0, 6)),
    "smallest area": layout(4096, 24, 8, LogicalVolume("root", uuid(2), 5, 6)),
    "gaps and order": layout(
        1 << 20, 4096, 768, *(LogicalVolume(f"v_{n}.x+y-z", uuid(n + 2), (40 - n) * 20, 19) for n in range(40))
    ),
    "8 TiB": layout(1 << 34, 2048, 8192, LogicalVolume("large", uuid(2), 0, (1 << 21) - 1)),
    "full of volumes": layout(1 << 20, 2048, 8, *(LogicalVolume(f"v{n}", uuid(n + 2), n, 1) for n in range(1500))),
}


@pytest.fixture(params=LAYOUTS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Layout, Path]:
    planned = LAYOUTS[request.param]
    contents = {each.name: ExtentMap.of_bytes(each.name.encode()) for each in planned.volumes}
    write_raw(lvm.plan(planned, contents), Sources({}), tmp_path / "pv.img")
    return planned, tmp_path / "pv.img"


def pvck(path: Path, dump: str) -> str:
    """What pvck says; its complaints begin with CHECK, and it does not always fail over them."""
    result = subprocess.run([*PVCK, "--dump", dump, path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "CHECK" not in result.stdout + result.stderr
    return result.stdout


def test_pvck_finds_nothing_in_the_headers(written: tuple[Layout, Path]) -> None:
    planned, path = written
    said = dict(re.findall(r"^  (\S+) (.*)$", pvck(path, "headers"), re.MULTILINE))
    assert said["pv_header.pv_uuid"] == planned.pv_uuid.replace("-", "")
    assert said["pv_header.device_size"] == str(planned.size * 512)
    assert said["pv_header.disk_locn[0].offset"] == str(planned.pe_start * 512)
    assert said["pv_header_extension.flags"] == "1"
    assert said["mda_header_1.size"] == str(planned.pe_start * 512 - 4096)
    text = metadata.render(planned)
    assert said["mda_header_1.raw_locn[0].size"] == str(len(text))


@pytest.mark.parametrize("dump", ["metadata", "metadata_search"])
def test_pvck_finds_the_text(written: tuple[Layout, Path], dump: str) -> None:
    planned, path = written
    said = pvck(path, dump)
    if dump == "metadata":
        assert metadata.render(planned)[:-1].decode().strip() in said
    else:
        assert f"vg {planned.vg} seqno 1 id {planned.vg_uuid}" in said


def test_util_linux_sees_what_it_is(written: tuple[Layout, Path]) -> None:
    planned, path = written
    said = subprocess.run(["blkid", "--probe", "--output", "export", path], capture_output=True, text=True, check=True)
    # Characters that a shell would act on are escaped.
    fields = dict(line.partition("=")[::2] for line in said.stdout.replace("\\", "").splitlines())
    assert fields["UUID"] == planned.pv_uuid
    assert (fields["VERSION"], fields["TYPE"]) == ("LVM2 001", "LVM2_member")


@pytest.mark.parametrize("at", [512 + 20, 512 + 40, 512 + 90, 4096 + 30, 4096 + 45, 4608 + 7])
def test_pvck_finds_what_we_find(at: int, tmp_path: Path) -> None:
    """A judge that accepts everything would be of no use."""
    path = tmp_path / "pv.img"
    planned = LAYOUTS["one"]
    write_raw(lvm.plan(planned, {"root": lvm.EMPTY}), Sources({}), path)
    with path.open("r+b") as raw:
        raw.seek(at)
        raw.write(b"\x55")
    assert lvm.verify(open_raw(path))
    result = subprocess.run([*PVCK, "--dump", "headers", path], capture_output=True, text=True, check=False)
    assert "CHECK" in result.stdout + result.stderr


def test_holes_stay_holes(tmp_path: Path) -> None:
    planned = layout(100 * GIB // 512, 2048, 8192, LogicalVolume("root", uuid(2), 0, 25000))
    image = lvm.plan(planned, {"root": ExtentMap(90 * GIB, [Extent(80 * GIB, 5, b"there")])})
    write_raw(image, Sources({}), tmp_path / "pv.img")
    assert (tmp_path / "pv.img").stat().st_blocks * 512 < 1 << 20
    pvck(tmp_path / "pv.img", "metadata")
    pv = open_raw(tmp_path / "pv.img")
    assert lvm.verify(pv) == []
    assert lvm.open_volume(pv, "root").read(80 * GIB, 5) == b"there"
