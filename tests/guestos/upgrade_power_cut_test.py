"""The power goes while an upgrade is installed and committed, at any moment: one of the two slots always starts.

One machine is upgraded with a log of what it writes. From the log come the disks that a power cut would have left,
without what the disk's cache would have lost. Each is judged as GRUB, e2fsck and the kernel would; some are started.
"""

import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sysimage import gpt, grub, verity
from sysimage.extents import open_raw
from sysimage.vm import disks
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool
from sysimage.vm.write_log import Replay
from tests.boot.grub_disk import read_environment
from tests.guestos.guest import BOOT_SECONDS, MEMORY, Guest, Image, boot, filesystem, place_in
from tests.guestos.upgrade import (
    CONFIRMED,
    MANAGEBOOT,
    chosen,
    commit,
    install_from_medium,
    started,
    state_of,
    version,
)

pytest_plugins = ["tests.guestos.guest"]

BLOCK = 4096
POWER_CUTS = 20
OLD = {"boot_alternative": "A", "boot_cycle": "stable"}
NEW = {"boot_alternative": "B", "boot_cycle": "first_boot"}
# What an upgrade may never write to, besides the partition table.
UNTOUCHED = ("esp", "A_boot", "A_root")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A machine that went from A to the reboot into B: the disk before and after, and all that was written between."""

    before: Path
    after: Path
    log: Path
    began: int  # entry of the log: the first of the installation


def region(disk: Path, partition: str) -> tuple[int, int]:
    """Where a partition lies: offset and length in bytes."""
    reader = open_raw(disk)
    with reader.sources:
        entry = gpt.read(reader)[partition]
        return entry.offset, entry.length


@pytest.fixture(scope="module")
def upgrade(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Upgrade:
    folder = tmp_path_factory.mktemp("upgrade")
    after, written = folder / "after.img", folder / "writes"
    disks.copy(image.disk, after)
    written.touch()
    drives = [Disk(after, writable=True, write_log=written), Disk(path("UPDATE"), removable=True)]
    machine = Machine(drives, memory=MEMORY, cpus=1, network=True)
    with VirtualMachine(machine, tool(), folder, log("power-cut-upgrade")) as running:
        guest = Guest(running, after)
        guest.login()
        guest.succeeds("echo a > /var/mark && sync")
        install_from_medium(guest, path("UPDATE"), "B", version("TEST_VERSION"))
        commit(guest)
    assert read_environment(after) == NEW
    with Replay(after, written) as replay:
        boot_b = region(image.disk, "B_boot")
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


def judge(disk: Path) -> dict[str, str]:
    """The state on a disk, whose next slot must be whole: a sound boot partition, and the root that it asks for."""
    state = read_environment(disk)
    assert state in (OLD, NEW)
    slot = state["boot_alternative"]
    offset, _ = region(disk, f"{slot}_boot")
    checked = subprocess.run(
        ["e2fsck", "-f", "-n", f"{disk}?offset={offset}"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    content, view = filesystem(disk, f"{slot}_boot")
    with view.sources as sources:
        line = grub.parse_boot_args(content.read("boot_args", sources))[slot]
        assert content.read("vmlinuz", sources)
        assert content.read("initrd.img", sources)
    words = dict(re.findall(r"(\S+?)=(\S+)", line))
    reader = open_raw(disk)
    with reader.sources:
        root = gpt.open_partition(reader, f"{slot}_root")
        superblock = verity.read_superblock(root, int(words["verity.data_blocks"]) * BLOCK)
        assert verity.verify(root, superblock, bytes.fromhex(words["root_hash"])) == []
    return state


def test_the_judge_finds_what_is_damaged(upgrade: Upgrade, tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disks.copy(upgrade.after, disk)
    assert judge(disk) == NEW
    place = place_in(disk, "B_root", "sbin/init")
    disks.flip_byte(disk, place)
    with pytest.raises(AssertionError):
        judge(disk)
    disks.flip_byte(disk, place)
    assert judge(disk) == NEW
    # A field of the superblock: groups have so many blocks.
    disks.flip_byte(disk, region(disk, "B_boot")[0] + 1024 + 0x20)
    with pytest.raises(AssertionError):
        judge(disk)


def test_running_slot_is_never_written(upgrade: Upgrade, replay: tuple[Replay, Path]) -> None:
    entries = replay[0].entries[upgrade.began :]
    first = region(upgrade.before, "esp")[0]
    for name, (offset, length) in {
        "the partition table": (0, first),
        **{name: region(upgrade.before, name) for name in UNTOUCHED},
    }.items():
        assert not [entry for entry in entries if entry.touches(offset, length)], name
    # And the log is one of this upgrade: both images, the start of the other var.
    for name in ("B_boot", "B_root", "B_var", "grub"):
        assert [entry for entry in entries if entry.touches(*region(upgrade.before, name))], name


def test_a_power_cut_at_any_moment_leaves_a_slot_that_starts(
    upgrade: Upgrade, replay: tuple[Replay, Path], tmp_path: Path
) -> None:
    cuts, disk = replay
    draw = random.Random("power cuts")
    grub_partition = region(upgrade.before, "grub")
    # Around each write to the grub partition, and anywhere else.
    close = [
        number + after
        for number, entry in enumerate(cuts.entries)
        if number > upgrade.began and entry.touches(*grub_partition)
        for after in (0, 1)
    ]
    moments = sorted([*close, *(draw.randrange(upgrade.began, len(cuts.entries)) for _ in range(POWER_CUTS))])
    assert len(moments) >= POWER_CUTS + 2
    states = []
    for number, count in enumerate(moments):
        with cuts.power_cut(count, draw):
            states.append(judge(disk))
            if number in (POWER_CUTS // 3, len(moments) - 1):
                state = states[-1]
                with boot(disk, tmp_path, f"power-cut-{number}", writable=False) as guest:
                    started(guest, state["boot_alternative"], "stable" if state == OLD else "upgrade")
    # The state is the old one until it is the new one, and both were seen.
    cuts.forward(len(cuts.entries))
    states.append(judge(disk))
    assert states[0] == OLD
    assert states[-1] == NEW


def test_killed_before_it_is_confirmed_falls_back_and_stays(upgrade: Upgrade, tmp_path: Path) -> None:
    """QEMU is killed as soon as the new system's root is open; so are those of the boots after."""
    disk = tmp_path / "disk.img"
    disks.copy(upgrade.after, disk)
    for number, (slot, state) in enumerate([("B", "upgrade"), ("A", "failsafe"), ("A", "stable")]):
        with boot(disk, tmp_path, f"killed-{number}") as guest:
            started(guest, slot, state)
            guest.power_cut()
    assert read_environment(disk) == OLD


def test_system_that_is_not_healthy_restarts_by_itself_and_the_old_one_is_as_it_was(
    upgrade: Upgrade, tmp_path: Path
) -> None:
    """The new version's replica never runs; the limit is shortened, as nobody waits ten minutes here."""
    disk = tmp_path / "disk.img"
    disks.copy(upgrade.after, disk)
    without_replica(disk)
    with boot(disk, tmp_path, "not-healthy", restart=True) as guest:
        chosen(guest, "B", "upgrade")
        guest.login()
        assert guest.run("systemctl is-active confirm-boot-limit.timer")[1] == 0
        assert state_of(guest) == ("B", "failsafe_check")
        # Not before it is confirmed: the other slot is what this one falls back to.
        message, status = guest.run(f"{MANAGEBOOT} upgrade-install - < /dev/null")
        assert status == 2
        assert "manageboot: slot B runs for the first time and is not confirmed yet;" in message
        assert guest.succeeds("systemctl show -P TimersMonotonic confirm-boot-limit.timer").startswith(
            "{ OnBootUSec=10min "
        )
        folder = "/run/systemd/system/confirm-boot-limit.timer.d"
        limit = "printf '[Timer]\\nOnBootSec=\\nOnActiveSec=20s\\n'"
        guest.succeeds(f"mkdir -p {folder} && {limit} > {folder}/soon.conf && systemctl daemon-reload")
        guest.succeeds("systemctl restart confirm-boot-limit.timer")
        said = "confirm-boot: the upgraded system did not confirm itself in time; restarting into the slot that worked"
        found = guest.console.expect([said, CONFIRMED], BOOT_SECONDS)
        assert found[0] == said
        chosen(guest, "A", "failsafe")
        guest.login()
        guest.check_running()
        assert state_of(guest) == ("A", "stable")
        assert guest.succeeds("cat /opt/ic/share/version.txt") == version("VERSION")
        assert guest.succeeds("cat /var/mark") == "a"
        assert guest.run("systemctl is-active confirm-boot.service confirm-boot-limit.timer")[0] == "inactive\ninactive"


def without_replica(disk: Path) -> None:
    """Lets the kernel command line of slot B mask the replica; the file keeps its length."""
    content, view = filesystem(disk, "B_boot")
    with view.sources as sources:
        old = content.read("boot_args", sources)
    comment, lines = old.split(b"\n", 1)
    more = b" systemd.mask=ic-replica.service"
    before, after = lines.split(b'boot_args_B="')
    new = comment[: -len(more)] + b"\n" + before + b'boot_args_B="' + after.replace(b"panic=10", b"panic=10" + more, 1)
    assert len(new) == len(old)
    assert "systemd.mask=" in grub.parse_boot_args(new)["B"]
    disks.overwrite(disk, place_in(disk, "B_boot", "boot_args"), new)
