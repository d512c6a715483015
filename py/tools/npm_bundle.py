"""Bundles a program and the packages it imports into one file, and says which packages are in it."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from npm import bundle, contents, packages
from sysimage.files import atomic_output, write_text
from tools.main import refuse_arguments, run

_ESBUILD = flags.DEFINE_string("esbuild", None, "Archive of esbuild's package for this system.", required=True)
_PACKAGE = flags.DEFINE_multi_string("package", [], "PLACE|NAME|VERSION|INTEGRITY|FILE: a package of the lock.")
_SRC = flags.DEFINE_multi_string("src", [], "PATH=FILE: a source, and where imports find it.")
_ENTRY = flags.DEFINE_string("entry", None, "PATH of the first source.", required=True)
_OPTION = flags.DEFINE_multi_string("option", [], "A further option of esbuild.")
_OUT = flags.DEFINE_string("bundle_out", None, "Where the program goes.", required=True)
_MAP_OUT = flags.DEFINE_string("map_out", None, "Where its source map goes.")
_PACKAGES_OUT = flags.DEFINE_string("packages_out", None, "Where the list of its packages goes.", required=True)
_LICENCES_OUT = flags.DEFINE_string("licenses_out", None, "Where the packages' licences go.", required=True)


def main(argv: Sequence[str]) -> None:
    """Makes what the flags describe."""
    refuse_arguments(argv)
    locked = packages.parse(_PACKAGE.value)
    with tempfile.TemporaryDirectory() as work:
        made = bundle.make(
            Path(work),
            Path(_ESBUILD.value),
            locked,
            _SRC.value,
            _ENTRY.value,
            Path(_OUT.value).name,
            _OPTION.value,
        )
    used = contents.used(made.metafile, locked)
    with atomic_output(_OUT.value) as file:
        file.write(made.program)
    if _MAP_OUT.value:
        with atomic_output(_MAP_OUT.value) as file:
            file.write(made.source_map)
    write_text(_PACKAGES_OUT.value, json.dumps(contents.package_list(used), indent=2, sort_keys=True) + "\n")
    write_text(_LICENCES_OUT.value, contents.licences(used))


if __name__ == "__main__":
    run(main)
