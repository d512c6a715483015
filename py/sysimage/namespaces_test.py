import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sysimage import namespaces
from sysimage.errors import UserError

HINT = "(hint: this test needs user namespaces; the container has them: gitlab-ci/container/container-run.sh)"


def in_child(what: Callable[[], str]) -> str:
    """What a function returns, or a UserError says, in a process that may change its namespaces."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        said = "a bug"
        try:
            said = what()
        except UserError as error:
            said = str(error)
        finally:
            os.write(write, said.encode())
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with open(read, "rb") as pipe:
        return pipe.read().decode()


def test_user_and_host_name() -> None:
    def what() -> str:
        namespaces.isolate(4711, 4712, "another")
        return f"{os.getuid()} {os.getgid()} {socket.gethostname()}"

    assert in_child(what) == "4711 4712 another"
    assert socket.gethostname() != "another"


def test_no_namespaces() -> None:
    def what() -> str:
        namespaces.isolate(0, 0)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        namespaces.isolate(0, 0)
        return ""

    assert in_child(what) == f"cannot make a user namespace: No space left on device {HINT}"


def test_network_of_its_own_has_the_same_port_at_each_address() -> None:
    def what() -> str:
        namespaces.own_network(["fd00:1::1", "fd00:1::2"])
        hosts = ["fd00:1::1", "fd00:1::2", "::1", "127.0.0.1"]
        families = [socket.AF_INET6, socket.AF_INET6, socket.AF_INET6, socket.AF_INET]
        servers = [
            socket.create_server((host, 80), family=family) for host, family in zip(hosts, families, strict=True)
        ]
        for host in hosts:
            socket.create_connection((host, 80)).close()
        try:
            socket.create_connection(("fd00:1::3", 80))
        except OSError as error:
            return f"{os.getuid()} {len(servers)} {error.strerror}"
        return "reached"

    assert in_child(what).startswith(f"{os.getuid()} 4 ")
    assert "unreachable" in in_child(what)


def test_no_network_of_its_own() -> None:
    def what() -> str:
        namespaces.isolate(0, 0)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        namespaces.own_network([])
        return ""

    assert in_child(what) == f"cannot make a user namespace: No space left on device {HINT}"


def test_memory(tmp_path: Path) -> None:
    def what() -> str:
        namespaces.isolate(0, 0)
        namespaces.mount_memory(tmp_path)
        (tmp_path / "file").write_text("x")
        size = (tmp_path / "file").stat().st_blksize
        namespaces.unmount(tmp_path)
        return f"{size} {os.listdir(tmp_path)}"

    assert in_child(what) == "2097152 []"


def test_nothing_to_mount_on(tmp_path: Path) -> None:
    def what() -> str:
        namespaces.isolate(0, 0)
        namespaces.mount_memory(tmp_path / "none")
        return ""

    assert in_child(what) == f"cannot mount {tmp_path}/none: No such file or directory {HINT}"


def test_nothing_is_mounted(tmp_path: Path) -> None:
    def what() -> str:
        namespaces.isolate(0, 0)
        namespaces.unmount(tmp_path)
        return ""

    assert in_child(what) == f"cannot unmount {tmp_path}: Invalid argument {HINT}"


def test_processors(tmp_path: Path) -> None:
    def what(count: int) -> str:
        namespaces.isolate(0, 0)
        namespaces.show_processors(count, tmp_path / f"online{count}")
        return f"{os.sysconf('SC_NPROCESSORS_ONLN')} {len(os.sched_getaffinity(0)) == 1}"

    assert in_child(lambda: what(1)) == "1 True"
    assert in_child(lambda: what(5)).startswith("5 ")


def test_inherited(tmp_path: Path) -> None:
    namespaces.let_inherit(tmp_path, os.getuid())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    assert (tmp_path / "folder").stat().st_mode & 0o7777 == 0o2770
    assert (tmp_path / "folder" / "file").stat().st_mode & 0o7777 == 0o660


def test_no_acls() -> None:
    with pytest.raises(UserError) as error:
        namespaces.let_inherit(Path("/proc/self/fd"), 0)
    assert str(error.value) == "cannot give /proc/self/fd a default ACL: Operation not permitted"
