"""Dependency resolution, by apt itself in a root of its own.

apt sees nothing but the indexes that are given to it (verified before): no
configuration, sources, preferences or installed packages of the machine. It only simulates.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sysimage.debian.index import IndexEntry
from sysimage.debian.lock import Request, nearest
from sysimage.errors import UserError

# `Inst name [installed version] (version archive:suite [architecture])`
_INST = re.compile(r"^Inst (\S+) (\[\S+\] )?\((\S+) .*\[(\w+)\]\)")
_REMV = re.compile(r"^Remv (\S+)")

# The folder of an apt that was started in it. apt names files after whole addresses, and a name has at most 255 bytes.
_HERE = "/proc/self/cwd"


@dataclass(frozen=True, slots=True)
class VerifiedIndex:
    """An index whose signature and hash were checked: the Release text, and Packages of one component.

    packages is the file as fetched, by the name that the Release text has (`Packages.xz`); entries are what it says.
    """

    archive: str
    suite: str
    component: str
    release: str
    packages: bytes
    packages_name: str
    entries: Sequence[IndexEntry]


class Resolver:
    """apt over verified indexes; `folder` is scratch space that it fills."""

    def __init__(self, folder: Path, architecture: str, indexes: Sequence[VerifiedIndex]) -> None:
        """Lays out the root and lets apt read the indexes.

        Raises:
            UserError: apt is missing or refuses the indexes.
        """
        if shutil.which("apt-get") is None:
            raise UserError("apt-get is missing: it resolves dependencies", hint="install the package apt")
        self._folder = folder.resolve()
        self._architecture = architecture
        self._by_id: dict[tuple[str, str, str], IndexEntry] = {}
        self._names: set[str] = set()
        self._providers: dict[str, list[str]] = {}
        for index in indexes:
            for entry in index.entries:
                # the same version can be in two suites: the first index named has it
                self._by_id.setdefault((entry.name, entry.version, entry.architecture), entry)
                self._names.add(entry.name)
                for name in entry.provides:
                    if entry.name not in self._providers.setdefault(name, []):
                        self._providers[name].append(entry.name)
        self._lay_out(indexes)
        self._apt("update")
        # apt passes over an index that its Release text does not name in all forms, without an error
        seen = len(list((self._folder / "root/var/lib/apt/lists").glob("*_Packages*")))
        if seen != len(indexes):
            raise UserError(
                f"apt took {seen} of {len(indexes)} indexes",
                hint="does each Release file name the plain Packages too?",
            )

    def _lay_out(self, indexes: Sequence[VerifiedIndex]) -> None:
        root = self._folder / "root"
        for part in ("etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log"):
            (root / part).mkdir(parents=True)
        lines = []
        for index in indexes:
            suite = self._folder / "archives" / index.archive / "dists" / index.suite
            place = suite / index.component / f"binary-{self._architecture}"
            place.mkdir(parents=True)
            (suite / "Release").write_text(index.release, encoding="utf-8")
            (place / index.packages_name).write_bytes(index.packages)
            # trusted: the signature was checked by whoever made the VerifiedIndex, and apt still checks the hashes
            address = f"file:{_HERE}/archives/{index.archive}"
            lines.append(f"deb [trusted=yes] {address} {index.suite} {index.component}\n")
        (root / "etc/apt/sources.list").write_text("".join(dict.fromkeys(lines)), encoding="utf-8")
        self._write_status(())
        options = {
            "Dir": f"{root}/",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::main": "/dev/null",
            "Dir::State::status": f"{root}/status",
            "APT::Architecture": self._architecture,
            "APT::Install-Recommends": "false",
            "APT::Install-Suggests": "false",
            "APT::Get::Assume-Yes": "true",
            "APT::Sandbox::User": "root",
            "APT::Solver": "internal",
            "Acquire::Languages": "none",
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Check-Date": "false",
            "Acquire::AllowInsecureRepositories": "true",
            "Debug::NoLocking": "true",
        }
        config = "".join(f'{key} "{value}";\n' for key, value in options.items())
        config += f'APT::Architectures {{ "{self._architecture}"; }};\n'
        (self._folder / "apt.conf").write_text(config, encoding="utf-8")

    def _write_status(self, installed: Sequence[IndexEntry]) -> None:
        """The dpkg status that apt believes in."""
        stanzas = [f"{entry.stanza.rstrip()}\nStatus: install ok installed\n\n" for entry in installed]
        (self._folder / "root" / "status").write_text("".join(stanzas), encoding="utf-8")

    def _apt(self, *arguments: str) -> str:
        environment = {
            "APT_CONFIG": str(self._folder / "apt.conf"),
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self._folder),
        }
        done = subprocess.run(
            ["apt-get", *arguments], cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
            telling = [line for line in lines if re.match(r"(E:|\S+ : (Depends|PreDepends|Conflicts|Breaks))", line)]
            raise UserError(f"apt-get {arguments[0]} failed: {'; '.join(telling or lines[-5:])}")
        return done.stdout

    def minimal(self) -> list[Request]:
        """What a minimal system asks for: all that is Essential or of priority required, and apt.

        The same choice as debootstrap's minbase variant, of which Debian's container images are made.
        """
        names = {entry.name for entry in self._by_id.values() if entry.essential or entry.required} | {"apt"}
        return [Request(name, "part of every Debian system", "minimal") for name in sorted(names)]

    def check(self, requests: Sequence[Request]) -> None:
        """Checks that every name asked for is a package of the indexes.

        Raises:
            UserError: one is unknown or virtual.
        """
        for request in requests:
            if request.name in self._names:
                continue
            providers = self._providers.get(request.name)
            if providers:
                raise UserError(
                    f"{request.where}: {request.name} is a virtual package",
                    hint=f"name one that provides it: {', '.join(sorted(providers))}",
                )
            near = nearest(request.name, self._names)
            raise UserError(
                f"{request.where}: unknown package {request.name}",
                hint=f"did you mean {' or '.join(near)}?" if near else "it is in none of the suites of this lock",
            )

    def resolve(self, requests: Sequence[Request], installed: Mapping[str, IndexEntry]) -> list[IndexEntry]:
        """What `apt-get install` would add to a system that has `installed` (by name), sorted by name.

        Raises:
            UserError: unknown names; dependencies that cannot be met, or only by changing what is installed.
        """
        self.check(requests)
        names = [request.name for request in requests]
        if not names:
            return []
        self._write_status(tuple(installed.values()))
        added = []
        for line in self._apt("--simulate", "install", *names).splitlines():
            removed = _REMV.match(line)
            match = _INST.match(line)
            if removed or (match and match[2]):
                name = removed[1] if removed else match[1] if match else ""
                raise UserError(
                    f"to install {', '.join(names)}, apt would remove or change {name} of the base set",
                    hint="the lists ask for packages that exclude each other",
                )
            if not match and line.startswith("Inst "):
                raise ValueError(f"apt printed what is not understood: {line!r}")
            if match:
                name = match[1].partition(":")[0]
                added.append(self._by_id[name, match[3], match[4]])
        return sorted(added, key=lambda entry: entry.name)
