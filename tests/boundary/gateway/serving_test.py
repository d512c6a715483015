"""What the gateway serves, what it refuses, and what it logs."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boundary.gateway.machine import PAGE, PORT, SECONDS, Machine, command, enter, tls
from tests.boundary.replica import GARBAGE, Behaviour, Replica

ADDRESS = "fd00::1"
HTML = {"Accept": "text/html,application/xhtml+xml"}
CALL, QUERY, STATE, STATUS = (
    "/api/v3/canister/aaaaa-aa/call",
    "/api/v2/canister/aaaaa-aa/query",
    "/api/v2/subnet/aaaaa-aa/read_state",
    "/api/v2/status",
)
HEADERS = {
    "server": "nginx",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


@pytest.fixture(scope="module")
def replica() -> Iterator[Replica]:
    enter()
    with Replica(ADDRESS, PORT) as running:
        yield running


@pytest.fixture(scope="module")
def machine(replica: Replica, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("gateway") / "root", (ADDRESS,)).serving() as running:
        yield running


@pytest.mark.parametrize("name", PAGE)
def test_the_files_of_the_page(name: str, machine: Machine) -> None:
    answer = machine.ask("GET", f"/{name}", headers={"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"})
    assert (answer.status, answer.body) == (200, PAGE[name])
    assert HEADERS.items() <= answer.headers.items()
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self' 'wasm-unsafe-eval'" in answer.headers["content-security-policy"]
    # All images have files of the same time: neither may stand for a content.
    assert not {"etag", "last-modified"} & set(answer.headers)
    assert (answer.headers.get("service-worker-allowed") == "/") == (name == "sw.js")


@pytest.mark.parametrize("path", ["/", "/any/path", "/any.html?x=1", "/favicon.ico"])
def test_who_wants_a_page_gets_the_one_that_installs_the_worker(path: str, machine: Machine) -> None:
    answer = machine.ask("GET", path, headers=HTML)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, PAGE["index.html"], "text/html")
    assert machine.ask("HEAD", path, headers=HTML).status == 200


@pytest.mark.parametrize("path", ["/any/path", "/favicon.ico", "/api", "/sw.js.map"])
def test_anything_else_is_not_there(path: str, machine: Machine) -> None:
    answer = machine.ask("GET", path)
    assert (answer.status, answer.body) == (404, b"there is nothing of this name\n")
    assert HEADERS.items() <= answer.headers.items()


@pytest.mark.parametrize("path", ["/..%2f..%2fetc/passwd", "/../x", "/api/v2/../../../status"])
def test_no_path_leads_out(path: str, machine: Machine) -> None:
    assert machine.ask("GET", path).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1/status",
        "/api/v5/status",
        "/api/v2/",
        "/api/v2/a%0d%0aX-Evil:1",
        "/api/v2/a%20b",
        "/api/v2/a.b",
        "/api/v2/../../_/dashboard",
        "/_/dashboard",
    ],
)
def test_no_other_path_reaches_a_replica(path: str, machine: Machine, replica: Replica) -> None:
    replica.forget()
    assert machine.ask("GET", path).status == 404
    assert replica.asked() == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/index.html", "/sw.js", "/health", "/ic-gateway.json", "/x"])
def test_there_is_nothing_to_change(method: str, path: str, machine: Machine) -> None:
    answer = machine.ask(method, path, headers=HTML)
    assert (answer.status, answer.body) == (405, b"there is no such method here\n")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_methods_of_the_api(method: str, machine: Machine, replica: Replica) -> None:
    replica.forget()
    assert machine.ask(method, QUERY, b"x").status == 405
    assert replica.asked() == []


def test_what_is_forwarded(machine: Machine, replica: Replica) -> None:
    replica.forget()
    for path in (QUERY, STATE, CALL):
        answer = machine.ask("POST", path + "?a=b", b"\0body")
        assert (answer.status, answer.body) == (200, b"\0body")
        assert HEADERS.items() <= answer.headers.items()
        assert answer.headers["x-replica"] == f"[{ADDRESS}]:{PORT}"
    assert replica.asked() == [("POST", path + "?a=b", b"\0body") for path in (QUERY, STATE, CALL)]
    assert b"replica_health_status" in machine.ask("GET", STATUS).body


def test_http2(machine: Machine) -> None:
    url = "https://[::1]" + QUERY
    words = command(
        "curl", "-s", "-k", "-g", "--http2", "--data-binary", "x", "-w", "%{http_version} %{http_code}", url
    )
    assert subprocess.run(words, capture_output=True, check=True, text=True).stdout == "x2 200"


@pytest.fixture
def without_status_line(replica: Replica) -> Iterator[None]:
    """The replica answers with what is not HTTP."""
    replica.behaviour = Behaviour.GARBAGE
    yield
    replica.behaviour = Behaviour.HEALTHY


@pytest.mark.parametrize("path", [QUERY, CALL])
@pytest.mark.usefixtures("without_status_line")
def test_an_answer_without_a_status_line_in_http1(path: str, machine: Machine) -> None:
    """nginx takes it for one in HTTP/0.9, which has nothing but a body, and answers in HTTP/0.9 itself."""
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx".encode()
    with socket.create_connection(("::1", 443), SECONDS) as plain, tls().wrap_socket(plain) as connection:
        connection.sendall(request)
        said = b"".join(iter(lambda: connection.recv(4096), b""))
    assert said == GARBAGE


@pytest.mark.parametrize("path", [QUERY, CALL])
@pytest.mark.usefixtures("without_status_line")
def test_an_answer_without_a_status_line_in_http2(path: str, machine: Machine, tmp_path: Path) -> None:
    """HTTP/2 has no such answers: nginx sends the status 000, which is none, and clients refuse it."""
    words = command("curl", "-s", "-S", "-k", "-g", "--http2", "--data-binary", "x", "-D", f"{tmp_path}/headers")
    done = subprocess.run([*words, "https://[::1]" + path], capture_output=True, check=False)
    assert (tmp_path / "headers").read_text().startswith("HTTP/2 000 ")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Unsupported response code in HTTP response" in done.stderr


def test_plain_http_is_sent_to_tls(machine: Machine, replica: Replica) -> None:
    replica.forget()
    for method, path in (("GET", "/a?b"), ("POST", QUERY)):
        answer = machine.ask(method, path, headers={"Host": "x.example"}, port=80)
        assert (answer.status, answer.headers["location"]) == (308, f"https://x.example{path}")
    assert replica.asked() == []


def test_the_root_key_for_the_worker(machine: Machine) -> None:
    answer = machine.ask("GET", "/ic-gateway.json")
    assert (answer.status, answer.body) == (200, machine.made()["www/ic-gateway.json"])
    assert (answer.headers["cache-control"], answer.headers["content-type"]) == ("no-store", "application/json")
    assert not {"etag", "last-modified"} & set(answer.headers)


def test_health(machine: Machine) -> None:
    answer = machine.ask("GET", "/health")
    assert (answer.status, answer.body) == (200, b"ok\n")


def test_what_is_too_large(machine: Machine, replica: Replica) -> None:
    largest = bytes(4 << 20)
    assert machine.ask("POST", QUERY, largest).body == largest
    replica.forget()
    answer = machine.ask("POST", QUERY, headers={"Content-Length": str((4 << 20) + 1)})
    assert (answer.status, answer.body) == (413, b"a request has 4 MiB at most\n")
    assert machine.ask("GET", "/health", headers={"X": "x" * 9000}).status == 400
    assert machine.ask("GET", "/" + "x" * 9000).status == 414
    assert replica.asked() == []


def test_what_is_logged(machine: Machine) -> None:
    """A line for what failed, without the address of who asked."""
    assert machine.ask("GET", "/logged?secret=1").status == 404
    line = machine.log.wait_for("/logged")
    assert line.partition("gateway: ")[2].startswith("404 GET /logged ")
    assert not any(word in line for word in ("::1", "127.0.0.1", "secret"))
    assert not any("200 GET" in each for each in machine.log.lines)
    assert not Path(machine.root / "nginx.errors").read_text()
