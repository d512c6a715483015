"""The guest that HostOS describes, in a QEMU beside the host's machine: one level of emulation, so it ends in minutes.

The host writes GuestOS into its volume, makes the medium and the description, and starts the machine, as always. Then
that machine is switched off, and QEMU is started here as the host had started it (`beside.py`), on the host's volume,
with the host's medium, firmware and variables, and with its card on the host's bridge.
"""

import hashlib
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sysimage.vm.qemu import Emulator, Port
from sysimage.vm.testing import log, tool
from tests.guestos.guest import GUESTOS
from tests.hostos.guest.beside import Parts, translate
from tests.hostos.guest.launched import (
    ADDRESS,
    GUEST_MAC,
    LOGIN,
    TAKEN,
    VOLUME,
    boot_host,
    check_address,
    command_line,
    launch,
    metric,
    switch_off,
    wait_for,
)
from tests.hostos.host import HOSTOS
from tests.vm.system import BOOT_SECONDS, COMMAND_SECONDS, Image, Running, filesystem, region

pytest_plugins = ["tests.hostos.host"]

FIRMWARE: Final = "usr/share/OVMF/OVMF_CODE_4M.fd"
CARD_ROM: Final = "usr/share/qemu/efi-virtio.rom"
VARIABLES, MEDIUM = "firmware-variables.fd", "bootstrap.img"
PORT_MAC: Final = "52:54:00:00:00:06"
# Ports of the guest: one that its firewall does not name, one that it names and where nobody listens in a dev variant.
UNNAMED, UNUSED = 8081, 4100
CURL_REFUSED, CURL_TIMEOUT = 7, 28
PATIENCE: Final = 10  # seconds


def take_of_root(disk: Path, name: str, folder: Path) -> Path:
    """Copies a file of the host's root here."""
    content, view = filesystem(disk, HOSTOS.volume("A_root"))
    target = folder / Path(name).name
    with view.sources as sources:
        target.write_bytes(content.read(content.resolve(name), sources))
    return target


def take_of_run(host: Running, name: str, folder: Path) -> Path:
    """Copies a file of the host's /run/guestos here, through the port of its name."""
    host.succeeds(f"cat /run/guestos/{name} > /dev/virtio-ports/{name}")
    digest = host.succeeds(f"sha256sum < /run/guestos/{name}").split()[0]
    assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    return folder / name


def plug_in(host: Running) -> None:
    """Gives the host's machine a card, whose other end is the guest's, and puts it where the guest's tap was."""
    ports = host.succeeds("cat /sys/class/net/bond6/bonding/slaves")
    # Any other card that comes is a port to the world, and joins the bond.
    rule = "[Match]\\nMACAddress=%s\\n[Network]\\nBridge=br6\\nLinkLocalAddressing=no\\n"
    host.succeeds(f"printf '{rule}' {PORT_MAC} > /run/systemd/network/10-guest.network && networkctl reload")
    host.machine.control("device_add", driver="virtio-net-pci", bus="spare", netdev="cable", mac=PORT_MAC, romfile="")
    wait_for(host, f"grep -q -s -x {PORT_MAC} /sys/class/net/br6/brif/*/../address", COMMAND_SECONDS)
    assert host.succeeds("cat /sys/class/net/bond6/bonding/slaves") == ports


@contextmanager
def boot_beside(host: Running, root: Path, cable: int, folder: Path) -> Iterator[Running]:
    """Starts the guest's machine as the host had started it, which is switched off first.

    Args:
        host: a host that has launched its guest.
        root: HostOS's disk as it was.
        cable: the guest's end of it.
        folder: for the machine's files; the host's ports write there.
    """
    words = command_line(host)
    switch_off(host)
    host.succeeds(f"sync && blockdev --flushbufs /dev/{VOLUME}")
    plug_in(host)
    offset, size = region(host.disk, VOLUME)
    parts = Parts(
        tool=tool(),
        firmware=take_of_root(root, FIRMWARE, folder),
        card_rom=take_of_root(root, CARD_ROM, folder),
        variables=take_of_run(host, VARIABLES, folder),
        medium=take_of_run(host, MEDIUM, folder),
        disk=host.disk,
        offset=offset,
        size=size,
        cable=cable,
    )
    with Emulator(translate(words, parts), tool(), folder, log("beside-guest"), [cable]) as machine:
        machine.control("cont")
        yield Running(machine, host.disk, GUESTOS)


def check_guest(guest: Running, description: str) -> None:
    """It runs in the machine that the host describes, without a failure, and has taken what the host told it."""
    guest.login()
    guest.check_running()
    assert LOGIN in guest.console.text
    assert TAKEN in guest.console.text
    (uuid,) = re.findall("<uuid>(.*)</uuid>", description)
    assert guest.succeeds("cat /sys/class/dmi/id/product_uuid") == uuid
    (cpus,) = re.findall("<vcpu .*>(.*)</vcpu>", description)
    assert guest.succeeds("nproc") == cpus
    assert "tcp dport 8080 accept" in guest.succeeds("nft list ruleset")


def check_firewall(host: Running, neighbour: str) -> None:
    """Where nothing listens and the firewall names nothing, there is silence; without a firewall, a refusal."""
    ask = f"{neighbour} curl --silent --max-time {PATIENCE} http://[{ADDRESS}]"
    assert host.run(f"{ask}:{UNNAMED}/")[1] == CURL_TIMEOUT
    assert host.run(f"{ask}:{UNUSED}/")[1] == CURL_REFUSED


def check_host(host: Running) -> None:
    """What the host itself sees of such a guest."""
    host.succeeds(f"ping -c 1 -W {PATIENCE} {ADDRESS}")
    assert GUEST_MAC in host.succeeds(f"ip -6 neigh show {ADDRESS} dev br6").split()
    # Its units ask libvirt, whose machine is off, and nobody over the network.
    host.succeeds("systemctl start monitor-guestos")
    assert metric(host, "up") == 0


def shut_down(guest: Running) -> None:
    """By ACPI, as `virsh shutdown` does. QEMU stays, for libvirt to end it."""
    guest.machine.control("system_powerdown")
    deadline = time.monotonic() + BOOT_SECONDS
    while guest.machine.control("query-status")["status"] != "shutdown":
        assert time.monotonic() < deadline, guest.console.tail()
        time.sleep(1)
    guest.console.expect("reboot: Power down", COMMAND_SECONDS)


def test_guest(image: Image, copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "beside"
    folder.mkdir()
    # A message is a frame.
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    cable = f"dgram,id=cable,local.type=fd,local.str={near.fileno()}"
    with (
        near,
        far,
        boot_host(
            copy,
            tmp_path,
            "beside-host",
            installed=False,
            ports=[Port(name, folder / name) for name in (VARIABLES, MEDIUM)],
            extra=["-device", "pcie-root-port,id=spare", "-netdev", cable],
            descriptors=[near.fileno()],
        ) as host,
    ):
        launch(host, tmp_path, installed=False)
        description = host.succeeds("cat /run/guestos/guestos.xml")
        with boot_beside(host, image.disk, far.fileno(), folder) as guest:
            check_guest(guest, description)
            neighbour = check_address(host, BOOT_SECONDS)
            check_firewall(host, neighbour)
            check_host(host)
            shut_down(guest)
        # It was the host's volume.
        host.succeeds(f"blockdev --flushbufs /dev/{VOLUME}")
        assert "store" in host.succeeds(f"partx --show --noheadings --output NAME /dev/{VOLUME}").split()
