"""Takes kernel, initrd and command line of a slot out of a disk image, for a machine that loads them itself.

  boot_files --image=disk-img.tar.zst --partition=A_boot --slot=A --variable=boot_state=stable --out=folder
  boot_files --map=disk.map.json --source=KEY=FILE ... --partition=A_boot --slot=A --out=folder

The folder gets `vmlinuz`, `initrd.img` and `cmdline`: one line without an end, as it is handed to the kernel.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage import boot_files
from sysimage.errors import UserError
from sysimage.files import atomic_output
from tools.image_input import open_input
from tools.main import refuse_arguments, run

_IMAGE = flags.DEFINE_string("image", None, "The image: a raw file, or a tar with it, either as it is or under zstd.")
_MAP = flags.DEFINE_string("map", None, "The image as an extent map, instead of --image.")
_SOURCE = flags.DEFINE_multi_string("source", [], "KEY=FILE: a file that the map takes bytes from. May be repeated.")
_PARTITION = flags.DEFINE_string(
    "partition", None, "The slot's boot volume: PARTITION or PARTITION/VOLUME.", required=True
)
_SLOT = flags.DEFINE_string("slot", None, "Whose command line: one capital letter.", required=True)
_VARIABLE = flags.DEFINE_multi_string(
    "variable", [], "NAME=VALUE of a variable of GRUB's in the command line. May be repeated."
)
_OUT = flags.DEFINE_string("out", None, "Folder for the files; it is made if it is not there.", required=True)


def parse_variables(words: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` words.

    Raises:
        UserError: a word is of another form, or a name is given twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise UserError(f"--variable {word!r} is not of the form NAME=VALUE")
        if name in found:
            raise UserError(f"--variable {name!r} is given twice")
        found[name] = value
    return found


def main(argv: Sequence[str]) -> None:
    """Writes the three files."""
    refuse_arguments(argv)
    with open_input(_IMAGE.value, _MAP.value, _SOURCE.value) as reader:
        files = boot_files.read(reader, _PARTITION.value, _SLOT.value, parse_variables(_VARIABLE.value))
    folder = Path(_OUT.value)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}") from error
    contents = {"vmlinuz": files.kernel, "initrd.img": files.initrd, "cmdline": files.command_line.encode()}
    for name, content in contents.items():
        with atomic_output(folder / name) as out:
            out.write(content)


if __name__ == "__main__":
    run(main)
