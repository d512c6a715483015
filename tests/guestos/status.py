"""What a running GuestOS answers through a forwarded port."""

import http.client
import json
import time
from typing import Any

from sysimage.vm.testing import path
from tests.guestos.guest import Guest
from tests.vm.system import BOOT_SECONDS

STATUS_PORT = 8080
METRICS_PORT = 9100
TRY_SECONDS = 15.0
SOCKETS = {
    "crypto_csp": "crypto-csp",
    "ic_btc_adapter": "btc-adapter",
    "ic_https_outcalls_adapter": "https-outcalls-adapter",
}


def get(port: int, target: str, seconds: float = BOOT_SECONDS) -> tuple[int, str]:
    """Status and body of what is at a target, as soon as anybody answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=TRY_SECONDS)
            client.request("GET", target)
            response = client.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException):
            # QEMU takes the connection at once. It drops it when nobody listens in the guest, and keeps it, with nobody
            # to hand it to, when the guest had no network yet.
            assert time.monotonic() < deadline, f"{target}: no answer within {seconds:g} s"
            time.sleep(1)


def check_replica(port: int, malicious: bool) -> dict[str, Any]:
    """The replica answers, is healthy, and says what it is; returns what it says."""
    status, text = get(port, "/status")
    said: dict[str, Any] = json.loads(text)
    assert (status, said["healthy"], said["program"]) == (200, True, "replica"), text
    assert said["stand_in"] is True
    assert said["malicious"] is malicious
    assert said["version"] == path("VERSION").read_text().strip()
    assert [address[:7] for address in said["ipv6_addresses"]] == ["fd2b:11"], text
    assert said["mounts"] == {
        f"/var/lib/ic/{name}": f"/dev/mapper/store-shared--{name}" for name in ("data", "backup")
    }, text
    return said


def check_other_programs(guest: Guest, metrics: int) -> None:
    """Each answers where docs/payload.md says; sockets are for the replica alone."""
    code, text = get(metrics, "/metrics")
    assert (code, "\nnode_load1 " in text) == (200, True)
    said = json.loads(guest.succeeds("curl -s http://[::1]:7070/status"))
    assert (said["program"], said["healthy"]) == ("orchestrator", True)
    for program, name in SOCKETS.items():
        ask = f"curl -s --unix-socket /run/ic-node/{name}/socket http://node/status"
        said = json.loads(guest.succeeds(f"runuser -u ic-replica -- {ask}"))
        assert (said["program"], said["healthy"]) == (program, True)
        _, status = guest.run(f"runuser -u node_exporter -- {ask}")
        assert status == 7, f"{program}: curl ended with {status}; 7 is a socket that cannot be connected to"
    assert guest.succeeds("stat -c %U:%G /var/lib/ic/crypto") == "ic-csp-vault:ic-csp-vault"
    # The vault's keys are hidden from who uses them.
    replica = guest.succeeds("systemctl show --value -p MainPID ic-replica.service")
    assert "d---------" in guest.succeeds(f"nsenter -t {replica} -m stat -c %A /var/lib/ic/crypto")


def check_restart(guest: Guest, status: int) -> None:
    """A replica that dies comes back."""
    show = "systemctl show --value -p NRestarts ic-replica.service"
    assert guest.succeeds(show) == "0"
    guest.succeeds("systemctl kill --signal=KILL ic-replica.service")
    check_replica(status, malicious=False)
    assert guest.succeeds(show) == "1"
