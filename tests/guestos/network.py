"""A boot without a network ends all the same, degraded; when an address comes, the replica starts."""

import json

from tests.guestos.guest import Guest
from tests.vm.system import BOOT_SECONDS

LATE_NETWORK = """\
[Match]
Name=late0

[Network]
Address=2001:db8::7/64
ConfigureWithoutCarrier=yes
"""


def check_waiting(guest: Guest) -> None:
    """Only the address is missing, and what waits for it."""
    state, _ = guest.run("systemctl is-system-running --wait", BOOT_SECONDS)
    failed = guest.succeeds("systemctl --failed --no-legend --plain").split()
    assert (state, failed[0]) == ("degraded", "ipv6-address.service")
    assert guest.run("systemctl is-active ic-replica.service") == ("inactive", 3)
    # What an upgrade waits for before it is confirmed does not come.
    _, status = guest.run("timeout 20 systemctl start boot-complete.target")
    assert status != 0
    assert guest.run("systemctl is-active boot-complete.target") == ("inactive", 3)


def check_late_address(guest: Guest) -> None:
    """An address comes, and nothing is missing any more."""
    guest.succeeds("mkdir -p /run/systemd/network")
    for line in LATE_NETWORK.splitlines():
        guest.succeeds(f"echo '{line}' >> /run/systemd/network/late0.network")
    guest.succeeds("ip link add late0 type dummy && ip link set late0 up && networkctl reload")
    guest.succeeds("systemctl restart replica-healthy.service", 300)
    said = json.loads(guest.succeeds("curl --silent http://localhost:8080/status"))
    assert said["ipv6_addresses"] == ["2001:0db8:0000:0000:0000:0000:0000:0007"]
    guest.succeeds("systemctl start boot-complete.target")
    assert guest.succeeds("systemctl is-active ic-replica.service ic-orchestrator.service") == "active\nactive"
    guest.check_running()
