"""setup-storage.sh makes the /var of a slot once, and never what cannot be read."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from fake_root import FakeRoot

ROOTFS: Final = Path("ic-os/rootfs").absolute()
SIZE: Final = 64 << 20
LOG: Final = "/log/kept"
MADE: Final = "setup-storage: making var on {0}\nsetup-storage: var is complete\n"


class Host(FakeRoot):
    """A host with a template of /var, and one volume."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "IC_ROOT", [ROOTFS], ["var/log"])
        (root / "var/log/kept").write_text("of the template\n")
        (root / "var").chmod(0o751)
        self.volume = root / "volume"
        self.volume.touch()
        os.truncate(self.volume, SIZE)
        self.program("udevadm", '[ "$1 $2" = "wait --timeout=600" ] && [ -e "$3" ]')

    def setup(self) -> tuple[int, str]:
        return self.run("setup-storage.sh", "plain", "var", self.volume)

    def cut(self, name: str, call: int, done: bool) -> None:
        """The power fails at a call of a program, before or after what it does; what was not synced keeps its start."""
        real = shlex.quote(shutil.which(name) or name)
        lose = f"dd if=/dev/zero of={shlex.quote(str(self.volume))} bs=1M seek=1 count=63 conv=notrunc status=none"
        act = f'{real} "$@"{"" if name == "sync" else " && " + lose}' if done else ":"
        count = shlex.quote(str(self.root / f"calls-{name}"))
        self.program(
            name, f'echo >> {count}\n[ "$(wc -l < {count})" -eq {call} ] || exec {real} "$@"\n{act}\nkill -9 0'
        )

    def restore(self, name: str) -> None:
        (self.root / "programs" / name).unlink()

    def debugfs(self, request: str) -> str:
        return subprocess.run(
            ["debugfs", "-R", request, self.volume], capture_output=True, text=True, check=True
        ).stdout

    def judge(self) -> None:
        """What is there is whole, and named var."""
        subprocess.run(["e2fsck", "-f", "-n", self.volume], capture_output=True, check=True)
        assert subprocess.check_output(["e2label", self.volume], text=True) == "var\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "root")


def test_it_is_made_once_of_the_template(host: Host) -> None:
    assert host.setup() == (0, MADE.format(host.volume))
    host.judge()
    assert host.debugfs(f"cat {LOG}") == "of the template\n"
    assert "Mode:  0751" in host.debugfs("stat /")
    (host.root / "var/log/kept").write_text("of a later template\n")
    status, said = host.setup()
    assert status == 0
    assert "making" not in said
    assert host.debugfs(f"cat {LOG}") == "of the template\n"


def garbage(volume: Path) -> None:
    volume.write_bytes(bytes(range(1, 256)) * 4096)
    os.truncate(volume, SIZE)


def other_label(volume: Path) -> None:
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "other", volume], check=True)


def no_label(volume: Path) -> None:
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", volume], check=True)


def other_filesystem(volume: Path) -> None:
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext2", "-L", "var", volume], check=True)


@pytest.mark.parametrize("fill", [garbage, other_label, no_label, other_filesystem])
def test_what_is_no_var_is_made_anew(fill: Callable[[Path], None], host: Host) -> None:
    fill(host.volume)
    assert host.setup() == (0, MADE.format(host.volume))
    host.judge()


@pytest.mark.parametrize(
    ("name", "call", "done"),
    [
        ("mke2fs", 1, False),
        ("mke2fs", 1, True),
        ("sync", 1, True),
        ("e2label", 1, False),
        ("sync", 2, True),
    ],
)
def test_power_that_fails_leaves_nothing_that_is_taken_for_complete(
    name: str, call: int, done: bool, host: Host
) -> None:
    host.cut(name, call, done)
    assert host.setup()[0] != 0
    host.restore(name)
    assert host.setup()[0] == 0
    host.judge()
    assert host.debugfs(f"cat {LOG}") == "of the template\n"


def test_damage_that_is_mended_only_by_asking(host: Host) -> None:
    host.setup()
    subprocess.run(["debugfs", "-w", "-R", "clri /log", host.volume], capture_output=True, check=True)
    subprocess.run(["debugfs", "-w", "-R", "ssv state 2", host.volume], capture_output=True, check=True)
    before = host.volume.read_bytes()
    status, said = host.setup()
    assert status == 1
    assert said.endswith(f"setup-storage: the filesystem on {host.volume} is damaged (e2fsck says 4)\n")
    assert host.debugfs("stat /").count("Inode: 2") == 1
    assert len(host.volume.read_bytes()) == len(before)
    assert subprocess.check_output(["e2label", host.volume], text=True) == "var\n"


def test_what_cannot_be_read_is_never_formatted(host: Host) -> None:
    host.program("head", "echo 'head: error reading: Input/output error' >&2\nexit 1")
    host.program("mke2fs", f"touch {shlex.quote(str(host.root / 'formatted'))}")
    status, said = host.setup()
    assert (status, said.splitlines()[-1]) == (1, f"setup-storage: {host.volume} cannot be read")
    host.restore("head")
    host.program("blkid", "exit 4")
    assert host.setup() == (1, f"setup-storage: {host.volume} cannot be read (blkid says 4)\n")
    assert not (host.root / "formatted").exists()


def test_a_volume_that_does_not_appear(host: Host) -> None:
    host.volume.unlink()
    assert host.setup() == (1, f"setup-storage: {host.volume} did not appear\n")
