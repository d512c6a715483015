"""Boundary-guestOS in QEMU, for tests.

A test file takes the fixtures of tests/vm/system.py with `pytest_plugins = ["tests.boundary.boundary"]`.
"""

import socket
from pathlib import Path
from typing import Final

import pytest

from bootstrap_config import TAR, make_archive, make_tree
from boundary_bootstrap_config import BOUNDARY as OPTIONS
from sysimage.tree import Node
from tests.vm.system import System, medium

pytest_plugins = ["tests.vm.system"]

BOUNDARY = System(
    "boundary-guestos",
    size=50 << 30,
    memory=1536,
)
# A configuration with all that the gateway needs but a certificate.
GIVEN: Final = {
    "hostname": ["boundary-test"],
    "ipv4_address": ["10.0.2.15/24"],
    "ipv4_gateway": ["10.0.2.2"],
    "ipv6_replica_ips": ["fd5e:8::1"],
}
QUIET_SECONDS: Final = 10.0


def given_medium(target: Path, changes: dict[str, Node] | None = None) -> Path:
    """Writes a bootstrap medium with that configuration, in which some files are others."""
    content = make_tree(GIVEN, OPTIONS)
    for name, node in (changes or {}).items():
        content.put(name, node)
    return medium(target, {TAR: make_archive(content)})


def heard(port: int) -> bytes:
    """The first byte of what a gateway says to whoever speaks to it without TLS; none: there is no gateway.

    Args:
        port: of this machine, which leads to its port 443. QEMU itself takes the connection.
    """
    with socket.create_connection(("127.0.0.1", port), QUIET_SECONDS) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            return connection.recv(1)
        except (TimeoutError, ConnectionResetError):
            return b""


@pytest.fixture(scope="session")
def system() -> System:
    """What is tested."""
    return BOUNDARY
