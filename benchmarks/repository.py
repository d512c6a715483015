"""The locked .deb files as an archive that apt reads from the disk.

So the peers install exactly the packages that we install, and no network takes part in what is measured.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import output_of
from sysimage.errors import UserError

SUITE = "trixie"
COMPONENT = "main"
ARCHITECTURE = "amd64"


@dataclass(frozen=True, slots=True)
class Repository:
    """An archive with one suite and one component. packages: name to version, all that it offers."""

    path: Path
    packages: dict[str, str]

    @property
    def source(self) -> str:
        """The line for apt. `copy:` so that apt has the files under names of its own, as after a download."""
        return f"deb [trusted=yes] copy://{self.path} {SUITE} {COMPONENT}"


def make(path: Path, debs: Sequence[Path]) -> Repository:
    """Makes the archive; an old one at the path goes away.

    Raises:
        UserError: no files are given, one is not a package, or two are versions of one package.
    """
    if not debs:
        raise UserError("no .deb files are given for the archive")
    shutil.rmtree(path, ignore_errors=True)
    pool = path / "pool"
    index_folder = path / "dists" / SUITE / COMPONENT / f"binary-{ARCHITECTURE}"
    pool.mkdir(parents=True)
    index_folder.mkdir(parents=True)
    packages: dict[str, str] = {}
    paragraphs = []
    for deb in sorted(debs, key=lambda deb: deb.name):
        data = deb.read_bytes()
        (pool / deb.name).write_bytes(data)
        fields = output_of(["dpkg-deb", "--field", deb]).rstrip("\n")
        name, version = field(fields, "Package"), field(fields, "Version")
        if packages.setdefault(name, version) != version:
            raise UserError(f"package {name} is given twice: {packages[name]} and {version}")
        digest = hashlib.sha256(data).hexdigest()
        paragraphs.append(f"{fields}\nFilename: pool/{deb.name}\nSize: {len(data)}\nSHA256: {digest}\n")
    index = "\n".join(paragraphs).encode()
    (index_folder / "Packages").write_bytes(index)
    (path / "dists" / SUITE / "Release").write_text(release(index), encoding="utf-8")
    for folder in (path, pool):  # apt reads it as a user of its own
        os.chmod(folder, 0o755)
    return Repository(path, packages)


def release(index: bytes) -> str:
    """The Release file. Source: Debian wiki, DebianRepository/Format."""
    return (
        f"Suite: {SUITE}\nCodename: {SUITE}\nDate: Sat, 09 Aug 2025 00:00:00 UTC\n"
        f"Architectures: {ARCHITECTURE}\nComponents: {COMPONENT}\n"
        f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} {COMPONENT}/binary-{ARCHITECTURE}/Packages\n"
    )


def field(paragraph: str, name: str) -> str:
    """The value of a one-line field of a control paragraph.

    Raises:
        UserError: it has no such field.
    """
    for line in paragraph.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    raise UserError(f"a package has no field {name!r}")


def installed(status: Path) -> dict[str, str]:
    """Name to version of what a dpkg database (its file `status`) says is installed."""
    paragraphs = status.read_text(encoding="utf-8").strip().split("\n\n")
    return {
        field(paragraph, "Package"): field(paragraph, "Version")
        for paragraph in paragraphs
        if field(paragraph, "Status") == "install ok installed"
    }


def check_same_packages(repository: Repository, status: Path, who: str) -> None:
    """Makes sure that a peer installed exactly what the archive offers: the comparison is of equals.

    Raises:
        UserError: it did not.
    """
    found = installed(status)
    if found != repository.packages:
        odd = sorted(set(found.items()) ^ set(repository.packages.items()))
        raise UserError(f"{who} did not install the packages of the lock; they differ in {odd[:5]}")
