"""What the programs that make bootstrap media have in common: all but the options."""

import sys
from collections.abc import Sequence

from absl import flags

from bootstrap_config import Options, make_image, make_tree
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.materialise import write_raw
from tools.main import run


def start(name: str, options: Options) -> None:
    """Runs a program, named so in its usage, that writes the medium: NAME OUT [--OPTION=VALUE ...]."""
    # An option that is given twice is not for the last one to win. They are the program's own, for --help to show.
    defined = {
        option: flags.DEFINE_multi_string(option, [], text, module_name=sys.argv[0])
        for option, text in options.help.items()
    }

    def main(argv: Sequence[str]) -> None:
        if len(argv) != 2:
            what = "no file is named" if len(argv) < 2 else f"unexpected argument {argv[2]!r}"
            raise UserError(what, hint=f"{name} OUT [--OPTION=VALUE ...]")
        image = make_image(make_tree({option: flag.value for option, flag in defined.items()}, options))
        with Sources({}) as nothing:
            write_raw(image, nothing, argv[1])

    run(main)
