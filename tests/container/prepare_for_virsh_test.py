"""ic-os/scripts/bn-virsh/prepare-for-virsh.sh: what it asks of virsh, what it starts and shares."""

import re
import subprocess
from pathlib import Path

import pytest

from boundary_bootstrap_config import BOUNDARY
from tests.container.machine import Machine

SCRIPT = Path("ic-os/scripts/bn-virsh/prepare-for-virsh.sh")
PREPARE = ["bazel", "run", "//ic-os/scripts/bn-virsh:prepare", "--"]
NO_SUCH_MACHINE = "exit 1"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.add_program(SCRIPT)
    machine.stand_in("virsh", NO_SUCH_MACHINE)
    return machine


def prepare(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return machine.run_program(SCRIPT, *arguments)


def test_the_folder_is_made_where_the_caller_is(machine: Machine) -> None:
    result = prepare(machine, "--hostname=boundary-1")
    assert (result.returncode, result.stderr) == (1, "")
    folder = machine.folder
    assert result.stdout.splitlines() == [*PREPARE, f"--out={folder}/bn-virsh", "--hostname=boundary-1"]
    # It is replaced as a whole, so the folder that it lies in must be writable.
    assert f"type=bind,source={folder},target={folder}" in machine.engine_runs()
    assert machine.calls("virsh") == [["--connect", "qemu:///system", "domstate", "boundary-guestos"]]


@pytest.mark.parametrize(
    "option", ["--image=", "--firmware=", "--certificate_key=", "--accounts_ssh_authorized_keys=admin="]
)
def test_files_are_shared_under_their_own_path(machine: Machine, option: str) -> None:
    file = machine.folder / "a file"
    file.touch()
    result = prepare(machine, f"{option}a file")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.splitlines()[-1] == f"{option}{file}"
    assert f"type=bind,source={file},target={file},readonly" in machine.engine_runs()


def test_no_option_with_a_file_is_forgotten() -> None:
    (listed,) = re.findall(r"(?m)^readonly files='([a-z_|]+)'$", SCRIPT.read_text())
    medium = {each.name for each in BOUNDARY.key_files} | {"accounts_ssh_authorized_keys"}
    assert not BOUNDARY.folders
    assert set(listed.split("|")) == {"image", "firmware"} | medium


def test_a_machine_that_runs_is_not_pulled_from_under_its_disk(machine: Machine) -> None:
    machine.stand_in("virsh", "echo running")
    result = prepare(machine, "--name=other", "--connect=qemu:///session")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "error: there is a machine other already, which has these files "
        "(hint: virsh --connect qemu:///session destroy other; or another --name and --out)\n"
    )
    assert machine.calls("virsh") == [["--connect", "qemu:///session", "domstate", "other"]]
    assert machine.calls("docker") == []


def test_a_machine_without_libvirt(machine: Machine) -> None:
    """What was made can be carried to one that has it."""
    (machine.programs / "virsh").unlink()
    assert prepare(machine).returncode == 1
    assert machine.engine_runs()


def test_a_folder_in_no_folder(machine: Machine) -> None:
    result = prepare(machine, "--out=missing/folder")
    assert (result.returncode, result.stdout, result.stderr) == (
        2,
        "",
        f"error: there is no folder {machine.folder}/missing (hint: make it, or name another one with --out)\n",
    )
