"""What was prepared of dev-sev starts a machine: QEMU gets what domain.xml says, up to the login of the guest.

There is no libvirt here, so its part is done by the test; what it makes of descriptions of this template is asked by
//tests/hostos/guest:nested_test. Of what a guest asks its processor with, all is looked at that is there without
SEV-SNP.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, path, tool
from tests.boundary.boundary import BOUNDARY
from tests.vm.direct_boot import FILES, check_files, check_fixed, check_sev
from tests.vm.system import Image, Running

pytest_plugins = ["tests.boundary.boundary"]

HOSTNAME = "boundary-virsh"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, as a person has it made."""
    out = tmp_path_factory.mktemp("prepared") / "bn-virsh"
    words = [f"--image={path('IMAGE')}", f"--out={out}", "--launch=emulation", "--memory=2", "--cpus=1"]
    subprocess.run(
        [sys.executable, "-m", "prepare", *os.environ["INPUTS"].split(), *words, f"--hostname={HOSTNAME}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    return out


def described(domain: Path) -> Machine:
    """The machine of a description, as far as tests have one."""
    root = ElementTree.parse(domain).getroot()
    assert root.get("type") == "qemu"

    def text(name: str) -> str:
        found = root.findtext(name)
        assert found, name
        return found

    drives = []
    for each in root.iterfind("devices/disk"):
        source, target = each.find("source"), each.find("target")
        assert source is not None and target is not None
        file = Path(source.attrib["file"])
        drives.append(Disk(file, removable=target.get("bus") == "usb", writable=each.find("readonly") is None))
    assert [(drive.path.name, drive.removable, drive.writable) for drive in drives] == [
        ("disk.img", False, True),
        ("bootstrap.img", True, False),
    ]
    return Machine(
        drives,
        kernel=Path(text("os/kernel")),
        initrd=Path(text("os/initrd")),
        command_line=text("os/cmdline"),
        memory=int(text("memory")) * 1024,
        cpus=int(text("vcpu")),
        network=True,
    )


@pytest.fixture(scope="module")
def guest(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The machine, at its login."""
    with VirtualMachine(
        described(prepared / "domain.xml"), tool(), tmp_path_factory.mktemp("virsh"), log("virsh")
    ) as running:
        guest = Running(running, prepared / "disk.img", BOUNDARY)
        guest.login()
        yield guest


def test_what_boots_is_what_is_built_to_be_measured(prepared: Path, image: Image) -> None:
    check_files(image)
    check_fixed()
    for file in FILES.iterdir():
        assert (prepared / file.name).read_bytes() == file.read_bytes(), file.name


def test_it_runs_what_was_prepared(prepared: Path, guest: Running) -> None:
    assert guest.succeeds("cat /proc/cmdline") == (prepared / "cmdline").read_text()
    guest.check_running()
    assert guest.succeeds("findmnt --noheadings --output=OPTIONS /").split(",")[0] == "ro"


def test_it_could_ask_its_processor(guest: Running) -> None:
    check_sev(guest, ["rdmsr", "openssl", "xxd"])


def test_it_took_its_medium(guest: Running) -> None:
    guest.succeeds("test -e /boot/config/CONFIGURED")
    assert guest.succeeds("hostname") == HOSTNAME
