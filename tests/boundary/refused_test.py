"""Without a proper configuration there is no gateway: a line on the console says so, and the system is well."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bootstrap_config import TAR, make_archive, make_tree
from boundary_bootstrap_config import BOUNDARY as OPTIONS
from sysimage import tree
from sysimage.vm import disks
from sysimage.vm.testing import free_port, path
from tests.boundary.boundary import BOUNDARY
from tests.vm.system import BOOT_SECONDS, Running, medium

GIVEN: Final = {
    "hostname": ["boundary-test"],
    "ipv4_address": ["10.0.2.15/24"],
    "ipv4_gateway": ["10.0.2.2"],
    "ipv6_replica_ips": ["fd5e:8::1"],
}
QUIET_SECONDS: Final = 10
# What the service manager shows on every console when all that is to start has started.
UP: Final = r"Reached target .*[Mm]ulti-[Uu]ser"


@contextmanager
def booted(image: Path, scratch: Path, name: str, files: dict[str, bytes]) -> Iterator[tuple[Running, int]]:
    """A machine with a medium, and the port of this machine that leads to its gateway."""
    port = free_port()
    stick = medium(scratch / "medium.img", files)
    with BOUNDARY.boot(image, scratch, name, media=[stick], writable=False, forward=[(port, 443)]) as running:
        yield running, port


def heard(port: int) -> bytes:
    """What whoever connects hears; QEMU itself takes the connection."""
    with socket.create_connection(("127.0.0.1", port), QUIET_SECONDS) as connection:
        connection.sendall(b"\x16\x03\x01")
        try:
            return connection.recv(1)
        except (TimeoutError, ConnectionResetError):
            return b""


def test_malformed_configuration_is_refused_as_a_whole(tmp_path: Path) -> None:
    """dev, so that one can look."""
    content = make_tree(GIVEN, OPTIONS)
    content.put("boundary.conf", tree.file(b"ipv6_replica_ips=fd5e:8::1 nonsense\n"))
    disk = disks.unpack(path("DEV"), tmp_path, size=BOUNDARY.size)
    with booted(disk, tmp_path, "malformed", {TAR: make_archive(content)}) as (running, port):
        running.console.expect(
            r"bootstrap-ic-node: REFUSED, nothing of it is applied: boundary\.conf, line 1: "
            r"ipv6_replica_ips cannot be 'fd5e:8::1 nonsense'\n",
            BOOT_SECONDS,
        )
        running.login()
        running.check_running()
        assert running.run("ls /boot/config/CONFIGURED /boot/config/bootstrap")[1] != 0
        assert running.succeeds("hostname") != "boundary-test"
        # Not a byte of it comes to be a rule; without an address by configuration there is one by DHCP.
        rules = running.succeeds("nft list ruleset")
        assert "fd5e" not in rules
        assert rules.count("policy drop") == 3
        assert heard(port) == b""


def test_prod_without_a_certificate_serves_nothing(tmp_path: Path) -> None:
    disk = disks.unpack(path("PROD"), tmp_path, size=BOUNDARY.size)
    with booted(disk, tmp_path, "no-certificate", {TAR: make_archive(make_tree(GIVEN, OPTIONS))}) as (running, port):
        running.console.expect(
            r"generate-gateway-config: there is no certificate\.pem in the configuration: the gateway does not start; "
            r"give certificate\.pem and certificate_key\.pem\n",
            BOOT_SECONDS,
        )
        running.console.expect(UP, BOOT_SECONDS)
        assert heard(port) == b""
        assert "login:" not in running.console.text
