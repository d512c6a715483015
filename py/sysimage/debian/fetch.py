"""Files of an archive by hash: from a cache folder, else from the first mirror that has them."""

import concurrent.futures
import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sysimage.debian.lock import LockedPackage
from sysimage.debian.mirrors import variable_of
from sysimage.errors import UserError
from sysimage.files import atomic_output

TIMEOUT = 60  # seconds without a byte
PARALLEL_DOWNLOADS = 4


def fetch(url: str) -> bytes | None:
    """The content behind an address; None when the server says it has no such file.

    Raises:
        UserError: the server cannot be reached or says something else.
    """
    try:
        # file: is meant: a folder can be a mirror
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        if error.code in (404, 410):
            return None
        raise UserError(f"{url}: the server says {error.code} {error.reason}", hint="try another mirror") from error
    except FileNotFoundError:
        return None
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.URLError) and isinstance(error.reason, FileNotFoundError):
            return None
        raise UserError(f"{url}: {error}", hint="is the mirror's address right, and the network there?") from error


def url_of(mirror: str, path: str) -> str:
    """The address of a path in a mirror; `+` and `~` stay as they are, as Debian's own tools have it."""
    return f"{mirror}/{urllib.parse.quote(path, safe='/+~')}"


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches .debs of a lock.

    mirrors: base addresses by archive. cache: a folder of files named by sha256, shared by locks.
    snapshot: the lock's date, for the message when a version is gone.
    """

    mirrors: Mapping[str, Sequence[str]]
    cache: Path
    snapshot: str

    def deb(self, package: LockedPackage) -> Path:
        """The .deb, checked by size and sha256.

        Mirrors are tried in their order until one delivers it.

        Raises:
            UserError: none has it; or the first thing that went wrong with one.
        """
        kept = self.cache / package.sha256[:2] / f"{package.sha256}.deb"
        if _is_whole(kept, package):
            return kept
        errors: list[UserError] = []
        for mirror in self.mirrors[package.archive]:
            try:
                data = fetch(url_of(mirror, package.path))
                if data is not None:
                    _check(package, mirror, data)
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    with atomic_output(kept) as file:
                        file.write(data)
                    return kept
            except UserError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        raise UserError(gone_message(package), hint=gone_hint(package, self.snapshot))

    def debs(self, packages: Sequence[LockedPackage]) -> list[Path]:
        """The .debs of many packages, in their order. Errors: as `deb`."""
        with concurrent.futures.ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            return list(pool.map(self.deb, packages))


def _is_whole(file: Path, package: LockedPackage) -> bool:
    """Whether a file of the cache is the package: disks lose bytes, and caches are copied about."""
    if not file.is_file() or file.stat().st_size != package.size:
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == package.sha256


def _check(package: LockedPackage, mirror: str, data: bytes) -> None:
    """Compares a file with what the lock says of it."""
    found = hashlib.sha256(data).hexdigest()
    if found != package.sha256 or len(data) != package.size:
        raise UserError(
            f"{package}: {mirror} serves {len(data)} bytes with sha256 {found}; "
            f"the lock has {package.size} bytes with sha256 {package.sha256}",
            hint="the mirror or the line to it is damaged: try another",
        )


def gone_message(package: LockedPackage) -> str:
    """What is wrong when no mirror has a version any more."""
    return f"{package} is on no mirror of {package.archive!r} any more ({package.path})"


def gone_hint(package: LockedPackage, snapshot: str) -> str:
    """The two ways out of that."""
    return (
        f"set {variable_of(package.archive)} to an archive snapshot of {snapshot}, "
        f"with {{snapshot}} in the address where the date goes; or refresh the lock"
    )
