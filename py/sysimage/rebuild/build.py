"""One build from nothing: a checkout, an output base, no caches of results; and what came of it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sysimage.errors import UserError
from sysimage.rebuild import bazel
from sysimage.rebuild.checkout import Repository

_CHECKSUM = ".sha256"
_LABEL = re.compile(r"(@[A-Za-z0-9_.+~-]*)?//[^:\s]*(:[^:\s]+)?")


def say(what: str) -> None:
    """Tells the user what is being done."""
    print(f"rebuild: {what}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Request:
    """What to build: a commit of a repository, the label of a file or of a target with one, options for Bazel."""

    repository: Repository
    commit: str
    target: str
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.target):
            raise UserError(
                f"--target {self.target!r} is not a label", hint="write it in full, as //some/package:image.tar.zst"
            )


@dataclass(slots=True)
class Build:
    """A build in a folder of its own, which is new. `close` stops its server."""

    request: Request
    folder: Path
    _file: str = ""

    @property
    def log(self) -> Path:
        """The execution log, once it has run."""
        return self.folder / "execution.json"

    @property
    def _checkout(self) -> Path:
        return self.folder / "checkout"

    def _bazel(self, verb: str, *words: str) -> list[str]:
        # Of settings, the revision's own count and those of the build environment; none of the user's.
        return [*bazel.command(self.folder / "output", ["--nohome_rc"]), verb, *words]

    def _run(self, command: Sequence[str], quiet: bool) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._checkout,
            env=bazel.environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else sys.stderr,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            check=False,
        )

    def _ask(self, verb: str, *words: str) -> str:
        done = self._run(self._bazel(verb, *words), quiet=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")] or ["ERROR: "]
            raise UserError(f"bazel {verb}: {errors[0].removeprefix('ERROR: ') or f'status {done.returncode}'}")
        return done.stdout.strip()

    @property
    def _options(self) -> list[str]:
        return [*bazel.NO_CACHES, "--experimental_convenience_symlinks=ignore", *self.request.options]

    def prepare(self) -> str:
        """Lays out the revision, and finds the name of the file that the target is about.

        Raises:
            UserError: it has no such target, or the target has not one file.
        """
        self.request.repository.lay_out(self.request.commit, self._checkout)
        try:
            self._ask("query", "--output=label", self.request.target)
        except UserError as error:
            raise UserError(
                f"revision {self.request.commit[:12]} has no target {self.request.target} ({error.message})"
            ) from error
        files = self._ask("cquery", "--output=files", *self._options, self.request.target).splitlines()
        self._file = one_file(self.request.target, files)
        return Path(self._file).name

    def run(self) -> Path:
        """Builds, with progress shown, and returns the file that came out.

        Raises:
            UserError: it does not build.
        """
        log = f"--execution_log_json_file={self.log}"
        done = self._run(self._bazel("build", *self._options, log, self.request.target), quiet=False)
        if done.returncode:
            raise UserError(
                f"revision {self.request.commit[:12]} does not build here: bazel ended with status {done.returncode}",
                hint="what it said is above",
            )
        return self.place(self._file)

    def place(self, path: str) -> Path:
        """Where a path of the execution root lies."""
        return Path(self._ask("info", "execution_root")) / path

    def close(self) -> None:
        """Stops the server."""
        if self._checkout.is_dir():
            self._run(self._bazel("shutdown"), quiet=True)


def one_file(target: str, files: Sequence[str]) -> str:
    """The file that a target is about: its only one, besides the checksum of it.

    Raises:
        UserError: there is none, or more than one.
    """
    names = [
        name for name in files if name.removesuffix(_CHECKSUM) == name or name.removesuffix(_CHECKSUM) not in files
    ]
    if len(names) != 1:
        listed = ", ".join(Path(name).name for name in names[:5]) + (", ..." if len(names) > 5 else "")
        raise UserError(
            f"{target} makes {f'{len(names)} files ({listed})' if names else 'no file'}, one is compared",
            hint="give the label of that file",
        )
    return names[0]


def remove(folder: Path) -> None:
    """Removes a folder, what Bazel made read-only in it too."""
    for place, _, _ in os.walk(folder):
        os.chmod(place, 0o700)
    shutil.rmtree(folder)
