"""Refreshes a package-lock.json with npm itself."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sysimage.errors import UserError

LOCK_VERSION = 3
_LOCK, _PACKAGE = "package-lock.json", "package.json"
_OPTIONS = (
    "--package-lock-only",
    f"--lockfile-version={LOCK_VERSION}",
    "--omit-lockfile-registry-resolved",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
    # Also a package for another system than this one may be asked for by name.
    "--force",
)


def npm_command(node: Path, folder: Path) -> list[str]:
    """The machine's npm, else one that is given with the program that runs it."""
    found = shutil.which("npm")
    return [found] if found else [str(node.absolute()), str(folder.absolute() / "bin/npm-cli.js")]


def resolve(work: Path, npm: list[str], package: str, lock: str, upgrade: bool) -> str:
    """The lock for a package.json.

    Args:
        work: an empty folder, which is used up.
        npm: how npm is started.
        package: the package.json.
        lock: the lock as it is; empty: none.
        upgrade: whether versions may move that need not.

    Raises:
        UserError: npm cannot, or what it writes is nothing that could be fetched by hash.
    """
    (work / _PACKAGE).write_text(package, encoding="utf-8")
    if lock.strip() and not upgrade:
        (work / _LOCK).write_text(lock, encoding="utf-8")
    command = [*npm, "install", *_OPTIONS, f"--cache={work / 'cache'}"]
    result = subprocess.run(command, cwd=work, check=False, capture_output=True, text=True)
    written = work / _LOCK
    if result.returncode or not written.exists():
        lines = [line.removeprefix("npm error").strip() for line in result.stderr.splitlines()]
        raise UserError(
            f"npm cannot resolve {_PACKAGE}: " + ": ".join([line for line in lines if line][:2]),
            hint="its registry, proxy and certificates come from its configuration and environment",
        )
    text = written.read_text(encoding="utf-8")
    check(json.loads(text))
    return text


def check(lock: Mapping[str, Any]) -> None:
    """Refuses a lock that the module extension would refuse.

    Raises:
        UserError: an entry has no sha512, or an address.
    """
    for place, entry in lock["packages"].items():
        if not place or entry.get("inBundle"):
            continue
        if entry.get("link") or not place.startswith("node_modules/"):
            raise UserError(f"{place} is a folder, not a package of a registry")
        if "resolved" in entry:
            raise UserError(f"{place} comes from an address, {entry['resolved']}", hint="take it from a registry")
        if not entry.get("integrity", "").startswith("sha512-"):
            raise UserError(f"{place} has no sha512", hint="take another version")


def difference(before: str, after: str) -> list[str]:
    """What changes, a line for each package that comes (+) or goes (-)."""
    old, new = _versions(before), _versions(after)
    changed = old.symmetric_difference(new)
    return [f"{'+' if row in new else '-'} {row[0]} {row[1]}" for row in sorted(changed)]


def _versions(text: str) -> set[tuple[str, str]]:
    if not text.strip():
        return set()
    return {(place, entry.get("version", "")) for place, entry in json.loads(text)["packages"].items() if place}
