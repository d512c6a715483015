"""prod boots and serves, and nobody gets in but by a key that its bootstrap medium brought; no console asks for one."""

from pathlib import Path

import pytest

import bootstrap_config
from sysimage.extents import Sources
from sysimage.materialise import write_raw
from sysimage.vm.testing import free_port, path
from tests.guestos.guest import boot
from tests.guestos.status import METRICS_PORT, STATUS_PORT, check_replica, get
from tests.vm.access import SSH_PORT, by_key, check_locked, check_running, ssh
from tests.vm.system import Image

pytest_plugins = ["tests.guestos.guest", "tests.vm.access"]


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


def test_serves_and_lets_nobody_in_but_by_key(image: Image, key: Path, medium: Path, tmp_path: Path) -> None:
    replica, metrics, port = free_port(), free_port(), free_port()
    forward = [(replica, STATUS_PORT), (metrics, METRICS_PORT), (port, SSH_PORT)]
    with boot(image.disk, tmp_path, "boot-prod", media=[medium], forward=forward, writable=False) as guest:
        check_replica(replica, malicious=False)
        assert get(metrics, "/metrics")[0] == 200

        check_running(port, key, tmp_path)
        command = "cat /opt/ic/share/version.txt; findmnt -no SOURCE /"
        status, output, _ = ssh(port, "admin", command, tmp_path, *by_key(key))
        assert (status, output.split()) == (0, [path("VERSION").read_text().strip(), "/dev/mapper/vroot"])
        check_locked(guest, port, key, tmp_path)
