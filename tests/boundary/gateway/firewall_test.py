"""The firewall meets real packets: a gateway, a machine beside it, a cable between their networks."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.boundary.configuration.rootfs import TEMPLATES, Gateway
from tests.boundary.gateway.machine import command, enter

GATEWAY, BESIDE, OTHER = "2001:db8::1", "2001:db8::2", "2001:db8:1::2"
GATEWAY4, BESIDE4 = "10.0.0.1", "10.0.0.2"
SECONDS = 60.0
SILENCE = 1.0  # in which a port that is open answers on one machine
IN = (22, 80, 443, 8080, 9100, 19531)
OUT = (53, 80, 443, 8080, 8443)
# Listens at ports; says so; runs until its input ends.
LISTEN = """
import socket, sys
kept = []
for port in sys.argv[1:]:
    kept.append(socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True))
print("ready", flush=True)
sys.stdin.read()
"""
# Says for each port whether it takes a connection, all at once.
CONNECT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
source, target, seconds = sys.argv[1:4]
def takes(port):
    try:
        socket.create_connection((target, int(port)), float(seconds), source_address=(source, 0)).close()
    except OSError:
        return False
    return True
with ThreadPoolExecutor() as pool:
    print(*(port for port, taken in zip(sys.argv[4:], pool.map(takes, sys.argv[4:])) if taken))
"""


class Network:
    """Two networks; this process is in that of the gateway."""

    def __init__(self, stack: ExitStack) -> None:
        words = ["unshare", "--net", "sh", "-c", "echo ready && exec cat"]
        self._holder = stack.enter_context(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert self._holder.stdout and self._holder.stdout.readline() == b"ready\n"
        stack.callback(self._holder.stdin.close)  # type: ignore[union-attr]
        self._stack = stack
        self._ip("link", "add", "cable0", "type", "veth", "peer", "name", "cable1", "netns", str(self._holder.pid))
        for address in (GATEWAY, GATEWAY4):
            self._ip("addr", "add", self._with_length(address), "dev", "cable0", *self._flags(address))
        self._ip("link", "set", "cable0", "up")
        self._ip("route", "add", f"{OTHER}/128", "dev", "cable0")
        for address in (BESIDE, OTHER, BESIDE4):
            self._ip("addr", "add", self._with_length(address), "dev", "cable1", *self._flags(address), beside=True)
        self._ip("link", "set", "cable1", "up", beside=True)

    @staticmethod
    def _with_length(address: str) -> str:
        return f"{address}/{64 if ':' in address else 24}"

    @staticmethod
    def _flags(address: str) -> list[str]:
        return ["nodad"] if ":" in address else []

    def _words(self, beside: bool) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"] if beside else []

    def _ip(self, *words: str, beside: bool = False) -> None:
        subprocess.run([*self._words(beside), *command("ip", *words)], check=True)

    def listen(self, *ports: int, beside: bool = False) -> None:
        """Something listens at ports."""
        words = [*self._words(beside), "python3", "-c", LISTEN, *map(str, ports)]
        listener = self._stack.enter_context(
            subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)
        )
        assert listener.stdout and listener.stdout.readline() == b"ready\n"
        self._stack.callback(listener.stdin.close)  # type: ignore[union-attr]

    def reached(self, source: str, target: str, *ports: int, beside: bool = True) -> list[int]:
        """Those of the ports that take a connection."""
        words = [*self._words(beside), "python3", "-c", CONNECT, source, target, str(SILENCE), *map(str, ports)]
        said = subprocess.run(words, capture_output=True, check=True, text=True, timeout=SECONDS)
        return [int(port) for port in said.stdout.split()]


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    enter(account=0)
    with ExitStack() as stack:
        made = Network(stack)
        made.listen(*IN)
        made.listen(*OUT, beside=True)
        yield made


@pytest.fixture
def load(network: Network, tmp_path: Path) -> Callable[..., None]:
    """Loads the firewall, with a configuration or without one."""

    def run(boundary: str | None, nns: str = "", developer: bool = False) -> None:
        gateway = Gateway(tmp_path / str(len(list(tmp_path.iterdir()))))
        if boundary is not None:
            gateway.configure({"boundary.conf": boundary.encode(), "nns.conf": nns.encode()})
            gateway.generate()
        root = gateway.root
        (root / "etc/nftables.d").mkdir()
        (root / "etc/nftables").mkdir()
        control = (TEMPLATES[0] / "etc/nftables/control.nft").read_text()
        (root / "etc/nftables/control.nft").write_text(control)
        if developer:
            rules = (TEMPLATES[1] / "variants/dev/etc/nftables.d/50-dev.nft").read_text()
            (root / "etc/nftables.d/50-dev.nft").write_text(rules)
        text = (TEMPLATES[1] / "etc/nftables.conf").read_text().replace('include "/', f'include "{root}/')
        (root / "nftables.conf").write_text(text)
        subprocess.run(command("nft", "-f", str(root / "nftables.conf")), check=True)

    return run


def test_without_a_configuration_nothing_gets_in_or_out_but_names(network: Network, load: Callable[..., None]) -> None:
    """One that is malformed makes none."""
    # As it is without a firewall.
    assert network.reached(BESIDE, GATEWAY, *IN) == list(IN)
    for boundary in (None, "ipv6_debug_ips=all\n"):
        load(boundary)
        assert network.reached(BESIDE, GATEWAY, *IN) == []
        assert network.reached(BESIDE4, GATEWAY4, *IN) == []
        assert network.reached(GATEWAY, BESIDE, *OUT, beside=False) == [53]
        assert network.reached(GATEWAY4, BESIDE4, *OUT, beside=False) == [53]


def test_an_empty_list_of_clients_is_everybody(network: Network, load: Callable[..., None]) -> None:
    load("")
    for source in (BESIDE, OTHER):
        assert network.reached(source, GATEWAY, *IN) == [80, 443]
    assert network.reached(BESIDE4, GATEWAY4, *IN) == [80, 443]


@pytest.mark.parametrize(
    ("setting", "ports"),
    [("ipv6_http_ips", [80, 443]), ("ipv6_debug_ips", [22]), ("ipv6_monitoring_ips", [9100, 19531])],
)
def test_who_is_on_a_list(setting: str, ports: list[int], network: Network, load: Callable[..., None]) -> None:
    closed = "ipv4_http_ips=192.0.2.1\n"
    for listed, unlisted in ((BESIDE, OTHER), (OTHER, BESIDE)):
        for value in (listed, f"2001:db8:7::/48 {listed}/128"):
            load(closed + f"{setting}={value}\n")
            assert network.reached(listed, GATEWAY, *IN) == ports
            assert network.reached(unlisted, GATEWAY, *IN) == []
    load(closed + f"{setting}=::/0\n")
    assert network.reached(OTHER, GATEWAY, *IN) == ports
    assert network.reached(BESIDE4, GATEWAY4, *IN) == []


def test_clients_by_ipv4(network: Network, load: Callable[..., None]) -> None:
    load("ipv4_http_ips=10.0.0.0/24\n")
    assert network.reached(BESIDE4, GATEWAY4, *IN) == [80, 443]
    assert network.reached(BESIDE, GATEWAY, *IN) == []
    load("ipv4_http_ips=10.0.0.3\n")
    assert network.reached(BESIDE4, GATEWAY4, *IN) == []


def test_the_way_to_replicas_and_to_the_nns(network: Network, load: Callable[..., None]) -> None:
    load(f"ipv6_replica_ips={OTHER}\n")
    assert network.reached(GATEWAY, OTHER, *OUT, beside=False) == [53, 8080]
    assert network.reached(GATEWAY, BESIDE, *OUT, beside=False) == [53]
    load(f"ipv6_replica_ips={OTHER}\n", f"nns_url=https://[{BESIDE}]:8443,http://{BESIDE4}\n")
    assert network.reached(GATEWAY, BESIDE, *OUT, beside=False) == [53, 8443]
    assert network.reached(GATEWAY, OTHER, *OUT, beside=False) == [53, 8080]
    assert network.reached(GATEWAY4, BESIDE4, *OUT, beside=False) == [53, 80]
    load("", "nns_url=https://nns.example\n")
    assert network.reached(GATEWAY4, BESIDE4, *OUT, beside=False) == [53, 443]


def test_developers_come_by_ipv4(network: Network, load: Callable[..., None]) -> None:
    load("ipv6_http_ips=::1\n", developer=True)
    assert network.reached(BESIDE4, GATEWAY4, *IN) == [22]
    assert network.reached(BESIDE, GATEWAY, *IN) == []


def test_the_rules_are_what_nft_itself_takes(load: Callable[..., None]) -> None:
    """Lists whose entries overlap."""
    load("ipv6_http_ips=2001:db8::/32 2001:db8:1::/48 ::/0 2001:db8::1\nipv4_http_ips=0.0.0.0/0 10.0.0.0/8\n")
    listed = subprocess.run(command("nft", "list", "set", "inet", "filter", "http6"), capture_output=True, check=True)
    assert b"elements = { ::/0 }" in listed.stdout
