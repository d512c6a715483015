"""prod boots and serves, and nobody gets in but by a key that its bootstrap medium brought; no console asks for one."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

import bootstrap_config
from sysimage.extents import Sources
from sysimage.materialise import write_raw
from sysimage.vm.testing import free_port, path
from tests.guestos.guest import BOOT_SECONDS, COMMAND_SECONDS, Image, boot, ssh_words
from tests.guestos.status import METRICS_PORT, SSH_PORT, STATUS_PORT, check_replica, get

pytest_plugins = ["tests.guestos.guest"]

QUIET_SECONDS = 20.0  # in which the console must not answer
DENIED = "Permission denied (publickey)."


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key of ssh, with its public half beside it."""
    target = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", target], check=True)
    return target


@pytest.fixture
def medium(key: Path, tmp_path: Path) -> Path:
    """A bootstrap medium that lets the key in as admin."""
    target = tmp_path / "bootstrap.img"
    # Ports of this machine lead to the IPv4 address.
    options = {
        "accounts_ssh_authorized_keys": [f"admin={key}.pub"],
        "ipv4_address": ["10.0.2.15/24"],
        "ipv4_gateway": ["10.0.2.2"],
    }
    tree = bootstrap_config.make_tree(options)
    with Sources({}) as nothing:
        write_raw(bootstrap_config.make_image(tree), nothing, target)
    return target


def ssh(port: int, user: str, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A command by ssh; a password that is asked for is "root"."""
    words = [*ssh_words(port, "LogLevel=ERROR", f"ConnectTimeout={COMMAND_SECONDS:.0f}"), *options]
    environment = {**os.environ, "SSH_ASKPASS": str(path("SSH_ASKPASS_PROGRAM")), "SSH_ASKPASS_REQUIRE": "force"}
    return subprocess.run(
        [*words, f"{user}@127.0.0.1", command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOOT_SECONDS,
    )


def test_serves_and_lets_nobody_in_but_by_key(image: Image, key: Path, medium: Path, tmp_path: Path) -> None:
    status, metrics, port = free_port(), free_port(), free_port()
    forward = [(status, STATUS_PORT), (metrics, METRICS_PORT), (port, SSH_PORT)]
    with boot(image.disk, tmp_path, "boot-prod", media=[medium], forward=forward, writable=False) as guest:
        check_replica(status, malicious=False)
        assert get(metrics, "/metrics")[0] == 200

        by_key = ("-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes")
        state = ssh(
            port, "admin", "sudo systemctl is-system-running --wait; sudo systemctl --failed --no-legend", *by_key
        )
        assert (state.stdout.strip(), state.stderr) == ("running", "")
        version = ssh(port, "admin", "cat /opt/ic/share/version.txt; findmnt -no SOURCE /", *by_key)
        assert version.stdout.split() == [path("VERSION").read_text().strip(), "/dev/mapper/vroot"]

        by_password = ("-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1")
        for user, options in {"root": by_password, "admin": by_password, "ic-replica": by_key}.items():
            refused = ssh(port, user, "true", *options)
            assert (refused.returncode, refused.stderr.strip()) == (255, f"{user}@127.0.0.1: {DENIED}")
        assert ssh(port, "root", "true", *by_key).returncode == 255

        before = len(guest.console.text)
        guest.console.send("\n\nroot\nroot\n")
        time.sleep(QUIET_SECONDS)
        assert re.search(r"login:|[Pp]assword|root@|[#$] $", guest.console.text[before:]) is None
        assert re.search(r"login: |[Pp]assword: ", guest.console.text) is None
