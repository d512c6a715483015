"""Configuration by bootstrap media in the real system: refused, taken over once, over power cuts; what is in force."""

import contextlib
import hashlib
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import bootstrap_config
from sysimage.extents import Sources
from sysimage.materialise import write_raw
from sysimage.vm import disks
from tests.guestos.configuration.rootfs import archive
from tests.guestos.guest import Guest, boot
from tests.vm.system import COMMAND_SECONDS, Image, medium, ssh_words

pytest_plugins = ["tests.guestos.guest"]

NETWORK = "fd2b:110b:b7cd:"  # the first 48 bits of the machine's network
ADDRESS, ROUTER, NAME_SERVER = (f"{NETWORK}:{host}" for host in ("1:15", "2", "3"))
SECONDS = 60.0
SILENCE = 8.0  # seconds in which a closed port says nothing
OPEN_PORT, CLOSED_PORT = 4100, 7777
REFUSALS = (
    "REFUSED, nothing of it is applied: it is not a tar archive",
    "REFUSED, nothing of it is applied: 'ic_crypto/../../../etc/x' is not a plain path",
    "REFUSED, nothing of it is applied: network.conf, line 1: hostname cannot be '$(reboot)'",
    "REFUSED, nothing of it is applied: it is cut off",
)
# What a take-over may leave in the stores; programs of the node write there too.
IN_STORES = (
    "find /var/lib/ic/crypto /var/lib/ic/data -mindepth 1 "
    r"\( -name '.bootstrap*' -o -path '*/ic_registry_*' -o -name node.key \)"
)
NODE_KEY = bytes(range(256)) * 1024
PEM = "-----BEGIN PUBLIC KEY-----\nMIGCMB0GDSsGAQQBgtx8BQMBAgEGDCsGAQQBgtx8BQMCAQNhAA==\n-----END PUBLIC KEY-----\n"


@dataclass(frozen=True, slots=True)
class Materials:
    """What the tests share: the disk that they configure, and media."""

    folder: Path
    disk: Path
    key: Path
    good: Path
    other: Path
    malformed: dict[str, Path]


def bootstrap_medium(target: Path, **options: str | Path) -> Path:
    """A medium as build-bootstrap-config-image makes it."""
    tree = bootstrap_config.make_tree({name: [str(value)] for name, value in options.items()})
    with Sources({}) as nothing:
        write_raw(bootstrap_config.make_image(tree), nothing, target)
    return target


@pytest.fixture(scope="module")
def materials(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Materials:
    folder = tmp_path_factory.mktemp("configuration")
    disk = folder / "disk.img"
    disks.copy(image.disk, disk)
    key = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    crypto = folder / "crypto"
    crypto.mkdir()
    (crypto / "node.key").write_bytes(NODE_KEY)
    (folder / "nns.pem").write_text(PEM)
    good = bootstrap_medium(
        folder / "good.img",
        ipv6_address=f"{ADDRESS}/64",
        ipv6_gateway=ROUTER,
        ipv4_address="10.0.2.15/24",
        ipv4_gateway="10.0.2.2",
        name_servers=f"{NAME_SERVER} 10.0.2.3",
        domain="example.org",
        hostname="guest-1",
        nns_url="https://nns.example",
        nns_public_key=folder / "nns.pem",
        accounts_ssh_authorized_keys=f"admin={key}.pub",
        ic_crypto=crypto,
        ic_registry_local_store=crypto,
    )
    other = bootstrap_medium(folder / "other.img", hostname="another")
    link = archive({"network.conf": b"hostname=evil\n"})
    malformed = {
        "garbage": medium(folder / "garbage.img", {"ic-bootstrap.tar": b"no tar at all" * 1000}),
        "traversal": medium(folder / "traversal.img", {"ic-bootstrap.tar": archive({"ic_crypto/../../../etc/x": b""})}),
        "network": medium(
            folder / "network.img", {"ic-bootstrap.tar": archive({"network.conf": b"hostname=$(reboot)\n"})}
        ),
        "cut": medium(folder / "cut.img", {"ic-bootstrap.tar": link[:1024]}, label="STICK"),
    }
    ext4 = folder / "ext4.img"
    with ext4.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "CONFIG", ext4], check=True)
    return Materials(folder, disk, key, good, other, malformed | {"ext4": ext4})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def plug(guest: Guest, path: Path, name: str) -> None:
    """Puts a USB stick into the running machine, and waits until the guest has looked at it."""
    file = {"driver": "file", "filename": str(path), "read-only": True}
    guest.machine.control("blockdev-add", **{"driver": "raw", "node-name": name, "read-only": True, "file": file})
    guest.machine.control(
        "device_add", driver="usb-storage", id=f"stick-{name}", drive=name, serial=name, removable=True
    )
    guest.succeeds(f"udevadm wait --timeout=60 $(echo /dev/disk/by-id/usb-*_{name}-*) || udevadm settle")


def is_unconfigured(guest: Guest) -> None:
    """Neither the configuration nor any part of it is there."""
    assert guest.succeeds("cd /boot/config && echo $(ls -d bootstrap* CONFIGURED 2> /dev/null)") == ""
    assert guest.succeeds(f"{IN_STORES} -print") == ""


def is_taken_over(guest: Guest) -> None:
    """The good medium's configuration is there, whole, and nothing besides."""
    assert set(guest.succeeds("cd /boot/config && ls -d bootstrap* CONFIGURED").split()) == {"CONFIGURED", "bootstrap"}
    assert guest.succeeds("cd /boot/config/bootstrap && find . -type f | sort").split() == [
        "./accounts_ssh_authorized_keys/admin",
        "./network.conf",
        "./nns.conf",
        "./nns_public_key.pem",
    ]
    crypto, data = guest.succeeds("stat -c %U:%G /var/lib/ic/crypto /var/lib/ic/data").split()
    assert guest.succeeds(f"{IN_STORES} -printf '%P %u:%g %m\\n' | sort").splitlines() == [
        f"ic_registry_local_store {data} 750",
        f"ic_registry_local_store/node.key {data} 640",
        f"node.key {crypto} 600",
    ]
    sums = guest.succeeds(
        "sha256sum < /var/lib/ic/crypto/node.key; sha256sum < /var/lib/ic/data/ic_registry_local_store/node.key"
    )
    assert set(sums.split()) == {hashlib.sha256(NODE_KEY).hexdigest(), "-"}


# In the place of sync: stops at each call until the test lets it go on.
MARKS = """
mkdir -p /run/marks && cp /usr/bin/sync /run/marks/real
cat > /run/marks/sync << 'END'
#!/bin/sh
echo >> /run/marks/calls
number=$(wc -l < /run/marks/calls)
until [ -e "/run/marks/go-${number}" ]; do sleep 0.1; done
exec /run/marks/real "$@"
END
chmod 0755 /run/marks/sync
mount -o remount,exec /run
mount --bind /run/marks/sync /usr/bin/sync
"""
RENAMED = 4  # the call of sync that makes the rename last
PUBLISHED = 5  # the first one behind the moves into the stores


def stops_at(guest: Guest, call: int) -> None:
    guest.succeeds(f"until [ $(wc -l < /run/marks/calls) -ge {call} ]; do sleep 0.2; done")


def test_malformed_media_leave_nothing_and_a_good_one_is_taken_over(materials: Materials) -> None:
    """One boot: media that are refused as it begins, and a good one that is put in later. Power is cut on copies."""
    with boot(materials.disk, materials.folder, "take-over", media=list(materials.malformed.values())) as guest:
        guest.login()
        guest.check_running()
        is_unconfigured(guest)
        assert guest.succeeds("systemctl show --value -p ExecMainStatus bootstrap-ic-node") == "3"
        # Each has its line on the console, before anybody logs in.
        for message in REFUSALS:
            assert f"bootstrap-ic-node: {message}" in guest.console.text
        # So addresses come from the network, and the firewall is in force all the same.
        assert NETWORK in guest.succeeds("ip -6 -o addr show scope global dynamic")
        assert "10.0.2.15/24" in guest.succeeds("ip -4 -o addr show dynamic")
        assert guest.succeeds("hostname") == "guestos"
        assert "policy drop" in guest.succeeds("nft list chain inet filter input")

        plug(guest, materials.good, "good")
        guest.succeeds(MARKS)
        guest.succeeds("systemctl restart --no-block bootstrap-ic-node")
        for call in range(1, PUBLISHED + 1):
            stops_at(guest, call)
            if call in (RENAMED, PUBLISHED):
                guest.snapshot(materials.folder / f"cut-{call}.img")
            guest.succeeds(f"touch /run/marks/go-{call}")
        # Lazily: a call may be in it, and no other one gets there.
        guest.succeeds(f"umount --lazy /usr/bin/sync && touch /run/marks/go-{PUBLISHED + 1}")
        guest.succeeds("systemctl start bootstrap-ic-node")
        assert "the node is configured" in guest.succeeds("journalctl -b -u bootstrap-ic-node --no-pager")
        is_taken_over(guest)
        guest.shutdown()


class Ssh:
    """ssh to the guest, by the key of the medium."""

    def __init__(self, materials: Materials, port: int) -> None:
        self.words = [*ssh_words(port, "BatchMode=yes", "ConnectTimeout=60"), "-i", str(materials.key)]

    def run(self, account: str, command: str) -> subprocess.CompletedProcess[str]:
        words = [*self.words, f"{account}@127.0.0.1", command]
        return subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)


def says(port: int, patience: float) -> bytes:
    """What a TCP port of this machine says before it falls silent."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        return connection.recv(100)
    return b""


def test_power_cut_before_the_rename_begins_anew_and_all_is_in_force_at_once(materials: Materials) -> None:
    """The medium is still there, as in the field; its configuration holds from this boot on."""
    ports = {guest_port: free_port() for guest_port in (22, OPEN_PORT, CLOSED_PORT)}
    forward = [(port, guest_port) for guest_port, port in ports.items()]
    disk = materials.folder / f"cut-{RENAMED}.img"
    with boot(disk, materials.folder, "cut-renamed", media=[materials.good], forward=forward) as guest:
        guest.login()
        guest.check_running()
        assert "found ic-bootstrap.tar" in guest.succeeds("journalctl -b -u bootstrap-ic-node --no-pager")
        is_taken_over(guest)
        assert guest.succeeds("hostname") == "guest-1"
        check_network(guest)
        check_firewall(guest, ports)
        check_ssh(Ssh(materials, ports[22]))


def test_power_cut_behind_the_rename_is_completed_and_another_medium_ignored(materials: Materials) -> None:
    disk = materials.folder / f"cut-{PUBLISHED}.img"
    with boot(disk, materials.folder, "cut-published", media=[materials.other]) as guest:
        guest.login()
        guest.check_running()
        is_taken_over(guest)
        # Nor is it looked at ever after.
        guest.succeeds("systemctl restart bootstrap-ic-node")
        assert guest.succeeds("systemctl show --value -p ConditionResult bootstrap-ic-node") == "no"
        assert "found ic-bootstrap.tar" not in guest.succeeds("journalctl -b -u bootstrap-ic-node --no-pager")
        is_taken_over(guest)
        assert guest.succeeds("hostname") == "guest-1"


def check_network(guest: Guest) -> None:
    link = guest.succeeds("ls /sys/class/net | grep -e ^en -e ^eth")
    status = guest.succeeds(f"networkctl status --lines=0 {link}")
    assert "Network File: /run/systemd/network/05-bootstrap.network" in status
    assert "State: routable (configured)" in status
    assert guest.succeeds(f"ip -6 -o addr show dev {link} scope global").split()[3] == f"{ADDRESS}/64"
    assert guest.succeeds(f"ip -4 -o addr show dev {link}").split()[3] == "10.0.2.15/24"
    assert guest.succeeds(f"ip -o addr show dev {link} dynamic") == ""
    assert guest.succeeds("ip -6 route show default").startswith(f"default via {ROUTER} dev {link} ")
    assert guest.succeeds("ip -4 route show default").startswith(f"default via 10.0.2.2 dev {link} ")
    assert guest.succeeds(f"resolvectl dns {link}").endswith(f": {NAME_SERVER} 10.0.2.3")
    assert guest.succeeds(f"resolvectl domain {link}").endswith(": example.org")
    guest.succeeds(f"ping -c 1 -W 20 {ROUTER}")
    guest.succeeds("ping -c 1 -W 20 10.0.2.2")
    assert guest.succeeds("getent hosts guest-1") != ""


def check_firewall(guest: Guest, ports: dict[int, int]) -> None:
    """A service on an open port is reached, the same service on a closed one is not; from outside, and by IPv6."""
    guest.succeeds("nft --check --file /etc/nftables.conf")
    for port in (OPEN_PORT, CLOSED_PORT):
        guest.succeeds(
            f"systemd-run --unit=greets-{port} systemd-socket-activate --accept --inetd --listen={port} /bin/echo hello"
        )
        guest.succeeds(f"until ss -Hltn sport = :{port} | grep -q :{port}; do sleep 0.2; done")
        # On the machine itself both answer.
        assert greeting(guest, "", "::1", port) == "hello"
    assert says(ports[OPEN_PORT], SECONDS) == b"hello\n"
    assert says(ports[CLOSED_PORT], SILENCE) == b""
    # A machine beside it, on a cable of its own.
    guest.succeeds("ip netns add beside && ip link add cable type veth peer name cable netns beside")
    guest.succeeds("ip addr add fd00::1/64 dev cable nodad && ip link set cable up")
    guest.succeeds("ip -n beside addr add fd00::2/64 dev cable nodad && ip -n beside link set cable up")
    beside = "ip netns exec beside "
    guest.succeeds(beside + "ping -c 1 -W 20 fd00::1")
    assert greeting(guest, beside, "fd00::1", OPEN_PORT) == "hello"
    assert greeting(guest, beside, "fd00::1", CLOSED_PORT) == ""


def greeting(guest: Guest, where: str, host: str, port: int) -> str:
    """What a port says to a program of the guest, or of the machine beside it."""
    return guest.run(f"{where}timeout {SILENCE} bash -c 'cat < /dev/tcp/{host}/{port}' 2> /dev/null")[0]


def check_ssh(ssh: Ssh) -> None:
    done = ssh.run("admin", "id -un; sudo -n id -un; pwd")
    assert done.stdout.split() == ["admin", "root", "/var/lib/admin"], done.stderr
    for account in ("root", "readonly", "backup", "ic-replica"):
        done = ssh.run(account, "id -un")
        assert done.returncode == 255, done.stdout
        assert "Permission denied" in done.stderr
