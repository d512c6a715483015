"""A build farm on loopback: BuildGrid with its database and storage, and buildbox workers.

Every server is a process of this test; none outlives it. What the farm stores lies in one folder,
one file a blob, so its bytes can be counted there.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

LOOPBACK = "127.0.0.1"
_PATIENCE = 120  # seconds for a server to come up on a busy machine
_POSTGRES = Path("/usr/lib/postgresql")

# Intervals are short: a build of forty small actions would otherwise be a test of timers. There are threads for all
# calls that may be under way: a worker whose call is turned away ends, and here nobody starts it again.
_CONFIGURATION = """\
server:
  - !channel
    address: "{address}"
    insecure-mode: true
connections:
  - !sql-connection &sql
    connection-string: {database}
    pool-size: 10
    max-overflow: 20
storages:
  - !disk-storage &storage
    path: {storage}
  - !disk-storage &cache-only-storage
    path: {cache_only_storage}
caches:
  - !lru-action-cache &cache
    storage: *storage
    max-cached-refs: 100000
    allow-updates: true
    cache-failed-actions: false
  - !lru-action-cache &cache-only-cache
    storage: *cache-only-storage
    max-cached-refs: 100000
    allow-updates: true
    cache-failed-actions: false
schedulers:
  - !sql-scheduler &scheduler
    sql: *sql
    storage: *storage
    action-cache: *cache
    poll-interval: 0.1
    bot-poll-interval: 0.1
    bot-session-keepalive-timeout: {keepalive}
    session-expiry-timer-interval: 1
    max-job-attempts: 5
    property-set: !dynamic-property-set
      match-property-keys: []
      wildcard-property-keys: []
    assigners:
      - !priority-age-assigner
        count: 1
        interval: 0.1
        priority-assignment-percentage: 100
instances:
  - name: ""
    services:
      - !action-cache
        cache: *cache
      - !execution
        scheduler: *scheduler
        operation-stream-keepalive-timeout: 10
      - !cas
        storage: *storage
      - !bytestream
        storage: *storage
  - name: "{cache_only}"
    services:
      - !action-cache
        cache: *cache-only-cache
      - !cas
        storage: *cache-only-storage
      - !bytestream
        storage: *cache-only-storage
thread-pool-size: 500
"""
CACHE_ONLY = "cache-only"  # name of the instance without execution, whose storage is its own
KEEPALIVE = 5  # seconds after which a silent worker counts as dead


class ServerError(AssertionError):
    """A server did not come up; the message has the end of its log."""


@dataclass(slots=True)
class Server:
    """A process that serves a port, with its log."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @classmethod
    def start(
        cls, name: str, command: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None
    ) -> Self:
        """Starts a program in a process group of its own; what it says goes to `folder`/`name`.log."""
        log = folder / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        return cls(name, process, log)

    def wait_until(self, ready: Callable[[], bool]) -> Self:
        """Waits until it is ready.

        Raises:
            ServerError: it ended before, or took too long.
        """
        end = time.monotonic() + _PATIENCE
        while not ready():
            if self.process.poll() is not None or time.monotonic() > end:
                said = "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
                raise ServerError(f"{self.name} is not there (status {self.process.poll()}):\n{said}")
            time.sleep(0.1)
        return self

    def kill(self) -> None:
        """Kills it with all that it started, as a machine that loses power."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ends it in order, or kills it."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.kill()


@dataclass(slots=True)
class Worker:
    """A worker machine: its storage daemon and the worker itself."""

    storage: Server
    worker: Server

    @property
    def alive(self) -> bool:
        """Whether it is there at all."""
        return self.worker.process.poll() is None

    def runs(self, program: str) -> bool:
        """Whether an action with this word in its command line runs on it now."""
        return any(program in command for command in _descendants(self.worker.process.pid).values())

    def kill(self) -> None:
        """Kills the whole machine with all that runs on it."""
        for pid in [*_descendants(self.worker.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.worker.kill()
        self.storage.kill()


@dataclass(slots=True)
class Farm:
    """BuildGrid and its workers below one folder."""

    folder: Path
    address: str = ""
    workers: list[Worker] = field(default_factory=list)
    _servers: list[Server] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        """What Bazel's --remote_executor and --remote_cache want."""
        return f"grpc://{self.address}"

    def blobs(self, instance: str = "") -> dict[str, int]:
        """sha256 to bytes of each blob in the storage of an instance. Results of actions are blobs of it too."""
        objects = self._storage(instance) / "cas/objects"
        return {path.parent.name + path.name: path.stat().st_size for path in objects.glob("??/*")}

    def _storage(self, instance: str) -> Path:
        return self.folder / f"storage-{instance or 'all'}"

    def start(self) -> Self:
        """Starts database and server; workers are added one by one."""
        self.folder.mkdir()
        database = self._start_database()
        self.address = f"{LOOPBACK}:{_free_port()}"
        configuration = self.folder / "buildgrid.yml"
        configuration.write_text(
            _CONFIGURATION.format(
                address=self.address,
                database=database,
                storage=self._storage(""),
                cache_only=CACHE_ONLY,
                cache_only_storage=self._storage(CACHE_ONLY),
                keepalive=KEEPALIVE,
            )
        )
        packages = Path(os.environ["BUILDGRID"]).resolve(strict=True)
        program: list[str | Path] = [sys.executable, packages / "bin/bgd"]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(packages), "PYTHONNOUSERSITE": "1"}
        subprocess.run([*program, "migrate", "apply", database], check=True, env=environment, stdout=subprocess.DEVNULL)
        server = Server.start("buildgrid", [*program, "server", "start", configuration], self.folder, environment)
        self._servers.append(server)
        server.wait_until(lambda: _answers(self.address))
        return self

    def _start_database(self) -> str:
        programs = _programs(_POSTGRES)
        data = self.folder / "database"
        subprocess.run(
            [
                programs / "initdb",
                "--auth=trust",
                "--username=buildgrid",
                "--no-sync",
                "--no-locale",
                "-E",
                "UTF8",
                data,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        port = _free_port()
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(port),
            "unix_socket_directories": "",
            # Nothing of it outlives the test.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        options = [f"--{key}={value}" for key, value in settings.items()]
        command: list[str | Path] = [programs / "postgres", "-D", data, *options]
        server = Server.start("database", command, self.folder)
        self._servers.append(server)
        ready: list[str | Path] = [
            programs / "pg_isready",
            f"--host={LOOPBACK}",
            f"--port={port}",
            "--username=buildgrid",
            "--quiet",
        ]
        server.wait_until(lambda: subprocess.run(ready, check=False).returncode == 0)
        return f"postgresql+psycopg://buildgrid@{LOOPBACK}:{port}/postgres"

    def add_worker(self) -> Worker:
        """Starts one more worker machine, which runs one action at a time."""
        name = f"worker{len(self.workers)}"
        folder = self.folder / name
        folder.mkdir()
        address = f"{LOOPBACK}:{_free_port()}"
        storage = Server.start(
            f"{name}-storage",
            ["buildbox-casd", f"--cas-remote=http://{self.address}", f"--bind={address}", folder / "storage"],
            folder,
            # Mounting (fuse) takes privileges.
            {**os.environ, "BUILDBOX_STAGER": "copy-or-link"},
        ).wait_until(lambda: _answers(address))
        worker = Server.start(
            name,
            [
                "buildbox-worker",
                f"--bots-remote=http://{self.address}",
                f"--cas-remote=http://{address}",
                "--buildbox-run=/usr/bin/buildbox-run-hosttools",
                "--concurrent-jobs=1",
                name,
            ],
            folder,
        )
        machine = Worker(storage, worker)
        self.workers.append(machine)
        return machine

    def stop(self) -> None:
        """Stops everything."""
        for machine in self.workers:
            machine.kill()
        for server in reversed(self._servers):
            server.stop()


@contextlib.contextmanager
def farm(folder: Path, workers: int) -> Iterator[Farm]:
    """A farm with that many workers, for a block."""
    it = Farm(folder)
    try:
        it.start()
        for _ in range(workers):
            it.add_worker()
        yield it
    finally:
        it.stop()


def _descendants(ancestor: int) -> dict[int, str]:
    """Process number to command line of all that a process started, and what that started."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # The name in parentheses may hold anything; the parent is the second word behind it (proc_pid_stat(5)).
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(folder.name)] = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
    found: dict[int, str] = {}
    for pid in commands:
        each = pid
        while each in parents and each != ancestor:
            each = parents[each]
        if each == ancestor and pid != ancestor:
            found[pid] = commands[pid]
    return found


def _programs(versions: Path) -> Path:
    """The programs of the newest version installed."""
    found = [path for path in versions.glob("*/bin") if re.fullmatch(r"\d+", path.parent.name)]
    return max(found, key=lambda path: int(path.parent.name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
