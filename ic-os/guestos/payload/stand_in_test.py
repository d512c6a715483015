"""The stand-in: what it answers, whatever it is asked, and that it serves through the image's own systemd."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import locked_tool

SECONDS = 30.0
VERSION = "1.2.3-test+a_b"
GOOD = b"GET /status HTTP/1.1\r\nHost: node\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, taken apart; its headers' names are in lower case."""

    status: str
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script by the names that it gets in an image, beside the image's systemd-socket-activate."""
    folder = tmp_path_factory.mktemp("programs")
    for name, variable in {"replica": "STAND_IN", "node_exporter": "STAND_IN", "malicious": "MALICIOUS"}.items():
        shutil.copy(os.environ[variable], folder / name)
        (folder / name).chmod(0o755)
    words = locked_tool.command(Path(os.environ["SYSTEMD"]).absolute(), "systemd-socket-activate", [])
    activate = folder / "systemd-socket-activate"
    activate.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
    activate.chmod(0o755)
    (folder / "version.txt").write_text(VERSION + "\n")
    return folder


def parse(data: bytes) -> Response:
    head, separator, body = data.partition(b"\r\n\r\n")
    assert separator, data
    status, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert status.startswith("HTTP/1.1 ")
    return Response(status.removeprefix("HTTP/1.1 "), headers, body)


def ask(programs: Path, request: bytes, *arguments: str, program: str = "replica", close: bool = True) -> Response:
    """One request by a socket; `close`: nothing more will come."""
    ours, theirs = socket.socketpair()
    command = [str(programs / program), "--answer", f"--version-file={programs}/version.txt", *arguments]
    with (
        ours,
        subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE) as process,
    ):
        theirs.close()
        ours.settimeout(SECONDS)
        ours.sendall(request)
        if close:
            ours.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: ours.recv(65536), b""))
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait()) == (b"", 0)
    return parse(data)


def body(response: Response) -> Any:
    assert response.headers["content-type"] == "application/json"
    return json.loads(response.body)


def global_addresses() -> list[str]:
    """As the kernel lists them here: none in most sandboxes."""
    rows = [line.split() for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    return [":".join(re.findall("....", address)) for address, _, _, scope, _, _ in rows if scope == "00"]


def test_status_says_what_it_is(programs: Path, tmp_path: Path) -> None:
    response = ask(programs, GOOD, f"--data={tmp_path}", "--listen=[::]:8080")
    addresses = global_addresses()
    mount = subprocess.run(["findmnt", "-nro", "SOURCE", "-T", tmp_path], capture_output=True, text=True, check=True)
    assert body(response) == {
        "stand_in": True,
        "message": "a stand-in for replica, which is an input of the image",
        "program": "replica",
        "malicious": False,
        "version": VERSION,
        "mounts": {str(tmp_path): mount.stdout.strip()},
        "ipv6_addresses": addresses,
        "healthy": bool(addresses),
    }
    assert response.status == ("200 OK" if addresses else "503 Service Unavailable")
    assert response.headers["content-length"] == str(len(response.body))
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("state", ["missing", "read-only"])
def test_a_directory_that_cannot_be_written_to_is_not_healthy(state: str, programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    if state == "read-only":
        folder.mkdir(0o500)
    response = ask(programs, GOOD, f"--data={tmp_path}", f"--backup={folder}", f"--config={tmp_path}/gone")
    assert response.status == "503 Service Unavailable"
    said = body(response)
    assert (said["mounts"][str(folder)], said["healthy"]) == (state, False)
    assert said["mounts"][str(tmp_path)] != state
    assert len(said["mounts"]) == 2


def test_without_a_port_it_needs_no_address(programs: Path, tmp_path: Path) -> None:
    assert ask(programs, GOOD, f"--data={tmp_path}", f"--config={tmp_path}/gone").status == "200 OK"


def test_the_malicious_one_says_so(programs: Path) -> None:
    assert body(ask(programs, GOOD, program="malicious"))["malicious"] is True


def test_metrics_in_the_text_format_of_prometheus(programs: Path) -> None:
    """Every family has HELP, TYPE and one sample, with the names that the real program gives them."""
    response = ask(
        programs, b"GET /metrics HTTP/1.1\r\n\r\n", "--web.listen-address=[::]:9100", program="node_exporter"
    )
    assert (response.status, response.headers["content-type"]) == (
        "200 OK",
        "text/plain; version=0.0.4; charset=utf-8",
    )
    text = response.body.decode()
    family = r"# HELP (\w+) [^\n]+\n# TYPE \1 (?:gauge|counter)\n\1 ([0-9.e+]+)\n"
    assert re.fullmatch(f"(?:{family})+", text)
    values = {name: float(value) for name, value in re.findall(family, text)}
    assert values["stand_in"] == 1
    assert abs(values["node_time_seconds"] - time.time()) < SECONDS
    assert 0 < values["node_boot_time_seconds"] < values["node_time_seconds"]
    assert 0 < values["node_memory_MemAvailable_bytes"] <= values["node_memory_MemTotal_bytes"]
    assert ask(programs, b"GET /metrics HTTP/1.1\r\n\r\n").status == "404 Not Found"


BAD_REQUEST = "400 Bad Request", "replica (stand-in): this is no request of HTTP/1.0 or HTTP/1.1\n"
NOT_FOUND = "404 Not Found", "replica (stand-in): there is only /status here\n"
METHOD = "405 Method Not Allowed", "replica (stand-in): only GET and HEAD are served\n"
TOO_LONG = "414 URI Too Long", "replica (stand-in): the first line of a request has at most 4096 bytes\n"
REFUSED = {
    b"": BAD_REQUEST,
    b"\n": BAD_REQUEST,
    b"\r\n\r\n": BAD_REQUEST,
    b"GET /status\r\n": BAD_REQUEST,
    b"GET /status HTTP/2\r\n": BAD_REQUEST,
    b"GET /status HTTP/1.1 more\r\n": BAD_REQUEST,
    b"GET * HTTP/1.1x\r\n": BAD_REQUEST,
    b"\0\0\0\n": BAD_REQUEST,
    b"\xff\xfe GET /status\n": BAD_REQUEST,
    b"GET / HTTP/1.1\r\n": NOT_FOUND,
    b"GET * HTTP/1.1\r\n": NOT_FOUND,
    b"GET /status/ HTTP/1.1\r\n": NOT_FOUND,
    b"GET /../../etc/passwd HTTP/1.1\r\n": NOT_FOUND,
    b"GET $(reboot);`reboot` HTTP/1.1\r\n": NOT_FOUND,
    b"GET http://node/status HTTP/1.1\r\n": NOT_FOUND,
    b"POST /status HTTP/1.1\r\n": METHOD,
    b"get /status HTTP/1.1\r\n": METHOD,
    b"-n /status HTTP/1.1\r\n": METHOD,
    b"GET /" + b"x" * 4081 + b" HTTP/1.1\r\n": NOT_FOUND,  # 4096 bytes with the carriage return
    b"GET /" + b"x" * 4082 + b" HTTP/1.1\r\n": TOO_LONG,
    b"x" * 60000: TOO_LONG,
}


@pytest.mark.parametrize("request_line", REFUSED, ids=[repr(line[:40]) for line in REFUSED])
def test_what_is_refused(request_line: bytes, programs: Path) -> None:
    response = ask(programs, request_line)
    assert (response.status, response.body.decode()) == REFUSED[request_line]
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "request_line", [b"GET /status HTTP/1.0\n", b"GET /status?a=b HTTP/1.1\r\n", b"  GET\t/status HTTP/1.1"]
)
def test_what_is_let_pass(request_line: bytes, programs: Path) -> None:
    assert body(ask(programs, request_line))["stand_in"] is True


def test_head_has_the_headers_and_no_body(programs: Path) -> None:
    head = ask(programs, b"HEAD /status HTTP/1.1\r\n\r\n")
    full = ask(programs, GOOD)
    assert (head.status, head.headers, head.body) == (full.status, full.headers, b"")


def test_a_request_that_does_not_come(programs: Path) -> None:
    """Half a line, and silence: the wait has an end."""
    response = ask(programs, b"GET /sta", close=False)
    assert response.status == "408 Request Timeout"
    assert response.body == b"replica (stand-in): no line came within 5 seconds\n"


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=40).map(lambda data: b"GET " + data + b" HTTP/1.1\r\n\r\n"))
def test_whatever_comes_there_is_one_whole_answer(programs: Path, request_bytes: bytes) -> None:
    response = ask(programs, request_bytes)
    assert re.match(r"200 |400 |404 |405 |503 ", response.status)
    head = request_bytes.lstrip().startswith(b"HEAD")
    assert head or response.headers["content-length"] == str(len(response.body))


@contextmanager
def serving(programs: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program as a service, in a process group of its own."""
    command = [str(programs / "replica"), f"--version-file={programs}/version.txt", *arguments]
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def connect(port: int) -> socket.socket:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def fetch(port: int) -> Response:
    with connect(port) as connection:
        connection.sendall(GOOD)
        return parse(b"".join(iter(lambda: connection.recv(65536), b"")))


def test_serves_beside_hostile_connections(programs: Path) -> None:
    port = free_port()
    with serving(programs, f"--listen=127.0.0.1:{port}") as process:
        assert body(fetch(port))["program"] == "replica"
        idle = [connect(port) for _ in range(16)]
        # It may be cut off in the midst of it.
        with connect(port) as flood, suppress(BrokenPipeError, ConnectionResetError):
            flood.sendall(b"x" * (8 << 20))
        assert body(fetch(port))["program"] == "replica"
        for connection in idle:
            connection.close()
        assert process.poll() is None
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"This is a stand-in for replica, which is an input of the image;")


def test_a_client_of_http_gets_a_whole_answer(programs: Path) -> None:
    port = free_port()
    with serving(programs, f"--listen=127.0.0.1:{port}"):
        connect(port).close()
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        client.request("GET", "/status", headers={"X-Long": "y" * 20000})
        assert json.load(client.getresponse())["stand_in"] is True


def test_serves_on_the_socket_that_systemd_hands_over(programs: Path, tmp_path: Path) -> None:
    # Of no file: the test's folder has a path too long for a socket's.
    address = "\0" + str(tmp_path)[-100:]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        # systemd puts it at descriptor 3, and says whom it is for.
        wrapper = tmp_path / "activated"
        wrapper.write_text('#!/bin/sh\nexport LISTEN_PID=$$ LISTEN_FDS=1\nexec "$@" 3<&0 < /dev/null\n')
        wrapper.chmod(0o755)
        command = [str(wrapper), str(programs / "replica"), f"--version-file={programs}/version.txt"]
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        process = subprocess.Popen(command, env=environment, stdin=listener.fileno(), start_new_session=True)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(SECONDS)
                connection.connect(address)
                connection.sendall(GOOD)
                answer = parse(b"".join(iter(lambda: connection.recv(65536), b"")))
            assert body(answer)["program"] == "replica"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


WRONG = {
    ("--port=8080",): "error: replica (stand-in): unknown argument --port=8080 "
    "(hint: --listen=ADDRESS, or --WORD=/DIRECTORY)\n",
    ("--listen=",): "error: replica (stand-in): unknown argument --listen= "
    "(hint: --listen=ADDRESS, or --WORD=/DIRECTORY)\n",
    (): "error: replica (stand-in): there is nothing to listen on (hint: --listen=ADDRESS, or a socket unit)\n",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_arguments(arguments: tuple[str, ...], programs: Path) -> None:
    result = subprocess.run([programs / "replica", *arguments], capture_output=True, text=True, timeout=SECONDS)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", WRONG[arguments])
