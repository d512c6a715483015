"""Writes what a folder of built files is made of: their hashes, and the packages in them."""

import json
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from npm import manifest
from sysimage.files import write_text
from tools.main import refuse_arguments, run

_ORIGIN = flags.DEFINE_string("origin", None, "What they were built from, in one word.", required=True)
_FILE = flags.DEFINE_multi_string("file", [], "A file.")
_PACKAGES = flags.DEFINE_multi_string("packages", [], "List of the packages in one of them.")
_OUT = flags.DEFINE_string("manifest_out", None, "Where the manifest goes.", required=True)


def main(argv: Sequence[str]) -> None:
    """Makes what the flags describe."""
    refuse_arguments(argv)
    lists = [json.loads(Path(name).read_text(encoding="utf-8")) for name in _PACKAGES.value]
    made = manifest.manifest(_ORIGIN.value, [Path(name) for name in _FILE.value], lists)
    write_text(_OUT.value, manifest.as_text(made))


if __name__ == "__main__":
    run(main)
