"""Boundary-guestOS in QEMU, for tests.

A test file takes the fixtures of tests/vm/system.py with `pytest_plugins = ["tests.boundary.boundary"]`.
"""

import pytest

from tests.vm.system import System

pytest_plugins = ["tests.vm.system"]

BOUNDARY = System(
    "boundary-guestos",
    size=50 << 30,
    memory=1536,
)


@pytest.fixture(scope="session")
def system() -> System:
    """What is tested."""
    return BOUNDARY
