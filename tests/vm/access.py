"""Who gets into a running system: keys and passwords by ssh, the console."""

import contextlib
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.vm.system import BOOT_SECONDS, COMMAND_SECONDS, Running, ssh_words

SSH_PORT = 22
TRY_SECONDS = 15.0
QUIET_SECONDS = 20.0  # in which the console must not answer
DENIED = "Permission denied (publickey)."
_BY_PASSWORD = ("PubkeyAuthentication=no", "NumberOfPasswordPrompts=1")


def wait_for_ssh(port: int) -> None:
    """Waits until the server answers at a port of this machine.

    QEMU takes a connection at once, and drops it while nobody listens or the system has no network yet.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), TRY_SECONDS) as connection:
            connection.settimeout(TRY_SECONDS)
            if connection.recv(4) == b"SSH-":
                return
        assert time.monotonic() < deadline, f"no ssh server answered within {BOOT_SECONDS:g} s"
        time.sleep(1)


def ssh(
    port: int,
    user: str,
    command: str,
    scratch: Path,
    *options: str,
    data: bytes = b"",
    seconds: float = BOOT_SECONDS,
) -> tuple[int, str, str]:
    """Runs a command as an account, whose password, if it is asked for, is "root".

    Args:
        port: of this machine, which leads to the system's.
        user: the account.
        command: the command.
        scratch: a folder for what ssh needs.
        options: of ssh, as `-o` takes them.
        data: for the command's standard input.
        seconds: how long all of it may take.

    Returns:
        Exit status, standard output, standard error.
    """
    askpass = scratch / "askpass"
    askpass.write_text("#!/bin/sh\necho root\n")
    askpass.chmod(0o755)
    words = ssh_words(port, "LogLevel=ERROR", f"ConnectTimeout={COMMAND_SECONDS:.0f}", *options)
    environment = {**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "HOME": str(scratch)}
    done = subprocess.run(
        [*words, f"{user}@127.0.0.1", command],
        input=data,
        env=environment,
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def make_key(folder: Path) -> Path:
    """A key of ssh, with its public half beside it."""
    target = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", target], check=True)
    return target


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key of ssh, for one test."""
    return make_key(tmp_path)


def by_key(key: Path) -> tuple[str, ...]:
    """Options of ssh that let it try this key, and nothing else."""
    return (f"IdentityFile={key}", "IdentitiesOnly=yes", "BatchMode=yes")


def check_running(port: int, key: Path, scratch: Path) -> None:
    """Waits, as admin, until everything that is to start has started; nothing of it may have failed."""
    command = "sudo systemctl is-system-running --wait; sudo systemctl --failed --no-legend"
    assert ssh(port, "admin", command, scratch, *by_key(key))[1:] == ("running\n", "")


def check_locked(running: Running, port: int, key: Path, scratch: Path) -> None:
    """Nobody gets in by a password, and with a key that lets admin in nobody but admin.

    The console never asks for a login.
    """
    for user, options in {"root": _BY_PASSWORD, "admin": _BY_PASSWORD, "ic-replica": by_key(key)}.items():
        status, _, errors = ssh(port, user, "true", scratch, *options)
        assert (status, errors.strip()) == (255, f"{user}@127.0.0.1: {DENIED}")
    assert ssh(port, "root", "true", scratch, *by_key(key))[0] == 255

    before = len(running.console.text)
    running.console.send("\n\nroot\nroot\n")
    time.sleep(QUIET_SECONDS)
    assert re.search(r"login:|[Pp]assword|root@|[#$] $", running.console.text[before:]) is None
    assert re.search(r"login: |[Pp]assword: ", running.console.text) is None
