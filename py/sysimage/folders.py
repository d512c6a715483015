"""Folders and files of the host, read as data: contents alone count, never owners, modes or times."""

import os
from pathlib import Path

from sysimage.errors import UserError
from sysimage.tree import decode, join


def read_file(what: str, path: Path | str, limit: int) -> bytes:
    """A file of at most `limit` bytes; `what` says in errors what it is for.

    Raises:
        UserError: it cannot be read, or is larger.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UserError(f"{what}: cannot read {path}: {error.strerror}") from error
    if len(data) > limit:
        raise UserError(f"{what}: {path} has more than the {limit} bytes that are possible")
    return data


def read_folder(what: str, path: Path | str, limit: int) -> dict[str, bytes]:
    """All files below a folder, by their paths relative to it, sorted.

    Symbolic links to files are followed (sandboxes are made of them), links to folders below the top are not.

    Args:
        what: what it is for, in errors.
        path: the folder.
        limit: bytes of all files together.

    Raises:
        UserError: it is no folder, has something else than files and folders in it, or more bytes.
    """
    root = Path(path)
    if not root.is_dir():
        raise UserError(f"{what}: {path} is not a folder")
    files: dict[str, bytes] = {}
    left = limit
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            raise UserError(f"{what}: cannot read {root / folder}: {error.strerror}") from error
        for entry in entries:
            name = join(folder, decode(os.fsencode(entry.name)))
            if entry.is_dir(follow_symlinks=False):
                pending.append(name)
            elif entry.is_file():
                files[name] = read_file(what, entry.path, left)
                left -= len(files[name])
            else:
                raise UserError(f"{what}: {entry.path} is neither a file nor a folder", hint="remove it")
    return dict(sorted(files.items()))
