"""Writes the kernel command line of each slot, with what a verity root needs to be opened."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from sysimage import grub
from sysimage.errors import UserError
from sysimage.files import atomic_output
from tools.main import refuse_arguments, run

_SLOT = flags.DEFINE_multi_string("slot", [], "SLOT=COMMAND LINE.")
_VERITY = flags.DEFINE_string("verity", None, "Parameters of the root image, JSON.")
_OUT = flags.DEFINE_string("out", None, "Where the file goes.", required=True)

# The only values that the initrd's init knows.
_ALGORITHM = "sha256"
_BLOCK = 4096


def verity_words(parameters: Mapping[str, Any]) -> list[str]:
    """The words of a command line that describe a verity device.

    Raises:
        UserError: a parameter is missing, or is of a kind that the initrd cannot open.
    """
    try:
        if parameters["algorithm"] != _ALGORITHM:
            raise UserError(f"the initrd opens verity devices with {_ALGORITHM}, not {parameters['algorithm']}")
        for name in ("data_block_size", "hash_block_size"):
            if parameters[name] != _BLOCK:
                raise UserError(
                    f"the initrd opens verity devices with blocks of {_BLOCK} bytes, not {parameters[name]}"
                )
        return [
            f"root_hash={parameters['root_hash']}",
            f"verity.data_blocks={parameters['data_blocks']}",
            f"verity.hash_start={parameters['hash_start']}",
            f"verity.salt={parameters['salt'] or '-'}",
        ]
    except KeyError as error:
        raise UserError(f"the verity parameters have no {error.args[0]!r}") from error


def command_lines(slots: Sequence[str], words: Sequence[str]) -> dict[str, str]:
    """Slot to its whole command line: the given one with the words behind it.

    Args:
        slots: `SLOT=COMMAND LINE`, each.
        words: what every slot gets.

    Raises:
        UserError: one is of another form, or a slot comes twice.
    """
    lines: dict[str, str] = {}
    for given in slots:
        slot, separator, line = given.partition("=")
        if not separator:
            raise UserError(f"--slot {given!r} is not of the form SLOT=COMMAND LINE")
        if slot in lines:
            raise UserError(f"--slot {given!r}: slot {slot} has a command line already")
        lines[slot] = " ".join([line, *words])
    return lines


def main(argv: Sequence[str]) -> None:
    """Writes the file that the flags describe."""
    refuse_arguments(argv)
    words = verity_words(json.loads(Path(_VERITY.value).read_bytes())) if _VERITY.value else []
    with atomic_output(_OUT.value) as out:
        out.write(grub.boot_args(command_lines(_SLOT.value, words)))


if __name__ == "__main__":
    run(main)
