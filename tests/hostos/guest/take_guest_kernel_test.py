"""take-guest-kernel.sh: what a measured launch starts, out of the guest's disk, and what becomes of its state.

The table of states is the one that GRUB itself is tested with (//tests/boot:grub_test).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from sysimage import fat, gpt, grub, grubenv, tree
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan as plan_ext4
from sysimage.extents import ExtentMap, Sources
from sysimage.materialise import write_raw
from sysimage.tree import Tree
from tests.boot.grub_disk import EPOCH, MIB, PARTITIONS, guid, layout, read_environment
from tests.boot.states import ROWS, Row
from tests.hostos.guest.guest_host import GuestHost

SCRIPT: Final = "take-guest-kernel.sh"
STABLE: Final = {"boot_alternative": "A", "boot_cycle": "stable"}
BOOTING: Final = "take-guest-kernel: booting slot {}, state {}\n"
SECTOR: Final = 512
FAT_SIZE: Final = 32 << 20
KERNEL: Final = bytes(range(256)) * 9001  # more than a block of pointers holds


def boot_files(name: str) -> dict[str, bytes]:
    """What a boot partition has; everything in it says which one it is."""
    lines = {slot: f"partition={name} slot={slot} dfinity.boot_state=$boot_state ${{boot_state}}" for slot in "AB"}
    return {
        "boot_args": grub.boot_args(lines),
        "initrd.img": b"initrd of " + name.encode(),
        "vmlinuz": b"kernel of " + name.encode() + KERNEL,
    }


def ext4_of(files: dict[str, bytes]) -> ExtentMap:
    content = Tree()
    for name, data in files.items():
        content.put(name, tree.file(data))
    return plan_ext4(content, Ext4Options(UUID(guid(100)), UUID(guid(101)), EPOCH, size=16 << 20))


def wide(names: tuple[str, ...], fat_size: int) -> gpt.Layout:
    """The layout of the tests of GRUB, with room for a kernel in boot partitions."""
    narrow = layout(names)
    partitions, start = [], MIB
    for each in narrow.partitions:
        size = {"grub": fat_size // SECTOR, "boot": 16 * MIB}.get(
            each.name.removeprefix("A_").removeprefix("B_"), each.size
        )
        partitions.append(gpt.Partition(each.number, each.name, start, size, each.type, each.guid))
        start += size
    return gpt.Layout(narrow.disk_guid, start + MIB, tuple(partitions))


@dataclass
class Guest:
    """The guest's disk, as far as a launch looks at it, on a host."""

    host: GuestHost
    fat_size: int = FAT_SIZE

    @property
    def disk(self) -> Path:
        return self.host.root / "dev/hostlvm/guestos"

    def make(
        self,
        environment: bytes | None,
        names: tuple[str, ...] = PARTITIONS,
        files: Callable[[str], dict[str, bytes]] = boot_files,
    ) -> None:
        """Writes it; None: the grub partition has no grubenv."""
        contents: dict[str, ExtentMap | gpt.Empty] = dict.fromkeys(names, gpt.EMPTY)
        volume = Tree()
        # GRUB's other files lie before it.
        for name, data in {"grub.cfg": b"#" * 5000, "slots.cfg": b"#", "grubenv": environment}.items():
            if data is not None:
                volume.put(name, tree.file(data, mtime=EPOCH * tree.NANOSECONDS))
        if "grub" in names:
            contents["grub"] = fat.plan(volume, fat.Options(size=self.fat_size))
        for name in names:
            if name.endswith("boot"):
                contents[name] = ext4_of(files(name))
        self.disk.unlink(missing_ok=True)
        write_raw(gpt.plan(wide(names, self.fat_size), contents), Sources({}), self.disk)

    def take(self) -> tuple[int, str]:
        status, said = self.host.run(SCRIPT)
        return status, said.replace(str(self.host.root), "")

    def taken(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.host.root / "run/guestos").iterdir()}


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(GuestHost(tmp_path / "host"))


def expected(slot: str, state: str) -> dict[str, bytes]:
    """What is taken of a slot; of the command line, its one variable is filled in, and no other word."""
    files = boot_files(f"{slot}_boot")
    line = f"partition={slot}_boot slot={slot} dfinity.boot_state={state} {state}"
    del files["boot_args"]
    return files | {"cmdline": line.encode()}


def said_of(row: Row) -> str:
    said = ""
    if row.cycle == "nonsense":
        said += "take-guest-kernel: grubenv has the unknown boot_cycle 'nonsense'; taken for stable\n"
    if row.saved:
        values = " ".join(f"{name}={value}" for name, value in row.saved.items())
        said += f"take-guest-kernel: saved {values}\n"
    return said + BOOTING.format(row.slot, row.state)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row, guest: Guest) -> None:
    guest.make(row.environment)
    assert guest.take() == (0, said_of(row))
    assert guest.taken() == expected(row.slot, row.state)
    assert read_environment(guest.disk) == row.after


def test_nothing_but_the_environment_block_changes(guest: Guest) -> None:
    guest.make(grubenv.make({"boot_alternative": "B", "boot_cycle": "first_boot"}))
    before = guest.disk.read_bytes()
    assert guest.take()[0] == 0
    after = guest.disk.read_bytes()
    assert len(after) == len(before)
    at = before.index(grubenv.SIGNATURE)
    assert after[:at] + after[at + grubenv.SIZE :] == before[:at] + before[at + grubenv.SIZE :]
    # In one sector, which a disk writes wholly or not at all.
    assert after[at + SECTOR : at + grubenv.SIZE] == before[at + SECTOR : at + grubenv.SIZE]
    assert at % SECTOR == 0


def test_upgrade_that_is_not_confirmed_falls_back(guest: Guest) -> None:
    """Start by start, as with GRUB."""
    guest.make(grubenv.make({"boot_alternative": "B", "boot_cycle": "first_boot"}))
    for slot, state in (("B", "upgrade"), ("A", "failsafe"), ("A", "stable"), ("A", "stable")):
        assert guest.take()[1].endswith(BOOTING.format(slot, state))
        assert guest.taken() == expected(slot, state)


@pytest.mark.parametrize("size", [8 << 20, 100 << 20, 600 << 20])
def test_every_size_of_the_grub_partition(guest: Guest, size: int) -> None:
    """FAT16 with small and large clusters, and FAT32; 100 MiB are those of the image."""
    guest.fat_size = size
    row = ROWS[4]
    guest.make(row.environment)
    assert guest.take() == (0, said_of(row))
    assert read_environment(guest.disk) == row.after


@pytest.mark.parametrize(
    "environment",
    [None, b"", b"#" * 1024, b"\0" * 1024],
)
def test_damaged_grubenv_starts_slot_a_again_and_again(guest: Guest, environment: bytes | None) -> None:
    guest.make(environment)
    before = guest.disk.read_bytes()
    for _ in range(2):
        assert guest.take() == (
            0,
            "take-guest-kernel: the guest's grubenv is no environment block; the state of its slots is unknown\n"
            "take-guest-kernel: grubenv cannot be written; the next start will be from the same state\n"
            + BOOTING.format("A", "install"),
        )
        assert guest.taken() == expected("A", "install")
    assert guest.disk.read_bytes() == before


def without(name: str) -> Callable[[str], dict[str, bytes]]:
    return lambda partition: {path: data for path, data in boot_files(partition).items() if path != name}


def with_line(line: bytes) -> Callable[[str], dict[str, bytes]]:
    return lambda partition: boot_files(partition) | {"boot_args": line}


NO_LINE = "take-guest-kernel: boot_args of slot A has not one command line for it\n"


@pytest.mark.parametrize(
    ("names", "files", "said"),
    [
        (
            ("esp",),
            boot_files,
            "take-guest-kernel: /dev/hostlvm/guestos has not one partition grub; is GuestOS on it?\n",
        ),
        (
            ("esp", "grub", "B_boot"),
            boot_files,
            BOOTING.format("A", "stable")
            + "take-guest-kernel: /dev/hostlvm/guestos has not one partition A_boot; is GuestOS on it?\n",
        ),
        (
            PARTITIONS,
            without("vmlinuz"),
            BOOTING.format("A", "stable") + "take-guest-kernel: slot A of the guest has no readable vmlinuz "
            "(/vmlinuz: File not found by ext2_lookup )\n",
        ),
        (
            PARTITIONS,
            lambda partition: boot_files(partition) | {"initrd.img": b""},
            BOOTING.format("A", "stable") + "take-guest-kernel: slot A of the guest has no readable initrd.img\n",
        ),
        (PARTITIONS, with_line(b'boot_args_B="b"\n'), BOOTING.format("A", "stable") + NO_LINE),
        (PARTITIONS, with_line(b'boot_args_A="a"\nboot_args_A="b"\n'), BOOTING.format("A", "stable") + NO_LINE),
        (
            PARTITIONS,
            with_line(b'boot_args_A="a $boot_states"\n'),
            BOOTING.format("A", "stable")
            + "take-guest-kernel: the command line of slot A has a variable that is not boot_state: a $boot_states\n",
        ),
        (PARTITIONS, with_line(b'boot_args_A="\x1b[2J"\n'), BOOTING.format("A", "stable") + NO_LINE),
    ],
)
def test_refusals(guest: Guest, names: tuple[str, ...], files: Callable[[str], dict[str, bytes]], said: str) -> None:
    guest.make(grubenv.make(STABLE), names, files)
    assert guest.take() == (2, said)
    assert "cmdline" not in guest.taken()


def test_what_cannot_be_loaded_was_tried_all_the_same(guest: Guest) -> None:
    """So that the next start falls back."""
    guest.make(grubenv.make({"boot_alternative": "B", "boot_cycle": "first_boot"}), files=without("vmlinuz"))
    assert guest.take()[0] == 2
    assert read_environment(guest.disk) == {"boot_alternative": "B", "boot_cycle": "failsafe_check"}


def test_no_disk(guest: Guest) -> None:
    said = "take-guest-kernel: /dev/hostlvm/guestos has not one partition grub; is GuestOS on it?\n"
    assert guest.take() == (2, said)
