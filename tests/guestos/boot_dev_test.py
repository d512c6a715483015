"""A dev variant boots to a login with nothing failed, is what it claims to be, and its programs serve."""

import json
import os
from pathlib import Path

from sysimage.vm.testing import free_port
from tests.guestos.guest import Guest, boot
from tests.guestos.status import METRICS_PORT, STATUS_PORT, check_replica, get
from tests.vm.checks import check_command_line, check_root
from tests.vm.system import BOOT_SECONDS, Image

pytest_plugins = ["tests.guestos.guest"]

VARIANT = os.environ["VARIANT"]
SOCKETS = {
    "crypto_csp": "crypto-csp",
    "ic_btc_adapter": "btc-adapter",
    "ic_https_outcalls_adapter": "https-outcalls-adapter",
}


def test_boots_and_serves(image: Image, tmp_path: Path) -> None:
    status, metrics = free_port(), free_port()
    forward = [(status, STATUS_PORT), (metrics, METRICS_PORT)]
    with boot(image.disk, tmp_path, f"boot-{VARIANT}", forward=forward, writable=False) as guest:
        guest.console.expect(r"GRUB: booting slot A, state install,", BOOT_SECONDS)
        guest.login()
        guest.check_running()
        assert guest.succeeds("tty") == "/dev/ttyS0"
        check_root(guest, image)
        check_command_line(guest, image)
        check_replica(status, malicious=VARIANT == "dev-malicious")
        check_other_programs(guest, metrics)
        check_restart(guest, status)
        # What an upgrade waits for before it is confirmed.
        guest.succeeds("systemctl start boot-complete.target")
        assert guest.succeeds("systemctl is-active replica-healthy.service boot-complete.target") == "active\nactive"
        guest.shutdown()


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
    check_replica(status, malicious=VARIANT == "dev-malicious")
    assert guest.succeeds(show) == "1"
