"""Boots images in QEMU, by turns, and tells the seconds from its start to the login and to the first answer of a port.

`bazel run //benchmarks:boot`. An image without a login on its console has the second figure only. Processor
seconds are QEMU's own: they say what a boot costs where the machine has other things to do.
"""

import argparse
import http.client
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import Times, progress
from benchmarks.report import spread, table, verdict
from sysimage.vm import disks
from sysimage.vm.qemu import Disk, Machine, VirtualMachine
from sysimage.vm.testing import free_port

SIZE = 50 << 30  # bytes of the disk
LIMIT_SECONDS = 900.0
POLL_SECONDS = 0.25
TRY_SECONDS = 2.0  # QEMU keeps a connection that came before the network of the guest was there


@dataclass(slots=True)
class Boots:
    """What the rounds of one image gave, in seconds."""

    login: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="boot", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tool", type=Path, required=True, help="folder with unpacked QEMU and firmware")
    parser.add_argument("--image", action="append", required=True, help="NAME=disk-img.tar.zst; may be repeated")
    parser.add_argument("--silent", action="append", default=[], help="NAME of an image without a login on its console")
    parser.add_argument("--only", action="append", help="NAME of an image to boot; may be repeated")
    parser.add_argument("--runs", type=int, default=3, help="boots of each image")
    parser.add_argument("--cpus", type=int, default=2, help="processors of the machine")
    parser.add_argument("--memory", type=int, default=2048, help="its memory in MiB")
    parser.add_argument("--port", type=int, default=8080, help="port of the guest that answers GET /status")
    parser.add_argument("--target", type=float, default=45.0, help="seconds to the login that are asked for")
    return parser.parse_args()


def processor_seconds(pid: int) -> float:
    """User and system time of a process, of all its threads: fields 14 and 15 of proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_answer(port: int) -> None:
    """Returns when GET /status has status 200. Raises TimeoutError."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=TRY_SECONDS)
        try:
            client.request("GET", "/status")
            if client.getresponse().status == http.client.OK:
                return
        except (OSError, http.client.HTTPException):
            pass  # nobody is there yet
        finally:
            client.close()
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"no answer within {LIMIT_SECONDS:g} s")


def boot(disk: Path, options: argparse.Namespace, silent: bool, into: Boots) -> None:
    """One boot, with a disk whose changes are thrown away: the first boot of an image, every time."""
    port = free_port()
    machine = Machine(
        [Disk(disk)], memory=options.memory, cpus=options.cpus, forward=[(port, options.port)], restart=False
    )
    with tempfile.TemporaryDirectory(prefix="boot-") as scratch:
        start = time.monotonic()
        with VirtualMachine(machine, options.tool, scratch, Path(scratch) / "console.txt") as running:
            if not silent:
                running.console.expect(r"login: ", LIMIT_SECONDS)
                into.login.append(time.monotonic() - start)
            wait_for_answer(port)
            into.answer.append(time.monotonic() - start)
            into.processor.append(processor_seconds(running.process.pid))


def row(name: str, boots: Boots, target: float) -> tuple[str, ...]:
    """What the table says of an image."""
    answer, processor = spread(Times(tuple(boots.answer))), spread(Times(tuple(boots.processor)))
    if not boots.login:
        return (name, "none", answer, processor, "")
    login = Times(tuple(boots.login))
    return (name, spread(login), answer, processor, verdict(login.median <= target))


def main() -> None:
    """Boots, and prints the table."""
    options = arguments()
    images = dict(word.split("=", 1) for word in options.image)
    names = options.only or list(images)
    results = {name: Boots() for name in names}
    with tempfile.TemporaryDirectory(prefix="boot-") as folder:
        unpacked = {}
        for name in names:
            place = Path(folder) / name
            place.mkdir()
            unpacked[name] = disks.unpack(images[name], place, size=SIZE)
        for number in range(options.runs):
            for name in names:
                load = os.getloadavg()[0]
                with progress(f"boot {number + 1} of {options.runs}: {name} (load {load:.1f})"):
                    boot(unpacked[name], options, name in options.silent, results[name])
    header = ("image", "login, s", "status answers, s", "processor, s", f"login <= {options.target:g} s")
    print("\n".join(table(header, (row(name, results[name], options.target) for name in names))))


if __name__ == "__main__":
    main()
