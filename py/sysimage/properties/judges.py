"""Foreign programs that look at an image: on the build machine, and the image's own ones in its own root.

The latter are of the version that will read the image's configuration when it runs, which no other could stand for.
They run in namespaces of an ordinary user, with the unpacked root as theirs, without network, and change nothing.
"""

import os
import subprocess
from pathlib import Path

from sysimage import materialise
from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.properties.system import System
from sysimage.tree import NodeType

_NODES = "null zero full random urandom"
_ENTER = f"""
set -eu
root=$1
shift
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in {_NODES}; do
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mount --rbind /proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
exec chroot "$root" /usr/bin/env --ignore-environment LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin TZ=UTC "$@"
"""
_NAMESPACES = ("--user", "--map-root-user", "--mount", "--pid", "--fork", "--ipc", "--net", "--uts")


def judge(*command: str | Path) -> str:
    """Runs a foreign program, which must be content.

    Returns:
        What it says.

    Raises:
        AssertionError: its exit status is not 0.
    """
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{command[0]} is not content:\n{done.stdout}")
    return done.stdout


def raw(reader: ImageReader, folder: Path) -> Path:
    """An image, or a volume of it, as a sparse file in a folder."""
    path = folder / "raw.img"
    materialise.write_raw(reader.map, reader.sources, path)
    return path


def unpack(system: System, folder: Path) -> None:
    """Writes directories, files with their modes, and symbolic links, all of the user who runs it; no devices."""
    for path, node in system.tree.walk():
        target = folder / path
        if node.type is NodeType.DIRECTORY:
            target.mkdir()
        elif node.type is NodeType.SYMLINK:
            target.symlink_to(node.target)
        elif node.content is not None:
            with target.open("wb") as file:
                for piece in materialise.pieces(node.content, system.sources, 0, node.size):
                    file.write(piece)
                os.fchmod(file.fileno(), node.mode & 0o777)


def inside(folder: Path, *command: str) -> tuple[int, str]:
    """Runs a program of an unpacked root as root in there.

    Returns:
        Its exit status, and what it says on both channels.

    Raises:
        UserError: namespaces of an ordinary user are not allowed on this machine.
    """
    namespaces = ["unshare", *_NAMESPACES]
    done = subprocess.run(
        [*namespaces, "sh", "-c", _ENTER, "enter", folder, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode and done.stdout.startswith("unshare: "):
        raise UserError(
            f"{done.stdout.strip()}: this judge needs user namespaces", "allow them for the user of the build"
        )
    return done.returncode, done.stdout
