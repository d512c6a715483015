"""Files and folders that appear whole or not at all."""

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from sysimage.errors import UserError

# Of renameat2(2).
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def atomic_output(path: Path | str, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Opens a file for writing that takes its name only when the block ends well.

    The bytes go to `<name>.partial` beside it, so a killed program leaves
    nothing under the final name. The mode is set explicitly: the umask has no say.

    Raises:
        UserError: the folder is missing or cannot be written, or the disk is full.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.filename not in (None, str(partial), str(path)):
            raise
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_text(path: Path | str, text: str) -> None:
    """Writes a small text file, whole or not at all. Errors: as `atomic_output`."""
    with atomic_output(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def write_source(path: Path | str, text: str) -> None:
    """Writes a text file of the source tree, whole or not at all, also when the machine stops right after.

    Its bytes are on the disk before it takes its name; a file that was there before lends its mode. Errors: as
    `atomic_output`.
    """
    path = Path(path)
    mode = path.stat().st_mode & 0o777 if path.is_file() else 0o644
    with atomic_output(path, mode) as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def atomic_folder(path: Path | str, known: Collection[str]) -> Iterator[Path]:
    """A folder to be filled that takes its name only when the block ends well, in the place of one that is there.

    It lies beside its place meanwhile, so that taking it costs nothing.

    Args:
        path: the folder. Its parent is there.
        known: names that may be in one that is there; a folder with others is somebody else's, and stays.

    Raises:
        UserError: it is no folder or somebody else's; its place cannot be written.
    """
    path = Path(path).absolute()
    try:
        strange = sorted(set(os.listdir(path)) - {*known}) if os.path.lexists(path) else []
        if strange:
            raise UserError(f"{path} has something else in it, {strange[0]}", hint="name another folder, or empty it")
        scratch = tempfile.TemporaryDirectory(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    with scratch as folder:
        made = Path(folder) / path.name
        made.mkdir(mode=0o755)
        yield made
        try:
            if path.exists():
                _exchange(made, path)
            else:
                os.rename(made, path)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error


def _exchange(first: Path, second: Path) -> None:
    """Exchanges two names in one step, which Python has no function for."""
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(first), os.fsencode(second)
    if library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(second))
