"""A root folder for the scripts of an image: they run on this machine, the very files, with a real sh.

A script has a variable that it puts in front of every path, empty on a real machine. What must ask a real device or a
real service has a stand-in on the search path.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

SECONDS: Final = 120.0


class FakeRoot:
    """A root folder with the image's own /opt/ic.

    Args:
        root: where it is made.
        variable: that the scripts put in front of paths.
        templates: rootfs folders of the repository, the files of which it has.
        folders: that the scripts want to find.
    """

    def __init__(self, root: Path, variable: str, templates: Sequence[Path], folders: Iterable[str]) -> None:
        self.root = root
        self._variable = variable
        for folder in (*folders, "run", "programs", "opt/ic/bin", "opt/ic/share"):
            (root / folder).mkdir(parents=True)
        for template in templates:
            for path in (path for path in (template / "opt/ic").glob("*/*") if path.is_file()):
                target = root / "opt/ic" / path.parent.name / path.name
                shutil.copyfile(path, target)
                target.chmod(0o755 if path.parent.name == "bin" else 0o644)  # as the Dockerfile does

    def program(self, name: str, text: str) -> None:
        """Puts a program, of these lines of shell, in front of those of this machine."""
        path = self.root / "programs" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """That of what runs in it."""
        return {"PATH": f"{self.root}/programs:{os.environ['PATH']}", self._variable: str(self.root)}

    def execute(self, script: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs a script of /opt/ic/bin to its end."""
        return subprocess.run(
            [self.root / "opt/ic/bin" / script, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            start_new_session=True,
            check=False,
        )

    def run(self, script: str, *words: str | Path) -> tuple[int, str]:
        """Exit status, and what it said: standard output, then standard error."""
        done = self.execute(script, *words)
        return done.returncode, done.stdout + done.stderr

    def content(self, *folders: str) -> dict[str, bytes]:
        """Every file below folders, by its path; directories end in a slash."""
        found = {}
        for folder in folders:
            for path in sorted((self.root / folder).rglob("*")):
                name = str(path.relative_to(self.root))
                found[name + "/" * path.is_dir()] = b"" if path.is_dir() else path.read_bytes()
        return found
