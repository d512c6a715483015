"""GUID partition tables before foreign judges: gdisk and util-linux read ours, and we read theirs."""

import json
import os
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import gpt
from sysimage.extents import ExtentMap, Sources, open_raw
from sysimage.gpt import Layout, Partition
from sysimage.materialise import write_raw
from sysimage.vm import disks

ESP = UUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
LINUX = UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
DISK = UUID("01234567-89AB-CDEF-0123-456789ABCDEF")


def judge(*command: str | Path) -> str:
    """What a foreign tool says; it must be content."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


def partition(number: int, name: str, start: int, size: int, kind: UUID = LINUX, attributes: int = 0) -> Partition:
    return Partition(number, name, start, size, kind, UUID(int=number), attributes)


LAYOUTS = {
    "one": Layout(DISK, 8192, (partition(1, "esp", 2048, 4096, ESP),)),
    "none": Layout(DISK, 4096, ()),
    "gaps and order": Layout(
        DISK,
        100 * 2048,
        (
            partition(7, "behind", 40960, 2048),
            partition(2, "Ünïcode ☃ 😀", 2048, 2048, attributes=1 << 60 | 4),
            partition(128, "x" * 36, 8192, 20480),
        ),
    ),
    "full": Layout(DISK, 130 * 2048, tuple(partition(n, f"p{n}", n * 2048, 2048) for n in range(1, 129))),
    "8 TiB": Layout(DISK, 1 << 34, (partition(1, "large", 2048, (1 << 34) - 4096),)),
}


@pytest.fixture(params=LAYOUTS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Layout, Path]:
    layout = LAYOUTS[request.param]
    contents = {each.name: ExtentMap.of_bytes(each.name.encode()) for each in layout.partitions}
    write_raw(gpt.plan(layout, contents), Sources({}), tmp_path / "disk.img")
    return layout, tmp_path / "disk.img"


def test_gdisk_finds_nothing(written: tuple[Layout, Path]) -> None:
    said = judge("sgdisk", "--verify", written[1])
    assert "No problems found." in said
    assert "Caution" not in said
    assert "Warning" not in said


def test_util_linux_finds_nothing(written: tuple[Layout, Path]) -> None:
    assert "No errors detected." in judge("sfdisk", "--verify", written[1])


def test_util_linux_reads_what_was_planned(written: tuple[Layout, Path]) -> None:
    layout, path = written
    table = json.loads(judge("sfdisk", "--json", path))["partitiontable"]
    assert (table["label"], UUID(table["id"]), table["sectorsize"]) == ("gpt", DISK, 512)
    assert (table["firstlba"], table["lastlba"]) == (34, layout.size - 34)
    found = [
        (
            row["node"].removeprefix(str(path)),
            row["start"],
            row["size"],
            UUID(row["type"]),
            UUID(row["uuid"]),
            row["name"],
        )
        for row in table.get("partitions", [])
    ]
    expected = [(str(p.number), p.start, p.size, p.type, p.guid, p.name) for p in layout.partitions]
    assert sorted(found) == sorted(expected)


def test_a_disk_that_grew(written: tuple[Layout, Path]) -> None:
    """Nobody finds anything, and what was to be usable is."""
    _, path = written
    os.truncate(path, path.stat().st_size + (3 << 20))
    assert "problem" in judge("sgdisk", "--verify", path)
    for offset, data in gpt.expand(open_raw(path)):
        disks.overwrite(path, offset, data)
    said = judge("sgdisk", "--verify", path)
    assert "No problems found." in said
    assert "Caution" not in said
    assert "No errors detected." in judge("sfdisk", "--verify", path)
    assert gpt.verify(open_raw(path)) == []
    table = json.loads(judge("sfdisk", "--json", path))["partitiontable"]
    assert table["lastlba"] == path.stat().st_size // 512 - 34


def test_gdisk_mends_from_our_backup(written: tuple[Layout, Path]) -> None:
    """With the primary table gone, gdisk loads the backup and writes the primary anew: byte for byte what it was."""
    layout, path = written
    before = open_raw(path).read(0, 34 * 512)
    with path.open("r+b") as raw:
        raw.seek(512)
        raw.write(bytes(33 * 512))
    # recovery menu, backup to main; write; yes
    subprocess.run(["gdisk", path], input="r\nb\ny\nw\ny\n", capture_output=True, text=True, check=False)
    assert gpt.verify(open_raw(path)) == []
    assert open_raw(path).read(512, 33 * 512) == before[512:]
    assert len(gpt.read(open_raw(path)).partitions) == len(layout.partitions)


@pytest.mark.parametrize("tool", ["sgdisk", "sfdisk"])
def test_we_read_what_others_write(tmp_path: Path, tool: str) -> None:
    path = tmp_path / "disk.img"
    with path.open("wb") as raw:
        raw.truncate(64 << 20)
    if tool == "sgdisk":
        named = [
            "--new=1:2048:+4M",
            "--change-name=1:first",
            "--typecode=1:ef00",
            "--new=3:0:+8M",
            "--change-name=3:third",
        ]
        judge("sgdisk", f"--disk-guid={DISK}", *named, path)
    else:
        script = (
            f"label: gpt\nlabel-id: {DISK}\n1: start=2048 size=4MiB type={ESP} name=first\n3: size=8MiB name=third\n"
        )
        subprocess.run(["sfdisk", path], input=script, text=True, capture_output=True, check=True)
    table = gpt.read(open_raw(path))
    assert table.disk_guid == DISK
    assert [(p.number, p.name, p.first, p.last, p.type) for p in table.partitions] == [
        (1, "first", 2048, 10239, ESP),
        (3, "third", 10240, 26623, LINUX),
    ]
    assert gpt.verify(open_raw(path)) == []
