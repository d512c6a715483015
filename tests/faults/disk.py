"""A nested Bazel whose outputs lie on a disk of their own, which a test fills."""

import subprocess
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from tests.nested.workspace import Workspace

_FILLING = "filling"
# The fields of a workspace that name what Bazel writes.
_WRITTEN = {"output_base", "output_user_root", "repository_cache"}


class Disk:
    """A file system in memory, in a mount namespace of its own. Use it as a context manager.

    Args:
        place: an empty folder to mount it on.
        size: bytes.
    """

    def __init__(self, place: Path, size: int) -> None:
        self.place = place
        mount = f"mount -t tmpfs -o size={size} tmpfs '{place}' && echo mounted && exec cat"
        self._holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"mounted\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()

    def enter(self, folder: Path) -> list[str]:
        """The beginning of a command line that runs where the disk is to be seen, in a folder."""
        return [
            "nsenter",
            f"--target={self._holder.pid}",
            "--user",
            "--mount",
            "--preserve-credentials",
            f"--wdns={folder}",
            "--",
        ]

    def _run(self, *command: str) -> str:
        entered = [*self.enter(self.place), *command]
        return subprocess.run(entered, check=True, capture_output=True, text=True).stdout

    def empty(self) -> None:
        """Makes all the room that there is."""
        self._run("rm", "--force", _FILLING)

    def leave(self, count: int) -> None:
        """Leaves so many bytes of room, and no more."""
        self.empty()
        free = int(self._run("df", "--block-size=1", "--output=avail", ".").split()[-1])
        self._run("fallocate", f"--length={free - count}", _FILLING)


@dataclass(slots=True)
class DiskWorkspace(Workspace):
    """A workspace whose Bazel runs where a disk is to be seen."""

    disk: Disk | None = None

    def command(self, *arguments: str | Path) -> list[str]:
        """The words of a Bazel command; Bazel is an ordinary user, as its sandbox demands."""
        assert self.disk is not None
        ordinary = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
        return [*self.disk.enter(self.root), *ordinary, *Workspace.command(self, *arguments)]

    @classmethod
    def on(cls, disk: Disk, workspace: Workspace) -> Self:
        """That workspace, with all that its Bazel writes on the disk."""
        values = {field.name: getattr(workspace, field.name) for field in fields(workspace)}
        folder = workspace.output_user_root.parent
        for name in _WRITTEN & values.keys():
            values[name] = disk.place / values[name].relative_to(folder)
        return cls(**values, disk=disk)
