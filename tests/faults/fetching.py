"""Packages that a nested Bazel fetches: what it says, and what it leaves."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tests.nested.workspace import Result, Workspace

LOCK = "tests/rules/examples/packages.lock.json"
# Two attempts instead of eight, two seconds of silence instead of twenty.
HURRY = ("--http_connector_attempts=2", "--http_timeout_scaling=0.1")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the example's lock."""

    name: str
    version: str
    architecture: str
    archive: str
    path: str
    size: int
    sha256: str


class Packages:
    """Packages that were never fetched, one at a time."""

    def __init__(self, workspace: Workspace) -> None:
        lock = json.loads((workspace.root / LOCK).read_text(encoding="utf-8"))
        self.snapshot: str = lock["snapshot"]
        self._unused = [
            Package(**{field: entry[field] for field in Package.__dataclass_fields__})
            for entry in lock["packages"]
            if "essential" in entry["sets"] and entry["archive"] == "debian"
        ]

    def take(self, minimum: int = 0) -> Package:
        """A package of at least so many bytes."""
        package = next(package for package in self._unused if package.size >= minimum)
        self._unused.remove(package)
        return package


def target(package: Package) -> str:
    """The target that needs a package and nothing else."""
    return f"@example_packages//packages:{package.name}"


def fetch(workspace: Workspace, package: Package, mirrors: str = "", status: int = 0) -> Result:
    """Has Bazel fetch a package: from these mirrors, or from the one in the folder, which is good."""
    environment = {"DEBIAN_MIRROR": mirrors} if mirrors else {}
    return workspace.bazel("build", *HURRY, target(package), status=status, environment=environment)


def repository(workspace: Workspace, package: Package) -> Path:
    """The folder that Bazel fetches a package into."""
    name = f"deb-{package.name}-{package.sha256[:12]}".replace("+", "_plus")
    return workspace.info("output_base") / "external" / f"_main~debian~{name}"


def cache_entry(workspace: Workspace, package: Package) -> Path:
    """The folder that the repository cache has for a package."""
    return workspace.repository_cache / "content_addressable" / "sha256" / package.sha256


def assert_fetched(workspace: Workspace, package: Package) -> None:
    """The package lies where actions read it, with every byte, and likewise in the cache."""
    name = package.path.rpartition("/")[2]
    for file in (repository(workspace, package) / name, cache_entry(workspace, package) / "file"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == package.sha256, file
    folder = repository(workspace, package)
    assert folder.with_name(f"@{folder.name}.marker").exists()


def assert_nothing_counts(workspace: Workspace, package: Package) -> None:
    """Nothing of the package lies where a build would take it from.

    Bazel writes a download under its last name. It counts only when the repository's marker stands beside the folder,
    which comes last; a folder without one is emptied before the next fetch.
    """
    folder = repository(workspace, package)
    assert not folder.with_name(f"@{folder.name}.marker").exists()
    assert not (cache_entry(workspace, package) / "file").exists()


def message(package: Package, snapshot: str, *mirrors: str) -> str:
    """What the person is told when no mirror delivered a package."""
    urls = " or ".join(f"{mirror}/{package.path}" for mirror in mirrors)
    return (
        f"{package.name} {package.version} ({package.architecture}): not delivered with sha256 {package.sha256} "
        f"by {urls}; the warnings above say what each answered (hint: if the version is gone, set DEBIAN_MIRROR to an "
        f"archive snapshot of {snapshot}, with {{snapshot}} in the address where the date goes; or refresh the lock. "
        "If a checksum differs, that mirror is damaged: use another. If no space is left, make room. Without warnings, "
        f"content_addressable/sha256/{package.sha256} in `bazel info repository_cache` cannot be read or written: "
        "mend its mode or remove it)\n"
    )
