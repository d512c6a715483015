"""The guest in HostOS in QEMU: a machine in a machine, both emulated, so it takes its time.

By default it ends where the guest's firmware and boot loader have shown themselves on its console, the guest was
killed once, and libvirt has said how it would start QEMU on a server with KVM, and with SEV-SNP. With WHOLE=yes
(//tests/hostos/guest:nested_whole_test) the running host writes the image into the guest's volume itself, and it ends
when the guest answers at the address that the host derived, and has shut down in order.
"""

import base64
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.hostos.guest.launched import (
    FIRMWARE_SECONDS,
    GOLDEN,
    LOGIN,
    TAKEN,
    argv,
    boot_host,
    check_address,
    check_metrics,
    launch,
    wait_for,
)
from tests.vm.system import Image, Running

pytest_plugins = ["tests.hostos.host"]

WHOLE: Final = os.environ["WHOLE"] == "yes"
BOOT_SECONDS: Final = 6 * 3600.0
CONSOLE: Final = "/var/log/libvirt/qemu/guestos-console.log"
PIECE: Final = 2000
CAPABILITIES: Final = "/var/cache/libvirt/qemu/capabilities/*.xml"
SEV_FLAGS: Final = "<flag name='sev-guest'/><flag name='sev-snp-guest'/>"
SEV: Final = (
    "<sev><cbitpos>51</cbitpos><reducedPhysBits>1</reducedPhysBits>"
    "<pdh>x</pdh><certChain>x</certChain><cpu0Id>x</cpu0Id></sev>"
)


@pytest.fixture
def host(image: Image, copy: Path, tmp_path: Path) -> Iterator[Running]:
    """A configured host, with GuestOS in its volume, or on a second disk."""
    with boot_host(copy, tmp_path, "nested", installed=not WHOLE) as running:
        yield running


def on_console(host: Running, text: str, seconds: float) -> None:
    wait_for(host, f"grep -q -a -F '{text}' {CONSOLE}", seconds)


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


def test_guest(host: Running, tmp_path: Path) -> None:
    launch(host, tmp_path, installed=not WHOLE)
    on_console(host, "GRUB: booting slot A, state ", FIRMWARE_SECONDS)
    if not WHOLE:
        kill_guest(host)
        check_server(host, "kvm")
        pretend_sev_snp(host)
        check_server(host, "sev-snp")
        return
    on_console(host, LOGIN, BOOT_SECONDS)
    on_console(host, TAKEN, FIRMWARE_SECONDS)
    check_address(host, BOOT_SECONDS)
    host.succeeds("systemctl stop guestos", FIRMWARE_SECONDS)
    assert "guestos: stopped: shutdown" in host.succeeds("journalctl -b -u guestos -o cat")
