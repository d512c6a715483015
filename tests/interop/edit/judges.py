"""What foreign tools say of a disk whose partitions config (FAT) and data (ext4) were changed."""

import os
import subprocess
from pathlib import Path

from sysimage import gpt
from sysimage.extents import open_raw
from sysimage.materialise import write_raw

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "TZ": "UTC"}


def judge(*command: str | Path) -> str:
    """What a foreign tool says; it must be content."""
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


def partition(disk: Path, name: str) -> Path:
    """A partition as a file of its own, beside the disk."""
    path = disk.with_name(name)
    reader = open_raw(disk)
    with reader.sources:
        content = gpt.open_partition(reader, name)
        write_raw(content.map, content.sources, path)
    return path


def check(disk: Path) -> tuple[Path, Path]:
    """The partitions config and data, found sound, as is the table."""
    assert "No problems found" in judge("sgdisk", "-v", disk)
    config, data = partition(disk, "config"), partition(disk, "data")
    # A line of the version and a line of figures.
    assert len(judge("fsck.fat", "-n", config).splitlines()) == 2
    lines = judge("e2fsck", "-f", "-n", data).splitlines()
    assert len([line for line in lines if not line.startswith("Pass ")]) == 1, lines
    return config, data
