"""What a running GuestOS answers through a forwarded port."""

import http.client
import json
import time
from typing import Any

from sysimage.vm.testing import path
from tests.vm.system import BOOT_SECONDS

STATUS_PORT = 8080
METRICS_PORT = 9100
TRY_SECONDS = 15.0


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
