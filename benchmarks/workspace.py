"""Bazel on a copy of the work tree, with an output folder of its own.

A benchmark empties caches and changes a file. In a copy neither is anybody's loss.
"""

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import execute, output_of
from sysimage.rebuild import bazel

_BUILD_OPTIONS = (*bazel.NO_CACHES, "--noshow_progress", "--experimental_convenience_symlinks=ignore")


def sandboxed(text: str) -> int:
    """The number of sandboxed actions in what `bazel build` says at its end."""
    found = re.findall(r"^INFO: \d+ process(?:es)?:.*?(\d+) linux-sandbox", text, re.MULTILINE)
    return sum(int(number) for number in found)


@dataclass(slots=True)
class Workspace:
    """A copy of a work tree, and the Bazel server that builds in it."""

    root: Path
    output_base: Path
    log: Path
    _info: dict[str, str] = field(default_factory=dict)

    @property
    def _bazel(self) -> list[str]:
        return bazel.command(self.output_base)

    @property
    def profile(self) -> Path:
        """Bazel's profile of the last build."""
        return self.log.with_name("profile.gz")

    def copy_from(self, work_tree: Path) -> None:
        """Copies what git knows of a work tree, and what is new there; an older copy goes away."""
        git = ["git", "-c", f"safe.directory={work_tree}", "-C", str(work_tree)]
        listing = output_of([*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        shutil.rmtree(self.root, ignore_errors=True)
        for name in filter(None, listing.split("\0")):
            source, target = work_tree / name, self.root / name
            if source.is_symlink() or source.is_file():  # a file that was just deleted is still in git's list
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)

    def build(self, *targets: str) -> int:
        """Builds targets, with what is cached in this output folder and nothing else.

        Returns how many actions ran in a sandbox, so that nobody takes a cached result for a fast one.
        """
        before = self.log.stat().st_size
        options = [*_BUILD_OPTIONS, f"--profile={self.profile}"]
        execute([*self._bazel, "build", *options, *targets], self.log, cwd=self.root)
        return sandboxed(self.log.read_bytes()[before:].decode(errors="replace"))

    def processor_seconds(self) -> float:
        """User and system time, in seconds, of all that the server started and that has ended: its actions, not itself.

        Source: proc(5), /proc/PID/stat, cutime and cstime.
        """
        text = Path(f"/proc/{self.info('server_pid')}/stat").read_text(encoding="utf-8")
        # Behind the name, which may have blanks, field 3 is the first.
        fields = text.rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def remove_outputs(self) -> None:
        """Removes everything that was built, so that every action must run again; the server keeps its analysis.

        The cache of actions that Bazel keeps beside the outputs does not help: it has no contents.
        """
        for folder in Path(self.info("output_path")).glob("*/bin"):
            shutil.rmtree(folder)

    def clean(self) -> None:
        """Forgets all outputs, all actions and all that the server knows of them; fetched files stay."""
        execute([*self._bazel, "clean"], self.log, cwd=self.root)

    def shut_down(self) -> None:
        """Stops the server."""
        execute([*self._bazel, "shutdown"], self.log, cwd=self.root)

    def aquery(self, query: str) -> str:
        """The actions of a query, as JSON."""
        options = ["--output=jsonproto", "--include_param_files", *_BUILD_OPTIONS]
        return output_of([*self._bazel, "aquery", *options, query], cwd=self.root)

    def files(self, *targets: str) -> list[Path]:
        """The output files of targets, in the execution root."""
        query = " + ".join(targets)
        listing = output_of([*self._bazel, "cquery", "--output=files", *_BUILD_OPTIONS, query], cwd=self.root)
        return [self.execution_root / line for line in listing.splitlines()]

    def info(self, key: str) -> str:
        """A value of `bazel info`."""
        if key not in self._info:
            self._info[key] = output_of([*self._bazel, "info", *_BUILD_OPTIONS, key], cwd=self.root).strip()
        return self._info[key]

    @property
    def execution_root(self) -> Path:
        """The folder that paths of actions are relative to."""
        return Path(self.info("execution_root"))
