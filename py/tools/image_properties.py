"""Prints what an image promises, or writes it where a test compares it with what was reviewed.

image_properties --image=disk-img.tar.zst
image_properties --image=disk-img.tar.zst --golden=path/in/the/repository
"""

import os
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage.errors import UserError
from sysimage.files import write_source
from sysimage.inspection import look, open_image
from sysimage.properties import properties
from tools.main import refuse_arguments, run

_IMAGE = flags.DEFINE_string("image", None, "The image: raw, or a tar with it.", required=True)
_GOLDEN = flags.DEFINE_string("golden", None, "File to write, from the top of the workspace; left out: print.")


def main(argv: Sequence[str]) -> None:
    """Prints or writes the properties."""
    refuse_arguments(argv)
    with open_image(_IMAGE.value) as reader:
        text = "\n".join(properties(look(reader))) + "\n"
    if _GOLDEN.value is None:
        print(text, end="")
        return
    top = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not top:
        raise UserError("--golden writes into the workspace, which is not known", hint="start it by bazel run")
    write_source(Path(top) / _GOLDEN.value, text)
    print(f"wrote {_GOLDEN.value}")


if __name__ == "__main__":
    run(main)
