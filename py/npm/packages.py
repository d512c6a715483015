"""Locked packages, and the node_modules folder that they make."""

import shutil
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sysimage.errors import UserError

_FIELDS = 5


@dataclass(frozen=True, slots=True)
class Package:
    """One entry of a lock.

    place is where it lies, `node_modules/a/node_modules/b`; archive is its .tgz, whose bytes have the hash integrity.
    """

    place: str
    name: str
    version: str
    integrity: str
    archive: Path


def parse(words: Iterable[str]) -> list[Package]:
    """`PLACE|NAME|VERSION|INTEGRITY|FILE` words, as the rules pass them.

    Raises:
        UserError: a word of another form.
    """
    packages = []
    for word in words:
        fields = word.split("|")
        if len(fields) != _FIELDS or not all(fields):
            raise UserError(f"--package {word!r} is not of the form PLACE|NAME|VERSION|INTEGRITY|FILE")
        place, name, version, integrity, archive = fields
        packages.append(Package(place, name, version, integrity, Path(archive)))
    return packages


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a package. Its files lie below one folder, whatever its name; links are not allowed, as npm has it.

    Raises:
        UserError: it is no archive, or has something that no package may have.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                parts = PurePosixPath(member.name).parts[1:]
                if member.isdir():
                    continue
                if not member.isfile() or not parts or ".." in parts or member.name.startswith("/"):
                    raise UserError(f"{archive}: {member.name!r} is nothing that a package may have")
                _write(tar, member, folder.joinpath(*parts))
    except (tarfile.TarError, EOFError) as error:
        raise UserError(f"{archive}: not a package: {error}") from error


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # it is a regular file
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(0o755 if member.mode & 0o111 else 0o644)


def lay_out(packages: Iterable[Package], folder: Path) -> None:
    """Unpacks packages at their places. Errors: as `unpack`."""
    for package in packages:
        unpack(package.archive, folder / package.place)


def copy_sources(pairs: Sequence[str], folder: Path) -> None:
    """Copies `PATH=FILE` words: FILE lies at PATH of the folder then.

    Raises:
        UserError: a word of another form, or a path that leaves the folder.
    """
    for pair in pairs:
        name, _, file = pair.partition("=")
        parts = PurePosixPath(name).parts
        if not file or not parts or ".." in parts or parts[0] == "/":
            raise UserError(f"--src {pair!r} is not of the form PATH=FILE")
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, path)
