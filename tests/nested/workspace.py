"""Bazel in a test of Bazel: a copy of this workspace, and all that its repositories fetch, without a network.

Debian's packages come from a mirror in a folder, wheels from another folder. The copy is the test's own: it may
change files, take the mirror away, kill the server.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

_LOCKS = "**/packages.lock.json"
_TAIL = 40  # lines of a failed command to show


class BuildError(AssertionError):
    """A nested Bazel command ended with another status than was expected."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left: its exit status and what it said."""

    status: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class Workspace:
    """A copy of the workspace with a mirror of its packages; nothing of it is shared with another test.

    root: the copy. output_user_root, output_base: what Bazel writes, repository cache apart. mirror, wheels: what it
    fetches.
    """

    root: Path
    output_user_root: Path
    output_base: Path
    repository_cache: Path
    mirror: Path
    wheels: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> "Workspace":
        """Lays out a workspace below `folder`, out of what `nested_test` gave this test."""
        index = Path(os.environ["NESTED_INPUTS"])
        inputs = json.loads(index.read_text(encoding="utf-8"))
        workspace = cls(
            root=folder / "workspace",
            output_user_root=folder / "bazel",
            output_base=folder / "bazel/first",
            repository_cache=folder / "repository-cache",
            mirror=folder / "mirror",
            wheels=folder / "wheels",
        )
        _copy_sources(Path(inputs["sources"]), workspace.root)
        archives = _lay_out_mirror(workspace.root, [Path(deb) for deb in inputs["debs"]], workspace.mirror)
        workspace.wheels.mkdir()
        for wheel in inputs["wheels"]:
            (workspace.wheels / Path(wheel).name).symlink_to(Path(wheel).resolve(strict=True))
        (folder / "home").mkdir()
        # A server of a test does not live long enough to win back what optimising compilation costs: half its time.
        (folder / "home/.bazelrc").write_text("startup --host_jvm_args=-XX:TieredStopAtLevel=1\n", encoding="utf-8")
        workspace.environment = {
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "PIP_FIND_LINKS": str(workspace.wheels),
            "PIP_NO_CACHE_DIR": "1",
            "PIP_NO_INDEX": "1",
            "USER": "builder",
            **{_variable(archive): f"file://{quote(str(workspace.mirror / archive))}" for archive in archives},
        }
        return workspace

    def client(self, name: str) -> "Workspace":
        """Another client on the same sources: nothing built, a server of its own; what is fetched by hash it has."""
        return replace(self, output_base=self.output_user_root / name)

    def bazel(self, *arguments: str | Path, status: int = 0, environment: Mapping[str, str] | None = None) -> Result:
        """Runs a Bazel command to its end.

        Args:
            arguments: the command and what follows it.
            status: the exit status that is expected.
            environment: variables to set besides those of this workspace.

        Raises:
            BuildError: it ends with another one; the message has the end of what it said.
        """
        command = self.command(*arguments)
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != status:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-_TAIL:])
            raise BuildError(f"status {done.returncode} instead of {status}: {shlex.join(command)}\n{said}")
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """Starts a Bazel command: for tests that do something to it. Its output is one stream of text, `stdout`."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def command(self, *arguments: str | Path) -> list[str]:
        """The words of a Bazel command."""
        verb, *rest = (str(argument) for argument in arguments)
        common = [
            f"--repository_cache={self.repository_cache}",
            "--color=no",
            "--curses=no",
            "--show_progress_rate_limit=5",
        ]
        places = [f"--output_user_root={self.output_user_root}", f"--output_base={self.output_base}"]
        return ["bazel", *places, verb, *common, *rest]

    def info(self, key: str) -> Path:
        """A path of `bazel info`."""
        return Path(self.bazel("info", key).stdout.strip())

    def shut_down(self) -> None:
        """Stops the server."""
        self.bazel("shutdown")


def _copy_sources(index: Path, root: Path) -> None:
    for link, name in json.loads(index.read_text(encoding="utf-8")).items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        # Sources of a sandbox are read-only for some; a test may change its copy.
        shutil.copyfile(index.parent / link, place)
        place.chmod(0o755 if os.access(index.parent / link, os.X_OK) else 0o644)


def _lay_out_mirror(root: Path, debs: Sequence[Path], mirror: Path) -> set[str]:
    """Links .debs to the places that the locks give them, and returns the names of all archives in the locks."""
    files = {deb.name: deb.resolve(strict=True) for deb in debs}
    archives = set()
    for lock in sorted(root.glob(_LOCKS)):
        for package in json.loads(lock.read_text(encoding="utf-8"))["packages"]:
            archives.add(package["archive"])
            place = mirror / package["archive"] / package["path"]
            file = files.get(place.name)
            if file is not None and not place.is_symlink():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(file)
    return archives


def _variable(archive: str) -> str:
    """The environment variable that names an archive's mirrors (docs/packages.md)."""
    return archive.upper().replace("-", "_") + "_MIRROR"
