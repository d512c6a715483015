"""The gateway in QEMU: configured by a medium, it serves the page and forwards calls, whatever becomes of its replicas.

One boot for all of it. The replicas are programs of this test. They listen at addresses of a network that this process
and its machine have for themselves, since the gateway knows replicas by address alone and asks each at the same port.

The burst comes over 250 connections that are kept, 40 requests each, as from pools of clients: a handshake costs the
emulated processor tens of milliseconds, and whose handshake is not done within nginx's 15 s is gone.

What the checks find takes three of their rounds, so replicas fail two at a time and stay as they are: a request is
tried at three of them, and there is always one that is well. What a single one does to single requests is looked at in
//tests/boundary/gateway:replicas_test, without a machine.
"""

import hashlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from bootstrap_config import make_image, make_tree
from boundary_bootstrap_config import BOUNDARY as OPTIONS
from sysimage import namespaces
from sysimage.extents import Sources
from sysimage.materialise import write_raw
from sysimage.vm.testing import free_port
from tests.boundary.boundary import BOUNDARY
from tests.boundary.client import Answer, Client
from tests.boundary.replica import Behaviour, Replica
from tests.vm.system import BOOT_SECONDS, Image, Running

pytest_plugins = ["tests.boundary.boundary"]

NAME: Final = "gateway.boundary.test"
ADDRESSES: Final = tuple(f"fd5e:8::{number}" for number in range(1, 8))
PORT: Final = 8080
OTHER_PORT: Final = 8081
METRICS_PORT: Final = 9100
CANISTER: Final = "/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/"
QUERY: Final = CANISTER + "query"
CALL: Final = CANISTER + "call"
REQUESTS, CONNECTIONS = 10_000, 250
FEWER: Final = 1_000  # while a replica goes
QUIET_SECONDS: Final = 5  # in which nothing may come through the firewall
MIB: Final = 1 << 20


def attempts(succeeds: Callable[[], bool]) -> None:
    """Tries until it succeeds."""
    deadline = time.monotonic() + BOOT_SECONDS
    while not succeeds():
        assert time.monotonic() < deadline
        time.sleep(1)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The machine, the way to it, and its replicas."""

    machine: Running
    client: Client
    plain_port: int
    metrics_port: int
    replicas: Sequence[Replica]

    def query(self, body: bytes = b"question") -> Answer:
        return self.client.ask("POST", QUERY, body)

    def wait_until(self, condition: str) -> None:
        """Waits for a command in the machine to succeed."""
        self.machine.succeeds(f"until {condition}; do sleep 1; done", BOOT_SECONDS)

    def wait_for_states(self, down: Sequence[Replica]) -> None:
        """Waits until the gateway finds these replicas down, and all others up."""
        states = " ".join("down" if replica in down else "up" for replica in self.replicas)
        self.wait_until(f'test "$(cut -d " " -f 2 /run/ic-replicas/state | xargs)" = "{states}"')

    def wait_for_health(self, status: int) -> None:
        """Waits until nginx, which reads its list anew, says how the gateway is, several times in a row."""
        attempts(lambda: all(self.client.ask("GET", "/health").status == status for _ in range(4)))

    def wait_for_only(self, replicas: Sequence[Replica]) -> None:
        """Waits until these replicas answer several times in a row; the others' answers may be none."""
        names = [replica.name for replica in replicas]

        def answers() -> bool:
            try:
                return all(self.query().headers.get("x-replica") in names for _ in range(4))
            except http.client.HTTPException:
                return False

        attempts(answers)

    def wait_for_all(self) -> None:
        """Waits until all replicas are asked again, after something was wrong with one."""
        self.wait_for_states(down=[])
        for replica in self.replicas:
            replica.forget()


@pytest.fixture(scope="session", autouse=True)
def network() -> None:
    """Before anything else: the process must have one thread."""
    namespaces.own_network(ADDRESSES)


@pytest.fixture(scope="session")
def gateway(network: None, image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    medium = folder / "medium.img"
    given = {
        "hostname": [NAME],
        "ipv6_address": ["fd2b:110b:b7cd::15/64"],
        "ipv6_gateway": ["fd2b:110b:b7cd::2"],
        "ipv4_address": ["10.0.2.15/24"],
        "ipv4_gateway": ["10.0.2.2"],
        "name_servers": ["10.0.2.3"],
        # Where the forwarded connections come from.
        "ipv4_http_ips": ["10.0.2.2"],
        "ipv6_replica_ips": list(ADDRESSES),
    }
    with Sources({}) as nothing:
        write_raw(make_image(make_tree(given, OPTIONS)), nothing, medium)
    tls, plain, metrics = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        replicas = [stack.enter_context(Replica(address, PORT)) for address in ADDRESSES]
        machine = stack.enter_context(
            BOUNDARY.boot(
                image.disk,
                folder,
                "gateway",
                media=[medium],
                writable=False,
                forward=[(tls, 443), (plain, 80), (metrics, METRICS_PORT)],
            )
        )
        machine.login()
        machine.check_running()
        certificate = ssl.get_server_certificate(("127.0.0.1", tls), timeout=BOOT_SECONDS)
        found = Gateway(machine, Client(NAME, tls, certificate), plain, metrics, replicas)
        found.wait_for_states(down=[])
        yield found


@pytest.fixture(autouse=True)
def all_replicas(gateway: Gateway) -> Iterator[None]:
    """Each test begins with healthy replicas, and at its end nothing of the system has failed."""
    gateway.wait_for_all()
    yield
    for replica in gateway.replicas:
        replica.behaviour = Behaviour.HEALTHY
        replica.stop()
        replica.start()
    gateway.machine.check_running()


def asked(gateway: Gateway) -> list[bytes]:
    """What the replicas were asked, all of them, health aside."""
    return [body for replica in gateway.replicas for _, _, body in replica.asked()]


def answered(gateway: Gateway, replicas: Sequence[Replica], count: int = 8) -> None:
    """All of some queries are answered, and these replicas answer them."""
    names = [replica.name for replica in replicas]
    for number in range(count):
        body = f"question {number}".encode()
        answer = gateway.query(body)
        assert (answer.status, answer.body) == (200, body)
        assert answer.headers["x-replica"] in names


def all_answered(gateway: Gateway, count: int = 8) -> None:
    """All of some queries, asked at once, are answered by whomever."""
    bodies = [f"question {number}".encode() for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(gateway.query, bodies))
    assert [(answer.status, answer.body) for answer in answers] == [(200, body) for body in bodies]


def test_certificate_is_its_own_and_names_are_checked(gateway: Gateway) -> None:
    for name in (NAME, f"rwlgt-iiaaa-aaaaa-aaaaa-cai.{NAME}", "localhost"):
        client = Client(name, gateway.client.port, gateway.client.certificate)
        assert client.ask("GET", "/").status == 200
    other = Client("other.example", gateway.client.port, gateway.client.certificate)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        other.ask("GET", "/")


def test_page_is_the_image_s(gateway: Gateway) -> None:
    listed = gateway.machine.succeeds("cd /var/www/html && sha256sum *").splitlines()
    files = {line.split()[1]: line.split()[0] for line in listed}
    assert set(files) == {"index.html", "install-worker.js", "sw.js", "service-worker.json"}
    for name, digest in files.items():
        answer = gateway.client.ask("GET", f"/{name}")
        assert (answer.status, hashlib.sha256(answer.body).hexdigest()) == (200, digest), name
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
    described = json.loads(gateway.client.ask("GET", "/service-worker.json").body)
    assert described["sha256"] == {name: digest for name, digest in files.items() if name != "service-worker.json"}
    page = gateway.client.ask("GET", "/")
    assert hashlib.sha256(page.body).hexdigest() == files["index.html"]
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["strict-transport-security"].startswith("max-age=")
    assert "script-src 'self' 'wasm-unsafe-eval'" in page.headers["content-security-policy"]
    assert "server" not in page.headers or page.headers["server"] == "nginx"
    # Whoever navigates to a canister's path gets the page; whoever asks for anything else gets nothing.
    shown = gateway.client.ask("GET", "/a/path", headers={"Accept": "text/html,*/*"})
    assert (shown.status, shown.body) == (200, page.body)
    assert gateway.client.ask("GET", "/a/path", headers={"Accept": "image/png"}).status == 404
    assert gateway.client.ask("POST", "/", b"x").status == 405


def test_root_key_is_the_mainnet_s(gateway: Gateway) -> None:
    answer = gateway.client.ask("GET", "/ic-gateway.json")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    key = json.loads(answer.body)["root_key"]
    # DER of a key of BLS12-381: 133 bytes.
    assert key.startswith("308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100")
    assert len(key) == 2 * 133


def test_plain_http_is_led_to_https(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.plain_port), BOOT_SECONDS) as connection:
        connection.sendall(f"GET /a?b HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode())
        said = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    assert said.startswith("HTTP/1.1 308 ")
    assert f"\r\nLocation: https://{NAME}/a?b\r\n" in said


def test_call_is_forwarded_once(gateway: Gateway) -> None:
    answer = gateway.client.ask("POST", CALL, b"change something")
    assert (answer.status, answer.body) == (202, b"change something")
    assert asked(gateway) == [b"change something"]
    assert gateway.client.ask("POST", "/api/v1/canister/rwlgt-iiaaa-aaaaa-aaaaa-cai/query", b"").status == 404
    assert gateway.client.ask("PUT", QUERY, b"").status == 405
    assert asked(gateway) == [b"change something"]


def test_burst_loses_none(gateway: Gateway) -> None:
    bodies = [f"request {number}".encode() for number in range(REQUESTS)]
    answers = gateway.client.burst(QUERY, bodies, CONNECTIONS)
    assert answers == [(200, body) for body in bodies]
    assert sorted(asked(gateway)) == sorted(bodies)
    # Each has its part of it.
    assert min(len(replica.asked()) for replica in gateway.replicas) > REQUESTS // len(ADDRESSES) // 2


def test_burst_loses_none_while_a_replica_goes(gateway: Gateway) -> None:
    first = gateway.replicas[0]
    bodies = [f"request {number}".encode() for number in range(FEWER)]

    def go() -> None:
        first.wait_for(FEWER // 50)
        first.stop()

    going = threading.Thread(target=go)
    going.start()
    answers = gateway.client.burst(QUERY, bodies, 50)
    going.join()
    assert answers == [(200, body) for body in bodies]
    assert set(asked(gateway)) == set(bodies)


@contextmanager
def stopped(replica: Replica) -> Iterator[None]:
    """Who connects to it is refused."""
    replica.stop()
    try:
        yield
    finally:
        replica.start()


@contextmanager
def black_hole(replica: Replica) -> Iterator[None]:
    """Nobody takes connections at its address, and nobody refuses them."""
    with stopped(replica), socket.socket(socket.AF_INET6) as server, ExitStack() as stack:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((replica.address, PORT))
        server.listen(0)
        # What the queue has room for; from then on the kernel drops whatever else comes.
        for _ in range(2):
            waiting = stack.enter_context(socket.socket(socket.AF_INET6))
            waiting.setblocking(False)
            waiting.connect_ex((replica.address, PORT))
        yield


@contextmanager
def behaving(replica: Replica, behaviour: Behaviour) -> Iterator[None]:
    """It behaves like that."""
    replica.behaviour = behaviour
    try:
        yield
    finally:
        replica.behaviour = Behaviour.HEALTHY


def test_replicas_that_fail_until_none_is_left_and_come_back(gateway: Gateway) -> None:
    """In every way that there is. Those that make the checks' rounds long come last."""
    hanging_up, down, refusing, garbage, hole, slow, sound = gateway.replicas
    pairs: list[dict[Replica, AbstractContextManager[None]]] = [
        {hanging_up: behaving(hanging_up, Behaviour.HANGING_UP), down: stopped(down)},
        # Garbage may get through to whoever verifies answers until the checks have found it (serving_test).
        {refusing: behaving(refusing, Behaviour.REFUSING), garbage: behaving(garbage, Behaviour.GARBAGE)},
        {hole: black_hole(hole), slow: behaving(slow, Behaviour.SLOW)},
    ]
    broken: list[Replica] = []
    with ExitStack() as failing:
        for pair in pairs:
            for replica, failure in pair.items():
                failing.enter_context(failure)
                broken.append(replica)
                if replica is not garbage:
                    all_answered(gateway)
            gateway.wait_for_states(down=broken)
            well = [replica for replica in gateway.replicas if replica not in broken]
            gateway.wait_for_only(well)
            answered(gateway, well)
            assert gateway.client.ask("GET", "/health").status == 200
        assert well == [sound]

    with ExitStack() as failing:
        for replica in gateway.replicas:
            failing.enter_context(stopped(replica))
        assert gateway.query().status in (502, 503)
        gateway.wait_for_states(down=gateway.replicas)
        gateway.wait_for_health(503)
        refused = gateway.query()
        assert (refused.status, refused.body) == (503, b"no replica is healthy at the moment\n")
        # The page is served all the same.
        assert gateway.client.ask("GET", "/").status == 200
    gateway.wait_for_states(down=[])
    gateway.wait_for_health(200)
    all_answered(gateway)


def through(attempt: Callable[[], str]) -> str:
    """What comes of an attempt to get through the firewall; "": nothing."""
    try:
        return attempt()
    except TimeoutError:
        return ""


def test_firewall_drops_what_is_not_named(gateway: Gateway) -> None:
    """In: metrics, which are for nobody. Out: another port of a replica. Then the test opens both: they get through."""
    machine = gateway.machine

    def metrics() -> str:
        with socket.create_connection(("127.0.0.1", gateway.metrics_port), QUIET_SECONDS) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            return connection.recv(4).decode()

    out = f"curl --silent --max-time {QUIET_SECONDS} --output /dev/null http://[{ADDRESSES[0]}]:{OTHER_PORT}/"
    assert "ok" in machine.succeeds(f"curl --silent --output /dev/null http://[::1]:{METRICS_PORT}/ && echo ok")
    with Replica(ADDRESSES[0], OTHER_PORT):
        assert through(metrics) == ""
        assert machine.run(out)[1] == 28  # curl: the time is over
        machine.succeeds(f"nft add rule inet filter input tcp dport {METRICS_PORT} accept")
        machine.succeeds(f"nft add rule inet filter output tcp dport {OTHER_PORT} accept")
        assert metrics() == "HTTP"
        assert machine.run(out)[1] == 0


def test_memory_stayed_sane(gateway: Gateway) -> None:
    """Last of all: what all of that took of the machine's 1.5 GiB."""
    peak = int(gateway.machine.succeeds("systemctl show -P MemoryPeak nginx.service"))
    assert peak < 256 * MIB
    available = gateway.machine.succeeds("sed -n 's/^MemAvailable: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo")
    assert int(available) * 1024 > 512 * MIB
    # Neither was restarted, and nothing was killed.
    assert gateway.machine.succeeds("systemctl show -P NRestarts nginx check-replicas").split() == ["0", "0"]
    assert gateway.machine.run("journalctl --dmesg --no-pager | grep -i 'out of memory'")[1] == 1
