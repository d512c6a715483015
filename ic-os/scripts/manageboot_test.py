"""manageboot.sh itself, run by a real shell: slots, states, refusals, each with its exact message."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from fake_machine import SECONDS, FakeMachine, Result
from sysimage import grubenv

SCRIPT = Path(os.environ["MANAGEBOOT"]).absolute()
GUIDS = {
    "A": "7c0a626e-e5ea-e543-b5c5-300eb8304db7",
    "B": "a78bc3a8-376c-054a-96e7-3904b915d0c5",
}
ENVIRONMENT = "/boot/grub/grubenv"
CYCLES = ["", "install", "first_boot", "failsafe_check", "stable"]


def state(alternative: str, cycle: str) -> bytes:
    variables = {"boot_alternative": alternative, "boot_cycle": cycle}
    return grubenv.make({name: value for name, value in variables.items() if value})


def machine_in(folder: Path, slot: str = "A", environment: bytes | None = None) -> FakeMachine:
    machine = FakeMachine(folder / "machine", f"root=/dev/vda5 dfinity.system={slot} dfinity.boot_state=stable quiet")
    machine.grubenv.write_bytes(state(slot, "stable") if environment is None else environment)
    return machine


def manageboot(machine: FakeMachine, *words: str) -> Result:
    return machine.run([SCRIPT, *words])


def refused(result: Result, message: str) -> None:
    assert result == Result(2, "", f"manageboot: {message}\n")


QUERIES = [
    ("guestos", "A", "current", "A"),
    ("guestos", "B", "current", "B"),
    ("guestos", "A", "target", "B"),
    ("guestos", "B", "target", "A"),
    ("guestos", "A", "current_partition", f"/dev/disk/by-partuuid/{GUIDS['A']}"),
    ("guestos", "A", "target_partition", f"/dev/disk/by-partuuid/{GUIDS['B']}"),
    ("guestos", "B", "current_partition", f"/dev/disk/by-partuuid/{GUIDS['B']}"),
    ("hostos", "A", "current_partition", "/dev/hostlvm/A_root"),
    ("hostos", "A", "target_partition", "/dev/hostlvm/B_root"),
    ("hostos", "B", "target_partition", "/dev/hostlvm/A_root"),
]


@pytest.mark.parametrize(("system", "slot", "action", "answer"), QUERIES)
def test_questions_about_slots_need_no_grubenv(
    system: str, slot: str, action: str, answer: str, tmp_path: Path
) -> None:
    machine = machine_in(tmp_path, slot, b"broken")
    assert manageboot(machine, system, action) == Result(0, f"{answer}\n", "")


@pytest.mark.parametrize("alternative", ["", "A", "B"])
@pytest.mark.parametrize("cycle", CYCLES)
def test_next_is_what_grub_does(alternative: str, cycle: str, tmp_path: Path) -> None:
    """The table of states in ic-os/bootloader/README.md, which tests/boot:grub_test boots."""
    machine = machine_in(tmp_path, "A", state(alternative, cycle))
    kept = alternative or "A"
    expected = {"A": "B", "B": "A"}[kept] if cycle == "failsafe_check" else kept
    assert manageboot(machine, "guestos", "next") == Result(0, f"{expected}\n", "")


def test_usage_goes_to_who_asks(tmp_path: Path) -> None:
    result = manageboot(machine_in(tmp_path), "-h")
    assert (result.status, result.errors) == (0, "")
    assert result.output.startswith("usage: manageboot.sh [-f GRUBENV] guestos|hostos ACTION\n")
    actions = {line.split()[0] for line in result.output.splitlines()[2:10]}
    assert actions == {action for _, _, action, _ in QUERIES} | {"upgrade-install", "upgrade-commit", "confirm", "next"}


WRONG_WORDS = [
    ((), "a system and an action are expected; -h lists them"),
    (("guestos",), "a system and an action are expected; -h lists them"),
    (("setupos", "current"), "there is no system 'setupos'; there are guestos and hostos"),
    (("guestos", "upgrade"), "there is no action 'upgrade'; -h lists them"),
    (("guestos", "upgrade-install"), "upgrade-install takes one archive, or - for standard input"),
    (("guestos", "upgrade-install", "a", "b"), "upgrade-install takes one archive, or - for standard input"),
    (("guestos", "upgrade-install", "/gone"), "there is no archive /gone"),
    (("guestos", "confirm", "now"), "confirm takes no argument"),
    (("guestos", "current", "A"), "current takes no argument"),
    (("-f", "/gone", "guestos", "next"), "there is no /gone; is the grub partition mounted?"),
]


@pytest.mark.parametrize(("words", "message"), WRONG_WORDS)
def test_wrong_words(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    machine = machine_in(tmp_path)
    for slot in GUIDS:
        machine.make_partitions("guestos", slot)
    refused(manageboot(machine, *words), message)


def test_unknown_option(tmp_path: Path) -> None:
    result = manageboot(machine_in(tmp_path), "-x", "guestos", "current")
    assert (result.status, result.output) == (2, "")
    assert "Illegal option -x" in result.errors


@pytest.mark.parametrize("line", ["quiet", "dfinity.system=C", "dfinity.system=", "xdfinity.system=A"])
def test_slot_that_is_not_known(line: str, tmp_path: Path) -> None:
    machine = machine_in(tmp_path)
    machine.set_command_line(line)
    missing = "neither dfinity.system=A nor dfinity.system=B, so it is not known which slot runs"
    refused(manageboot(machine, "guestos", "current"), f"the kernel command line has {missing}")


WHOLE = state("A", "stable")
BROKEN = {
    "empty": (b"", "it has 0 bytes, and must have 1024 that end in padding"),
    "short": (WHOLE[:-1], "it has 1023 bytes, and must have 1024 that end in padding"),
    "long": (WHOLE + b"#", "it has 1025 bytes, and must have 1024 that end in padding"),
    "line feed at the end": (WHOLE[:-1] + b"\n", "it has 1024 bytes, and must have 1024 that end in padding"),
    "zeros": (bytes(1024), "its first line is not '# GRUB Environment Block'"),
    "no header": (b"#" * 1024, "its first line is not '# GRUB Environment Block'"),
    "other header": (WHOLE.replace(b"# GRUB", b"# Grub"), "its first line is not '# GRUB Environment Block'"),
    "slot": (WHOLE.replace(b"native=A", b"native=C"), "line 2 is 'boot_alternative=C'"),
    "cycle": (WHOLE.replace(b"=stable", b"=stabLe"), "line 3 is 'boot_cycle=stabLe'"),
    "key": (WHOLE.replace(b"boot_cycle", b"root_cycle"), "line 3 is 'root_cycle=stable'"),
    "colon": (WHOLE.replace(b"boot_cycle=", b"x:boot_cycle=")[:1024], "line 3 is 'x:boot_cycle=stable'"),
    "blank": (WHOLE.replace(b"=A\n", b"= \n"), "line 2 is 'boot_alternative= '"),
    "NUL": (WHOLE.replace(b"=A\n", b"=\0\n"), "line 2 is 'boot_alternative=?'"),
    "empty line": (
        WHOLE.replace(b"=stable\n", b"=stabl\n\n").replace(b"=stabl\n", b"=stable\n")[:1024],
        "line 4 is ''",
    ),
    "twice": (
        WHOLE.replace(b"stable\n", b"stable\nboot_cycle=install\n")[:1024],
        "line 4 sets boot_cycle again",
    ),
    "behind the padding": (WHOLE[:-40] + b"\nboot_cycle=install\n" + b"#" * 20, "line 5 follows the padding"),
    "in the padding": (WHOLE[:-4] + b"?###", "line 4 is '" + WHOLE[WHOLE.rindex(b"\n") + 1 : -4].decode() + "?###'"),
    "no padding": (WHOLE.rstrip(b"#")[:-1].ljust(1024, b" "), f"line 3 is 'boot_cycle=stable{' ' * 963}'"),
}


@pytest.mark.parametrize("action", ["next", "confirm"])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_grubenv_is_told_and_left_alone(case: str, action: str, tmp_path: Path) -> None:
    data, what = BROKEN[case]
    machine = machine_in(tmp_path, "A", data)
    hint = "(ic-os/guestos/docs/upgrade.md says how to make a new one)"
    refused(manageboot(machine, "guestos", action), f"{ENVIRONMENT} is broken: {what} {hint}")
    assert machine.grubenv.read_bytes() == data


def test_another_grubenv(tmp_path: Path) -> None:
    machine = machine_in(tmp_path)
    other = tmp_path / "other"
    other.write_bytes(state("B", "failsafe_check"))
    machine.set_command_line("dfinity.system=B")
    assert manageboot(machine, "-f", str(other), "guestos", "next") == Result(0, "A\n", "")
    assert manageboot(machine, "-f", str(other), "guestos", "confirm") == Result(
        0, "manageboot: slot B is confirmed\n", ""
    )
    assert other.read_bytes() == state("B", "stable")
    assert machine.grubenv.read_bytes() == WHOLE


@pytest.mark.parametrize("system", ["guestos", "hostos"])
@pytest.mark.parametrize("slot", ["A", "B"])
@pytest.mark.parametrize("cycle", CYCLES)
def test_confirm(cycle: str, slot: str, system: str, tmp_path: Path) -> None:
    machine = machine_in(tmp_path, slot, state(slot, cycle))
    said = "the state is stable already" if cycle == "stable" else f"slot {slot} is confirmed"
    assert manageboot(machine, system, "confirm") == Result(0, f"manageboot: {said}\n", "")
    assert machine.grubenv.read_bytes() == state(slot, "stable")
    assert manageboot(machine, system, "confirm") == Result(0, "manageboot: the state is stable already\n", "")


@pytest.mark.parametrize("cycle", ["", "install", "first_boot", "failsafe_check"])
def test_confirm_of_a_slot_that_does_not_run(cycle: str, tmp_path: Path) -> None:
    """An upgrade that is committed and not yet started must not be undone by the system that installed it."""
    environment = state("B", cycle)
    machine = machine_in(tmp_path, "A", environment)
    shown = cycle or "unset"
    message = f"slot A runs, but the state '{shown}' is that of slot B; nothing is confirmed"
    refused(manageboot(machine, "guestos", "confirm"), message)
    assert machine.grubenv.read_bytes() == environment


NOT_STABLE = [
    ("A", "first_boot", "an upgrade to slot A is committed already; reboot to start it"),
    ("B", "first_boot", "an upgrade to slot B is committed already; reboot to start it"),
    (
        "A",
        "failsafe_check",
        "slot A runs for the first time and is not confirmed yet; the other slot is what it falls back to",
    ),
    ("A", "install", "the state is 'install', not stable: GRUB could not save it at the last boot"),
    ("A", "", "the state is 'unset', not stable: GRUB could not save it at the last boot"),
    ("B", "stable", "slot A runs, but the next boot starts slot B; reboot into the one that is to be kept"),
]


@pytest.mark.parametrize(("alternative", "cycle", "message"), NOT_STABLE)
@pytest.mark.parametrize("action", ["upgrade-install", "upgrade-commit"])
def test_no_upgrade_unless_stable(alternative: str, cycle: str, message: str, action: str, tmp_path: Path) -> None:
    environment = state(alternative, cycle)
    machine = machine_in(tmp_path, "A", environment)
    machine.make_partitions("guestos", "B")
    before = machine.contents()
    refused(manageboot(machine, "guestos", action, *(["-"] if action == "upgrade-install" else [])), message)
    assert machine.grubenv.read_bytes() == environment
    assert machine.contents() == before
    assert machine.asked() == []


def test_only_one_at_a_time(tmp_path: Path) -> None:
    """The second waits a while, then says why it does nothing."""
    environment = state("A", "first_boot")
    machine = machine_in(tmp_path, "A", environment)
    lock = machine.folder / "run" / "manageboot.lock"
    with subprocess.Popen(["flock", lock, "sh", "-c", "echo held && exec cat"], stdin=-1, stdout=-1) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        refused(manageboot(machine, "guestos", "confirm"), "another manageboot.sh is at work")
        assert machine.grubenv.read_bytes() == environment
        holder.stdin.close()
        holder.wait(SECONDS)
    assert manageboot(machine, "guestos", "confirm").status == 0


def test_nobody_but_root(tmp_path: Path) -> None:
    machine = machine_in(tmp_path, "A", state("A", "first_boot"))
    machine.stand_in("id", "echo 1000")
    refused(manageboot(machine, "guestos", "confirm"), "only root may do that")


def test_grub_partition_that_cannot_be_written(tmp_path: Path) -> None:
    machine = machine_in(tmp_path, "A", state("A", "failsafe_check"))
    machine.stand_in("mount", "exit 32")
    refused(manageboot(machine, "guestos", "confirm"), "/boot/grub cannot be made writable; the state is as it was")
    machine = machine_in(tmp_path / "other", "A", state("A", "failsafe_check"))
    machine.stand_in("dd", "exit 1")
    refused(manageboot(machine, "guestos", "confirm"), "/boot/grub/grubenv cannot be written")
    machine.stand_in("dd", "exit 0")
    refused(manageboot(machine, "guestos", "confirm"), "/boot/grub/grubenv did not take the new state")
    assert machine.grubenv.read_bytes() == state("A", "failsafe_check")


def test_command_of_the_documentation_makes_a_whole_grubenv() -> None:
    text = Path(os.environ["DOCUMENTATION"]).read_text()
    (command,) = re.findall(r"^(printf .*) > /boot/grub/grubenv$", text, re.MULTILINE)
    assert subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout == state("A", "stable")
