"""What all programs share: flags, the exit code of a user's error, sources named on the command line."""

import gc
import signal
import sys
from collections.abc import Callable, Sequence

from absl import flags

from sysimage.errors import UserError
from sysimage.extents import Sources

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT  # as shells count it
_HELP = ("-h", "-?", "--help", "--helpshort", "--helpfull", "--helpxml")


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Runs a program: a `UserError`, or a bad flag, is one line on standard error and exit status 2.

    Ctrl-C is one word and exit status 130.

    absl's own runner is left to who asks for help: loading it costs more than most programs do. So does looking for
    cycles among millions of small objects that live to the end.
    """
    gc.disable()
    if any(word in _HELP for word in sys.argv[1:]):
        from absl import app

        app.run(main)
    try:
        sys.exit(main(flags.FLAGS(sys.argv)))
    except flags.Error as error:
        message = " ".join(str(error).split())
        print(f"error: {message} (hint: --help lists the flags)", file=sys.stderr)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(EXIT_USER_ERROR)


def refuse_arguments(argv: Sequence[str]) -> None:
    """For programs that take nothing but flags.

    Raises:
        UserError: a word is there besides them.
    """
    if argv[1:]:
        raise UserError(f"unexpected argument {argv[1]!r}")


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
