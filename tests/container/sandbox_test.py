"""Actions run in Bazel's linux-sandbox: no network, nothing to write but their own folders, processes of their own."""

import errno
import os
import socket
from pathlib import Path

import pytest

# Set aside for documentation (RFC 5737): nobody answers there, but a machine with a network has a way.
NOWHERE = ("192.0.2.1", 80)


def test_there_is_no_network() -> None:
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    with socket.socket() as connection:
        connection.settimeout(5)
        with pytest.raises(OSError, match="unreachable") as error:
            connection.connect(NOWHERE)
    assert error.value.errno == errno.ENETUNREACH


def test_the_machine_cannot_be_written() -> None:
    sources = Path(__file__).resolve().parent
    for folder in (sources, Path("/etc"), Path("/usr"), Path("/var")):
        with pytest.raises(OSError, match=r"Read-only file system|Permission denied"):
            (folder / "written").touch()


def test_other_processes_are_out_of_sight() -> None:
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    assert len(processes) < 10
    assert os.getpid() < 100


def test_the_environment_is_fixed() -> None:
    # Bazel's test wrapper puts the working folder first.
    assert os.environ["PATH"] == ".:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
    assert os.environ["LC_ALL"] == "C.UTF-8"
    assert os.environ["TZ"] == "UTC"
