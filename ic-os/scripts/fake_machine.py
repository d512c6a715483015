"""A machine for a script that runs as root on a real one: partitions are files, and every path is where it belongs.

The script runs unchanged, in namespaces of its own in which we are root: /proc/cmdline, /dev, /run and /boot are ours.
Only what must ask a real device or a real service manager has a stand-in on the search path.
"""

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60.0
MIB = 1 << 20
# Of GuestOS: boot, root and var.
PARTITIONS = {
    "A": (
        "ddf618fe-7244-b446-a175-3296e6b9d02e",
        "7c0a626e-e5ea-e543-b5c5-300eb8304db7",
        "22d2f5a6-1e39-d247-81cf-90c95c113e21",
    ),
    "B": (
        "d5214e4f-f7b0-b945-9a9b-52b9188df4c5",
        "a78bc3a8-376c-054a-96e7-3904b915d0c5",
        "2237d1d1-ce96-584e-8ec5-8ae6661faae9",
    ),
}
SIZES = {"boot": 8 * MIB, "root": 16 * MIB, "var": 20 * MIB}
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# Grub's partition is mounted read-only, as in the image; a memory file system stands for FAT.
_PROLOGUE = """
set -eu
root="$MACHINE/root"
mount -t tmpfs tmpfs "$root"
for path in /*; do
    case "$path" in
        /boot | /dev | /run) ;;
        *)
            if [ -L "$path" ]; then
                cp -P "$path" "$root"
            elif [ -d "$path" ]; then
                mkdir "$root$path"
                mount --rbind "$path" "$root$path"
            fi
            ;;
    esac
done
mkdir "$root/boot" "$root/dev" "$root/run"
mount --bind "$MACHINE/command-line" "$root/proc/cmdline"
mount --bind "$MACHINE/dev" "$root/dev"
for device in null random urandom zero; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount --bind "$MACHINE/run" "$root/run"
mkdir "$root/boot/grub"
mount -t tmpfs tmpfs "$root/boot/grub"
[ ! -e "$MACHINE/grubenv" ] || cp "$MACHINE/grubenv" "$root/boot/grub/grubenv"
mount -o remount,ro "$root/boot/grub"
status=0
PATH="$MACHINE/bin:$PATH" chroot "$root" "$@" || status=$?
findmnt -n -o OPTIONS "$root/boot/grub" > "$MACHINE/grub-options"
[ ! -e "$root/boot/grub/grubenv" ] || cp "$root/boot/grub/grubenv" "$MACHINE/grubenv"
exit $status
"""

_STAND_INS = {
    # Files have no ioctl for their size; what is written to one is what is read from it.
    "blockdev": 'case "$1" in --getsize64) stat -L -c %s "$2" ;; --flushbufs) ;; *) exit 1 ;; esac',
    "lsblk": 'for last; do :; done; cat "$MACHINE/disk-of/${last##*/}" 2> /dev/null || echo vda',
    "systemctl": 'echo "systemctl $*" >> "$MACHINE/asked"',
}


@dataclass(frozen=True, slots=True)
class Result:
    """How the script ended: exit status, standard output, standard error."""

    status: int
    output: str
    errors: str


class FakeMachine:
    """A machine in a folder.

    Args:
        folder: an empty folder for it.
        command_line: of its kernel.
    """

    def __init__(self, folder: Path, command_line: str) -> None:
        self.folder = folder
        for name in ("bin", "dev", "disk-of", "root", "run"):
            (folder / name).mkdir(parents=True)
        self.set_command_line(command_line)
        for name, text in _STAND_INS.items():
            self.stand_in(name, text)

    def set_command_line(self, line: str) -> None:
        """What the kernel was started with."""
        (self.folder / "command-line").write_text(line + "\n")

    def stand_in(self, name: str, text: str) -> None:
        """Puts a shell script in front of a program."""
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/sh\nset -eu\n{text}\n")
        program.chmod(0o755)

    def device(self, name: str) -> Path:
        """The file that is seen as /dev/NAME."""
        found = self.folder / "dev" / name
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def make_partitions(self, system: str, slot: str, sizes: Mapping[str, int] = SIZES) -> dict[str, Path]:
        """The boot, root and var of a slot, full of bytes that are not zero."""
        found = {}
        for number, (part, size) in enumerate(sizes.items()):
            guid = PARTITIONS[slot][number]
            found[part] = self.device(f"disk/by-partuuid/{guid}" if system == "guestos" else f"hostlvm/{slot}_{part}")
            found[part].write_bytes(b"\xa5" * size)
        return found

    def contents(self) -> dict[str, str]:
        """The digest of each partition, by name."""
        files = [path for path in (self.folder / "dev").rglob("*") if path.is_file() and path.stat().st_size]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    @property
    def grubenv(self) -> Path:
        """The environment block, before and after a run."""
        return self.folder / "grubenv"

    def asked(self) -> list[str]:
        """What the service manager was asked."""
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []

    def command(self, *words: str | Path) -> list[str]:
        """The command line that runs a program on the machine."""
        return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _PROLOGUE, "machine", *map(str, words)]

    def environment(self) -> dict[str, str]:
        """The environment for it."""
        return {
            **os.environ,
            "MACHINE": str(self.folder),
            "PATH": SYSTEM_PATH,
            "LC_ALL": "C.UTF-8",
        }

    def run(self, words: Sequence[str | Path], stdin: bytes = b"") -> Result:
        """Runs a program; whatever it leaves in /run but its lock is an error of its own."""
        done = subprocess.run(
            self.command(*words), env=self.environment(), input=stdin, capture_output=True, timeout=SECONDS, check=False
        )
        left = sorted(path.name for path in (self.folder / "run").iterdir() if path.name.startswith("manageboot."))
        assert left in ([], ["manageboot.lock"]), left
        assert "ro" in (self.folder / "grub-options").read_text().strip().split(",")
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())
