"""A machine for the installer that is a folder: its files are real ones, what its programs say is given by the test."""

import contextlib
import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from setupos import network
from setupos.machine import Machine, Result

GIB = 1 << 30
MODEL = "AMD EPYC 7302 16-Core Processor"
MILAN = "AMD EPYC 7313 16-Core Processor"
OK = Result(0, "", "")
BAD = Result(1, "", "it says no\n")
# What `ip` says of an address; flags go into the braces.
SHOWN = "2: br6    inet6 2001:db8::9/64 scope global {}\\ valid_lft forever\n"
REAL = ("fallocate",)  # programs of this machine that are run as they are


class MakeBelieve(Machine):
    """Below a root folder. answers: what a program says, by the beginning of its command line; the longest counts."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.ran: list[str] = []
        self.answers: dict[str, Result | Callable[[], Result]] = {}
        self.time = 0.0
        self.put("/proc/self/mountinfo", "1 0 8:3 / /config ro\n2 0 8:4 / /data ro\n3 0 253:0 / / ro\n")
        for device in ("ttyS0", "tty0"):
            self.put(f"/dev/{device}", "")

    def put(self, name: str, content: str | bytes) -> Path:
        """Makes a file."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def _execute(self, command: Sequence[str], stdin: str, environment: Mapping[str, str]) -> Result:
        line = " ".join(command).replace(str(self.root), "")
        self.ran.append(line)
        if command[0] in REAL and command[0] not in self.answers:
            return super()._execute(command, stdin, environment)
        fitting = [words for words in self.answers if line.startswith(words)]
        if not fitting:
            return OK
        answer = self.answers[max(fitting, key=len)]
        return answer if isinstance(answer, Result) else answer()

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.time += seconds

    def now(self) -> float:
        """Seconds."""
        return self.time

    def set_processors(self, model: str = MODEL, sockets: int = 2, threads: int = 64, flags: str = "fpu sev") -> None:
        """What /proc/cpuinfo says."""
        blocks = [
            f"processor\t: {number}\nmodel name\t: {model}\nphysical id\t: {number % sockets}\nflags\t\t: {flags}\n"
            for number in range(threads)
        ]
        self.put("/proc/cpuinfo", "\n".join(blocks))

    def set_memory(self, modules: Sequence[int], usable: int) -> None:
        """Sizes of the modules, and what can be used of them, both in GiB."""
        table = bytes([0, 24, 0, 0]) + bytes(20) + b"vendor\0\0"
        for number, size in enumerate(modules):
            mib = size << 10
            body = struct.pack("<BBH8xH14xI", 17, 34, number, min(mib, 0x7FFF), mib if mib >= 0x7FFF else 0)
            table += body + bytes(34 - len(body)) + b"DIMM\0\0"
        self.put("/sys/firmware/dmi/tables/DMI", table)
        self.put("/proc/meminfo", f"MemTotal: {usable << 20} kB\nMemFree: 1 kB\n")

    def add_disk(self, name: str, size: int, removable: bool = False) -> None:
        """A disk; what is below /dev stays a hole."""
        self.put(f"/sys/block/{name}/size", f"{size // 512}\n")
        self.put(f"/sys/block/{name}/removable", f"{int(removable)}\n")
        self.put(f"/sys/block/{name}/device/model", "MODEL\n")
        self.put(f"/sys/block/{name}/device/serial", f"S-{name}\n")
        with contextlib.suppress(OSError), open(self.put(f"/dev/{name}", b""), "wb") as file:
            os.truncate(file.fileno(), size)

    def mount(self, number: str, disk: str, partition: str) -> None:
        """Something is mounted from a partition."""
        self.put(f"/sys/devices/{disk}/{partition}/partition", "1\n")
        link = self.path(f"/sys/dev/block/{number}")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(self.path(f"/sys/devices/{disk}/{partition}"))

    def configure(self, **files: str | bytes | None) -> None:
        """A configuration on the stick, and what HostOS's scripts say of it; None leaves a file out."""
        key = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"
        content: dict[str, str | bytes | None] = {
            "/config/config.ini": "ipv6_prefix=2001:db8:0:0\nipv6_gateway=2001:db8::1\n",
            "/data/deployment.json": json.dumps({"deployment": {"name": "dev"}}),
            "/data/nns_public_key.pem": key,
            **files,
        }
        for name, data in content.items():
            if data is not None:
                self.put(name, data)
        said = {"mgmt_mac": "3c:ec:ef:6b:37:99", "memory": "490", "verbose": "true", "nns_url": "a,b"}
        for name, value in said.items():
            self.answers[f"/opt/ic/bin/host-config.sh get {name}"] = Result(0, value + "\n", "")
        self.answers["awk"] = OK

    def connect(self) -> None:
        """Ports, and an address that comes up."""
        address = "/opt/ic/bin/deterministic-address.sh"
        self.answers["/opt/ic/bin/list-ports.sh"] = Result(0, "eno1\neno2\n", "")
        self.answers[f"{address} ipv6"] = Result(0, "2001:db8::9\n", "")
        self.answers[f"{address} mac"] = Result(0, "6a:0f:f4:09:d7:2a\n", "")
        self.answers["ip "] = Result(0, SHOWN.format(""), "")
        for name in network.FILES:
            self.put(f"/opt/ic/share/network/{name}", name)
