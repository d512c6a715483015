"""SetupOS installs a machine that was in service before, restarts it into HostOS, and the guest's disk boots.

The machine has three disks: HostOS, with its group over two of them, and a third with a group of another name. What
they had is not seen again. This is the one whole installation that is tested always; it ends after the guest's
boot.
"""

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from sysimage.vm import disks
from sysimage.vm.testing import free_port, path
from tests.guestos import storage as guest_storage
from tests.guestos.guest import GUESTOS
from tests.hostos import storage
from tests.hostos.configuration.field import ONLINE
from tests.setupos.install.installed import check_group, check_guest, check_host, host_files, take_out
from tests.setupos.install.old import MARK, in_service
from tests.setupos.install.server import (
    CONFIG_INI,
    FIRST_DISK,
    NOT_HERE,
    SECOND_DISK,
    Server,
    answering_nns,
    deployment,
    make_stick,
    on_stick,
)
from tests.vm.access import SSH_PORT, by_key, make_key, ssh
from tests.vm.system import Running
from tests.vm.upgrade import chosen, version

THIRD_DISK = 5 << 30
# The prefix, and EUI-64 of the host's MAC, 6a:00:f4:09:d7:2a.
ADDRESS = "fd2b:110b:b7cd:0:6800:f4ff:fe09:d72a"
NAME = "host-3cecef6b3799"
ENTRY = "IC-OS"
_VARIABLES = "/sys/firmware/efi/efivars"
_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
GUEST_CONSOLE = "/var/log/libvirt/qemu/guestos-console.log"
GUEST_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Installed:
    """A server that was installed and has not been started since.

    guest: what is in the guest's volume. files: of the stick's two partitions. key: that admin's public one is made of.
    asked: what the NNS was asked for.
    """

    server: Server
    stick: Path
    guest: Path
    files: Mapping[str, str]
    key: Path
    asked: Sequence[str]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("install")
    first, second, third = (folder / f"{name}.img" for name in ("first", "second", "third"))
    in_service(path("HOST"), (first, second, third), (FIRST_DISK, SECOND_DISK, THIRD_DISK), folder)
    server = Server(folder, (first, second, third))
    key = make_key(folder)
    with answering_nns() as nns:
        config = {
            "config.ini": CONFIG_INI,
            "ssh_authorized_keys/admin": key.with_suffix(".pub").read_text(),
            "skip-checks": "# QEMU has none of these\n" + "".join(f"{name}\n" for name in NOT_HERE),
        }
        data = {"deployment.json": deployment(nns.url)}
        stick = make_stick(path("IMAGE"), folder, config, data)
        server.install("setupos", stick)
    guest = take_out(server.disks, "guestos", folder / "guest.img")
    return Installed(server, stick, guest, {**config, **data}, key, nns.asked)


def test_what_lies_on_the_disks(installed: Installed, tmp_path: Path) -> None:
    assert installed.asked, "the NNS was not asked"
    check_group(installed.server.disks)
    image = disks.unpack(path("HOST"), tmp_path)
    check_host(installed.server.disks, image)
    image.unlink()
    image = disks.unpack(path("GUEST"), tmp_path)
    check_guest(installed.guest, image)
    image.unlink()


def test_configuration_is_handed_over(installed: Installed) -> None:
    found = host_files(installed.server.disks[0])
    for name in ("config.ini", "deployment.json", "ssh_authorized_keys/admin"):
        assert found[name] == installed.files[name].encode(), name
    assert found["nns_public_key.pem"].startswith(b"-----BEGIN PUBLIC KEY-----\n")
    # The dev image has a key of a node operator, which is worth nothing.
    assert b"PRIVATE KEY" in found["node_operator_private_key.pem"]
    assert "skip-checks" not in found
    assert not any(MARK in content for content in found.values())


def test_log_lies_on_the_stick(installed: Installed) -> None:
    said = on_stick(installed.stick, "setupos.log")
    assert said is not None
    assert f"SetupOS {version('VERSION')}" in said
    assert "checks skipped: " in said
    assert "SETUPOS DONE: " in said
    assert "SETUPOS FAILED" not in said
    assert on_stick(installed.stick, "setupos.log.1") is None


def test_firmware_starts_the_host(installed: Installed, tmp_path: Path) -> None:
    port = free_port()
    with installed.server.start("hostos", stick=installed.stick, forward=[(port, SSH_PORT)]) as host:
        chosen(host, "A", "install")
        host.login()
        assert boot_entry(host) == ENTRY
        check_storage(host)
        check_configured(host)
        done = ssh(port, "admin", "id -un; sudo -n id -un", tmp_path, *by_key(installed.key))
        assert done[:2] == (0, "admin\nroot\n"), done
        wait = f"until grep -q -a -F 'GRUB: booting slot A, state ' {GUEST_CONSOLE}; do sleep 2; done"
        host.succeeds(wait, GUEST_SECONDS)
        host.check_running()
        assert host.succeeds("virsh list --name") == "guestos"


def test_guest_starts_from_its_volume(installed: Installed, tmp_path: Path) -> None:
    with GUESTOS.boot(installed.guest, tmp_path, "guestos") as guest:
        chosen(guest, "A", "install")
        guest.login()
        guest_storage.check(guest)
        guest.shutdown()
    guest_storage.check_table(installed.guest)


def boot_entry(host: Running) -> str:
    """What the firmware calls that by which it started this system. Source: UEFI 2.10, 3.1.3 (EFI_LOAD_OPTION)."""

    def variable(name: str) -> bytes:
        return base64.b64decode(host.succeeds(f"base64 --wrap=0 {_VARIABLES}/{name}-{_GLOBAL}"))[4:]

    (number,) = struct.unpack("<H", variable("BootCurrent"))
    option = variable(f"Boot{number:04X}")
    assert variable("BootOrder")[:2] == struct.pack("<H", number)
    return option[6:].decode("utf-16-le", "replace").partition("\0")[0]


def check_storage(host: Running) -> None:
    """The group has all disks and no free extent; what was there before is gone, under every name that it had."""
    assert host.succeeds("vgs --noheadings -o vg_name,pv_count,vg_free_count").split() == ["hostlvm", "3", "0"]
    assert host.succeeds("pvs --noheadings -o pv_name | wc -l") == "3"
    segments = host.succeeds("lvs --noheadings --segments -o lv_name hostlvm").split()
    assert sorted({*segments}) == storage.VOLUMES
    assert segments.count("guestos") >= 3
    (disk,) = host.succeeds("lsblk --noheadings --nodeps --raw --output PATH,SERIAL | sed -n 's/ first$//p'").split()
    storage.check(host, disk=disk)
    assert host.run("test -e /var/mark")[1] == 1


def check_configured(host: Running) -> None:
    """The host has the name and the address that its configuration gives it."""
    assert host.succeeds("hostname") == NAME
    host.succeeds(ONLINE)
    assert ADDRESS in host.succeeds("ip -o -6 addr show dev br6 scope global")
