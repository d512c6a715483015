"""A new lock: signed indexes in, apt's answer out.

The one part of the package lock that needs the network, the clock and apt. It
runs when a person refreshes a lock, never in a build.
"""

import datetime
import gzip
import hashlib
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sysimage.debian.fetch import fetch, url_of
from sysimage.debian.index import (
    PACKAGES_SUFFIXES,
    IndexEntry,
    Release,
    check_expiry,
    parse_packages,
    parse_release,
    verify_clearsigned,
)
from sysimage.debian.lock import Lock, LockedIndex, LockedPackage, LockedSet, Request
from sysimage.debian.mirrors import SNAPSHOT_FORMAT
from sysimage.debian.resolve import Resolver, VerifiedIndex
from sysimage.errors import UserError

# Archive snapshots are taken four times a day and Debian keeps a superseded file for 36 hours:
# a day after the newest index, a snapshot has all that the indexes name.
SNAPSHOT_DELAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Suite:
    """Where to resolve from: a suite of an archive."""

    archive: str
    suite: str


@dataclass(frozen=True, slots=True)
class SetSpec:
    """A set to be: its base ('' for none), its requests, and whether it also asks for what every Debian system has."""

    name: str
    base: str
    requests: Sequence[Request]
    minimal: bool = False


@dataclass(frozen=True, slots=True)
class IndexLoader:
    """Fetches and verifies indexes.

    mirrors: base addresses by archive. now: the time against which Valid-Until counts.
    """

    architecture: str
    components: Sequence[str]
    mirrors: Mapping[str, Sequence[str]]
    keyrings: Sequence[Path]
    now: datetime.datetime
    allow_expired: bool = False

    def load(self, suite: Suite) -> tuple[LockedIndex, list[VerifiedIndex]]:
        """One suite's index, checked from the keyring down to the Packages files; of the first mirror that is good.

        Raises:
            UserError: unreachable, unsigned, expired, not of this suite, or not what was signed.
        """
        bases = [url_of(mirror, f"dists/{suite.suite}") for mirror in self.mirrors[suite.archive]]
        errors: list[UserError] = []
        for base in bases:
            try:
                data = fetch(f"{base}/InRelease")
                if data is not None:
                    return self._verify(suite, base, data)
            except UserError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        raise UserError(
            f"no suite {suite.suite!r} of the archive {suite.archive!r} at {', '.join(bases)}",
            hint="is the suite's name right?",
        )

    def _verify(self, suite: Suite, base: str, data: bytes) -> tuple[LockedIndex, list[VerifiedIndex]]:
        where = f"{base}/InRelease"
        signed = verify_clearsigned(data, self.keyrings, where)
        release = parse_release(signed.text, where)
        if suite.suite not in (release.suite, release.codename):
            raise UserError(
                f"{where}: is the index of {release.codename or release.suite!r}, not of {suite.suite!r}",
                hint="the mirror serves the wrong suite",
            )
        if not self.allow_expired:
            check_expiry(release, self.now, where)
        locked = LockedIndex(
            archive=suite.archive,
            suite=suite.suite,
            date=release.date.strftime("%Y-%m-%dT%H:%M:%SZ"),
            inrelease_sha256=hashlib.sha256(data).hexdigest(),
            keys=signed.keys,
        )
        indexes = []
        for component in self.components:
            path = f"{component}/binary-{self.architecture}/Packages"
            suffix, packages = self._packages(base, path, release)
            plain = lzma.decompress(packages) if suffix == ".xz" else gzip.decompress(packages)
            indexes.append(
                VerifiedIndex(
                    archive=suite.archive,
                    suite=suite.suite,
                    component=component,
                    release=signed.text,
                    packages=packages,
                    packages_name=f"Packages{suffix}",
                    entries=parse_packages(plain.decode("utf-8"), suite.archive, f"{base}/{path}"),
                )
            )
        return locked, indexes

    def _packages(self, base: str, path: str, release: Release) -> tuple[str, bytes]:
        """A compressed Packages file with its suffix, by the hash that the Release file gives."""
        for suffix in PACKAGES_SUFFIXES:
            expected = release.files.get(path + suffix)
            if expected is None:
                continue
            url = f"{base}/{path}{suffix}"
            data = None
            if release.by_hash:
                data = fetch(f"{base}/{path.rpartition('/')[0]}/by-hash/SHA256/{expected.sha256}")
            if data is None:
                data = fetch(url)
            if data is None:
                raise UserError(f"{url}: missing, though the signed index names it", hint="try another mirror")
            if hashlib.sha256(data).hexdigest() != expected.sha256:
                raise UserError(
                    f"{url}: sha256 is {hashlib.sha256(data).hexdigest()}, signed is {expected.sha256}",
                    hint="the mirror is being updated or damaged: try again or try another",
                )
            return suffix, data
        raise UserError(f"{base}/Release: names no {path} ({', '.join(PACKAGES_SUFFIXES)})")


def resolve_sets(
    architecture: str,
    specs: Sequence[SetSpec],
    locked_indexes: Sequence[LockedIndex],
    resolver: Resolver,
) -> Lock:
    """Resolves every set and puts the lock together.

    Raises:
        UserError: as `Resolver.resolve`; a base is no set before it.
    """
    entries: dict[str, IndexEntry] = {}
    brought_by: dict[str, list[str]] = {}
    full: dict[str, dict[str, IndexEntry]] = {"": {}}
    sets = []
    for spec in specs:
        if spec.base not in full:
            raise UserError(f"set {spec.name!r}: its base {spec.base!r} is no set before it")
        requests = [*(resolver.minimal() if spec.minimal else ()), *spec.requests]
        added = resolver.resolve(requests, full[spec.base])
        full[spec.name] = full[spec.base] | {entry.name: entry for entry in added}
        for entry in added:
            if entries.setdefault(entry.name, entry) != entry:
                raise UserError(
                    f"{entry.name} would be {entries[entry.name].version} in the set "
                    f"{brought_by[entry.name][0]!r} and {entry.version} in {spec.name!r}",
                    hint="one lock has one version of a package: make two locks",
                )
            brought_by.setdefault(entry.name, []).append(spec.name)
        sets.append(LockedSet(spec.name, spec.base, tuple(sorted(request.name for request in requests))))
    packages = (
        LockedPackage(
            name=entry.name,
            version=entry.version,
            architecture=entry.architecture,
            archive=entry.archive,
            path=entry.path,
            size=entry.size,
            sha256=entry.sha256,
            sets=tuple(brought_by[name]),
        )
        for name, entry in sorted(entries.items())
    )
    newest = max(datetime.datetime.fromisoformat(index.date) for index in locked_indexes)
    return Lock(
        architecture=architecture,
        snapshot=(newest + SNAPSHOT_DELAY).strftime(SNAPSHOT_FORMAT),
        indexes=tuple(locked_indexes),
        sets=tuple(sets),
        packages=tuple(packages),
    )


def check_not_older(old: Lock, new: Lock) -> None:
    """Refuses indexes older than those of the lock that is there: a stale mirror, or a replayed state.

    Raises:
        UserError: names the index.
    """
    dates = {(index.archive, index.suite): index.date for index in old.indexes}
    for index in new.indexes:
        before = dates.get((index.archive, index.suite), "")
        if index.date < before:
            raise UserError(
                f"the index of {index.archive} {index.suite} is of {index.date}, older than the lock's of {before}",
                hint="use a mirror that is up to date, or give --allow_older",
            )
