"""Resolves a package.json anew and writes its package-lock.json into the source tree."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from npm import lock
from sysimage.errors import UserError
from sysimage.files import write_source
from tools.main import refuse_arguments, run

_LOCK = flags.DEFINE_string("lock", None, "The lock, from the root of the workspace.", required=True)
_PACKAGE = flags.DEFINE_string("package", None, "The package.json, likewise.", required=True)
_NODE = flags.DEFINE_string("node", None, "Node.js, where the machine has no npm.", required=True)
_NPM = flags.DEFINE_string("npm", None, "Folder of npm, for that Node.js.", required=True)
_UPGRADE = flags.DEFINE_bool("upgrade", False, "Take the newest versions that fit, also where the lock's still do.")


def main(argv: Sequence[str]) -> None:
    """Writes the lock and prints what changes."""
    refuse_arguments(argv)
    root = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."))
    path = root / _LOCK.value
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        package = (root / _PACKAGE.value).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error
    npm = lock.npm_command(Path(_NODE.value), Path(_NPM.value))
    with tempfile.TemporaryDirectory() as work:
        after = lock.resolve(Path(work), npm, package, before, _UPGRADE.value)
    for line in lock.difference(before, after):
        print(line)
    if before != after:
        write_source(path, after)
    print(f"{_LOCK.value}: {'unchanged' if before == after else 'rewritten'}")


if __name__ == "__main__":
    run(main)
