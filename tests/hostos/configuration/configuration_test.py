"""The configuration of a host in the real system: addresses, name, keys, and a firewall that meets real packets."""

import json
from pathlib import Path

from sysimage.vm.testing import free_port
from tests.hostos.configuration.field import (
    ADDRESS4,
    DEPLOYMENT,
    NAME_SERVER,
    ONLINE,
    PREFIX,
    ROUTER,
    SECONDS,
    leave_the_guest_out,
)
from tests.hostos.host import HOSTOS, configure
from tests.vm.access import SSH_PORT, by_key, ssh
from tests.vm.system import Image, Running

pytest_plugins = ["tests.hostos.host", "tests.vm.access"]

BRIDGE_MAC = "6a:00:f4:09:d7:2a"
ADDRESS = "fd2b:110b:b7cd:0:6800:f4ff:fe09:d72a"
CONFIG_INI = f"ipv6_prefix={PREFIX}\nipv6_gateway={ROUTER}\n"
SILENCE = 6  # seconds in which a port that is closed says nothing
# Machines beside the host, on cables of their own to the bridge. The last address is none of a management network.
BESIDE, OTHER = "fd2b:110b:b7cd::77", "fd2b:110b:b7cd::78"
BESIDE4, FOREIGN4, HOST_FOREIGN4 = "10.0.2.77", "192.0.2.2", "192.0.2.1"
NO_SERVICE = 8081  # a port that the firewall does not name


def test_a_configured_host(image: Image, copy: Path, key: Path, tmp_path: Path) -> None:
    port = free_port()
    files = {
        "config.ini": CONFIG_INI.encode(),
        "deployment.json": json.dumps(DEPLOYMENT).encode(),
        "ssh_authorized_keys/admin": key.with_suffix(".pub").read_bytes(),
    }
    configure(copy, files, tmp_path)
    with HOSTOS.boot(copy, tmp_path, "configured", writable=False, forward=[(port, SSH_PORT)]) as host:
        host.login()
        leave_the_guest_out(host)
        host.check_running()
        check_addresses(host)
        check_name(host)
        done = ssh(port, "admin", "id -un; sudo -n id -un", tmp_path, *by_key(key))
        assert done[:2] == (0, "admin\nroot\n"), done
        # An account without a key of its own is not let in.
        assert ssh(port, "readonly", "true", tmp_path, *by_key(key))[0] == 255
        plug_in_neighbours(host)
        check_way_in(host)
        check_way_out(host)
        check_bridged_frames(host)
        check_renewal(host)
        check_verbose(host)


def check_addresses(host: Running) -> None:
    """br6 has the golden MAC and address, and is the only interface with an address that leads out of the machine."""
    host.succeeds(ONLINE)
    assert host.succeeds("cat /sys/class/net/br6/address") == BRIDGE_MAC
    # No spanning tree, so nothing waits; no snooping.
    settings = "cd /sys/class/net/br6/bridge && cat stp_state forward_delay multicast_snooping"
    assert host.succeeds(settings).split() == ["0", "0", "0"]
    shown = json.loads(host.succeeds("ip -j addr show scope global"))
    # What is filtered out leaves an empty entry.
    addresses = [(entry["ifname"], each["local"]) for entry in shown for each in entry["addr_info"] if each]
    assert sorted(addresses) == [("br6", ADDRESS4), ("br6", ADDRESS)]
    # The port is in the bond, the bond in the bridge.
    assert host.succeeds("cat /sys/class/net/br6/brif/*/port_no | wc -l; ls /sys/class/net/br6/brif") == "1\nbond6"
    port = host.succeeds("/opt/ic/bin/list-ports.sh")
    assert host.succeeds("cat /sys/class/net/bond6/bonding/slaves /sys/class/net/bond6/bonding/mode").split() == [
        port,
        "active-backup",
        "1",
    ]
    assert host.succeeds("ip -6 route show default").startswith(f"default via {ROUTER} dev br6 ")
    assert host.succeeds("resolvectl dns br6").endswith(f": {NAME_SERVER}")
    status = host.succeeds("networkctl status --lines=0 br6")
    assert "Network File: /run/systemd/network/15-br6.network" in status
    assert "State: routable (configured)" in status
    host.succeeds(f"ping -c 1 -W 20 {ROUTER}")
    host.succeeds("ping -c 1 -W 20 10.0.2.2")


def check_name(host: Running) -> None:
    assert host.succeeds("hostname") == "host-3cecef6b3799"
    assert host.succeeds("hostnamectl hostname") == "host-3cecef6b3799"
    assert host.succeeds("hostnamectl hostname --static") == "hostos"
    assert host.succeeds("getent hosts host-3cecef6b3799") != ""


def check_verbose(host: Running) -> None:
    """What the journal gets is on the console if that is wanted. From then on no command's output is readable there."""
    assert host.run("systemctl is-active console-journal.service") == ("inactive", 3)
    host.succeeds("echo verbose=true >> /boot/config/config.ini")
    host.console.send("systemctl start console-journal; systemd-cat --identifier=test echo said-$((40 + 2))\n")
    host.console.expect(r"test\[\d+\]: said-42", 60)


def plug_in_neighbours(host: Running) -> None:
    for name, addresses in {"beside": (BESIDE, BESIDE4, FOREIGN4), "other": (OTHER,)}.items():
        host.succeeds(f"ip netns add {name} && ip link add {name}0 type veth peer name cable netns {name}")
        host.succeeds(f"ip link set {name}0 master br6 up && ip -n {name} link set lo up")
        for address in addresses:
            length, flag = (64, "nodad") if ":" in address else (24, "")
            host.succeeds(f"ip -n {name} addr add {address}/{length} dev cable {flag}")
        host.succeeds(f"ip -n {name} link set cable up")
    host.succeeds(f"ip addr add {HOST_FOREIGN4}/24 dev br6")
    beside = "ip netns exec beside"
    for address in (ADDRESS, ADDRESS4, HOST_FOREIGN4):
        host.succeeds(f"{beside} ping -c 1 -W 20 {address}")


def listen(host: Running, where: str, port: int) -> None:
    """Says hello to whoever comes, by IPv4 and IPv6."""
    unit = f"hello-{where or 'host'}-{port}"
    namespace = f"-p NetworkNamespacePath=/run/netns/{where}" if where else ""
    host.succeeds(
        f"systemd-run --quiet --unit={unit} {namespace} "
        f"systemd-socket-activate --accept --inetd --listen={port} /bin/echo hello"
    )
    inside = f"ip netns exec {where} " if where else ""
    host.succeeds(f"until {inside}ss -Hltn sport = :{port} | grep -q :{port}; do sleep 0.2; done")


def first_line(host: Running, where: str, address: str, port: int, seconds: int = SECONDS) -> str:
    """What a port says by itself to a program of the host, or of a machine beside it."""
    inside = f"ip netns exec {where} " if where else ""
    program = f"timeout {seconds} bash -c 'head -n 1 < /dev/tcp/{address}/{port}' 2> /dev/null"
    return host.run(inside + program)[0]


def check_way_in(host: Running) -> None:
    """Each service that is named is reached by the family that is named, and nothing else is."""
    host.succeeds("nft --check --file /etc/nftables.conf")
    listen(host, "", NO_SERVICE)
    # On the machine itself it answers.
    assert first_line(host, "", "::1", NO_SERVICE) == "hello"
    for address in (ADDRESS, ADDRESS4, HOST_FOREIGN4):
        assert first_line(host, "beside", address, NO_SERVICE, SILENCE) == ""
    banners = {
        address: first_line(host, "beside", address, SSH_PORT).startswith("SSH-2.0-OpenSSH")
        for address in (ADDRESS, ADDRESS4)
    }
    assert banners == {ADDRESS: True, ADDRESS4: True}
    # By IPv4 from a private address alone.
    assert first_line(host, "beside", HOST_FOREIGN4, SSH_PORT, SILENCE) == ""
    host.succeeds(f"ip -n beside route add {HOST_FOREIGN4}/32 dev cable src {BESIDE4}")
    assert first_line(host, "beside", HOST_FOREIGN4, SSH_PORT).startswith("SSH-2.0-OpenSSH")
    ask = "ip netns exec beside curl --silent --output /dev/null --write-out '%{http_code}' --max-time"
    for port, path in {9100: "/metrics", 19531: "/machine"}.items():
        assert host.succeeds(f"{ask} {SECONDS} 'http://[{ADDRESS}]:{port}{path}'") == "200"
        assert host.run(f"{ask} {SILENCE} 'http://{ADDRESS4}:{port}{path}'") == ("000", 28)


def check_way_out(host: Running) -> None:
    """Names, HTTP, HTTPS and time by IPv6; nothing by IPv4, nothing else."""
    for port in (53, 80, 443, NO_SERVICE):
        listen(host, "beside", port)
    assert [first_line(host, "", BESIDE, port) for port in (53, 80, 443)] == ["hello"] * 3
    assert first_line(host, "", BESIDE, NO_SERVICE, SILENCE) == ""
    assert [first_line(host, "", BESIDE4, port, SILENCE) for port in (53, 80, 443)] == [""] * 3
    # A datagram that is dropped on its way out is an error to who sends it.
    sent = {
        (address, port): host.run(f"bash -c 'echo > /dev/udp/{address}/{port}' 2> /dev/null")[1] == 0
        for address in (BESIDE, BESIDE4)
        for port in (53, 123, 443)
    }
    assert [where for where, passed in sent.items() if passed] == [(BESIDE, 53), (BESIDE, 123)]


def check_bridged_frames(host: Running) -> None:
    """What passes through the bridge, such as what the guest sends, the host's firewall does not see."""
    assert first_line(host, "other", BESIDE, NO_SERVICE) == "hello"
    # Nor can it become: the module for it cannot be loaded.
    _, status = host.run("modprobe br_netfilter 2> /dev/null")
    assert status != 0
    assert host.run("test -e /proc/sys/net/bridge")[1] == 1


def check_renewal(host: Running) -> None:
    """The renewal of the address by DHCP, an ordinary packet, gets out."""
    packets = f"udp and src host {ADDRESS4} and src port 68 and dst port 67"
    capture = f"timeout {SECONDS} tcpdump --interface=br6 -n -c 1 {packets}"
    host.succeeds(f"({capture} > /run/captured 2> /run/capture &)")
    host.succeeds("until grep -q 'listening on' /run/capture; do sleep 0.2; done")
    host.succeeds("networkctl renew br6")
    host.succeeds("until grep -q 'BOOTP/DHCP, Request' /run/captured; do sleep 0.5; done")
