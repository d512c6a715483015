"""GuestOS in QEMU, for tests.

A test file takes the fixtures of tests/vm/system.py with `pytest_plugins = ["tests.guestos.guest"]`.
"""

import pytest

from tests.vm.system import Running, System

pytest_plugins = ["tests.vm.system"]

GUESTOS = System(
    "guestos",
    size=50 << 30,
    memory=1536,
    kept=("/boot/config", "/var/lib/ic/data"),
)
Guest = Running
boot = GUESTOS.boot


@pytest.fixture(scope="session")
def system() -> System:
    """What is tested."""
    return GUESTOS
