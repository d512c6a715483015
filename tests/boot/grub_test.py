"""GRUB walks every row of the A/B table: real GRUB on emulated UEFI firmware, disks by our own writers.

A boot partition here has a file for a kernel that is none: GRUB has chosen, saved and told
all that is asked for before it finds out, and then shows what it does with a slot that cannot be loaded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import fat, gpt, grub, grubenv, tree
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan as plan_ext4
from sysimage.extents import ExtentMap, Sources, open_raw
from sysimage.materialise import write_raw
from sysimage.tree import Tree
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool

MIB = 2048  # sectors
EPOCH = 1754697600
EFI_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX_TYPE = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
PARTITIONS = ("esp", "grub", "config", "A_boot", "A_root", "A_var", "B_boot", "B_root", "B_var")
SECONDS = 120.0  # for the firmware and GRUB, on a busy machine


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table, for one slot: what grubenv says, what GRUB does, what grubenv says then."""

    alternative: str | None
    cycle: str | None
    slot: str
    state: str
    saved: dict[str, str] | None  # None: nothing is written


ROWS = [
    Row(None, None, "A", "install", {"boot_alternative": "A", "boot_cycle": "stable"}),
    Row("B", None, "B", "install", {"boot_alternative": "B", "boot_cycle": "stable"}),
    Row("A", "install", "A", "install", {"boot_alternative": "A", "boot_cycle": "stable"}),
    Row("B", "install", "B", "install", {"boot_alternative": "B", "boot_cycle": "stable"}),
    Row("A", "first_boot", "A", "upgrade", {"boot_alternative": "A", "boot_cycle": "failsafe_check"}),
    Row("B", "first_boot", "B", "upgrade", {"boot_alternative": "B", "boot_cycle": "failsafe_check"}),
    Row("A", "failsafe_check", "B", "failsafe", {"boot_alternative": "B", "boot_cycle": "stable"}),
    Row("B", "failsafe_check", "A", "failsafe", {"boot_alternative": "A", "boot_cycle": "stable"}),
    Row("A", "stable", "A", "stable", None),
    Row("B", "stable", "B", "stable", None),
    Row(None, "stable", "A", "stable", None),
    Row("B", "nonsense", "B", "stable", None),
]


def guid(number: int) -> str:
    return str(UUID(int=(0xB007 << 112) + number))


def layout(names: tuple[str, ...]) -> gpt.Layout:
    partitions, start = [], MIB
    for number, name in enumerate(names, 1):
        size = 32 * MIB if name in ("esp", "grub") else MIB
        kind = EFI_TYPE if name == "esp" else LINUX_TYPE
        partitions.append(gpt.Partition(number, name, start, size, UUID(kind), UUID(guid(number))))
        start += size
    return gpt.Layout(UUID(guid(0)), start + MIB, tuple(partitions))


def fat_of(files: dict[str, bytes]) -> ExtentMap:
    content = Tree()
    for name, data in files.items():
        content.put(name, tree.file(data, mtime=EPOCH * tree.NANOSECONDS))
    return fat.plan(content, fat.Options(size=32 << 20))


def boot_partition(name: str) -> ExtentMap:
    content = Tree()
    lines = {slot: f"partition={name} slot={slot} state=$boot_state" for slot in "AB"}
    content.put("boot_args", tree.file(grub.boot_args(lines)))
    content.put("vmlinuz", tree.file(b"not a kernel"))
    return plan_ext4(content, Ext4Options(UUID(guid(100)), UUID(guid(101)), EPOCH, size=1 << 20))


def make_disk(target: Path, environment: bytes, names: tuple[str, ...] = PARTITIONS, slots: str = "guestos") -> Path:
    bootloader = path("GRUB_CONFIG").parent
    contents: dict[str, ExtentMap | gpt.Empty] = dict.fromkeys(names, gpt.EMPTY)
    contents["esp"] = fat_of({"EFI/BOOT/BOOTX64.EFI": path("GRUB").read_bytes()})
    contents["grub"] = fat_of(
        {
            "grub.cfg": (bootloader / "grub.cfg").read_bytes(),
            "slots.cfg": (bootloader / f"slots/{slots}.cfg").read_bytes(),
            "grubenv": environment,
        }
    )
    for name in names:
        if name.endswith("boot"):
            contents[name] = boot_partition(name)
    write_raw(gpt.plan(layout(names), contents), Sources({}), target)
    return target


def read_environment(disk: Path) -> dict[str, str]:
    """grubenv as it lies on the disk now."""
    reader = open_raw(disk)
    partition = layout(PARTITIONS)["grub"]
    volume = fat.FatReader(type(reader)(reader.map.slice(partition.offset, partition.length), reader.sources))
    with reader.sources as sources:
        return grubenv.parse(volume.tree().read("grubenv", sources))


def environment_of(row: Row) -> bytes:
    variables = {"boot_alternative": row.alternative, "boot_cycle": row.cycle}
    return grubenv.make({name: value for name, value in variables.items() if value is not None})


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.alternative}-{row.cycle}")
def test_row(row: Row, scratch: Path) -> None:
    environment = environment_of(row)
    disk = make_disk(scratch / "disk.img", environment)
    name = f"grub-{row.alternative}-{row.cycle}"
    with VirtualMachine(Machine([Disk(disk, writable=True)], cpus=1), tool(), scratch, log(name)) as machine:
        chosen = machine.console.expect(r"GRUB: booting slot (\w), state (\w+), from \((.*)\)", SECONDS)
        line = machine.console.expect(r"GRUB: kernel command line: (.*)\n", SECONDS)
    number = PARTITIONS.index(f"{row.slot}_boot") + 1
    assert (chosen[1], chosen[2]) == (row.slot, row.state)
    assert re.fullmatch(rf"hd\d+,gpt{number}", chosen[3])
    assert line[1].strip() == f"partition={row.slot}_boot slot={row.slot} state={row.state}"
    if row.saved is None:
        assert read_environment(disk) == grubenv.parse(environment)
    else:
        assert read_environment(disk) == row.saved


def test_new_system_that_cannot_be_loaded_falls_back_and_stays_there(scratch: Path) -> None:
    disk = make_disk(scratch / "disk.img", grubenv.make({"boot_alternative": "B", "boot_cycle": "first_boot"}))
    machine = Machine([Disk(disk, writable=True)], cpus=1, restart=True)
    with VirtualMachine(machine, tool(), scratch, log("grub-fallback")) as running:
        for slot, state in (("B", "upgrade"), ("A", "failsafe"), ("A", "stable")):
            running.console.expect(rf"GRUB: booting slot {slot}, state {state},", SECONDS)
            running.console.expect(rf"GRUB: slot {slot} cannot be loaded; restarting", SECONDS)
            # On a busy machine GRUB misjudges the clock, and its seconds can be minutes.
            running.console.send("\x1b")
    assert read_environment(disk) == {"boot_alternative": "A", "boot_cycle": "stable"}


def test_damaged_grubenv_still_boots_slot_a(scratch: Path) -> None:
    disk = make_disk(scratch / "disk.img", b"boot_cycle=first_boot\n")
    with VirtualMachine(Machine([Disk(disk, writable=True)], cpus=1), tool(), scratch, log("grub-damaged")) as machine:
        machine.console.expect("GRUB: grubenv cannot be written; the next boot will start from the same state", SECONDS)
        machine.console.expect(r"GRUB: booting slot A, state install,", SECONDS)


def test_only_the_disk_that_grub_came_from_counts(scratch: Path) -> None:
    """A second disk with the same GUIDs in front of it, without a boot loader, changes nothing."""
    other = scratch / "other.img"
    decoy = fat_of({"grub.cfg": b'echo "GRUB: decoy"\n'})
    contents: dict[str, ExtentMap | gpt.Empty] = dict.fromkeys(PARTITIONS, gpt.EMPTY)
    write_raw(gpt.plan(layout(PARTITIONS), contents | {"grub": decoy}), Sources({}), other)
    disk = make_disk(scratch / "disk.img", grubenv.make({"boot_alternative": "B", "boot_cycle": "stable"}))
    machine = Machine([Disk(other), Disk(disk, writable=True)], cpus=1)
    with VirtualMachine(machine, tool(), scratch, log("grub-two-disks")) as running:
        chosen = running.console.expect([r"GRUB: booting slot B, state stable, from", "GRUB: decoy"], SECONDS)
        line = running.console.expect("GRUB: kernel command line: (.*)\n", SECONDS)
    assert "decoy" not in chosen[0]
    assert line[1].strip() == "partition=B_boot slot=B state=stable"


def test_disk_without_slots_has_no_state(scratch: Path) -> None:
    names = ("esp", "grub", "config", "data", "boot", "root")
    disk = make_disk(scratch / "disk.img", grubenv.make({"boot_cycle": "first_boot"}), names, "setupos")
    with VirtualMachine(Machine([Disk(disk, writable=True)], cpus=1), tool(), scratch, log("grub-setupos")) as machine:
        chosen = machine.console.expect(r"GRUB: booting slot (\w), state (\w+), from \(hd\d+,gpt(\d)\)", SECONDS)
        machine.console.expect("GRUB: kernel command line: partition=boot slot=A state=install\n", SECONDS)
    assert (chosen[1], chosen[2], chosen[3]) == ("A", "install", "5")
    assert read_environment(disk) == {"boot_cycle": "first_boot"}
