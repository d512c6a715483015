"""Maintainer scripts at a lock refresh: what is new or changed is shown, and stops it."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from sysimage.deb import Deb, read_control
from sysimage.debian.changes import Changes
from sysimage.debian.fetch import Fetcher
from sysimage.debian.lock import LockedPackage
from sysimage.debian.scripts import Finding, ScriptsTable, review
from sysimage.errors import UserError


def _script(deb: Deb, name: str) -> list[str]:
    """A script's lines; none when the package has no such script."""
    return deb.scripts.get(name, b"").decode("utf-8", "replace").splitlines()


def _difference(finding: Finding, old: LockedPackage, new: Deb, fetcher: Fetcher) -> list[str] | None:
    """How the script changed since the version that the lock had; None when that is not to be had."""
    try:
        before = read_control(fetcher.deb(old))
    except UserError:
        return None
    names = (
        f"{finding.script} of {finding.package} {old.version}",
        f"{finding.script} of {finding.package} {new.version}",
    )
    return list(
        difflib.unified_diff(_script(before, finding.script), _script(new, finding.script), *names, lineterm="")
    )


def review_scripts(changes: Changes, debs: Sequence[Path], fetcher: Fetcher, table: ScriptsTable) -> str:
    """What a reviewer must read before this refresh; empty when the table knows every script.

    Args:
        changes: what the refresh does.
        debs: the packages that are new to the lock.
        fetcher: gives the versions that they replace, for differences.
        table: what is known.

    Returns:
        For each script that the table does not know: a line that names it, then its difference to the version
        that the lock had, or where there is none what of it is not understood.
    """
    packages = {deb.name: deb for deb in map(read_control, debs)}
    before = {old.name: old for old, _ in changes.changed}
    lines: list[str] = []
    for finding in review(list(packages.values()), table):
        lines.append(finding.message())
        old = before.get(finding.package)
        difference = _difference(finding, old, packages[finding.package], fetcher) if old else None
        lines += [f"    {line}".rstrip() for line in difference or finding.text.splitlines()]
    return "".join(f"{line}\n" for line in lines)
