"""A disk that is made larger: its table by foreign judges, what lies on it, and disks that are left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysimage import gpt
from sysimage.extents import ExtentMap, Sources, open_raw
from sysimage.materialise import write_raw
from sysimage.vm.qemu import Disk, Machine, VirtualMachine

LAYOUT = gpt.load(Path(os.environ["LAYOUT"]))
VM_TOOL = Path(os.environ["VM_TOOL"]).absolute()
GIB = 1 << 30
CONTENT = b"what a machine has written"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """One of 50 GiB, as a machine has it."""
    target = tmp_path / "disk.img"
    contents = {each.name: gpt.EMPTY for each in LAYOUT.partitions}
    with Sources({}) as nothing:
        plan = gpt.plan(LAYOUT.expanded(50 * GIB), contents | {"A_var": ExtentMap.of_bytes(CONTENT)})
        write_raw(plan, nothing, target)
    return target


def grow(disk: Path, *words: str) -> tuple[int, str, str]:
    """Exit status, output and errors."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "grow", f"--disk={disk}", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def content(disk: Path) -> bytes:
    """What A_var begins with."""
    with disk.open("rb") as file:
        file.seek(LAYOUT["A_var"].offset)
        return file.read(len(CONTENT))


def partitions(disk: Path) -> str:
    """All partitions, as sfdisk sees them."""
    said = subprocess.run(["sfdisk", "--dump", disk], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in said.splitlines() if "start=" in line)


def complaints(disk: Path) -> str:
    """What the judges have against a table."""
    found = ""
    for judge, fine in (("sgdisk", "No problems found."), ("sfdisk", "No errors detected.")):
        done = subprocess.run([judge, "--verify", disk], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        if done.returncode or fine not in said or "Caution" in said or "not on the end" in said:
            found += said
    return found


@pytest.mark.parametrize("resized", [False, True], ids=["of one size", "made larger by others"])
def test_the_table_is_one_of_the_whole_disk(disk: Path, resized: bool) -> None:
    before = partitions(disk)
    assert complaints(disk) == ""
    if resized:
        os.truncate(disk, 64 * GIB)
        assert complaints(disk) != ""
    answer = grow(disk) if resized else grow(disk, "--disk_gib=64")
    assert answer == (0, f"{disk} has {64 * GIB} bytes, and its partition table is one of all of them\n", "")
    assert disk.stat().st_size == 64 * GIB
    assert complaints(disk) == ""
    reader = open_raw(disk)
    with reader.sources:
        assert gpt.verify(reader) == []
    assert (partitions(disk), content(disk)) == (before, CONTENT)
    # It costs what is on it.
    assert disk.stat().st_blocks * 512 < 1 << 20


def test_again(disk: Path) -> None:
    """What has its size already stays the bytes that it is."""
    assert grow(disk, "--disk_gib=64")[0] == 0
    with disk.open("rb") as file:
        before = file.read(1 << 20)
    assert grow(disk, "--disk_gib=64")[0] == 0
    with disk.open("rb") as file:
        assert file.read(1 << 20) == before
    assert complaints(disk) == ""


def test_disks_are_never_made_smaller(disk: Path) -> None:
    assert grow(disk, "--disk_gib=49") == (
        2,
        "",
        f"error: {disk} has {50 * GIB} bytes already, more than {49 * GIB} "
        "(hint: a larger --disk_gib; disks are never made smaller)\n",
    )
    assert (disk.stat().st_size, complaints(disk)) == (50 * GIB, "")


def test_the_disk_of_a_machine_that_runs(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    machine = Machine([Disk(disk)], memory=64, cpus=1)
    with VirtualMachine(machine, VM_TOOL, tmp_path / "scratch", tmp_path / "console"):
        assert grow(disk, "--disk_gib=64") == (2, "", f"error: {disk} is in use (hint: shut the machine down first)\n")
        assert disk.stat().st_size == 50 * GIB
    assert grow(disk, "--disk_gib=64")[0] == 0


def test_what_is_no_disk(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT * 100)
    status, said, errors = grow(file, "--disk_gib=1")
    assert (status, said, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("error: ")
    assert file.read_bytes() == CONTENT * 100
    assert grow(tmp_path / "none") == (2, "", f"error: cannot write {tmp_path}/none: No such file or directory\n")
