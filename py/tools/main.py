"""What all programs share: the exit code of a user's error, sources named on the command line."""

import sys
from collections.abc import Callable, Sequence

from absl import app

from sysimage.errors import UserError
from sysimage.extents import Sources

EXIT_USER_ERROR = 2


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Runs a program: a `UserError` is one line on standard error and exit status 2."""

    def guarded(argv: Sequence[str]) -> int | None:
        try:
            return main(argv)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_USER_ERROR

    app.run(guarded)


def parse_sources(pairs: Sequence[str]) -> Sources:
    """`KEY=FILE` words, as the rules pass them, as sources.

    Raises:
        UserError: a word without `=`, or one key for two files.
    """
    paths: dict[str, str] = {}
    for pair in pairs:
        key, separator, path = pair.partition("=")
        if not separator or not key or not path:
            raise UserError(f"--source {pair!r} is not of the form KEY=FILE")
        if paths.setdefault(key, path) != path:
            raise UserError(f"--source {key!r} is given twice: {paths[key]} and {path}")
    return Sources(paths)
