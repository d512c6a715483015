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
from sysimage.vm.testing import path
from sysimage.vm.write_log import Replay
from tests.boot.grub_disk import read_environment
from tests.vm.system import Image, System, filesystem, region
from tests.vm.upgrade import commit, install_from_medium, version

BLOCK = 4096
OLD = {"boot_alternative": "A", "boot_cycle": "stable"}
NEW = {"boot_alternative": "B", "boot_cycle": "first_boot"}


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A machine that went from A to the reboot into B: the disk before and after, and all that was written between."""

    before: Path
    after: Path
    log: Path
    began: int  # entry of the log: the first of the installation


@pytest.fixture(scope="session")
def upgrade(system: System, image: Image, tmp_path_factory: pytest.TempPathFactory) -> Upgrade:
    """A machine that was upgraded up to the reboot, once for all tests."""
    folder = tmp_path_factory.mktemp("upgrade")
    after, written = folder / "after.img", folder / "writes"
    disks.copy(image.disk, after)
    written.touch()
    with system.boot(after, folder, "power-cut-upgrade", media=[path("UPDATE")], write_log=written) as running:
        running.login()
        running.succeeds("echo a > /var/mark && sync")
        install_from_medium(running, path("UPDATE"), "B", version("TEST_VERSION"))
        commit(running)
    assert read_environment(after) == NEW
    with Replay(after, written) as replay:
        boot_b = region(image.disk, system.volume("B_boot"))
        began = next(number for number, entry in enumerate(replay.entries) if entry.touches(*boot_b))
    return Upgrade(image.disk, after, written, began)


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
