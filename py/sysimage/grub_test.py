import os
from pathlib import Path

import pytest

from sysimage import grub, locked_tool
from sysimage.errors import UserError


def test_boot_args_golden_bytes() -> None:
    data = grub.boot_args({"A": "root=/dev/vda5 state=$boot_state", "B": "root=/dev/vda8 state=${boot_state}"})
    assert data.decode().splitlines()[1:] == [
        'boot_args_A="root=/dev/vda5 state=$boot_state"',
        'boot_args_B="root=/dev/vda8 state=${boot_state}"',
    ]


def test_boot_args_are_read_back() -> None:
    lines = {"A": "a=1 b=2,3:4 c=/x.y-z@[{~}]", "B": ""}
    assert grub.parse_boot_args(grub.boot_args(lines)) == lines


@pytest.mark.parametrize("character", ['"', "\\", "`", "$", "&", "'", "\n", "ä"])
def test_characters_that_grub_would_not_take_as_they_are(character: str) -> None:
    with pytest.raises(UserError) as caught:
        grub.boot_args({"A": f"x={character}"})
    assert str(caught.value) == (f"the command line of slot A has a {character!r}, which GRUB would not take as it is")


@pytest.mark.parametrize("slot", ["", "a", "AB", "1"])
def test_slots_are_one_capital_letter(slot: str) -> None:
    with pytest.raises(UserError) as caught:
        grub.boot_args({slot: "x"})
    assert str(caught.value) == f"slot {slot!r} must be one capital letter"


def test_foreign_lines_are_refused() -> None:
    with pytest.raises(UserError) as caught:
        grub.parse_boot_args(b'# fine\nboot_args_A="x"\necho pwned\n')
    assert str(caught.value) == ("line 3 of the boot arguments is not of the form boot_args_A=\"...\": 'echo pwned'")


def fake_tool(folder: Path, script: str) -> Path:
    """A folder with a "static" grub-mkimage that is a script, and one module."""
    (folder / "bin").mkdir()
    (folder / grub.MODULE_FOLDER).mkdir(parents=True)
    (folder / grub.MODULE_FOLDER / "fat.mod").touch()
    program = folder / "bin/grub-mkimage"
    program.write_text("#!/bin/sh\n" + script)
    os.chmod(program, 0o755)
    return folder


def test_image_is_what_the_tool_makes_of_exactly_these_words(tmp_path: Path) -> None:
    tool = fake_tool(tmp_path, 'while [ "$1" != --output ]; do shift; done; echo "$@" >"$2"\n')
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert grub.make_image(tool, scratch, 2, ["fat"]).decode().split()[2:] == ["fat"]
    assert (scratch / "early.cfg").read_text() == grub.EARLY_CONFIG


def test_missing_module(tmp_path: Path) -> None:
    tool = fake_tool(tmp_path, "")
    with pytest.raises(UserError, match=r"^GRUB has no module 'zfs' for x86_64-efi$"):
        grub.make_image(tool, tmp_path, 2, ["fat", "zfs"])


def test_failure_of_the_tool_is_told(tmp_path: Path) -> None:
    tool = fake_tool(tmp_path, "echo cannot compress >&2; exit 3\n")
    with pytest.raises(UserError) as caught:
        grub.make_image(tool, tmp_path, 2, ["fat"])
    assert str(caught.value) == "grub-mkimage failed with exit status 3: cannot compress"


def test_missing_program(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        locked_tool.command(tmp_path, "grub-mkimage", [])
    assert caught.value.message == f"{tmp_path} has no program 'grub-mkimage'"
