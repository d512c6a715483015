"""Refreshes a package lock: resolves package lists against signed Debian indexes with apt's own resolver.

Example:
    lock_packages --lock packages.lock.json --suite debian:trixie --suite debian-security:trixie-security
        --set essential=@minimal --set common:essential=packages.common --set dev:common=packages.dev

A set is NAME[:BASE]=LIST[,LIST...]; the word @minimal stands for what every Debian system has. With --check
nothing is fetched or written: the exit status is 1 when the lists ask for something else than the lock has.
Relative paths are relative to the source tree when Bazel runs this.
"""

import datetime
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage.debian.changes import compare, format_bytes, format_changes
from sysimage.debian.fetch import Fetcher
from sysimage.debian.lock import Lock, check_requests, read_lists, read_lock
from sysimage.debian.lock_review import review_scripts
from sysimage.debian.mirrors import find_mirrors
from sysimage.debian.refresh import IndexLoader, SetSpec, Suite, check_not_older, resolve_sets
from sysimage.debian.resolve import Resolver
from sysimage.debian.scripts import load_scripts
from sysimage.errors import UserError
from sysimage.files import write_source, write_text
from tools.main import refuse_arguments, run

KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp")
MINIMAL = "@minimal"

_LOCK = flags.DEFINE_string("lock", None, "The lock file.", required=True)
_SET = flags.DEFINE_multi_string("set", [], "A set: NAME[:BASE]=LIST[,LIST...].")
_SUITE = flags.DEFINE_multi_string("suite", [], "ARCHIVE:SUITE to resolve from; the first that has a version counts.")
_COMPONENT = flags.DEFINE_multi_string("component", ["main"], "Components of the suites.")
_ARCHITECTURE = flags.DEFINE_string("architecture", "amd64", "Debian's name of the architecture.")
_KEYRING = flags.DEFINE_multi_string("keyring", [], "OpenPGP keyring; default: the machine's of Debian's archive.")
_CACHE = flags.DEFINE_string("cache", None, "Folder that keeps .debs by hash; default: in the user's cache.")
_CHECK = flags.DEFINE_bool("check", False, "Only compare lists and lock; exit status 1 when they differ.")
_CHECKED_OUT = flags.DEFINE_string("checked_out", None, "With --check: an empty file to write when they agree.")
_MENDED_BY = flags.DEFINE_string("mended_by", "", "With --check: the command that refreshes the lock, to be shown.")
_SCRIPTS = flags.DEFINE_string("scripts", None, "Table of maintainer scripts: one that it lacks stops the refresh.")
_SNAPSHOT = flags.DEFINE_string("snapshot", "", "What {snapshot} in a mirror's address stands for: YYYYMMDDTHHMMSSZ.")
_ALLOW_EXPIRED = flags.DEFINE_bool("allow_expired", False, "Accept an index past its Valid-Until (archive snapshots).")
_ALLOW_OLDER = flags.DEFINE_bool("allow_older", False, "Accept an index older than the lock's.")


def source_path(name: str) -> Path:
    """A path of the source tree, also under `bazel run`; a file of another repository is read where Bazel put it."""
    if name.startswith("../"):
        return Path(name)
    return Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."), name)


def parse_set(word: str) -> SetSpec:
    """NAME[:BASE]=LIST[,LIST...] with its lists read.

    Raises:
        UserError: not of that form, or a list is bad.
    """
    head, equals, tail = word.partition("=")
    name, _, base = head.partition(":")
    if not equals or not name or not tail:
        raise UserError(f"--set {word!r} is not of the form NAME[:BASE]=LIST[,LIST...]")
    lists = tail.split(",")
    requests = read_lists(source_path(path) for path in lists if path != MINIMAL)
    return SetSpec(name, base, requests, minimal=MINIMAL in lists)


def parse_suite(word: str) -> Suite:
    """ARCHIVE:SUITE.

    Raises:
        UserError: not of that form.
    """
    archive, colon, suite = word.partition(":")
    if not colon or not archive or not suite:
        raise UserError(f"--suite {word!r} is not of the form ARCHIVE:SUITE")
    return Suite(archive, suite)


def check(lock: Lock, specs: Sequence[SetSpec]) -> None:
    """Compares lists and lock.

    Raises:
        UserError: they differ.
    """
    names = [spec.name for spec in specs]
    for spec in specs:
        if lock.set_named(spec.name).base != spec.base:
            raise UserError(f"set {spec.name!r} has another base in the lock", hint="refresh the lock")
        if not spec.minimal:
            check_requests(lock, spec.name, spec.requests)
    for entry in lock.sets:
        if entry.name not in names:
            raise UserError(f"the lock has a set {entry.name!r} that is not asked for", hint="refresh the lock")


def _keyrings() -> list[Path]:
    if _KEYRING.value:
        return [Path(path) for path in _KEYRING.value]
    found = [Path(path) for path in KEYRINGS if Path(path).is_file()]
    return found[:1] or [Path(KEYRINGS[0])]


def _cache() -> Path:
    if _CACHE.value:
        return Path(_CACHE.value)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "debian-lock")


def refresh(path: Path, specs: Sequence[SetSpec], suites: Sequence[Suite]) -> None:
    """Makes a new lock, prints what changes, fetches what is new, and only then writes it.

    Raises:
        UserError: as the steps do; the lock on disk is then as it was.
    """
    old = read_lock(path) if path.is_file() and path.stat().st_size else None
    archives = dict.fromkeys(suite.archive for suite in suites)
    mirrors = {archive: find_mirrors(archive, os.environ, _SNAPSHOT.value) for archive in archives}
    loader = IndexLoader(
        architecture=_ARCHITECTURE.value,
        components=_COMPONENT.value,
        mirrors=mirrors,
        keyrings=_keyrings(),
        now=datetime.datetime.now(datetime.UTC),
        allow_expired=_ALLOW_EXPIRED.value,
    )
    locked_indexes = []
    indexes = []
    for suite in suites:
        locked, verified = loader.load(suite)
        locked_indexes.append(locked)
        indexes += verified
    with tempfile.TemporaryDirectory(prefix="lock-") as folder:
        new = resolve_sets(
            _ARCHITECTURE.value, specs, locked_indexes, Resolver(Path(folder), loader.architecture, indexes)
        )
    if old is not None and not _ALLOW_OLDER.value:
        check_not_older(old, new)
    changes = compare(old, new)
    print(format_changes(changes), end="")
    fresh = [*changes.added, *(package for _, package in changes.changed)]
    fetcher = Fetcher(mirrors, _cache(), new.snapshot)
    debs = fetcher.debs(fresh)
    if fresh:
        print(f"fetched and checked {format_bytes(sum(package.size for package in fresh))}")
    if _SCRIPTS.value:
        table = load_scripts(source_path(_SCRIPTS.value))
        report = review_scripts(changes, debs, fetcher, table)
        if report:
            print(report, end="")
            raise UserError(
                f"maintainer scripts above are not reviewed: {path.name} is as it was",
                hint=f"read them, and add entries that say what stands for them to {_SCRIPTS.value}",
            )
    if not changes.any:
        print(f"{path.name} is up to date")
        return
    write_source(path, new.to_text())
    print(f"wrote {path.name}")


def main(argv: Sequence[str]) -> int | None:
    """Runs the program."""
    refuse_arguments(argv)
    specs = [parse_set(word) for word in _SET.value]
    path = source_path(_LOCK.value)
    if _CHECK.value:
        try:
            check(read_lock(path), specs)
        except UserError as error:
            hint = f"{error.hint}: {_MENDED_BY.value}" if _MENDED_BY.value and error.hint else error.hint
            print(f"{path.name} is not up to date: {UserError(error.message, hint)}", file=sys.stderr)
            return 1
        if _CHECKED_OUT.value:
            write_text(_CHECKED_OUT.value, "")
        return 0
    if not specs or not _SUITE.value:
        raise UserError("give at least one --set and one --suite")
    refresh(path, specs, [parse_suite(word) for word in _SUITE.value])
    return 0


if __name__ == "__main__":
    run(main)
