"""A revision of a git repository: found, and laid out anew."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sysimage.errors import UserError

_NAMED = 3  # changed files that a message names


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository, by its work tree."""

    path: Path

    def _git(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        # Nothing of the user's settings (hooks, filters, line ends) changes what a revision is.
        settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        command = ["git", "-c", "safe.directory=*", "-c", "advice.detachedHead=false", "-C", str(cwd or self.path)]
        try:
            return subprocess.run(
                [*command, *words],
                env=environment | settings,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise UserError("there is no program 'git'", hint="run this in the build environment") from error

    def _answer(self, *words: str, cwd: Path | None = None) -> str:
        done = self._git(*words, cwd=cwd)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise UserError(f"git {words[0]} failed in {cwd or self.path}: {said}")
        return done.stdout.strip()

    def commit(self, revision: str) -> str:
        """The commit that a revision (a hash, tag or branch) is.

        Raises:
            UserError: this is no repository, or it has no such revision.
        """
        if not self.path.is_dir() or self._git("rev-parse", "--git-dir").returncode:
            raise UserError(f"{self.path} is not a git repository", hint="name the checkout with --repository")
        done = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if done.returncode:
            raise UserError(
                f"there is no revision {revision!r} in {self.path}",
                hint="git fetch --tags brings what was published since",
            )
        return done.stdout.strip()

    def check_clean(self) -> None:
        """Makes sure that the work tree is what its revision says.

        Raises:
            UserError: files are changed, or new and not ignored.
        """
        names = [line[3:] for line in self._answer("status", "--porcelain").splitlines()]
        if names:
            listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
            raise UserError(
                f"the work tree has changes that no revision holds: {listed}",
                hint="commit them, or name a revision with --revision",
            )

    def lay_out(self, commit: str, folder: Path) -> None:
        """Puts the files of a commit, and nothing else, into a new folder, which is a repository too.

        It borrows the objects of this one, so nothing is copied but the files.
        """
        folder.mkdir(parents=True)
        objects = self._answer("rev-parse", "--path-format=absolute", "--git-path", "objects")
        self._answer("init", "--quiet", cwd=folder)
        (folder / ".git" / "objects" / "info" / "alternates").write_text(f"{objects}\n", encoding="utf-8")
        self._answer("checkout", "--quiet", "--detach", commit, cwd=folder)
