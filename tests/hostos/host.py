"""HostOS in QEMU, for tests.

A test file takes the fixtures of tests/vm/system.py with `pytest_plugins = ["tests.hostos.host"]`.
"""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import tree
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan as plan_ext4
from sysimage.materialise import write_raw
from sysimage.vm import disks
from tests.vm.system import System, filesystem, region

pytest_plugins = ["tests.vm.system"]

HOSTOS = System(
    "hostos",
    size=107_585_994_752,
    memory=2048,
    group="hostlvm",
    nvme=True,
    kept=("/boot/config",),
)
CONFIG = HOSTOS.volume("config")
_UUID = UUID("00000000-0000-4000-8000-0000000c0f16")


@pytest.fixture(scope="session")
def system() -> System:
    """What is tested."""
    return HOSTOS


def configure(disk: Path, files: Mapping[str, bytes], scratch: Path) -> None:
    """Puts files into the volume `config` of a disk, beside what it has: what SetupOS does, without a boot.

    Args:
        disk: the raw disk.
        files: by their path in the volume.
        scratch: a folder for the volume's new content meanwhile.
    """
    content, view = filesystem(disk, CONFIG)
    offset, length = region(disk, CONFIG)
    for name, data in files.items():
        content.put(name, tree.file(data))
    made = scratch / "config.img"
    with view.sources as sources:
        options = Ext4Options(_UUID, _UUID, epoch=0, size=length, label="config", journal=True)
        write_raw(plan_ext4(content, options), sources, made)
    disks.replace(disk, offset, made)
    made.unlink()
