"""The scripts of the image, run on this machine with a root of their own: the very files, a real sh, a real tar."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

ROOTFS = Path("ic-os/guestos/rootfs").absolute()
SECONDS = 120.0

Entry = bytes | tarfile.TarInfo


def archive(entries: Mapping[str, bytes], *others: tarfile.TarInfo, form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar of files, a name that ends in a slash being a directory, and of whatever else."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, content in entries.items():
            member = tarfile.TarInfo(name.rstrip("/"))
            member.size = len(content)
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member, io.BytesIO(content))
        for member in others:
            tar.addfile(member)
    return out.getvalue()


class Node:
    """A root folder with what the scripts want to find in one.

    chown is a program of the test, which notes down what it is asked for: the accounts of the image are not those of
    this machine.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (
            "boot/config",
            "var/lib/ic/crypto",
            "var/lib/ic/data",
            "run",
            "proc/sys/kernel",
            "opt/ic",
            "programs",
        ):
            (root / folder).mkdir(parents=True)
        (root / "opt/ic/share").symlink_to(ROOTFS / "opt/ic/share")
        (root / "opt/ic/bin").mkdir()
        for script in (ROOTFS / "opt/ic/bin").iterdir():
            shutil.copyfile(script, root / "opt/ic/bin" / script.name)
            (root / "opt/ic/bin" / script.name).chmod(0o755)  # as the Dockerfile does
        self.owners = root / "owners"
        self.program("chown", 'echo "$*" >> "${BOOTSTRAP_ROOT}/owners"')

    def program(self, name: str, text: str) -> None:
        """Puts a program in front of those of this machine."""
        path = self.root / "programs" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, script: str, *words: str | Path) -> tuple[int, str]:
        """Exit status, and what it said."""
        environment = {"PATH": f"{self.root}/programs:{os.environ['PATH']}", "BOOTSTRAP_ROOT": str(self.root)}
        result = subprocess.run(
            [self.root / "opt/ic/bin" / script, *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            start_new_session=True,
            check=False,
        )
        return result.returncode, result.stdout

    def take(self, data: bytes) -> tuple[int, str]:
        """Has a bootstrap archive taken over."""
        tar = self.root / "medium.tar"
        tar.write_bytes(data)
        return self.run("take-bootstrap.sh", tar)

    def content(self, *folders: str) -> dict[str, bytes]:
        """Every file below folders, by its path; directories end in a slash."""
        found = {}
        for folder in folders:
            for path in sorted((self.root / folder).rglob("*")):
                name = str(path.relative_to(self.root))
                found[name + "/" * path.is_dir()] = b"" if path.is_dir() else path.read_bytes()
        return found

    def state(self) -> dict[str, bytes]:
        """All that a take-over may change and that outlives a boot."""
        return self.content("boot/config", "var/lib/ic")
