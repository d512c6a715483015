"""A variant under SEV-SNP without boot loader, as a host launches it: by kernel, initrd and command line of its image.

There is no SEV-SNP here, so nothing is measured and no memory is encrypted: what is shown is that the files are those
of the image, and that they boot it. The guest's part of SEV-SNP is looked at as far as it goes without the processor.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sysimage import grub
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool
from tests.vm.system import Image, Running, System, filesystem

FILES = path("DIRECT_BOOT")
COMMAND_LINE = (FILES / "cmdline").read_text()


@contextmanager
def launch(
    system: System, image: Image, scratch: Path, media: Sequence[Path] = (), **options: Any
) -> Iterator[Running]:
    """The image's disk, started by its own kernel and initrd; leaving the `with` block pulls its plug.

    Args:
        system: whose image it is.
        image: the image.
        scratch: a folder for what this boot leaves.
        media: raw removable media that are in the machine from the start.
        **options: of `Machine`.
    """
    machine = Machine(
        [Disk(image.disk, writable=False), *(Disk(medium, removable=True) for medium in media)],
        kernel=FILES / "vmlinuz",
        initrd=FILES / "initrd.img",
        command_line=COMMAND_LINE,
        memory=system.memory,
        cpus=1,
        **options,
    )
    with VirtualMachine(machine, tool(), scratch, log("direct-boot")) as running:
        yield Running(running, image.disk, system)


def check_files(image: Image) -> None:
    """The files are those of the image."""
    assert sorted(os.listdir(FILES)) == ["cmdline", "initrd.img", "vmlinuz"]
    content, view = filesystem(image.disk, "A_boot")
    with view.sources as sources:
        for name in ("vmlinuz", "initrd.img"):
            assert (FILES / name).read_bytes() == content.read(name, sources), name
        lines = grub.parse_boot_args(content.read("boot_args", sources))
    assert lines["A"].replace("$boot_state", "stable") == COMMAND_LINE


def check_fixed() -> None:
    """Nothing in the command line is left for whoever launches it."""
    words = COMMAND_LINE.split(" ")
    assert "$" not in COMMAND_LINE
    assert {"dfinity.system=A", "dfinity.boot_state=stable", "no-kvmclock", "sev=debug"} <= {*words}
    assert [word for word in words if word.startswith("root_hash=")]


def check_sev(running: Running, programs: Sequence[str]) -> None:
    """What a guest asks its processor with is there, but the device, which the processor would make."""
    modules = {line.split()[0] for line in running.succeeds("cat /proc/modules").splitlines()}
    assert {"configfs", "tsm", "msr"} <= modules
    running.succeeds("test -d /sys/kernel/config/tsm/report")
    assert running.succeeds("find /usr/lib/modules -name 'sev-guest.ko*' | wc -l") == "1"
    for program in programs:
        running.succeeds(f"command -v {program}")
    _, status = running.run("test -e /dev/sev-guest")
    assert status == 1
