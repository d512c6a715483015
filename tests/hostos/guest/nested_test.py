"""The guest in HostOS in QEMU: a machine in a machine, both emulated, so it takes its time.

By default it ends where the guest's firmware and boot loader have shown themselves on its console, the guest was
killed once, and libvirt has said how it would start QEMU on a server with KVM, and with SEV-SNP. With WHOLE=yes
(//tests/hostos/guest:nested_whole_test) the running host writes the image into the guest's volume itself, and it ends
when the guest answers at the address that the host derived, and has shut down in order.
"""

import base64
import ipaddress
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from sysimage.extents import data_ranges
from sysimage.vm import disks
from sysimage.vm.qemu import Disk, VirtualMachine
from sysimage.vm.testing import log, path, tool
from tests.hostos.configuration.host import MAC
from tests.hostos.host import HOSTOS, configure
from tests.vm.system import Image, Running, region

pytest_plugins = ["tests.hostos.host"]

WHOLE: Final = os.environ["WHOLE"] == "yes"
FIRMWARE_SECONDS: Final = 3600.0
BOOT_SECONDS: Final = 6 * 3600.0
GOLDEN: Final = Path("tests/hostos/guest/golden").absolute()
# The network that the test's machine is in.
PREFIX, ROUTER, NAME_SERVER = "fd2b:110b:b7cd:0", "fd2b:110b:b7cd::2", "fd2b:110b:b7cd::3"
# The prefix, and EUI-64 of the guest's MAC, 6a:01:f4:09:d7:2a.
ADDRESS: Final = "fd2b:110b:b7cd:0:6801:f4ff:fe09:d72a"
BESIDE: Final = "fd2b:110b:b7cd::77"
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
LOG: Final = "/var/log/libvirt/qemu"
METRICS: Final = "/run/ic/metrics/guestos.prom"
PIECE: Final = 2000
GAP: Final = 64 << 20  # bytes
CAPABILITIES: Final = "/var/cache/libvirt/qemu/capabilities/*.xml"
SEV_FLAGS: Final = "<flag name='sev-guest'/><flag name='sev-snp-guest'/>"
SEV: Final = (
    "<sev><cbitpos>51</cbitpos><reducedPhysBits>1</reducedPhysBits>"
    "<pdh>x</pdh><certChain>x</certChain><cpu0Id>x</cpu0Id></sev>"
)


@pytest.fixture
def host(image: Image, copy: Path, tmp_path: Path) -> Iterator[Running]:
    """A configured host, with GuestOS in its volume, or on a second disk."""
    configure(copy, FILES, tmp_path)
    guest = disks.unpack(path("GUEST"), tmp_path / "guest")
    drives = [HOSTOS.disk(copy, writable=WHOLE)]
    if WHOLE:
        drives.append(Disk(guest, read_only=True))
    else:
        offset, size = region(copy, HOSTOS.volume("guestos"))
        assert guest.stat().st_size <= size
        disks.replace(copy, offset, guest)
    machine = HOSTOS.machine(drives, memory=4096, cpus=2)
    with VirtualMachine(machine, tool(), tmp_path, log("nested")) as running:
        yield Running(running, copy, HOSTOS)


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
    return float(host.succeeds(f"sed -n 's/^hostos_guest_{name} //p' {METRICS}"))


def wait_for(host: Running, condition: str, seconds: float) -> None:
    host.succeeds(f"until {condition}; do sleep 2; done", seconds)


def write_guest(host: Running, guest: Path) -> None:
    """What an installer does: it leaves the holes of tens of gigabytes out."""
    # Firmware that finds no system does not hear that it is to shut down, so it is switched off in the end.
    host.succeeds("systemctl stop guestos", FIRMWARE_SECONDS)
    for start, end in pieces(guest):
        host.succeeds(
            f"dd if=/dev/vda of=/dev/hostlvm/guestos bs=1M iflag=skip_bytes,count_bytes oflag=seek_bytes "
            f"skip={start} seek={start} count={end - start} conv=sparse,fsync,notrunc status=none",
            FIRMWARE_SECONDS,
        )
    host.succeeds("systemctl start --no-block guestos")


def on_console(host: Running, text: str, seconds: float) -> None:
    wait_for(host, f"grep -q -a -F '{text}' {LOG}/guestos-console.log", seconds)


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
    raw = host.succeeds("base64 --wrap=0 /proc/$(cat /run/libvirt/qemu/guestos.pid)/cmdline")
    words = base64.b64decode(raw).decode().rstrip("\0").split("\0")
    assert argv(words) == (GOLDEN / "emulated-small.qemu").read_text()
    assert host.succeeds("ps -o user= -p $(cat /run/libvirt/qemu/guestos.pid)") == "libvirt-qemu"
    # The bridge has the guest's tap beside its port to the world.
    assert "guestos" in host.succeeds("ls /sys/class/net/br6/brif").split()
    # Nothing of libvirt is open to others than root.
    assert host.succeeds("stat -c %a /run/libvirt/libvirt-sock") == "600"
    assert host.run("systemctl is-active libvirtd-ro.socket libvirtd-admin.socket libvirt-guests.service")[1] != 0


def check_metrics(host: Running, starts: int) -> None:
    host.succeeds("systemctl start monitor-guestos")
    values = {name: metric(host, name) for name in ("configured", "up", "starts_total", "emulated", "sev_snp")}
    assert values == {"configured": 1, "up": 1, "starts_total": starts, "emulated": 1, "sev_snp": 0}
    said = host.succeeds("journalctl -b -u monitor-guestos -o cat | grep '^monitor-guestos: the guest is' | tail -n 1")
    assert said == f"monitor-guestos: the guest is running (emulation), start {starts}"


def copy_to(host: Running, file: Path, target: str) -> None:
    """In pieces, since a terminal takes no long line."""
    text = base64.b64encode(file.read_bytes()).decode()
    host.succeeds(f": > {target}.base64")
    for start in range(0, len(text), PIECE):
        host.succeeds(f"echo {text[start : start + PIECE]} >> {target}.base64")
    host.succeeds(f"base64 --decode {target}.base64 > {target}")


def check_server(host: Running, name: str) -> None:
    """How libvirt would start QEMU on a server. Nothing of that could run here."""
    copy_to(host, GOLDEN / f"{name}.xml", f"/run/{name}.xml")
    host.succeeds(f"virsh domxml-to-native qemu-argv --xml /run/{name}.xml > /run/{name}.qemu")
    words = shlex.split(host.succeeds(f"cat /run/{name}.qemu"))
    # Behind its environment.
    assert argv(words[words.index("/usr/bin/qemu-system-x86_64") :]) == (GOLDEN / f"{name}.qemu").read_text()


def pretend_sev_snp(host: Running) -> None:
    """What libvirt would have learned of QEMU on a processor with SEV-SNP, in the file where it keeps that."""
    host.succeeds(f"sed -i -e \"s,^  <flag name='sdl'/>,{SEV_FLAGS}&,\" -e 's,^</qemuCaps>,{SEV}&,' {CAPABILITIES}")
    host.succeeds("systemctl restart libvirtd")


def kill_guest(host: Running) -> None:
    """It is started again by itself, of a configuration that was made anew."""
    host.succeeds("rm /run/guestos/guestos.xml; kill -9 $(cat /run/libvirt/qemu/guestos.pid)")
    wait_for(host, "grep -q -x 2 /run/guestos/starts", FIRMWARE_SECONDS)
    host.succeeds("test -f /run/guestos/guestos.xml")
    check_metrics(host, 2)


def check_address(host: Running) -> None:
    """Asked by a machine beside the host, on the same bridge: the host's own firewall lets it ask nobody for that."""
    host.succeeds("ip netns add beside && ip link add beside0 type veth peer name cable netns beside")
    host.succeeds("ip link set beside0 master br6 up && ip -n beside link set cable up")
    host.succeeds(f"ip -n beside addr add {BESIDE}/64 dev cable nodad")
    ask = f"ip netns exec beside curl --silent --fail --max-time 60 http://[{ADDRESS}]:8080/status"
    wait_for(host, f"{ask} > /run/status", BOOT_SECONDS)
    status = json.loads(host.succeeds("cat /run/status"))
    assert status["healthy"] is True
    assert ADDRESS in [str(ipaddress.IPv6Address(each)) for each in status["ipv6_addresses"]]


def test_guest(host: Running, tmp_path: Path) -> None:
    host.login()
    starts = 1
    wait_for(host, f"grep -q -s -x {starts} /run/guestos/starts", FIRMWARE_SECONDS)
    if WHOLE:
        # The empty volume that the machine was started with.
        write_guest(host, tmp_path / "guest/disk.img")
        starts = 2
        wait_for(host, f"grep -q -x {starts} /run/guestos/starts", FIRMWARE_SECONDS)
    assert host.succeeds("systemctl --failed --no-legend --plain") == ""
    check_machine(host)
    check_metrics(host, starts)
    on_console(host, "GRUB: booting slot A, state ", FIRMWARE_SECONDS)
    if not WHOLE:
        kill_guest(host)
        check_server(host, "kvm")
        pretend_sev_snp(host)
        check_server(host, "sev-snp")
        return
    on_console(host, "guest-3cecef6b3799 login:", BOOT_SECONDS)
    on_console(host, "bootstrap-ic-node: the node is configured", FIRMWARE_SECONDS)
    check_address(host)
    host.succeeds("systemctl stop guestos", FIRMWARE_SECONDS)
    assert "guestos: stopped: shutdown" in host.succeeds("journalctl -b -u guestos -o cat")
