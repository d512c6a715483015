"""What tests in virtual machines share: where the tool folder is, where logs go.

`vm_test` (toolchains/vm/defs.bzl) sets the variables.
"""

import os
import socket
from pathlib import Path


def tool() -> Path:
    """The unpacked folder with QEMU and firmware."""
    return path("VM_TOOL")


def path(variable: str) -> Path:
    """The file or folder that an environment variable of the test names.

    Raises:
        KeyError: the test is not run by its Bazel target, which would set it.
    """
    return Path(os.environ[variable]).absolute()


def log(name: str) -> Path | None:
    """Where a console's log goes so that it is kept; None outside of Bazel."""
    folder = os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR")
    return Path(folder) / f"{name}.console.txt" if folder else None


def free_port() -> int:
    """A TCP port of this machine that nothing listens on, to be forwarded to a guest."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
