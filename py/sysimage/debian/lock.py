"""The package lock: which exact .debs an image is made of, and how that was found out.

A lock has *sets*. A set is what a package list asks for, with everything that
needs: on top of its `base` set where it has one (as `apt-get install` in a
system that has the base), else from nothing. A package carries the names of the sets that bring it,
so a set in full is its own packages and its base's. Nothing here names a host: a package has an
archive's name and a path in it.

The file is JSON, one index, set or package a line, sorted, so that a refresh is a readable diff.
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sysimage.debian.index import is_sha256
from sysimage.errors import UserError
from sysimage.text import parse_json

LOCK_VERSION = 1

# Debian policy 5.6.1
_PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SET_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_SNAPSHOT = re.compile(r"\d{8}T\d{6}Z")
REFRESH_HINT = "refresh the lock"
MALFORMED_HINT = "restore it, or empty the file and refresh the lock"


@dataclass(frozen=True, slots=True)
class Request:
    """One line of a package list."""

    name: str
    reason: str
    where: str


@dataclass(frozen=True, slots=True)
class LockedIndex:
    """A signed index that the lock was resolved against; date is its Release file's, as ISO 8601 in UTC."""

    archive: str
    suite: str
    date: str
    inrelease_sha256: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedSet:
    """A set: the set that it stands on ('' for none), and the packages that its lists ask for."""

    name: str
    base: str
    requests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One .deb: size in bytes, sha256 in hex, path relative to the archive, and the sets that bring it."""

    name: str
    version: str
    architecture: str
    archive: str
    path: str
    size: int
    sha256: str
    sets: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.architecture})"

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class Lock:
    """A whole lock. snapshot: a date at which an archive snapshot has all of it; tuples are sorted by name."""

    architecture: str
    snapshot: str
    indexes: tuple[LockedIndex, ...]
    sets: tuple[LockedSet, ...]
    packages: tuple[LockedPackage, ...]

    def __post_init__(self) -> None:
        if not _SNAPSHOT.fullmatch(self.snapshot):
            raise UserError(f"snapshot {self.snapshot!r} is not of the form YYYYMMDDTHHMMSSZ")
        names = [entry.name for entry in self.sets]
        for index, entry in enumerate(self.sets):
            if not _SET_NAME.fullmatch(entry.name):
                raise UserError(f"set {entry.name!r}: not a name of lower-case letters, digits, '-', '_' and '.'")
            if entry.name in names[:index]:
                raise UserError(f"set {entry.name!r} is there twice")
            if entry.base and entry.base not in names[:index]:
                raise UserError(f"set {entry.name!r}: its base {entry.base!r} is no set before it")
        seen: set[str] = set()
        for package in self.packages:
            self._check_package(package, names)
            if package.name in seen:
                raise UserError(f"package {package.name!r} is there twice")
            seen.add(package.name)

    def _check_package(self, package: LockedPackage, set_names: Sequence[str]) -> None:
        if not _PACKAGE_NAME.fullmatch(package.name):
            raise UserError(f"package {package.name!r}: not a package name")
        if not is_sha256(package.sha256) or package.size <= 0:
            raise UserError(f"package {package.name!r}: malformed size or sha256")
        if package.path.startswith("/") or ".." in package.path.split("/"):
            raise UserError(f"package {package.name!r}: path {package.path!r} leaves the archive")
        for name in package.sets:
            if name not in set_names:
                raise UserError(f"package {package.name!r}: no set {name!r}")
        if not package.sets:
            raise UserError(f"package {package.name!r} is in no set")

    def set_named(self, name: str) -> LockedSet:
        """One set.

        Raises:
            UserError: there is none of that name.
        """
        for entry in self.sets:
            if entry.name == name:
                return entry
        raise UserError(f"the lock has no set {name!r}", hint=f"it has {', '.join(entry.name for entry in self.sets)}")

    def lineage(self, name: str) -> tuple[str, ...]:
        """A set's name and those of its bases, the lowest first. Errors: as `set_named`."""
        entry = self.set_named(name)
        return (*(self.lineage(entry.base) if entry.base else ()), name)

    def closure(self, name: str) -> tuple[LockedPackage, ...]:
        """All packages of a set, its bases' included, by name. Errors: as `set_named`."""
        wanted = set(self.lineage(name))
        return tuple(package for package in self.packages if wanted.intersection(package.sets))

    def to_text(self) -> str:
        """The file's content."""
        head = {"version": LOCK_VERSION, "architecture": self.architecture, "snapshot": self.snapshot}
        lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
        for key, entries in (("indexes", self.indexes), ("sets", self.sets), ("packages", self.packages)):
            body = ",\n".join(json.dumps(dataclasses.asdict(entry)) for entry in entries)
            lines.append(f"{json.dumps(key)}: [\n{body}\n]" + ("" if key == "packages" else ","))
        return "{\n" + "\n".join(lines) + "\n}\n"


def _build(cls: type[Any], data: Any, where: str) -> Any:
    """A dataclass out of a JSON object that has exactly its fields, with lists as tuples."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if not isinstance(data, dict) or set(data) != set(fields):
        raise UserError(f"{where}: expected an object with {', '.join(fields)}; found {json.dumps(data)[:200]}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    for key, value in values.items():
        expected = int if key == "size" else tuple if str(fields[key].type).startswith("tuple") else str
        if type(value) is not expected:
            raise UserError(f"{where}: {key!r} is {json.dumps(data[key])}, expected {expected.__name__}")
    return cls(**values)


def parse_lock(text: str | bytes, where: str) -> Lock:
    """Reads a lock.

    Raises:
        UserError: it is not JSON, of another version, or does not hold together.
    """
    try:
        data = parse_json(text)
    except ValueError as error:
        raise UserError(f"{where}: not JSON: {error}", hint=MALFORMED_HINT) from error
    if not isinstance(data, dict) or data.get("version") != LOCK_VERSION:
        raise UserError(f"{where}: not a package lock of version {LOCK_VERSION}", hint=MALFORMED_HINT)
    expected = {"version", "architecture", "snapshot", "indexes", "sets", "packages"}
    if set(data) != expected:
        raise UserError(f"{where}: expected the keys {', '.join(sorted(expected))}; found {', '.join(sorted(data))}")
    try:
        return Lock(
            architecture=str(data["architecture"]),
            snapshot=str(data["snapshot"]),
            indexes=tuple(_build(LockedIndex, entry, where) for entry in data["indexes"]),
            sets=tuple(_build(LockedSet, entry, where) for entry in data["sets"]),
            packages=tuple(_build(LockedPackage, entry, where) for entry in data["packages"]),
        )
    except UserError as error:
        message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
        raise UserError(message, error.hint or MALFORMED_HINT) from error


def read_lock(path: Path) -> Lock:
    """Reads a lock file. Errors: as `parse_lock`, or it cannot be read."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the lock {path}: {error.strerror}", hint=REFRESH_HINT) from error
    return parse_lock(text, path.name)


def parse_list(text: str, where: str) -> list[Request]:
    """Reads a package list: `name  # why` a line; empty lines and lines that begin with `#` are comment.

    Raises:
        UserError: a line without a reason, with more than a name, or a name twice.
    """
    requests: list[Request] = []
    first: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        place = f"{where}:{number}"
        name, mark, reason = (part.strip() for part in line.partition("#"))
        if not _PACKAGE_NAME.fullmatch(name):
            raise UserError(f"{place}: {name!r} is not a package name", hint="one package a line: name  # reason")
        if not mark or not reason:
            raise UserError(f"{place}: {name} has no reason", hint=f"write: {name}  # what it is needed for")
        if name in first:
            raise UserError(f"{place}: {name} is already asked for at {first[name]}", hint="remove one of the two")
        first[name] = place
        requests.append(Request(name, reason, place))
    return requests


def read_lists(paths: Iterable[Path]) -> list[Request]:
    """Reads the lists of one set.

    Raises:
        UserError: as `parse_list`; a file cannot be read; a name is in two of them.
    """
    requests: list[Request] = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot read the package list {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"the package list {path} is not a text in UTF-8: {error.reason}") from error
        requests += parse_list(text, path.name)
    first: dict[str, str] = {}
    for request in requests:
        if request.name in first:
            raise UserError(
                f"{request.where}: {request.name} is already asked for at {first[request.name]}",
                hint="remove one of the two",
            )
        first[request.name] = request.where
    return requests


def check_requests(lock: Lock, set_name: str, requests: Sequence[Request]) -> None:
    """Checks that a set of the lock is what its lists ask for.

    Raises:
        UserError: a package is in a list but not in the lock, or was taken off the list.
    """
    locked = lock.set_named(set_name).requests
    for request in requests:
        if request.name not in locked:
            raise UserError(f"{request.where}: {request.name} is in the list but not in the lock", hint=REFRESH_HINT)
    asked = {request.name for request in requests}
    for name in locked:
        if name not in asked:
            raise UserError(f"set {set_name!r} of the lock has {name}, which no list asks for", hint=REFRESH_HINT)


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three names like a given one."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.75)
