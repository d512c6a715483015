"""GRUB walks every row of the A/B table: real GRUB on emulated UEFI firmware, disks by our own writers.

A boot partition here has a file for a kernel that is none: GRUB has chosen, saved and told
all that is asked for before it finds out, and then shows what it does with a slot that cannot be loaded.
"""

import re
from pathlib import Path

import pytest

from sysimage import gpt, grubenv, lvm
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, Sources, open_raw
from sysimage.lvm.reader import read_label, read_text
from sysimage.lvm.testing import area, replaced
from sysimage.materialise import write_raw
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, tool
from tests.boot.grub_disk import GROUP, PARTITIONS, fat_of, layout, make_disk, read_environment
from tests.boot.states import ROWS, Row

SECONDS = 120.0  # for the firmware and GRUB, on a busy machine

# As SetupOS adds the other disks of a machine.
OTHER_PV = """
pv1 {
id = "pv1pv1-pv1p-v1pv-1pv1-pv1p-v1pv-1pv1pv"
device = "/dev/nvme1n1"

status = ["ALLOCATABLE"]
flags = []
dev_size = 65536
pe_start = 2048
pe_count = 248
}

pv0 {"""


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.img", row.environment)
    machine_of_it = Machine([Disk(disk, writable=True)], cpus=1)
    with VirtualMachine(machine_of_it, tool(), tmp_path, log(f"grub-{row}")) as machine:
        chosen = machine.console.expect(r"GRUB: booting slot (\w), state (\w+), from \((.*)\)", SECONDS)
        line = machine.console.expect(r"GRUB: kernel command line: (.*)\n", SECONDS)
    number = PARTITIONS.index(f"{row.slot}_boot") + 1
    assert (chosen[1], chosen[2]) == (row.slot, row.state)
    assert re.fullmatch(rf"hd\d+,gpt{number}", chosen[3])
    assert line[1].strip() == f"partition={row.slot}_boot slot={row.slot} state={row.state}"
    assert read_environment(disk) == row.after


@pytest.mark.parametrize("slot", "AB")
def test_slots_in_logical_volumes(slot: str, tmp_path: Path) -> None:
    environment = grubenv.make({"boot_alternative": slot, "boot_cycle": "stable"})
    disk = make_disk(tmp_path / "disk.img", environment, ("esp", "grub", GROUP), "hostos")
    with VirtualMachine(Machine([Disk(disk)], cpus=1), tool(), tmp_path, log(f"grub-volume-{slot}")) as machine:
        machine.console.expect(rf"GRUB: booting slot {slot}, state stable, from \(lvm/{GROUP}-{slot}_boot\)", SECONDS)
        line = machine.console.expect(r"GRUB: kernel command line: (.*)\n", SECONDS)
    assert line[1].strip() == f"partition={slot}_boot slot={slot} state=stable"


def test_slots_in_a_group_that_lvm_changed(tmp_path: Path) -> None:
    """A text of many changes later, over the end of its ring, and a volume that grew onto a disk that is not there."""
    environment = grubenv.make({"boot_alternative": "B", "boot_cycle": "stable"})
    disk = make_disk(tmp_path / "disk.img", environment, ("esp", "grub", GROUP), "hostos")
    group = gpt.open_partition(open_raw(disk), GROUP)
    ((at, size),) = read_label(group).metadata_areas
    text = (read_text(group, at, size) or b"").decode()
    for old, new in (("seqno = 1\n", "seqno = 999\n"), ("\npv0 {", OTHER_PV), ('"pv0", 24', '"pv1", 24')):
        text = replaced(old, new)(text)
    with disk.open("r+b") as raw:
        raw.seek(gpt.read(open_raw(disk))[GROUP].offset + at)
        raw.write(area(text.encode(), size - 1024, at, size))
    changed = gpt.open_partition(open_raw(disk), GROUP)
    assert lvm.verify(changed) == []
    with pytest.raises(UserError, match=r"^volume 'config' lies on pv1, not on this physical volume$"):
        lvm.open_volume(changed, "config")
    with VirtualMachine(Machine([Disk(disk)], cpus=1), tool(), tmp_path, log("grub-volume-changed")) as machine:
        line = machine.console.expect(r"GRUB: kernel command line: (.*)\n", SECONDS)
    assert line[1].strip() == "partition=B_boot slot=B state=stable"


def test_new_system_that_cannot_be_loaded_falls_back_and_stays_there(tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.img", grubenv.make({"boot_alternative": "B", "boot_cycle": "first_boot"}))
    machine = Machine([Disk(disk, writable=True)], cpus=1, restart=True)
    with VirtualMachine(machine, tool(), tmp_path, log("grub-fallback")) as running:
        for slot, state in (("B", "upgrade"), ("A", "failsafe"), ("A", "stable")):
            running.console.expect(rf"GRUB: booting slot {slot}, state {state},", SECONDS)
            running.console.expect(rf"GRUB: slot {slot} cannot be loaded; restarting", SECONDS)
            # On a busy machine GRUB misjudges the clock, and its seconds can be minutes.
            running.console.send("\x1b")
    assert read_environment(disk) == {"boot_alternative": "A", "boot_cycle": "stable"}


def test_damaged_grubenv_still_boots_slot_a(tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.img", b"boot_cycle=first_boot\n")
    with VirtualMachine(Machine([Disk(disk, writable=True)], cpus=1), tool(), tmp_path, log("grub-damaged")) as machine:
        machine.console.expect("GRUB: grubenv cannot be written; the next boot will start from the same state", SECONDS)
        machine.console.expect(r"GRUB: booting slot A, state install,", SECONDS)


def test_only_the_disk_that_grub_came_from_counts(tmp_path: Path) -> None:
    """A second disk with the same GUIDs in front of it, without a boot loader, changes nothing."""
    other = tmp_path / "other.img"
    decoy = fat_of({"grub.cfg": b'echo "GRUB: decoy"\n'})
    contents: dict[str, ExtentMap | gpt.Empty] = dict.fromkeys(PARTITIONS, gpt.EMPTY)
    write_raw(gpt.plan(layout(PARTITIONS), contents | {"grub": decoy}), Sources({}), other)
    disk = make_disk(tmp_path / "disk.img", grubenv.make({"boot_alternative": "B", "boot_cycle": "stable"}))
    machine = Machine([Disk(other), Disk(disk, writable=True)], cpus=1)
    with VirtualMachine(machine, tool(), tmp_path, log("grub-two-disks")) as running:
        chosen = running.console.expect([r"GRUB: booting slot B, state stable, from", "GRUB: decoy"], SECONDS)
        line = running.console.expect("GRUB: kernel command line: (.*)\n", SECONDS)
    assert "decoy" not in chosen[0]
    assert line[1].strip() == "partition=B_boot slot=B state=stable"


def test_disk_without_slots_has_no_state(tmp_path: Path) -> None:
    names = ("esp", "grub", "config", "data", "boot", "root")
    disk = make_disk(tmp_path / "disk.img", grubenv.make({"boot_cycle": "first_boot"}), names, "setupos")
    with VirtualMachine(Machine([Disk(disk, writable=True)], cpus=1), tool(), tmp_path, log("grub-setupos")) as machine:
        chosen = machine.console.expect(r"GRUB: booting slot (\w), state (\w+), from \(hd\d+,gpt(\d)\)", SECONDS)
        machine.console.expect("GRUB: kernel command line: partition=boot slot=A state=install\n", SECONDS)
    assert (chosen[1], chosen[2], chosen[3]) == ("A", "install", "5")
    assert read_environment(disk) == {"boot_cycle": "first_boot"}
