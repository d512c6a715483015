"""What configurations of hosts in machines share: the network that they are in, and one that is malformed."""

import json
import re

from tests.hostos.configuration.host import MAC
from tests.vm.system import Running

# The network that the test's machine is in, so that the router answers.
PREFIX, ROUTER, NAME_SERVER = "fd2b:110b:b7cd:0", "fd2b:110b:b7cd::2", "fd2b:110b:b7cd::3"
ADDRESS4 = "10.0.2.15"  # that DHCP gives
DEPLOYMENT = {
    "deployment": {"name": "mainnet", "mgmt_mac": MAC},
    "dns": {"name_servers": f"{NAME_SERVER} 10.0.2.3"},
}
SECONDS = 90  # in which what is open answers, on a busy machine
ONLINE = f"/usr/lib/systemd/systemd-networkd-wait-online --interface=br6 --ipv4 --ipv6 --timeout={SECONDS}"
MALFORMED = {
    "config.ini": b"# a host\nipv6_prefix=2a00:fb01:400\nipv6_gateway=2a00:fb01:400::1\n",
    "deployment.json": json.dumps(DEPLOYMENT).encode(),
}


def leave_the_guest_out(host: Running) -> None:
    """It wants more memory than this machine has, or a configuration that is not malformed; it is tested elsewhere."""
    guest = "guestos.service guestos-healthy.service generate-guestos-config.service"
    host.succeeds(f"systemctl mask --runtime --now {guest} && systemctl reset-failed")


def check_malformed(host: Running) -> None:
    """A host with the malformed configuration says so in one line; it is whole, but for the guest, and is reached."""
    said = re.findall(r"generate-network-config: [^\r\n]*", host.console.text)
    assert said == [
        "generate-network-config: addresses come by router advertisements and DHCP: "
        "config.ini, line 2: ipv6_prefix cannot be '2a00:fb01:400'; it is four groups, such as 2a00:fb01:400:200"
    ]
    leave_the_guest_out(host)
    host.check_running()
    assert host.succeeds("hostname") == "hostos"
    host.succeeds(ONLINE)
    status = host.succeeds("networkctl status --lines=0 br6")
    assert "Network File: /etc/systemd/network/20-br6.network" in status
    addresses = host.succeeds("ip -o -6 addr show dev br6 scope global dynamic").split()
    assert addresses[3].startswith("fd2b:110b:b7cd:")
    assert host.succeeds("ip -o -4 addr show dev br6").split()[3] == f"{ADDRESS4}/24"
    host.succeeds(f"ping -c 1 -W 20 {ROUTER}")
