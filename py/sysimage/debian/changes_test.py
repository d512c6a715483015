"""The report of a refresh."""

import dataclasses

import pytest

from sysimage.debian.changes import compare, format_bytes, format_changes
from sysimage.debian.lock import Lock, LockedIndex, LockedPackage, LockedSet

SHA = "0123456789abcdef" * 4


def package(name: str, version: str, size: int, sets: tuple[str, ...] = ("base",)) -> LockedPackage:
    """A package of a lock, its hash from its version."""
    return LockedPackage(name, version, "amd64", "debian", f"{name}_{version}.deb", size, (version[0] * 64), sets)


OLD = Lock(
    architecture="amd64",
    snapshot="20260802T100000Z",
    indexes=(LockedIndex("debian", "trixie", "2026-08-01T10:00:00Z", SHA, ("AA",)),),
    sets=(LockedSet("base", "", ("aa", "bb")), LockedSet("gone", "", ())),
    packages=(package("aa", "1", 1000), package("bb", "1", 2_500_000), package("cc", "1", 10)),
)
NEW = Lock(
    architecture="amd64",
    snapshot="20260803T100000Z",
    indexes=(LockedIndex("debian", "trixie", "2026-08-02T10:00:00Z", SHA, ("AA",)),),
    sets=(LockedSet("base", "", ("aa", "dd")), LockedSet("dev", "base", ("long-name",))),
    packages=(
        package("aa", "2", 900),
        package("cc", "1", 10),
        package("dd", "3", 5),
        package("long-name", "4", 7, ("dev",)),
    ),
)


def test_report() -> None:
    changes = compare(OLD, NEW)
    assert changes.any
    assert format_changes(changes) == (
        "2 added, 1 removed, 1 changed; 4 packages, 922 B (-2.5 MB)\n"
        "  index debian trixie: 2026-08-01T10:00:00Z -> 2026-08-02T10:00:00Z\n"
        "  set base: asks +dd -bb\n"
        "  set gone: dropped\n"
        "  set dev: new\n"
        "  * aa         1 -> 2     -100 B  base\n"
        "  - bb         1         -2.5 MB  base\n"
        "  + dd         3            +5 B  base\n"
        "  + long-name  4            +7 B  dev\n"
    )


def test_first_lock() -> None:
    changes = compare(None, OLD)
    assert changes.any
    assert format_changes(changes).splitlines()[0] == "3 added, 0 removed, 0 changed; 3 packages, 2.5 MB (+2.5 MB)"


def test_nothing_changed() -> None:
    changes = compare(OLD, OLD)
    assert not changes.any
    assert format_changes(changes) == (
        "0 added, 0 removed, 0 changed; 3 packages, 2.5 MB (0 B)\n  index debian trixie: 2026-08-01T10:00:00Z\n"
    )


def test_only_the_index_changed() -> None:
    assert compare(OLD, dataclasses.replace(OLD, indexes=NEW.indexes)).any


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (-1500, "-1.5 kB"),
        (34_671_208, "34.7 MB"),
        (5 * 10**12, "5000.0 GB"),
    ],
)
def test_bytes(count: int, text: str) -> None:
    assert format_bytes(count) == text
