"""Replicas that are down, slow or answer garbage; what is asked again; bursts; lists that change under load."""

import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.boundary.gateway.machine import PORT, REPLICAS, SECONDS, Machine, enter, tls
from tests.boundary.replica import Behaviour, Replica

Make = Callable[..., Machine]

CALLS = ["/api/v2/canister/aaaaa-aa/call", "/api/v3/canister/aaaaa-aa/call", "/api/v4/canister/aaaaa-aa/call"]
QUERIES = ["/api/v2/canister/aaaaa-aa/query", "/api/v2/canister/aaaaa-aa/read_state", "/api/v3/subnet/a-b/read_state"]
# So that nobody has to wait for as long as in the field.
PATIENCE = {"proxy_read_timeout 10s": "proxy_read_timeout 1s", "proxy_read_timeout 30s": "proxy_read_timeout 1s"}
BURST, CONNECTIONS = 10_000, 100
BROKEN = (Behaviour.HANGING_UP, Behaviour.SLOW)


@pytest.fixture
def replicas() -> Iterator[tuple[Replica, Replica]]:
    """Two replicas, both of them healthy."""
    enter()
    with Replica(REPLICAS[0], PORT) as first, Replica(REPLICAS[1], PORT) as second:
        yield first, second


@pytest.fixture
def make(replicas: tuple[Replica, Replica], tmp_path: Path) -> Iterator[Make]:
    """Starts a gateway."""
    with ExitStack() as stack:

        def start(changes: Mapping[str, str] = {}) -> Machine:
            return stack.enter_context(Machine(tmp_path / "root", changes=changes).serving())

        yield start


def bodies(number: int) -> list[bytes]:
    return [b"request %d" % index for index in range(number)]


def times_seen(replicas: tuple[Replica, Replica]) -> Counter[bytes]:
    """How often each body arrived at any replica."""
    return Counter(body for replica in replicas for _, _, body in replica.asked())


@pytest.mark.parametrize("behaviour", [*BROKEN, Behaviour.REFUSING])
def test_queries_are_asked_of_another_replica(
    behaviour: Behaviour, replicas: tuple[Replica, Replica], make: Make
) -> None:
    machine = make(PATIENCE)
    replicas[0].behaviour = behaviour
    for body in bodies(4):
        for path in QUERIES:
            answer = machine.ask("POST", path, body)
            assert (answer.status, answer.body, answer.headers["x-replica"]) == (200, body, replicas[1].name)
    # Some of them came to the broken one first.
    assert replicas[0].asked()


@pytest.mark.parametrize("behaviour", BROKEN)
def test_calls_are_never_sent_twice(behaviour: Behaviour, replicas: tuple[Replica, Replica], make: Make) -> None:
    machine = make(PATIENCE)
    replicas[0].behaviour = behaviour
    answers = {body: machine.ask("POST", path, body) for path in CALLS for body in bodies(4)}
    for path in CALLS:
        sent = [body for replica in replicas for _, asked, body in replica.asked() if asked == path]
        assert len(sent) == len(set(sent)) == 4
    failed = {answer.status: answer.body for answer in answers.values() if answer.status >= 500}
    expected = (
        {504: b"no replica answered in time\n"}
        if behaviour is Behaviour.SLOW
        else {502: b"no replica gave a proper answer\n"}
    )
    assert failed in ({}, expected)
    assert replicas[0].asked()


def test_garbage_is_what_the_checks_are_for(replicas: tuple[Replica, Replica], make: Make) -> None:
    """nginx takes what is not HTTP for the body of an answer in HTTP/0.9, and no setting makes it an error."""
    machine = make()
    replicas[0].behaviour = Behaviour.GARBAGE
    for _ in range(3):
        machine.check()
    machine.wait_for_replica(replicas[1].name, QUERIES[0])
    replicas[0].forget()
    for path in (*CALLS, *QUERIES):
        for body in bodies(4):
            assert machine.ask("POST", path, body).headers["x-replica"] == replicas[1].name
    assert replicas[0].asked() == []


def test_calls_that_no_replica_got_are_sent_to_another(replicas: tuple[Replica, Replica], make: Make) -> None:
    machine = make()
    replicas[0].stop()
    for path in (*CALLS, *QUERIES):
        for body in bodies(4):
            assert machine.ask("POST", path, body).headers["x-replica"] == replicas[1].name
    assert set(times_seen(replicas).values()) == {len(CALLS) + len(QUERIES)}


def test_without_any_healthy_replica(replicas: tuple[Replica, Replica], make: Make) -> None:
    machine = make()
    for replica in replicas:
        replica.behaviour = Behaviour.WAITING
        replica.forget()
    for _ in range(3):
        machine.check()
    machine.wait_for_list(healthy=False)
    for path in (*CALLS, *QUERIES, "/api/v2/status", "/health"):
        method = "GET" if path in ("/api/v2/status", "/health") else "POST"
        answer = machine.ask(method, path)
        assert (answer.status, answer.body) == (503, b"no replica is healthy at the moment\n")
        assert (answer.headers["retry-after"], answer.headers["content-type"]) == ("5", "text/plain")
    assert times_seen(replicas) == {}
    # The page is there all the same.
    assert machine.ask("GET", "/").status == 200
    for replica in replicas:
        replica.behaviour = Behaviour.HEALTHY
    for _ in range(2):
        machine.check()
    machine.wait_for_list(healthy=True)
    assert machine.ask("POST", QUERIES[0], b"x").status == 200


def test_what_a_replica_may_not_steer(replicas: tuple[Replica, Replica], make: Make) -> None:
    """Cookies in both directions, credentials, and nginx's own headers."""
    machine = make()
    given = {"Cookie": "a=b", "Authorization": "Basic x", "Referer": "https://secret.example/"}
    answer = machine.ask("POST", QUERIES[0], b"x", given)
    assert answer.status == 200
    seen = [name.lower() for name in answer.headers["x-asked-with"].split(",")]
    assert not {"cookie", "authorization", "referer"} & set(seen)
    assert (answer.body, "set-cookie" in answer.headers) == (b"x", False)


def exchange(requests: bytes, number: int, context: ssl.SSLContext) -> Counter[int]:
    """Sends requests on one connection without waiting for answers; the status of each answer."""
    with socket.create_connection(("::1", 443), SECONDS) as plain, context.wrap_socket(plain) as connection:
        connection.sendall(requests)
        found: Counter[int] = Counter()
        with connection.makefile("rb") as answers:
            for _ in range(number):
                found[int(answers.readline().split()[1])] += 1
                length = 0
                while line := answers.readline().strip().lower():
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                answers.read(length)
        return found


def request(path: str, body: bytes, end: bool = False) -> bytes:
    close = "Connection: close\r\n" if end else ""
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{close}Content-Length: {len(body)}\r\n\r\n".encode() + body


def burst(each: int) -> Counter[int]:
    """All connections at once, with so many requests on each."""
    found: Counter[int] = Counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        requests = [b"".join(request(QUERIES[0], b"%d-%d" % (n, i)) for i in range(each)) for n in range(CONNECTIONS)]
        context = tls()
        for answers in pool.map(lambda data: exchange(data, each, context), requests):
            found += answers
    return found


def test_a_burst_of_one_address_loses_none(replicas: tuple[Replica, Replica], make: Make) -> None:
    make()
    assert burst(BURST // CONNECTIONS) == {200: BURST}
    seen = times_seen(replicas)
    assert (len(seen), set(seen.values())) == (BURST, {1})


def test_a_burst_that_loses_its_replica_loses_none(replicas: tuple[Replica, Replica], make: Make) -> None:
    """Which from then on hangs up on what it is asked; these are queries."""
    make()
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(burst, 20)
        replicas[0].wait_for(100)
        replicas[0].behaviour = Behaviour.HANGING_UP
        assert answers.result() == {200: 20 * CONNECTIONS}


def test_more_than_an_address_may_have_waiting_is_refused(replicas: tuple[Replica, Replica], make: Make) -> None:
    make({"rate=2000r/s": "rate=1r/s", "burst=20000": "burst=1"})
    answers = burst(1)
    assert set(answers) == {200, 429}
    assert answers[429] > answers[200]


def test_refusals_say_when_to_come_again(replicas: tuple[Replica, Replica], make: Make) -> None:
    machine = make({"rate=2000r/s": "rate=1r/m", " burst=20000": ""})
    assert machine.ask("POST", QUERIES[0], b"x").status == 200
    answer = machine.ask("POST", QUERIES[0], b"x")
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (
        429,
        b"too many requests from this address\n",
        "5",
    )


def test_a_list_that_changes_under_load_loses_none(replicas: tuple[Replica, Replica], make: Make) -> None:
    """nginx reads the list anew many times, while clients connect and ask."""
    machine = make()
    context = tls()
    rounds, each = 6, 200
    tasks = []
    with ThreadPoolExecutor(20) as pool:
        for number in range(rounds):
            tasks += [
                pool.submit(exchange, request(CALLS[0], b"%d-%d" % (number, n), end=True), 1, context)
                for n in range(each)
            ]
            replicas[0].behaviour = Behaviour.WAITING if number % 2 == 0 else Behaviour.HEALTHY
            for _ in range(3):
                machine.check()
    found: Counter[int] = Counter()
    for task in tasks:
        found += task.result()
    assert found == {202: rounds * each}
    assert set(times_seen(replicas).values()) == {1}
    assert (machine.root / "run/ic-replicas/lists").read_text() == f"{1 + rounds}\n"
