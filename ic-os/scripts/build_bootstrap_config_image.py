"""Makes the bootstrap medium of a GuestOS: build-bootstrap-config-image OUT [--OPTION=VALUE ...].

Everything but OUT is an option; the same options give the same bytes.
"""

from collections.abc import Sequence

from absl import flags

from bootstrap_config import AUTHORIZED_KEYS, AUTHORIZED_KEYS_HELP, FOLDERS, KEY_FILES, SETTINGS, make_image, make_tree
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.materialise import write_raw
from tools.main import run

# An option that is given twice is not for the last one to win.
_OPTIONS = {
    option.name: flags.DEFINE_multi_string(option.name, [], option.help) for option in (*SETTINGS, *KEY_FILES, *FOLDERS)
} | {AUTHORIZED_KEYS: flags.DEFINE_multi_string(AUTHORIZED_KEYS, [], AUTHORIZED_KEYS_HELP)}


def main(argv: Sequence[str]) -> None:
    """Writes the image that the options describe."""
    if len(argv) != 2:
        what = "no file is named" if len(argv) < 2 else f"unexpected argument {argv[2]!r}"
        raise UserError(what, hint="build-bootstrap-config-image OUT [--OPTION=VALUE ...]")
    image = make_image(make_tree({name: flag.value for name, flag in _OPTIONS.items()}))
    with Sources({}) as nothing:
        write_raw(image, nothing, argv[1])


if __name__ == "__main__":
    run(main)
