"""A stand-in for a replica: it answers as one does, or as a broken one does, and notes down what it was asked.

    with Replica("::1", 8080) as replica:
        ...
        replica.behaviour = Behaviour.SLOW

As a program: replica.py ADDRESS PORT [BEHAVIOUR].
"""

import contextlib
import enum
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

STATUS: Final = "/api/v2/status"
SELF_DESCRIBED: Final = b"\xd9\xd9\xf7"  # CBOR's own tag, RFC 8949, 3.4.6
GARBAGE: Final = b"\x15\x03\x01 this is no HTTP \xff\xfe\r\n\r\n"
SECONDS: Final = 30.0


class Behaviour(enum.Enum):
    """What a replica does with what it is asked."""

    HEALTHY = "healthy"
    # It answers, and says of itself that it is not well.
    WAITING = "waiting"
    # It takes what it is asked, and does not answer until it behaves otherwise.
    SLOW = "slow"
    # It answers with what is not HTTP.
    GARBAGE = "garbage"
    # It answers by HTTP, with what is not CBOR.
    NONSENSE = "nonsense"
    # It answers 503 to everything.
    REFUSING = "refusing"
    # It takes what it is asked, and hangs up.
    HANGING_UP = "hanging-up"


def text(value: str) -> bytes:
    """A text string of fewer than 256 bytes, in CBOR."""
    data = value.encode()
    return (bytes([0x60 + len(data)]) if len(data) < 24 else bytes([0x78, len(data)])) + data


def status(health: str) -> bytes:
    """What /api/v2/status answers."""
    entries = {
        "ic_api_version": text("0.18.0"),
        "impl_version": text("stand-in"),
        "replica_health_status": text(health),
        "root_key": bytes([0x58, 133]) + bytes(133),
    }
    return SELF_DESCRIBED + bytes([0xA0 + len(entries)]) + b"".join(text(key) + entries[key] for key in entries)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"
    # Head and body go out at once: a replica that stops leaves no answer half given, which nobody could ask for again.
    wbufsize = -1

    def _answer(self) -> None:
        replica = self.server.replica
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        replica.note(self.command, self.path, body)
        behaviour = replica.behaviour
        if behaviour is Behaviour.SLOW:
            behaviour = replica.wait_until_not(Behaviour.SLOW)
        if behaviour is Behaviour.GARBAGE:
            self.wfile.write(GARBAGE)
            self.close_connection = True
            return
        if behaviour is Behaviour.HANGING_UP:
            self.close_connection = True
            return
        if behaviour is Behaviour.REFUSING:
            self._reply(503, b"busy")
        elif behaviour is Behaviour.NONSENSE:
            self._reply(200, b"<html>healthy</html>")
        elif self.path.partition("?")[0] == STATUS:
            self._reply(
                200, status(behaviour.value if behaviour is Behaviour.HEALTHY else "waiting_for_certified_state")
            )
        else:
            # So that whoever asks sees what arrived, and where.
            self._reply(202 if self.path.endswith("/call") else 200, body or replica.name.encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = _answer  # noqa: N815

    def _reply(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/cbor")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Replica", self.server.replica.name)
        self.send_header("X-Asked-With", ",".join(self.headers.keys()))
        self.send_header("X-Accel-Redirect", "/index.html")
        self.send_header("Set-Cookie", "a=b")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Nothing: what was asked is noted down."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4096
    replica: "Replica"

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends all connections, as a replica that stops does."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: whoever asked may hang up."""


class Replica:
    """A stand-in that listens while it is entered; `stop` and `start` take it down and up in between.

    Args:
        address: to listen at, IPv6 or IPv4.
        port: to listen at; 0: one that is free.
        behaviour: at the beginning; `behaviour` is changed at any time.
    """

    def __init__(self, address: str, port: int, behaviour: Behaviour = Behaviour.HEALTHY) -> None:
        self.address = address
        self.port = port
        self._behaviour = behaviour
        self._changed = threading.Condition()
        self._asked: list[tuple[str, str, bytes]] = []
        self._server: _Server | None = None

    @property
    def name(self) -> str:
        """Where it listens, as a URL has it."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def behaviour(self) -> Behaviour:
        """What it does from now on."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        with self._changed:
            self._behaviour = behaviour
            self._changed.notify_all()

    def wait_until_not(self, behaviour: Behaviour) -> Behaviour:
        """Another behaviour than this, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._behaviour is not behaviour)
            return self._behaviour

    def note(self, method: str, path: str, body: bytes) -> None:
        """Notes down what was asked."""
        with self._changed:
            self._asked.append((method, path, body))
            self._changed.notify_all()

    def asked(self, but: str = STATUS) -> list[tuple[str, str, bytes]]:
        """What it was asked so far (method, path with query, body), without questions for its health."""
        with self._changed:
            return [each for each in self._asked if each[1] != but]

    def forget(self) -> None:
        """Nothing was asked yet."""
        with self._changed:
            self._asked.clear()

    def wait_for(self, number: int) -> None:
        """Waits until it was asked as often as that, its health aside."""
        with self._changed:
            if not self._changed.wait_for(lambda: sum(each[1] != STATUS for each in self._asked) >= number, SECONDS):
                raise TimeoutError(f"{self.name} was not asked {number} times")

    def start(self) -> None:
        """Begins to listen."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        server = type("Server", (_Server,), {"address_family": family})((self.address, self.port), _Handler)
        server.replica = self
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self._server = server

    def stop(self) -> None:
        """Listens no more: who connects is refused."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.behaviour is Behaviour.SLOW:
            self.behaviour = Behaviour.HANGING_UP
        self.stop()


if __name__ == "__main__":
    with Replica(sys.argv[1], int(sys.argv[2]), Behaviour(sys.argv[3] if len(sys.argv) > 3 else "healthy")) as served:
        print(f"listening at {served.name}", flush=True)
        threading.Event().wait()
