"""GuestOS in QEMU, for tests: the image as a disk of the field's size, boots of it, power cuts.

A test file takes the fixtures with `pytest_plugins = ["tests.guestos.guest"]`. Each boot costs most of a minute of a
processor, so `installed` is a disk that was booted once for all tests of a file.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sysimage import fat, gpt, grub, tree, volumes
from sysimage.ext4.read import read as read_ext4
from sysimage.extents import FileSlice, ImageReader, Sources, open_raw
from sysimage.materialise import write_raw
from sysimage.tree import Tree
from sysimage.vm import disks
from sysimage.vm.console import Console
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool

BOOT_SECONDS = 420.0  # to the login, under emulation, on a busy machine
COMMAND_SECONDS = 120.0
MEMORY = 1536  # MiB
EXPANDED = 50 << 30  # bytes of the disk in the field


@dataclass(frozen=True, slots=True)
class Guest:
    """A running GuestOS."""

    machine: VirtualMachine
    disk: Path

    @property
    def console(self) -> Console:
        """Its serial console."""
        return self.machine.console

    def login(self) -> None:
        """Waits for the login and logs in as root, as dev variants let one."""
        self.console.login("root", "root", BOOT_SECONDS)

    def run(self, command: str, timeout: float = COMMAND_SECONDS) -> tuple[str, int]:
        """What a command printed, and its exit status."""
        output, status = self.console.run(command, timeout)
        return output.strip(), status

    def succeeds(self, command: str, timeout: float = COMMAND_SECONDS) -> str:
        """What a command printed that must end with status 0."""
        output, status = self.run(command, timeout)
        assert status == 0, f"{command}: exit status {status}: {output}"
        return output

    def check_running(self) -> None:
        """Waits until everything that is to start has started; nothing of it may have failed."""
        state, _ = self.run("systemctl is-system-running --wait", BOOT_SECONDS)
        failed = self.succeeds("systemctl --failed --no-legend --plain")
        assert (state, failed) == ("running", ""), f"the system is {state}; failed: {failed}"

    def snapshot(self, target: Path) -> Path:
        """Copies the disk as a power cut at this moment would leave it; the guest goes on.

        What the guest has not yet written to the disk is not on the copy, as after a real power cut.
        """
        self.machine.control("stop")
        try:
            disks.copy(self.disk, target)
        finally:
            self.machine.control("cont")
        return target

    def power_cut(self) -> None:
        """Kills QEMU; the disk stays as it is."""
        self.machine.process.kill()
        self.machine.wait(COMMAND_SECONDS)

    def shutdown(self) -> None:
        """Powers off in order."""
        self.console.send("systemctl poweroff\n")
        self.machine.wait(COMMAND_SECONDS)


@contextmanager
def boot(
    disk: Path,
    scratch: Path,
    name: str,
    *,
    media: Sequence[Path] = (),
    network: bool = True,
    forward: Sequence[tuple[int, int]] = (),
    writable: bool = True,
    cpus: int = 1,
    memory: int = MEMORY,
    restart: bool = False,
) -> Iterator[Guest]:
    """Starts a machine on a disk; leaving the `with` block pulls its plug.

    Args:
        disk: the raw disk.
        scratch: a folder for what this boot leaves; boots that run at the same time need one each.
        name: of the console's log among the test's outputs.
        media: raw removable media that are in the machine from the start, such as a bootstrap medium.
        network: whether the guest has one, as it does in the field.
        forward: pairs of TCP ports, this machine's and the guest's.
        writable: False: what the guest writes is thrown away.
        cpus: processors.
        memory: MiB.
        restart: a reboot of the guest restarts the machine instead of ending it.
    """
    drives = [Disk(disk, writable=writable), *(Disk(medium, removable=True) for medium in media)]
    machine = Machine(drives, memory=memory, cpus=cpus, network=network, forward=forward, restart=restart)
    with VirtualMachine(machine, tool(), scratch, log(name)) as running:
        yield Guest(running, disk)


def medium(target: Path, files: dict[str, bytes], label: str = "CONFIG") -> Path:
    """Writes a removable VFAT medium with these files."""
    content = Tree()
    for name, data in files.items():
        content.put(name, tree.file(data))
    write_raw(fat.plan(content, fat.Options(size=16 << 20, label=label)), Sources({}), target)
    return target


def ssh_words(port: int, *options: str) -> list[str]:
    """A command line of ssh up to the account: a forwarded port, no configuration of this machine's, any host key."""
    words = [
        "ssh",
        "-F",
        "none",
        "-p",
        str(port),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]
    for option in options:
        words += ["-o", option]
    return words


def filesystem(disk: Path, volume: str) -> tuple[Tree, ImageReader]:
    """The tree of an ext4 volume of a raw disk, PARTITION or PARTITION/VOLUME; its contents are slices of the disk."""
    view = volumes.open_volume(open_raw(disk), volume)
    return read_ext4(view), view


def place_in(disk: Path, volume: str, name: str) -> int:
    """Where on the disk a file in a volume begins."""
    content, view = filesystem(disk, volume)
    with view.sources:
        (extent,) = content[content.resolve(name)].data.slice(0, 1).extents
        assert isinstance(extent.source, FileSlice)
        return extent.source.offset


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


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image under test (IMAGE) as a disk of 50 GiB, never booted. Copy it, or boot it with writable=False."""
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
    """A copy of the never booted disk, for one test to boot or to damage."""
    target = tmp_path / "disk.img"
    disks.copy(image.disk, target)
    yield target
    target.unlink()


@pytest.fixture(scope="module")
def installed_disk(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk that went through its first boot, without a bootstrap medium, and was shut down. Not to be written to."""
    folder = tmp_path_factory.mktemp("installed")
    disk = folder / "disk.img"
    disks.copy(image.disk, disk)
    with boot(disk, folder, "first-boot") as guest:
        guest.login()
        guest.check_running()
        guest.shutdown()
    return disk


@pytest.fixture
def installed(installed_disk: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of `installed_disk` for one test."""
    target = tmp_path / "installed.img"
    disks.copy(installed_disk, target)
    yield target
    target.unlink()
