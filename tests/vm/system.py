"""An operating system in QEMU, for tests: the image as a disk of the field's size, boots of it, power cuts.

What tells the systems apart is data, a `System`: tests/guestos/guest.py and tests/hostos/host.py have theirs, as the
fixture `system`, and bring the fixtures here with them. Each boot costs most of a minute of a processor, so `booted`
is a machine that was started once for all tests of a target, and goes on in each of them within a second.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sysimage import fat, grub, tree, volumes
from sysimage.ext4.read import read as read_ext4
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources, open_raw
from sysimage.materialise import write_raw
from sysimage.tree import Tree
from sysimage.vm import disks
from sysimage.vm.console import Console
from sysimage.vm.qemu import Disk, Emulator, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool

BOOT_SECONDS = 420.0  # to the login, under emulation, on a busy machine
COMMAND_SECONDS = 120.0
# The kernel and units that have something to say write to the console as well, between the lines of a command.
_ASIDE = re.compile(r"^\[ *\d+\.\d{6}\] .*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class System:
    """An operating system, as far as tests have to know it.

    name: what manageboot.sh calls it.
    size: bytes of the disk in the field.
    memory: MiB of the machine.
    group: the partition whose logical volumes the slots are; empty: they are partitions.
    nvme: whether the disk is one, and else a virtio disk.
    stick: whether the disk is a USB stick, with one system and no slots.
    kept: folders that outlive an upgrade.
    """

    name: str
    size: int
    memory: int
    group: str = ""
    nvme: bool = False
    stick: bool = False
    kept: Sequence[str] = ()

    @property
    def manageboot(self) -> str:
        """The program for upgrades."""
        return f"/opt/ic/bin/manageboot.sh {self.name}"

    def volume(self, name: str) -> str:
        """Where a volume of a slot, such as A_boot, lies on a disk."""
        if self.stick:
            return name.removeprefix("A_")
        return volumes.join(self.group, name) if self.group else name

    def disk(self, path: Path, writable: bool = True, write_log: Path | None = None) -> Disk:
        """A disk as its machine has it."""
        return Disk(path, writable=writable, nvme=self.nvme, removable=self.stick, write_log=write_log)

    def machine(self, disks: Sequence[Disk], **options: Any) -> Machine:
        """A machine for it, with the options of `Machine`."""
        return Machine(disks, **{"memory": self.memory, "cpus": 1, "network": True, **options})

    @contextmanager
    def boot(
        self,
        disk: Path,
        scratch: Path,
        name: str,
        *,
        media: Sequence[Path] = (),
        writable: bool = True,
        write_log: Path | None = None,
        **options: Any,
    ) -> Iterator["Running"]:
        """Starts a machine on a disk; leaving the `with` block pulls its plug.

        Args:
            disk: the raw disk.
            scratch: a folder for what this boot leaves; boots that run at the same time need one each.
            name: of the console's log among the test's outputs.
            media: raw removable media that are in the machine from the start, such as a bootstrap medium.
            writable: False: what the system writes is thrown away.
            write_log: a file that gets every write to the disk.
            **options: of `Machine`. It has a network and one processor unless they say otherwise. With `state` nothing
                boots: a saved machine goes on, logged in if it was.
        """
        drives = [self.disk(disk, writable, write_log), *(Disk(medium, removable=True) for medium in media)]
        with VirtualMachine(self.machine(drives, **options), tool(), scratch, log(name)) as running:
            yield Running(running, disk, self)


@dataclass(frozen=True, slots=True)
class Running:
    """A running system."""

    machine: Emulator
    disk: Path
    system: System

    @property
    def console(self) -> Console:
        """Its serial console."""
        return self.machine.console

    def login(self) -> None:
        """Waits for the login and logs in as root, as dev variants let one."""
        self.console.login("root", "root", BOOT_SECONDS)

    def run(self, command: str, timeout: float = COMMAND_SECONDS) -> tuple[str, int]:
        """What a command printed, without what others wrote to the console between its lines, and its exit status."""
        output, status = self.console.run(command, timeout)
        return _ASIDE.sub("", output).strip(), status

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

    def save(self, target: Path) -> Path:
        """Writes the state of the machine, logged in as it is; from then on it stands still.

        `System.boot` with this state, and the same disk, goes on here.
        """
        self.machine.save(target)
        return target

    def snapshot(self, target: Path) -> Path:
        """Copies the disk as a power cut at this moment would leave it; the system goes on.

        What the system has not yet written to the disk is not on the copy, as after a real power cut.
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


def region(disk: Path, volume: str) -> tuple[int, int]:
    """Where a volume (a partition, or PARTITION/VOLUME) lies on a raw disk: offset and length in bytes."""
    size = disk.stat().st_size
    # All of the disk as one extent, of which a volume in one piece is a slice, holes and all.
    whole = ImageReader(ExtentMap(size, [Extent(0, size, FileSlice("raw", 0))]), Sources({"raw": disk}))
    with whole.sources:
        (extent,) = volumes.open_volume(whole, volume).map.extents
    assert isinstance(extent.source, FileSlice)
    return extent.source.offset, extent.length


def filesystem(disk: Path, volume: str) -> tuple[Tree, ImageReader]:
    """The tree of an ext4 volume (a partition, or PARTITION/VOLUME) of a raw disk; its contents are slices of it."""
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
    root_offset: int  # of A_root, in bytes

    def parameter(self, name: str) -> str:
        """The value of a word of the command line."""
        found = re.search(rf"(?:^| ){re.escape(name)}=(\S+)", self.command_line)
        assert found is not None, f"{name}= is not in {self.command_line!r}"
        return found[1]


@pytest.fixture(scope="session")
def image(system: System, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image under test (IMAGE) as a disk of the field's size, never booted.

    Copy it, or boot it with writable=False.
    """
    disk = disks.unpack(path("IMAGE"), tmp_path_factory.mktemp("image"), size=system.size)
    content, view = filesystem(disk, system.volume("A_boot"))
    with view.sources as sources:
        lines = grub.parse_boot_args(content.read("boot_args", sources))
    return Image(disk, lines["A"], region(disk, system.volume("A_root"))[0])


@pytest.fixture
def copy(image: Image, tmp_path: Path) -> Iterator[Path]:
    """A copy of the never booted disk, for one test to boot or to damage."""
    target = tmp_path / "disk.img"
    disks.copy(image.disk, target)
    yield target
    target.unlink()


@dataclass(frozen=True, slots=True)
class Booted:
    """A machine that stands still after its first boot, and goes on in a second, as often as one likes.

    disk: as it is then; not to be written to. state: what `Running.save` wrote.
    """

    system: System
    disk: Path
    state: Path

    def resume(
        self, scratch: Path, name: str, copy: Path | None = None, **options: Any
    ) -> AbstractContextManager[Running]:
        """The machine goes on, logged in as root. Its clock goes on as well, from the moment it was stopped at.

        Args:
            scratch: as for `System.boot`.
            name: as for `System.boot`.
            copy: a copy of the disk, which keeps what is written; None: it is thrown away.
            **options: as for `System.boot`. Devices are those of the first boot; ports can be forwarded.
        """
        disk, writable = (self.disk, False) if copy is None else (copy, True)
        return self.system.boot(disk, scratch, name, writable=writable, state=self.state, **options)


@pytest.fixture(scope="session")
def booted(system: System, image: Image, tmp_path_factory: pytest.TempPathFactory) -> Booted:
    """A machine after its first boot without media, with nothing failed, for all tests that are about a running one.

    It has a virtio disk, since QEMU cannot save an NVMe disk.
    """
    folder = tmp_path_factory.mktemp("booted")
    disk = folder / "disk.img"
    disks.copy(image.disk, disk)
    movable = replace(system, nvme=False)
    with movable.boot(disk, folder, "booted") as running:
        running.login()
        running.check_running()
        state = running.save(folder / "state")
    return Booted(movable, disk, state)
