"""The finished image boots to a login and is what it claims to be; a damaged one never gets there.

All that the tests know about the image they read from the image: partitions, command lines, hash tree.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sysimage import gpt, grub
from sysimage.ext4.read import read as read_ext4
from sysimage.extents import FileSlice, ImageReader, open_raw
from sysimage.tree import Tree
from sysimage.vm import disks
from sysimage.vm.console import Console
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool

BOOT_SECONDS = 420.0  # to the login, under emulation, on a busy machine
COMMAND_SECONDS = 120.0
MEMORY = 1536
BLOCK = 4096
CORRUPTED = "Kernel panic - not syncing: dm-verity device corrupted"
EXPANDED = 50 << 30  # bytes of the disk in the field


@dataclass(frozen=True, slots=True)
class Image:
    """A disk unpacked from the archive, and what its slot A says about its root."""

    disk: Path
    command_line: str
    root_offset: int  # of partition A_root, in bytes

    def parameter(self, name: str) -> str:
        """The value of a word of the command line."""
        found = re.search(rf"(?:^| ){re.escape(name)}=(\S+)", self.command_line)
        assert found is not None, f"{name}= is not in {self.command_line!r}"
        return found[1]


def filesystem(disk: Path, partition: str) -> tuple[Tree, ImageReader]:
    """The tree in a partition; contents are slices of the raw disk."""
    reader = open_raw(disk)
    entry = gpt.read(reader)[partition]
    view = ImageReader(reader.map.slice(entry.offset, entry.length), reader.sources)
    return read_ext4(view), view


def place_in(disk: Path, partition: str, name: str, offset: int) -> int:
    """Where on the disk a byte of a file in a partition lies."""
    content, view = filesystem(disk, partition)
    with view.sources:
        (extent,) = content[content.resolve(name)].data.slice(offset, 1).extents
        assert isinstance(extent.source, FileSlice)
        return extent.source.offset


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    disk = disks.unpack(path("IMAGE"), tmp_path_factory.mktemp("image"), size=EXPANDED)
    content, view = filesystem(disk, "A_boot")
    with view.sources as sources:
        lines = grub.parse_boot_args(content.read("boot_args", sources))
    reader = open_raw(disk)
    with reader.sources:
        root = gpt.read(reader)["A_root"].offset
    return Image(disk, lines["A"], root)


@pytest.fixture
def copy(image: Image, tmp_path: Path) -> Iterator[Path]:
    """A copy of the disk that may be damaged."""
    target = tmp_path / "disk.img"
    disks.copy(image.disk, target)
    yield target
    target.unlink()


def succeeds(console: Console, command: str) -> str:
    output, status = console.run(command, COMMAND_SECONDS)
    assert status == 0, f"{command}: exit status {status}: {output}"
    return output.strip()


def test_boots_to_a_login_with_nothing_failed(image: Image, tmp_path: Path) -> None:
    machine = Machine([Disk(image.disk)], memory=MEMORY)
    with VirtualMachine(machine, tool(), tmp_path, log("login")) as running:
        console = running.console
        console.expect(r"GRUB: booting slot A, state install,", BOOT_SECONDS)
        console.login("root", "root", BOOT_SECONDS)
        # Everything that is to start has started, and nothing of it failed.
        state, _ = console.run("systemctl is-system-running --wait", BOOT_SECONDS)
        failed = succeeds(console, "systemctl --failed --no-legend --plain")
        assert (state.strip(), failed) == ("running", "")
        check_root(console, image)
        check_command_line(console, image)
        assert succeeds(console, "tty") == "/dev/ttyS0"
        assert succeeds(console, "cat /opt/ic/share/version.txt") == path("VERSION").read_text().strip()
        console.send("systemctl poweroff\n")
        running.wait(COMMAND_SECONDS)


def check_root(console: Console, image: Image) -> None:
    """Root is the verity device, opened with the root hash of the command line, and cannot be written."""
    assert succeeds(console, "findmnt -no SOURCE,FSTYPE /").split() == ["/dev/mapper/vroot", "ext4"]
    assert "ro" in succeeds(console, "findmnt -no OPTIONS /").split(",")
    table = succeeds(console, "dmsetup table vroot").split()
    assert table[2] == "verity"
    assert image.parameter("root_hash") in table
    assert image.parameter("verity.salt") in table
    assert "panic_on_corruption" in table
    assert succeeds(console, "dmsetup status vroot").split()[3] == "V"
    output, status = console.run("touch /written", COMMAND_SECONDS)
    assert status != 0
    assert "Read-only file system" in output


def check_command_line(console: Console, image: Image) -> None:
    """The kernel got the slot's command line from the boot partition, with the state that GRUB found."""
    words = succeeds(console, "cat /proc/cmdline").split()
    expected = image.command_line.replace("$boot_state", "install").split()
    assert [word for word in words if not word.startswith("BOOT_IMAGE=")] == expected
    assert "dfinity.system=A" in words


def never_boots(disk: Path, scratch: Path, name: str) -> str:
    """Boots a damaged disk; the kernel must stop for the damage, before any login. Returns what it said."""
    with VirtualMachine(Machine([Disk(disk)], memory=MEMORY), tool(), scratch, log(name)) as running:
        running.console.fatal = None  # the panic is what is wanted
        found = running.console.expect([re.escape(CORRUPTED), "login: "], BOOT_SECONDS)
        assert found[0] == CORRUPTED, running.console.tail()
        return running.console.text


def test_flipped_byte_in_the_root_data_stops_the_boot(image: Image, copy: Path, tmp_path: Path) -> None:
    at = place_in(copy, "A_root", "sbin/init", 0)
    disks.flip_byte(copy, at)
    block = (at - image.root_offset) // BLOCK
    assert re.search(rf"verity: \S+: data block {block} is corrupted", never_boots(copy, tmp_path, "damaged-data"))


def test_flipped_byte_in_the_hash_tree_stops_the_boot(image: Image, copy: Path, tmp_path: Path) -> None:
    """In the hash of the first block of init, at the lowest level of the tree."""
    data_block = (place_in(copy, "A_root", "sbin/init", 0) - image.root_offset) // BLOCK
    data_blocks, hash_start = int(image.parameter("verity.data_blocks")), int(image.parameter("verity.hash_start"))
    per_block = BLOCK // 32
    levels = [-(-data_blocks // per_block)]  # blocks of each level, lowest first; on disk the highest comes first
    while levels[-1] > 1:
        levels.append(-(-levels[-1] // per_block))
    leaf = hash_start + sum(levels[1:]) + data_block // per_block
    disks.flip_byte(copy, image.root_offset + leaf * BLOCK + data_block % per_block * 32)
    text = never_boots(copy, tmp_path, "damaged-tree")
    assert re.search(rf"verity: \S+: metadata block {leaf} is corrupted", text)


def test_wrong_root_hash_stops_the_boot(image: Image, copy: Path, tmp_path: Path) -> None:
    """One digit of it, in the command line of the slot."""
    root_hash = image.parameter("root_hash")
    start = place_in(copy, "A_boot", "boot_args", 0)
    content, view = filesystem(copy, "A_boot")
    with view.sources as sources:
        position = content.read("boot_args", sources).index(root_hash.encode()) + 20
    old = root_hash[20]
    disks.overwrite(copy, start + position, b"0" if old != "0" else b"1")
    text = never_boots(copy, tmp_path, "wrong-root-hash")
    assert re.search(r"verity: \S+: metadata block \d+ is corrupted", text)


@pytest.mark.parametrize("word", ["root_hash", "verity.data_blocks"])
def test_command_line_without_a_parameter_stops_the_boot(word: str, copy: Path, tmp_path: Path) -> None:
    """The initrd says what is missing, and the kernel panics: there is no shell, and no way on."""
    start = place_in(copy, "A_boot", "boot_args", 0)
    content, view = filesystem(copy, "A_boot")
    with view.sources as sources:
        position = content.read("boot_args", sources).index(f" {word}=".encode()) + 1
    disks.overwrite(copy, start + position, b"x")
    with VirtualMachine(Machine([Disk(copy)], memory=MEMORY), tool(), tmp_path, log(f"without-{word}")) as running:
        running.console.fatal = None
        found = running.console.expect([rf"initrd: STOPPED: .*{re.escape(word)}=", "login: "], BOOT_SECONDS)
        assert found[0] != "login: "
        running.console.expect("Kernel panic - not syncing: Attempted to kill init!", COMMAND_SECONDS)
