"""An upgrade with a log of all that the machine writes.

From the log come the disks that a power cut would have left, without what the disk's cache would have lost; each is
judged as GRUB, e2fsck and the kernel would.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sysimage import grub, verity, volumes
from sysimage.extents import open_raw
from sysimage.vm import disks
from sysimage.vm.testing import free_port, path
from sysimage.vm.write_log import Replay
from tests.boot.grub_disk import read_environment
from tests.vm.access import SSH_PORT, wait_for_ssh
from tests.vm.system import Booted, System, filesystem, region
from tests.vm.upgrade import by_ssh, commit, identity, installed_lines, leave_marks, version

BLOCK = 4096
OLD = {"boot_alternative": "A", "boot_cycle": "stable"}
NEW = {"boot_alternative": "B", "boot_cycle": "first_boot"}


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A machine that went from A to the reboot into B: the disk before and after, and all that was written between.

    It left the mark "a" in all places for marks.
    """

    before: Path
    after: Path
    log: Path
    began: int  # entry of the log: the first of the installation
    identity: str  # of the machine


@pytest.fixture(scope="session")
def upgrade(booted: Booted, tmp_path_factory: pytest.TempPathFactory) -> Upgrade:
    """A machine that was upgraded over ssh up to the reboot, once for all tests."""
    folder = tmp_path_factory.mktemp("upgrade")
    after, written = folder / "after.img", folder / "writes"
    disks.copy(booted.disk, after)
    written.touch()
    port = free_port()
    with booted.resume(folder, "upgrade", after, write_log=written, forward=[(port, SSH_PORT)]) as running:
        itself = identity(running)
        leave_marks(running, "a")
        wait_for_ssh(port)
        said = by_ssh(port, folder, f"{running.system.manageboot} upgrade-install -", path("UPDATE").read_bytes())
        assert said == (0, installed_lines("B", version("TEST_VERSION")) + "\n", "")
        assert running.succeeds(f"{running.system.manageboot} next") == "A"
        commit(running)
    assert read_environment(after) == NEW
    with Replay(after, written) as replay:
        boot_b = region(after, booted.system.volume("B_boot"))
        began = next(number for number, entry in enumerate(replay.entries) if entry.touches(*boot_b))
    return Upgrade(booted.disk, after, written, began, itself)


@pytest.fixture
def replay(upgrade: Upgrade, tmp_path: Path) -> Iterator[tuple[Replay, Path]]:
    """The disk as it was before, ready to be taken through the log."""
    disk = tmp_path / "disk.img"
    disks.copy(upgrade.before, disk)
    with Replay(disk, upgrade.log) as found:
        yield found, disk
    disk.unlink()


def judge(system: System, disk: Path) -> dict[str, str]:
    """The state on a disk, whose next slot must be whole: a sound boot partition, and the root that it asks for."""
    state = read_environment(disk)
    assert state in (OLD, NEW)
    slot = state["boot_alternative"]
    offset, _ = region(disk, system.volume(f"{slot}_boot"))
    checked = subprocess.run(
        ["e2fsck", "-f", "-n", f"{disk}?offset={offset}"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    content, view = filesystem(disk, system.volume(f"{slot}_boot"))
    with view.sources as sources:
        line = grub.parse_boot_args(content.read("boot_args", sources))[slot]
        assert content.read("vmlinuz", sources)
        assert content.read("initrd.img", sources)
    words = dict(re.findall(r"(\S+?)=(\S+)", line))
    reader = open_raw(disk)
    with reader.sources:
        root = volumes.open_volume(reader, system.volume(f"{slot}_root"))
        superblock = verity.read_superblock(root, int(words["verity.data_blocks"]) * BLOCK)
        assert verity.verify(root, superblock, bytes.fromhex(words["root_hash"])) == []
    return state
