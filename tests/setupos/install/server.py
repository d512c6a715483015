"""A server in QEMU that SetupOS is to install: the stick with its configuration, the disks, an NNS that answers.

A firmware that keeps its variables goes with it, so that the boot entry that SetupOS makes is there at the next start.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET6

from sysimage.edit import Change, edit_image, partition_tree, read_file
from sysimage.extents import open_raw
from sysimage.vm import disks
from sysimage.vm.console import Console
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import log, tool
from tests.hostos.configuration.field import NAME_SERVER, PREFIX, ROUTER
from tests.hostos.configuration.host import MAC
from tests.vm.system import BOOT_SECONDS, Running, System

SETUPOS = System("setupos", size=0, memory=4096)
INSTALL_SECONDS = 1800.0  # under emulation, on a busy machine
FIRST_DISK = 110 << 30  # bytes, sparse; HostOS wants 100.2 GiB
SECOND_DISK = 20 << 30
NOT_HERE = ("cpu", "memory", "disks")  # what QEMU cannot give, under the names by which it can be skipped

CONFIG_INI = f"ipv6_prefix={PREFIX}\nipv6_gateway={ROUTER}\n"
_DONE = r"^.*SETUPOS DONE: [^\n]*"
_FAILED = r"^.*SETUPOS FAILED in step [^\n]*"


class Nns:
    """What answers in the place of the NNS: a server on this machine, which machines in QEMU reach at the router."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        nns = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                nns.asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            address_family = AF_INET6

        self._server = Server(("::1", 0), Handler)
        self.url = f"http://[{ROUTER}]:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="nns", daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def answering_nns() -> Iterator[Nns]:
    """An NNS that answers as long as the block lasts."""
    nns = Nns()
    try:
        yield nns
    finally:
        nns.stop()


def deployment(nns: str) -> str:
    """deployment.json for a host whose guest is emulated and small, as it must be in QEMU.

    The emulated processor has the extension for guests, but QEMU stops when one runs.
    """
    return json.dumps(
        {
            "deployment": {"name": "mainnet", "mgmt_mac": MAC},
            "nns": {"url": nns},
            "dns": {"name_servers": NAME_SERVER},
            "resources": {"memory": "2", "cpu": "qemu", "nr_of_vcpus": "1"},
        }
    )


def make_stick(image: Path, folder: Path, config: Mapping[str, str | None], data: Mapping[str, str | None]) -> Path:
    """A stick with the image, and these files in its partitions `config` and `data`; None takes one away."""
    stick = disks.unpack(image, folder)
    changes = {
        name: [Change(file, None if content is None else content.encode()) for file, content in files.items()]
        for name, files in (("config", config), ("data", data))
    }
    edit_image(stick, changes)
    return stick


def on_stick(stick: Path, name: str) -> str | None:
    """A file of the stick's partition `config`; None if there is none."""
    reader = open_raw(stick)
    with reader.sources:
        content = read_file(reader, partition_tree(reader, "config"), name)
    return None if content is None else content.decode()


def empty_disk(target: Path, size: int) -> Path:
    """A disk that nothing was ever written to."""
    with target.open("wb") as file:
        file.truncate(size)
    return target


@dataclass(frozen=True, slots=True)
class Server:
    """A machine with NVMe disks. What is made zero on them becomes a hole of the file, if it may be deallocated."""

    folder: Path
    disks: Sequence[Path]

    @contextmanager
    def start(
        self,
        name: str,
        *,
        stick: Path | None = None,
        write_log: Path | None = None,
        forward: Sequence[tuple[int, int]] = (),
    ) -> Iterator[Running]:
        """Starts it; leaving the `with` block pulls its plug, and its own reboot ends it.

        Args:
            name: of the console's log among the test's outputs.
            stick: what is plugged in.
            write_log: a file that gets every write to the first disk.
            forward: as for `Machine`.
        """
        logs = [write_log, *(None for _ in self.disks[1:])]
        drives = [
            Disk(disk, writable=True, nvme=True, serial=disk.stem, write_log=written)
            for disk, written in zip(self.disks, logs, strict=True)
        ]
        if stick is not None:
            drives.append(Disk(stick, writable=True, removable=True))
        machine = Machine(
            drives,
            memory=SETUPOS.memory,
            network=True,
            forward=forward,
            variables=self.folder / "firmware-variables.fd",
        )
        with VirtualMachine(machine, tool(), self.folder, log(name)) as running:
            yield Running(running, self.disks[0], SETUPOS)

    def install(self, name: str, stick: Path, write_log: Path | None = None) -> None:
        """Starts it with the stick, which must do its work and restart it."""
        with self.start(name, stick=stick, write_log=write_log) as running:
            said = outcome(running.console)
            assert said.startswith("SETUPOS DONE: "), said
            running.machine.wait(BOOT_SECONDS)


def outcome(console: Console, seconds: float = INSTALL_SECONDS) -> str:
    """Waits for what SetupOS says at its end: the line, from SETUPOS on."""
    line = console.expect([_DONE, _FAILED], seconds)[0]
    return line[line.index("SETUPOS ") :]
