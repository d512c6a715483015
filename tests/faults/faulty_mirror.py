"""A mirror on loopback that fails in a chosen way."""

import enum
import http.server
import socket
import threading
from pathlib import Path


class Fault(enum.Enum):
    """What the mirror does when it is asked for a file.

    GONE: answers 404. BUSY: answers 503. TRUNCATED: serves the first half as if it were all. WRONG: serves a file with
    one byte changed. DROPPED: closes the connection in mid-file. STALLED: sends the beginning and then nothing more.
    SILENT: takes the request and says nothing.
    """

    GONE = enum.auto()
    BUSY = enum.auto()
    TRUNCATED = enum.auto()
    WRONG = enum.auto()
    DROPPED = enum.auto()
    STALLED = enum.auto()
    SILENT = enum.auto()


class FaultyMirror:
    """Serves the files below a folder over HTTP, badly while `fault` is set. Use it as a context manager.

    stall_after: bytes that a STALLED or DROPPED file gets before that happens. requests: paths that were asked for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault: Fault | None = None
        self.stall_after = 1000
        self.requests: list[str] = []
        self._asked = threading.Event()
        self._ended = threading.Event()
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.requests.append(self.path)
                mirror._asked.set()
                mirror._answer(self)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def wait_for_request(self) -> None:
        """Waits until a file has been asked for."""
        assert self._asked.wait(timeout=120), "nothing was asked for"

    def __enter__(self) -> "FaultyMirror":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        content = (self.folder / request.path.lstrip("/")).read_bytes()
        match self.fault:
            case Fault.GONE:
                return request.send_error(404)
            case Fault.BUSY:
                return request.send_error(503)
            case Fault.SILENT:
                self._ended.wait()
                return None
            case Fault.TRUNCATED:
                content = content[: len(content) // 2]
            case Fault.WRONG:
                content = content[:-1] + bytes([content[-1] ^ 1])
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if self.fault not in (Fault.DROPPED, Fault.STALLED):
            request.wfile.write(content)
            return None
        request.wfile.write(content[: self.stall_after])
        request.wfile.flush()
        if self.fault is Fault.STALLED:
            self._ended.wait()
        request.connection.shutdown(socket.SHUT_RDWR)
        return None
