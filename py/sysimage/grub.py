"""GRUB for UEFI: the program that the firmware starts, made by grub-mkimage out of locked packages.

The image holds all modules it needs and looks for `grub.cfg` on one partition of the
disk that it was loaded from, by number. It searches for nothing: a stick and a disk that
are plugged in together may carry the same identifiers.

Also the file with the kernel command lines of a boot partition (`boot_args`), which GRUB reads.
Source: GRUB manual, "Invoking grub-mkimage", "Shell-like scripting".
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sysimage import locked_tool
from sysimage.errors import UserError

FORMAT = "x86_64-efi"
MODULE_FOLDER = f"usr/lib/grub/{FORMAT}"
PROGRAM = "grub-mkimage"

# What reading grub.cfg and a kernel from FAT, ext4 and LVM takes, and the commands that grub.cfg may use.
MODULES = (
    "part_gpt",
    "fat",
    "ext2",
    "lvm",
    "normal",
    "configfile",
    "loadenv",
    "linux",
    "echo",
    "test",
    "regexp",
    "sleep",
    "reboot",
    "halt",
)

# Runs before anything else. Were it to end, GRUB would fall into a prompt; so it restarts the machine.
EARLY_CONFIG = """\
configfile $prefix/grub.cfg
echo "GRUB: $prefix/grub.cfg cannot be read; restarting in 10 seconds (Escape: at once)"
sleep --interruptible 10
reboot
"""

SLOT_NAME = re.compile(r"[A-Z]")
_PLAIN = re.compile(r"[ !#%()*+,\-./0-9:;<=>?@A-Z\[\]^_a-z{|}~]*")
_VARIABLE = re.compile(r"\$\{?[a-z_]+\}?")
_ASSIGNMENT = re.compile(r'boot_args_([A-Z])="([^"]*)"')


def make_image(tool: Path | str, scratch: Path | str, partition: int, modules: Sequence[str] = MODULES) -> bytes:
    """The EFI program, as `BOOTX64.EFI`.

    Args:
        tool: unpacked GRUB (`locked_tool.write`) with grub-mkimage and the modules.
        scratch: a folder for files of its own.
        partition: number, from 1, of the partition with grub.cfg; on the same disk.
        modules: GRUB's modules to put in.

    Raises:
        UserError: a module is missing, or grub-mkimage fails.
    """
    folder = Path(tool).absolute() / MODULE_FOLDER
    for module in modules:
        if not (folder / f"{module}.mod").is_file():
            raise UserError(f"GRUB has no module {module!r} for {FORMAT}")
    scratch = Path(scratch).absolute()
    early, out = scratch / "early.cfg", scratch / "grub.efi"
    early.write_text(EARLY_CONFIG, encoding="ascii")
    arguments = ["--directory", str(folder), "--format", FORMAT, "--config", str(early)]
    # "(,gpt2)/": partition 2 of the disk that the image comes from.
    arguments += ["--prefix", f"(,gpt{partition})/", "--output", str(out), *modules]
    locked_tool.run(tool, PROGRAM, arguments)
    return out.read_bytes()


def boot_args(command_lines: Mapping[str, str]) -> bytes:
    """The file of kernel command lines, one a slot, as GRUB reads it.

    A command line may use GRUB's variables (`$boot_state`), which get their value at boot.

    Args:
        command_lines: slot ("A", "B") to the whole command line.

    Raises:
        UserError: a character that GRUB's script language would not take literally.
    """
    lines = ["# The kernel's command line of each slot; the boot loader takes the one of the slot that it boots.\n"]
    for slot, text in command_lines.items():
        if not SLOT_NAME.fullmatch(slot):
            raise UserError(f"slot {slot!r} must be one capital letter")
        for character in _VARIABLE.sub("", text):
            if not _PLAIN.fullmatch(character):
                raise UserError(
                    f"the command line of slot {slot} has a {character!r}, which GRUB would not take as it is"
                )
        lines.append(f'boot_args_{slot}="{text}"\n')
    return "".join(lines).encode("ascii")


def parse_boot_args(data: bytes) -> dict[str, str]:
    """The command lines of a `boot_args` file, by slot; variables stay as written.

    Raises:
        UserError: a line that `boot_args` would not have written.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            raise UserError(f'line {number} of the boot arguments is not of the form boot_args_A="...": {line!r}')
        found[match[1]] = match[2]
    return found
