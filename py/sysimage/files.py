"""Files that appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sysimage.errors import UserError


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
