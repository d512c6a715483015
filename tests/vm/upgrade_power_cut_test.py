"""The power goes while an upgrade is installed and committed, at any moment: one of the two slots always starts.

Every system that has slots goes through it: PLUGIN is the module with its fixtures. Few of the disks are started, all
are judged. With WHOLE=no only the last is started.
"""

import os
import random
from pathlib import Path

import pytest

from sysimage.vm import disks
from sysimage.vm.write_log import Replay
from tests.vm.system import System, place_in, region
from tests.vm.upgrade import started
from tests.vm.upgrade_log import NEW, OLD, Upgrade, judge

pytest_plugins = [os.environ["PLUGIN"], "tests.vm.upgrade_log"]

WHOLE = os.environ["WHOLE"] == "yes"
POWER_CUTS = 20
GROUP_METADATA = 1 << 20  # bytes before the first extent


def test_the_judge_finds_what_is_damaged(system: System, upgrade: Upgrade, tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disks.copy(upgrade.after, disk)
    assert judge(system, disk) == NEW
    place = place_in(disk, system.volume("B_root"), "sbin/init")
    disks.flip_byte(disk, place)
    with pytest.raises(AssertionError):
        judge(system, disk)
    disks.flip_byte(disk, place)
    assert judge(system, disk) == NEW
    # A field of the superblock: groups have so many blocks.
    disks.flip_byte(disk, region(disk, system.volume("B_boot"))[0] + 1024 + 0x20)
    with pytest.raises(AssertionError):
        judge(system, disk)


def test_running_slot_is_never_written(system: System, upgrade: Upgrade, replay: tuple[Replay, Path]) -> None:
    entries = replay[0].entries[upgrade.began :]

    def written(offset: int, length: int) -> bool:
        return any(entry.touches(offset, length) for entry in entries)

    for name in ("esp", system.volume("A_boot"), system.volume("A_root")):
        assert not written(*region(upgrade.before, name)), name
    assert not written(0, region(upgrade.before, "esp")[0]), "the partition table"
    if system.group:
        assert not written(region(upgrade.before, system.group)[0], GROUP_METADATA), "the description of the volumes"
    # And the log is one of this upgrade: both images, the start of the other var.
    for name in ("grub", *(system.volume(f"B_{volume}") for volume in ("boot", "root", "var"))):
        assert written(*region(upgrade.before, name)), name


def test_a_power_cut_at_any_moment_leaves_a_slot_that_starts(
    system: System, upgrade: Upgrade, replay: tuple[Replay, Path], tmp_path: Path
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
    starts = [*([POWER_CUTS // 3] if WHOLE else []), len(moments) - 1]
    states = []
    for number, count in enumerate(moments):
        with cuts.power_cut(count, draw):
            states.append(judge(system, disk))
            if number in starts:
                state = states[-1]
                with system.boot(disk, tmp_path, f"power-cut-{number}", writable=False) as running:
                    started(running, state["boot_alternative"], "stable" if state == OLD else "upgrade")
    # The state is the old one until it is the new one, and both were seen.
    cuts.forward(len(cuts.entries))
    states.append(judge(system, disk))
    assert states[0] == OLD
    assert states[-1] == NEW
