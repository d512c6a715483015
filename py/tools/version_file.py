"""Writes the version of a build: a constant, or a key of Bazel's stable workspace status."""

import re
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage.errors import UserError
from sysimage.files import write_text
from tools.main import refuse_arguments, run

_DEFAULT = flags.DEFINE_string("default", "", "The version when no status file is given.")
_STATUS = flags.DEFINE_string("status", None, "Bazel's stable-status.txt.")
_KEY = flags.DEFINE_string("key", "STABLE_VERSION", "Key of the version in the status file.")
_SUFFIX = flags.DEFINE_string("suffix", "", "Put behind the version.")
_OUT = flags.DEFINE_string("version_out", None, "Where the version goes.", required=True)

# What may stand in file names, URLs and kernel arguments without quoting.
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+~-]{0,127}")


def version(default: str, status: str | None, key: str, suffix: str) -> str:
    """The version in words of a status file (`KEY value` lines), or the default.

    Raises:
        UserError: the status file lacks the key, or the version is not one plain word.
    """
    value = default
    if status is not None:
        values = dict(line.split(" ", 1) for line in status.splitlines() if " " in line)
        if key not in values:
            raise UserError(
                f"a stamped build wants {key}, which the workspace status does not have",
                hint=f"print '{key} <version>' in the command of --workspace_status_command",
            )
        value = values[key]
    value += suffix
    if not _VERSION.fullmatch(value):
        raise UserError(f"version {value!r} is not a plain word", hint="letters, digits and ._+~-, at most 128")
    return value


def main(argv: Sequence[str]) -> None:
    """Writes the version."""
    refuse_arguments(argv)
    status = Path(_STATUS.value).read_text(encoding="utf-8") if _STATUS.value else None
    write_text(_OUT.value, version(_DEFAULT.value, status, _KEY.value, _SUFFIX.value) + "\n")


if __name__ == "__main__":
    run(main)
