"""The scripts of the image, run on this machine with a root of their own: the very files, a real sh, a real tar."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from fake_root import FakeRoot

# What all systems have, or those in virtual machines, and this one.
TEMPLATES = [Path(f"ic-os/{folder}").absolute() for folder in ("rootfs", "guestos/rootfs")]

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


class Node(FakeRoot):
    """A root folder with what the scripts want to find in one.

    chown is a program of the test, which notes down what it is asked for: the accounts of the image are not those of
    this machine.
    """

    def __init__(self, root: Path) -> None:
        folders = ("boot/config", "var/lib/ic/crypto", "var/lib/ic/data", "proc/sys/kernel")
        super().__init__(root, "BOOTSTRAP_ROOT", TEMPLATES, folders)
        self.owners = root / "owners"
        self.program("chown", 'echo "$*" >> "${BOOTSTRAP_ROOT}/owners"')

    def take(self, data: bytes) -> tuple[int, str]:
        """Has a bootstrap archive taken over."""
        tar = self.root / "medium.tar"
        tar.write_bytes(data)
        return self.run("take-bootstrap.sh", tar)

    def state(self) -> dict[str, bytes]:
        """All that a take-over may change and that outlives a boot."""
        return self.content("boot/config", "var/lib/ic")
