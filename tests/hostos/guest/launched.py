"""HostOS in QEMU with the guest that it launches, for tests."""

import base64
import ipaddress
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sysimage.extents import data_ranges
from sysimage.vm import disks
from sysimage.vm.qemu import Disk, VirtualMachine
from sysimage.vm.testing import log, path, tool
from tests.hostos.configuration.host import MAC
from tests.hostos.host import HOSTOS, configure
from tests.vm.system import Running, region

FIRMWARE_SECONDS: Final = 3600.0
GOLDEN: Final = Path("tests/hostos/guest/golden").absolute()
VOLUME: Final = HOSTOS.volume("guestos")
# The network that the test's machine is in.
PREFIX, ROUTER, NAME_SERVER = "fd2b:110b:b7cd:0", "fd2b:110b:b7cd::2", "fd2b:110b:b7cd::3"
# The prefix, and EUI-64 of the guest's MAC.
GUEST_MAC: Final = "6a:01:f4:09:d7:2a"
ADDRESS: Final = "fd2b:110b:b7cd:0:6801:f4ff:fe09:d72a"
BESIDE: Final = "fd2b:110b:b7cd::77"
# What the guest says on its console when it is up.
LOGIN: Final = "guest-3cecef6b3799 login:"
TAKEN: Final = "bootstrap-ic-node: the node is configured"
FILES: Final = {
    "config.ini": f"ipv6_prefix={PREFIX}\nipv6_gateway={ROUTER}\n".encode(),
    # The emulated processor has the extension for guests, but QEMU 10.0 stops when one runs.
    "deployment.json": json.dumps(
        {
            "deployment": {"name": "mainnet", "mgmt_mac": MAC},
            "dns": {"name_servers": NAME_SERVER},
            "resources": {"memory": "2", "cpu": "qemu", "nr_of_vcpus": "1"},
        }
    ).encode(),
}
METRICS: Final = "/run/ic/metrics/guestos.prom"
GAP: Final = 64 << 20  # bytes


@contextmanager
def boot_host(disk: Path, scratch: Path, name: str, *, installed: bool, **options: Any) -> Iterator[Running]:
    """Starts a configured host.

    Args:
        disk: a copy of HostOS's disk.
        scratch: a folder for its files; `disk.img` in its folder `guest` is the guest's disk.
        name: of the console's log.
        installed: the guest is in its volume already, and what the host writes is thrown away; else the guest's disk is
            its /dev/vda, and the host's own is written to.
        **options: of `Machine`.
    """
    configure(disk, FILES, scratch)
    guest = disks.unpack(path("GUEST"), scratch / "guest")
    drives = [HOSTOS.disk(disk, writable=not installed)]
    if installed:
        offset, size = region(disk, VOLUME)
        assert guest.stat().st_size <= size
        disks.replace(disk, offset, guest)
    else:
        drives.append(Disk(guest, read_only=True))
    machine = HOSTOS.machine(drives, memory=4096, cpus=2, **options)
    with VirtualMachine(machine, tool(), scratch, log(name)) as running:
        yield Running(running, disk, HOSTOS)


def pieces(disk: Path) -> list[tuple[int, int]]:
    """Where a sparse file has content: beginnings and ends, in bytes. Small holes count as content."""
    found: list[tuple[int, int]] = []
    with open(disk, "rb") as file:
        for start, end in data_ranges(file.fileno(), disk.stat().st_size):
            if found and start - found[-1][1] < GAP:
                start = found.pop()[0]
            found.append((start, end))
    return found


def metric(host: Running, name: str) -> float:
    """What the host says of its guest to Prometheus."""
    return float(host.succeeds(f"sed -n 's/^hostos_guest_{name} //p' {METRICS}"))


def wait_for(host: Running, condition: str, seconds: float) -> None:
    """Waits until a command of the host's succeeds."""
    host.succeeds(f"until {condition}; do sleep 2; done", seconds)


def switch_off(host: Running) -> None:
    """Ends the guest's machine, and no other is started: `stop` alone would give its firmware five minutes."""
    # The service knows that it is to end before its machine is gone.
    host.succeeds("systemctl stop --no-block guestos && virsh destroy --domain guestos && systemctl stop guestos")


def write_guest(host: Running, guest: Path) -> None:
    """What an installer does: it leaves the holes of tens of gigabytes out."""
    switch_off(host)
    for start, end in pieces(guest):
        host.succeeds(
            f"dd if=/dev/vda of=/dev/{VOLUME} bs=1M iflag=skip_bytes,count_bytes oflag=seek_bytes "
            f"skip={start} seek={start} count={end - start} conv=sparse,fsync,notrunc status=none",
            FIRMWARE_SECONDS,
        )
    host.succeeds("systemctl start --no-block guestos")


def command_line(host: Running) -> list[str]:
    """That of the QEMU that runs the guest."""
    raw = host.succeeds("base64 --wrap=0 /proc/$(cat /run/libvirt/qemu/guestos.pid)/cmdline")
    return base64.b64decode(raw).decode().rstrip("\0").split("\0")


def argv(words: Sequence[str]) -> str:
    """A command line of QEMU, an option a line, without what libvirt numbers by what else is open."""
    text = " ".join(words)
    text = re.sub(r'("(?:vhost)?fd":)"[^"]*"', r'\1"N"', text)
    text = re.sub(r"domain-(-1|\d+)-guestos", "domain-N-guestos", text)
    text = re.sub(r"\bfd=\d+", "fd=N", text)
    return re.sub(r" (?=-[a-z])", "\n", text) + "\n"


def check_machine(host: Running) -> None:
    """The description is one by libvirt's own schema, and QEMU was started as the golden file says."""
    described = host.succeeds("cat /run/guestos/guestos.xml")
    assert described == (GOLDEN / "emulated-small.xml").read_text().strip()
    host.succeeds("xmllint --noout --relaxng /usr/share/libvirt/schemas/domain.rng /run/guestos/guestos.xml")
    assert argv(command_line(host)) == (GOLDEN / "emulated-small.qemu").read_text()
    assert host.succeeds("ps -o user= -p $(cat /run/libvirt/qemu/guestos.pid)") == "libvirt-qemu"
    # The bridge has the guest's tap beside its port to the world.
    assert "guestos" in host.succeeds("ls /sys/class/net/br6/brif").split()
    # Nothing of libvirt is open to others than root.
    assert host.succeeds("stat -c %a /run/libvirt/libvirt-sock") == "600"
    assert host.run("systemctl is-active libvirtd-ro.socket libvirtd-admin.socket libvirt-guests.service")[1] != 0


def check_metrics(host: Running, starts: int) -> None:
    """The host says that its guest runs, and that it is emulated."""
    host.succeeds("systemctl start monitor-guestos")
    values = {name: metric(host, name) for name in ("configured", "up", "starts_total", "emulated", "sev_snp")}
    assert values == {"configured": 1, "up": 1, "starts_total": starts, "emulated": 1, "sev_snp": 0}
    said = host.succeeds("journalctl -b -u monitor-guestos -o cat | grep '^monitor-guestos: the guest is' | tail -n 1")
    assert said == f"monitor-guestos: the guest is running (emulation), start {starts}"


def launch(host: Running, scratch: Path, *, installed: bool) -> None:
    """Waits until the host has launched the guest, and checks what it made of it.

    Args:
        host: what `boot_host` started.
        scratch: as for `boot_host`.
        installed: as for `boot_host`. Where it is not, the host writes the guest into its volume.
    """
    host.login()
    starts = 1
    wait_for(host, f"grep -q -s -x {starts} /run/guestos/starts", FIRMWARE_SECONDS)
    if not installed:
        # The empty volume that the machine was started with.
        write_guest(host, scratch / "guest/disk.img")
        starts = 2
        wait_for(host, f"grep -q -x {starts} /run/guestos/starts", FIRMWARE_SECONDS)
    assert host.succeeds("systemctl --failed --no-legend --plain") == ""
    check_machine(host)
    check_metrics(host, starts)


def add_neighbour(host: Running) -> str:
    """Puts a machine beside the host, on the same bridge; what a command has before it to run there.

    The host's own firewall lets the host ask nobody for the status of a replica.
    """
    host.succeeds("ip netns add beside && ip link add beside0 type veth peer name cable netns beside")
    host.succeeds("ip link set beside0 master br6 up && ip -n beside link set cable up")
    host.succeeds(f"ip -n beside addr add {BESIDE}/64 dev cable nodad")
    return "ip netns exec beside"


def check_address(host: Running, seconds: float) -> str:
    """The guest answers a neighbour at the address that the host derived; what asks as that neighbour, as a command."""
    neighbour = add_neighbour(host)
    ask = f"{neighbour} curl --silent --fail --max-time 60 http://[{ADDRESS}]:8080/status"
    wait_for(host, f"{ask} > /run/status", seconds)
    status = json.loads(host.succeeds("cat /run/status"))
    assert status["healthy"] is True
    assert ADDRESS in [str(ipaddress.IPv6Address(each)) for each in status["ipv6_addresses"]]
    return neighbour
