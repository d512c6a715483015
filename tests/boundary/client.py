"""A client of the gateway: single requests, and a pool of connections that are kept, as a library's is."""

import asyncio
import http.client
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

SECONDS: Final = 180.0  # for an answer, from a machine that is emulated
HANDSHAKES: Final = 16  # at a time


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Client:
    """Asks a gateway, whose certificate must be good for `name`.

    port: of this machine, which leads to the gateway's.
    certificate: the one that is trusted, in PEM.
    """

    name: str
    port: int
    certificate: str
    context: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def __post_init__(self) -> None:
        self.context.load_verify_locations(cadata=self.certificate)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request over a connection of its own."""
        # It connects to the name; where that lies says the forwarded port.
        connection = _Connection(self.name, self.port, context=self.context, timeout=SECONDS)
        try:
            connection.request(method, path, body, dict(headers or {}))
            found = connection.getresponse()
            return Answer(found.status, {key.lower(): value for key, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def burst(self, path: str, bodies: Sequence[bytes], connections: int) -> list[tuple[int, bytes]]:
        """Posts all bodies over so many connections at once, each kept for its share.

        Returns:
            Status and body of each answer, in the order of the bodies.
        """
        return asyncio.run(self._burst(path, bodies, connections))

    async def _burst(self, path: str, bodies: Sequence[bytes], connections: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = [(0, b"")] * len(bodies)
        handshakes = asyncio.Semaphore(HANDSHAKES)

        async def share(first: int) -> None:
            async with handshakes:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self.port, ssl=self.context, server_hostname=self.name, ssl_handshake_timeout=SECONDS
                )
            for number in range(first, len(bodies), connections):
                body = bodies[number]
                head = f"POST {path} HTTP/1.1\r\nHost: {self.name}\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                found[number] = await asyncio.wait_for(_answer(reader), SECONDS)
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*map(share, range(connections)))
        return found


class _Connection(http.client.HTTPSConnection):
    def connect(self) -> None:
        name, self.host = self.host, "127.0.0.1"
        http.client.HTTPConnection.connect(self)
        self.host = name
        self.sock = self._context.wrap_socket(self.sock, server_hostname=name)  # type: ignore[attr-defined]


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
    body = await reader.readexactly(int(headers["content-length"]))
    return int(lines[0].split(" ")[1]), body
