"""The gateway without a machine: the image's own nginx, curl and scripts in a network of their own.

`enter` puts the test into a user and a network namespace, so ports and addresses are the real ones and nobody else's.
Only the paths in nginx's configuration are others.
"""

import functools
import http.client
import os
import re
import shlex
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sysimage import locked_tool, namespaces
from tests.boundary.configuration.rootfs import FULL, Gateway

PROGRAMS: Final = Path("tests/boundary/gateway/programs").absolute()
TEMPLATES: Final = Path("ic-os/boundary-guestos/rootfs/etc/nginx").absolute()
REPLICAS: Final = ("fd00::1", "fd00::2")
PORT: Final = 8080
SECONDS: Final = 120.0
PAGE: Final = {
    "index.html": b"<!doctype html>",
    "install-worker.js": b"install",
    "sw.js": b"worker",
    "service-worker.json": b"{}\n",
}


@functools.cache
def enter(account: int = 1000) -> None:
    """Makes this process one of a network that has nothing but a loopback interface, with addresses for replicas.

    Args:
        account: its number from now on: an ordinary one, as nginx has in the image, or 0, which may change the network.
    """
    namespaces.own_network(REPLICAS, account, account)
    # In the image nginx has the capability for it.
    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")


def command(program: str, *words: str) -> list[str]:
    """The command line of a program of the image."""
    return locked_tool.command(PROGRAMS, program, list(words))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Log:
    """Takes what nginx logs, as the journal's socket does."""

    def __init__(self, path: Path) -> None:
        self._lines: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A path of more than 107 characters does not fit the address of a socket.
        with _inside(path.parent):
            self._socket.bind(path.name)
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            self._lines.append(self._socket.recv(65536).decode())

    def wait_for(self, text: str) -> str:
        """The first line with such a text."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for line in list(self._lines):
                if text in line:
                    return line
            time.sleep(0.05)
        raise TimeoutError(f"no line with {text!r} in {self._lines}")

    @property
    def lines(self) -> list[str]:
        """All lines so far."""
        return list(self._lines)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class Machine(Gateway):
    """A gateway with its scripts, its configuration and its nginx.

    Args:
        root: a folder for it.
        replicas: addresses of the replicas.
        changes: text of nginx's configuration, and what stands there instead.
        page: the files of the page.
        given: further files of the configuration, or others.
    """

    def __init__(
        self,
        root: Path,
        replicas: tuple[str, ...] = REPLICAS,
        changes: Mapping[str, str] = {},
        page: Mapping[str, bytes] = PAGE,
        given: Mapping[str, bytes] = {},
    ) -> None:
        super().__init__(root)
        for folder in ("run/ic-replicas", "run/ic/metrics", "run/nginx", "dev", "var/cache/nginx", "opt/ic/share/www"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name, data in page.items():
            (root / "opt/ic/share/www" / name).write_bytes(data)
        for path in (path for path in TEMPLATES.rglob("*") if path.is_file()):
            target = root / "etc/nginx" / path.relative_to(TEMPLATES)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self._moved(path.read_text(), changes))
        (root / "etc/nginx/mime.types").write_bytes((PROGRAMS / "etc/nginx/mime.types").read_bytes())
        self.program("curl", f'exec {shlex.join(command("curl"))} "$@"')
        self.configure({**FULL, "boundary.conf": f"ipv6_replica_ips={' '.join(replicas)}\n".encode(), **given})
        assert self.generate() == ""
        self.log = Log(root / "dev/log")
        self._nginx: subprocess.Popen[bytes] | None = None

    def _moved(self, text: str, changes: Mapping[str, str]) -> str:
        """A file of nginx's configuration with the paths of this folder."""
        text = text.replace("unix:/dev/log", "unix:dev/log")
        text = re.sub(r"(?<= )/(?=(etc/nginx|run|var/cache|opt/ic)/)", f"{self.root}/", text)
        for before, after in changes.items():
            text = text.replace(before, after)
        return text

    def check(self) -> str:
        """A round of questions to the replicas; what was said."""
        status, said = self.run("check-replicas.sh", "once")
        assert status == 0, said
        return said

    @contextmanager
    def serving(self) -> Iterator["Machine"]:
        """Nginx runs, after a first round."""
        self.check()
        words = command("nginx", "-c", f"{self.root}/etc/nginx/nginx.conf", "-e", "stderr", "-g", "daemon off;")
        errors = self.root / "nginx.errors"
        with errors.open("wb") as file:
            self._nginx = subprocess.Popen(words, cwd=self.root, stderr=file)
        try:
            self._wait(self._nginx, errors)
            yield self
        finally:
            self._nginx.terminate()
            self._nginx.wait(SECONDS)

    def _wait(self, process: subprocess.Popen[bytes], errors: Path) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("::1", 443)).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"nginx does not run: {errors.read_text()}")

    def wait_for_list(self, healthy: bool) -> None:
        """Waits until all workers know that there are healthy replicas, or that there are none: ten in a row say so.

        Those that are to end take connections for a moment yet.
        """
        deadline = time.monotonic() + SECONDS
        row = 0
        while time.monotonic() < deadline:
            row = row + 1 if self.ask("GET", "/health").status == (200 if healthy else 503) else 0
            if row == 10:
                return
            time.sleep(0.05)
        raise TimeoutError("nginx does not read the list anew")

    def wait_for_replica(self, name: str, path: str) -> None:
        """Waits until queries are forwarded to this replica alone: ten in a row, by turns."""
        deadline = time.monotonic() + SECONDS
        row = 0
        while time.monotonic() < deadline:
            try:
                row = row + 1 if self.ask("POST", path, b"turn").headers.get("x-replica") == name else 0
            except http.client.HTTPException:
                row = 0
            if row == 10:
                return
        raise TimeoutError(f"{name} is not the only replica that is asked")

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}, port: int = 443
    ) -> Answer:
        """Asks the gateway on a connection of its own."""
        connection = connect(port)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
        finally:
            connection.close()


def tls() -> ssl.SSLContext:
    """TLS as a client has it that does not know who signed the certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(port: int = 443) -> http.client.HTTPConnection:
    """A connection to the gateway."""
    if port == 80:
        return http.client.HTTPConnection("::1", port, timeout=SECONDS)
    return http.client.HTTPSConnection("::1", port, timeout=SECONDS, context=tls())
