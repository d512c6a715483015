"""What all programs share: flags, the exit code of a user's error, sources named on the command line."""

import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence

from absl import flags

from sysimage.errors import UserError
from sysimage.extents import Sources

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT  # as shells count it
LINE_MAX = 2000  # characters of a message; of a longer one the middle is left out
# What a disk does to whoever writes, wherever that is; libraries that know more of it raise a UserError.
_DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
_DISK_HINT = "look at the disk that is written to, and at the one of temporary files, which TMPDIR names"
_HELP = ("-h", "-?", "--help", "--helpshort", "--helpfull", "--helpxml")


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Runs a program: a `UserError`, a bad flag, a full or failing disk is one line on stderr and exit status 2.

    Ctrl-C is one word and exit status 130.

    absl's own runner is left to who asks for help: loading it costs more than most programs do. So does looking for
    cycles among millions of small objects that live to the end.
    """
    gc.disable()
    if any(word in _HELP for word in sys.argv[1:]):
        from absl import app

        app.run(main)
    try:
        status = main(flags.FLAGS(sys.argv))
        _flush_output()
        sys.exit(status)
    except flags.Error as error:
        message = " ".join(str(error).split())
        print(f"error: {one_line(message)} (hint: --help lists the flags)", file=sys.stderr)
    except UserError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno not in (*_DISK_FAULTS, errno.EPIPE):
            raise
        _give_up_output()
        where = f"{error.filename}: " if error.filename else ""
        hint = f" (hint: {_DISK_HINT})" if error.errno in _DISK_FAULTS else ""
        print(f"error: {one_line(where)}{error.strerror}{hint}", file=sys.stderr)
    sys.exit(EXIT_USER_ERROR)


def _flush_output() -> None:
    """Writes what is printed but not written yet.

    Raises:
        UserError: it cannot be, for a full disk say.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up_output()
        raise UserError(f"cannot write to standard output: {error.strerror}") from error


def _give_up_output() -> None:
    """What is printed goes nowhere from here on: Python would try it again on its way out, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def one_line(text: str) -> str:
    """A message as one line of bounded length: names of files may have line feeds, and be long."""
    text = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
    half = LINE_MAX // 2
    return text if len(text) <= LINE_MAX else f"{text[:half]} ... {text[-half:]}"


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
