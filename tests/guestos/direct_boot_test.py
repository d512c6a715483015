"""dev-sev without boot loader, as a host launches it: kernel, initrd and command line out of its image start it.

There is no SEV-SNP here, so nothing is measured and no memory is encrypted: what is shown is that the files are those
of the image, and that they boot it. The guest's part of SEV-SNP is looked at as far as it goes without the processor.
"""

import os
from collections.abc import Iterator

import pytest

from sysimage import grub
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import free_port, log, path, tool
from tests.guestos.guest import GUESTOS, Guest
from tests.guestos.status import STATUS_PORT, check_replica
from tests.vm.system import Image, filesystem

pytest_plugins = ["tests.guestos.guest"]

FILES = path("DIRECT_BOOT")
COMMAND_LINE = (FILES / "cmdline").read_text()


@pytest.fixture(scope="module")
def status_port() -> int:
    """The port of this machine that is the replica's status."""
    return free_port()


@pytest.fixture(scope="module")
def guest(image: Image, status_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """The image's disk, started by its own kernel and initrd."""
    machine = Machine(
        [Disk(image.disk)],
        kernel=FILES / "vmlinuz",
        initrd=FILES / "initrd.img",
        command_line=COMMAND_LINE,
        memory=1536,
        cpus=1,
        forward=[(status_port, STATUS_PORT)],
    )
    with VirtualMachine(machine, tool(), tmp_path_factory.mktemp("direct"), log("direct-boot")) as running:
        guest = Guest(running, image.disk, GUESTOS)
        guest.login()
        yield guest


def test_the_files_are_those_of_the_image(image: Image) -> None:
    assert sorted(os.listdir(FILES)) == ["cmdline", "initrd.img", "vmlinuz"]
    content, view = filesystem(image.disk, "A_boot")
    with view.sources as sources:
        for name in ("vmlinuz", "initrd.img"):
            assert (FILES / name).read_bytes() == content.read(name, sources), name
        lines = grub.parse_boot_args(content.read("boot_args", sources))
    assert lines["A"].replace("$boot_state", "stable") == COMMAND_LINE


def test_the_command_line_is_fixed() -> None:
    words = COMMAND_LINE.split(" ")
    assert "$" not in COMMAND_LINE
    assert {"dfinity.system=A", "dfinity.boot_state=stable", "no-kvmclock", "sev=debug"} <= {*words}
    assert [word for word in words if word.startswith("root_hash=")]


def test_it_boots_and_serves(guest: Guest, status_port: int) -> None:
    guest.check_running()
    assert guest.succeeds("cat /proc/cmdline") == COMMAND_LINE
    assert guest.succeeds("findmnt --noheadings --output=OPTIONS /").split(",")[0] == "ro"
    check_replica(status_port, malicious=False)


def test_what_a_guest_asks_its_processor_with_is_there(guest: Guest) -> None:
    modules = {line.split()[0] for line in guest.succeeds("cat /proc/modules").splitlines()}
    assert {"configfs", "tsm", "msr"} <= modules
    guest.succeeds("test -d /sys/kernel/config/tsm/report")
    assert guest.succeeds("find /usr/lib/modules -name 'sev-guest.ko*' | wc -l") == "1"
    for program in ("rdmsr", "openssl", "xxd"):
        guest.succeeds(f"command -v {program}")


def test_without_the_processor_there_is_no_device(guest: Guest) -> None:
    _, status = guest.run("test -e /dev/sev-guest")
    assert status == 1
