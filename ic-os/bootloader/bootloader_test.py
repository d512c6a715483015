import os
import re
from pathlib import Path

import pytest

from sysimage import grub, grubenv, locked_tool

FOLDER = Path(os.environ["GRUB_CONFIG"]).absolute().parent
TOOL = Path(os.environ["GRUB_TOOL"]).absolute()
SCRIPTS = ["grub.cfg", *(f"slots/{system}.cfg" for system in ("boundary-guestos", "guestos", "hostos", "setupos"))]
KEYWORDS = {"if", "then", "elif", "else", "fi", "set"}
# Commands that modules bring; `[` is in test, boot and source are in boot and normal.
PROVIDERS = {
    "[": "test",
    "boot": "linux",
    "echo": "echo",
    "initrd": "linux",
    "linux": "linux",
    "load_env": "loadenv",
    "reboot": "reboot",
    "regexp": "regexp",
    "save_env": "loadenv",
    "sleep": "sleep",
    "source": "configfile",
}


def test_shipped_environment_is_that_of_a_system_just_installed() -> None:
    data = (FOLDER / "grubenv").read_bytes()
    assert data == grubenv.make({"boot_alternative": "A", "boot_cycle": "install"})


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_sound_to_grub_itself(script: str) -> None:
    assert locked_tool.run(TOOL, "grub-script-check", [str(FOLDER / script)]) == ""


def test_every_command_has_its_module_in_the_image() -> None:
    """The image has no folder of modules to load more from."""
    lines = [line.strip() for line in (FOLDER / "grub.cfg").read_text().splitlines()]
    words = {
        re.split(r"\s", re.sub(r"^(if|elif) ", "", line))[0] for line in lines if line and not line.startswith("#")
    }
    commands = words - KEYWORDS
    assert commands == PROVIDERS.keys()
    assert set(PROVIDERS.values()) <= set(grub.MODULES)


def test_every_script_sets_both_slots() -> None:
    for script in SCRIPTS[1:]:
        assert re.findall(r"^set (device_[AB])=", (FOLDER / script).read_text(), re.MULTILINE) == [
            "device_A",
            "device_B",
        ]
