"""The initrd with lvm: a root in a logical volume, and an identity in another one.

What lvm has to say of a group that is not there, or not whole, stands in the one sentence before the panic.
"""

import json
import re
from pathlib import Path

import pytest

from sysimage import lvm
from sysimage.extents import ExtentMap, Sources
from sysimage.materialise import write_raw
from tests.boot.initrd_machine import IDENTITY, NEW, SECONDS, SHOWN, keeping, protect, root_tree, start, stops

RAMDISK = "INITRD_WITH_LVM"
ROOT, STATE = "/dev/system/root", "/dev/system/state"
LAYOUT = {
    "vg": "system",
    "vg_uuid": "cPQ2JI-3yg4-lPVF-g4aY-ofDq-sE1t-VhcIzb",
    "pv_uuid": "RZSUtV-VdGz-fKCe-zQxe-yqvd-nHCS-dQ1FPc",
    "size": 131072,
    "pe_start": 2048,
    "extent_size": 8192,
    "creation_time": 1754697600,
    "volumes": [
        {"name": "root", "uuid": "ZaPyvb-yOSw-ixku-W7Rl-VQp2-xaEe-R4ZQTt", "start": 0, "extents": 4},
        {"name": "state", "uuid": "0BQNUA-dzGu-wvW5-mMRh-Ptr6-J6DT-Ff2a9x", "start": 4, "extents": 1},
        {"name": "other", "uuid": "6gl2Fd-qm1V-9E3W-Arjv-J5mW-RqFO-EgYiNC", "start": 5, "extents": 1},
    ],
}


def make_disk(target: Path, state: ExtentMap | lvm.Empty) -> tuple[Path, str]:
    """A disk that is a physical volume, and the words that open the root on it."""
    root, words = protect(root_tree())
    layout = lvm.parse(json.dumps(LAYOUT))
    write_raw(lvm.plan(layout, {"root": root, "state": state, "other": lvm.EMPTY}), Sources({}), target)
    return target, " ".join(words)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return make_disk(tmp_path_factory.mktemp("disk") / "disk.img", keeping(f"{IDENTITY}\n".encode()))


def test_root_and_identity_in_volumes(disk: tuple[Path, str], tmp_path: Path) -> None:
    """The volume of the identity is given back, and no other is touched: the system activates them itself."""
    line = f"root={ROOT} {disk[1]} machine_id={STATE}:state/machine-id {SHOWN}"
    with start([disk[0]], line, tmp_path, "volumes", RAMDISK) as machine:
        machine.console.expect("^SYSTEM STARTED with", SECONDS)
        machine.console.expect(f"^IDENTITY {IDENTITY}, {IDENTITY}$", SECONDS)
        machine.console.expect("^MAPPED: control system-root vroot$", SECONDS)
        assert re.search(NEW, machine.console.text) is None


def test_volume_that_keeps_nothing(tmp_path: Path) -> None:
    disk, words = make_disk(tmp_path / "disk.img", lvm.EMPTY)
    line = f"root={ROOT} {words} machine_id={STATE}:state/machine-id {SHOWN}"
    with start([disk], line, tmp_path, "volumes-empty", RAMDISK) as machine:
        machine.console.expect(
            f"initrd: machine_id={STATE}:state/machine-id: the partition cannot be mounted\n", SECONDS
        )
        new = machine.console.expect(NEW, SECONDS)[1]
        machine.console.expect(f"^IDENTITY {new}, {new}$", SECONDS)
        machine.console.expect("^MAPPED: control system-root vroot$", SECONDS)


@pytest.mark.parametrize(
    ("root", "ramdisk", "reason"),
    [
        ("/dev/absent/root", RAMDISK, ': Volume group "absent" not found'),
        ("/dev/system/absent", RAMDISK, ': Failed to find logical volume "system/absent"'),
        (ROOT, "INITRD", ""),
    ],
)
def test_volume_that_is_not_there(root: str, ramdisk: str, reason: str, disk: tuple[Path, str], tmp_path: Path) -> None:
    name = f"volumes-{root.replace('/', '-')}-{ramdisk}"
    said = stops([disk[0]], f"root={root} rootwait=1 {disk[1]}", tmp_path, name, ramdisk)
    assert said == f"the root partition {root} did not appear within 1 seconds{reason}"


def test_group_whose_metadata_is_damaged(tmp_path: Path) -> None:
    disk, words = make_disk(tmp_path / "disk.img", lvm.EMPTY)
    with disk.open("r+b") as file:
        file.seek(4096 + 512)  # the text, behind the header of its area
        file.write(b"x")
    said = stops([disk], f"root={ROOT} rootwait=1 {words}", tmp_path, "volumes-damaged", RAMDISK)
    complaint = "Checksum error on /dev/vda at offset 4608."
    assert said == f"the root partition {ROOT} did not appear within 1 seconds: {complaint}"


def test_two_disks_with_one_group(disk: tuple[Path, str], tmp_path: Path) -> None:
    """Which one is meant cannot be known."""
    line = f"root={ROOT} rootwait=1 {disk[1]}"
    said = stops([disk[0], disk[0]], line, tmp_path, "volumes-twins", RAMDISK)
    complaint = f"Not using device /dev/vdb for PV {LAYOUT['pv_uuid']}."
    assert said == f"the root partition {ROOT} did not appear within 1 seconds: {complaint}"
