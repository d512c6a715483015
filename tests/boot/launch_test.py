"""The launch program in a terminal: the machine's console is there, Ctrl-A X ends it, the image is as it was."""

import hashlib
import os
import pty
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sysimage import grubenv
from sysimage.vm.testing import free_port, tool
from tests.boot.grub_disk import make_disk, read_environment

SECONDS = 120.0
CTRL_A = b"\x01"


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        # What this process can import, the program can import.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "tools.vm_launch", f"--tool={tool()}", "--cpus=1", *arguments]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.text = b""

    def expect(self, text: bytes) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.text:
            assert time.monotonic() < deadline, self.text.decode(errors="replace")
            try:
                self.text += os.read(self.master, 4096)
            except OSError as error:  # EIO: the program is gone
                raise AssertionError(self.text.decode(errors="replace")) from error

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def drain(self) -> int:
        """Reads to the end; the exit status of the program."""
        while True:
            try:
                data = os.read(self.master, 4096)
            except OSError:
                data = b""
            if not data:
                os.close(self.master)
                return self.process.wait(timeout=SECONDS)
            self.text += data


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return make_disk(tmp_path / "disk.img", grubenv.make({"boot_alternative": "B", "boot_cycle": "first_boot"}))


def test_console_is_in_the_terminal_and_changes_are_thrown_away(disk: Path) -> None:
    before = hashlib.sha256(disk.read_bytes()).hexdigest()
    terminal = Terminal(f"--image={disk}", "--ssh_port=0", "--memory=512")
    terminal.expect(b"Ctrl-A X ends the machine")
    terminal.expect(b"Changes are lost.")
    terminal.expect(b"GRUB: saved boot_alternative=B boot_cycle=failsafe_check")
    terminal.type(CTRL_A + b"x")
    assert terminal.drain() == 0
    assert hashlib.sha256(disk.read_bytes()).hexdigest() == before


def test_ports_and_the_default_medium_are_told(disk: Path, tmp_path: Path) -> None:
    """Another medium takes the place of the default."""
    for name in ("default.img", "mine.img"):
        (tmp_path / name).write_bytes(bytes(1 << 20))
    port, ssh = free_port(), free_port()
    words = [f"--image={disk}", f"--ssh_port={ssh}", f"--forward={port}:8080", "--memory=512"]
    words.append(f"--default_medium={tmp_path}/default.img")
    for more, plugged in (([], b"default.img"), ([f"--medium={tmp_path}/mine.img"], b"mine.img")):
        terminal = Terminal(*words, *more)
        terminal.expect(f"localhost:{ssh} is port 22 of the guest (ssh).".encode())
        terminal.expect(f"localhost:{port} is port 8080 of the guest.".encode())
        terminal.expect(plugged + b" is plugged in.")
        terminal.expect(b"BdsDxe: starting")
        terminal.type(CTRL_A + b"x")
        assert terminal.drain() == 0
        assert terminal.text.count(b"is plugged in.") == 1


def test_a_port_that_is_taken(disk: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        terminal = Terminal(f"--image={disk}", f"--ssh_port={port}", "--memory=512")
        assert terminal.drain() == 2
    mend = f"(hint: another one: --ssh_port={port + 1})"
    assert terminal.text.decode().strip() == f"error: port {port} of this machine: Address already in use {mend}"


def test_ctrl_c_goes_to_the_guest(disk: Path) -> None:
    terminal = Terminal(f"--image={disk}", "--ssh_port=0", "--memory=512")
    terminal.expect(b"BdsDxe: starting")
    terminal.type(b"\x03")
    terminal.expect(b"GRUB: booting slot B")
    terminal.type(CTRL_A + b"x")
    assert terminal.drain() == 0


def test_disk_that_is_kept(disk: Path) -> None:
    terminal = Terminal("--image=/nonexistent", f"--keep={disk}", "--ssh_port=0", "--memory=512")
    terminal.expect(b"GRUB: kernel command line:")
    terminal.type(CTRL_A + b"x")
    assert terminal.drain() == 0
    assert b"Changes are lost." not in terminal.text
    assert read_environment(disk) == {"boot_alternative": "B", "boot_cycle": "failsafe_check"}


def test_missing_image(tmp_path: Path) -> None:
    terminal = Terminal(f"--image={tmp_path}/gone.tar.zst")
    assert terminal.drain() == 2
    assert terminal.text.decode().strip() == f"error: there is no image {tmp_path}/gone.tar.zst"


def test_missing_medium(disk: Path, tmp_path: Path) -> None:
    terminal = Terminal(f"--image={disk}", f"--medium={tmp_path}/gone.img")
    assert terminal.drain() == 2
    message = f"error: there is no medium {tmp_path}/gone.img (hint: name a raw image by its whole path)"
    assert terminal.text.decode().strip() == message


def test_a_medium_is_a_usb_stick_and_boots_like_one(disk: Path, tmp_path: Path) -> None:
    """The firmware finds the boot loader on it, for the disk of the machine is empty."""
    empty = tmp_path / "empty.img"
    with empty.open("wb") as file:
        file.truncate(1 << 20)
    before = hashlib.sha256(disk.read_bytes()).hexdigest()
    terminal = Terminal(f"--image={empty}", f"--medium={disk}", "--ssh_port=0", "--memory=512")
    terminal.expect(b"BdsDxe: starting")
    terminal.expect(b"USB")
    terminal.expect(b"GRUB")
    terminal.type(CTRL_A + b"x")
    assert terminal.drain() == 0
    assert hashlib.sha256(disk.read_bytes()).hexdigest() == before
