"""A new version whose guest never runs: the host is back at the old one, which is as it was, and runs its guest.

All the new version does otherwise is well: no unit of it fails, so the guest alone is what it waits for.
"""

import json
from pathlib import Path
from typing import Final

from sysimage.vm import disks
from tests.hostos.configuration.host import MAC
from tests.hostos.host import HOSTOS, configure
from tests.vm.system import BOOT_SECONDS
from tests.vm.unhealthy import falls_back, without_unit
from tests.vm.upgrade_log import Upgrade

pytest_plugins = ["tests.hostos.host", "tests.vm.upgrade_log"]

# A host with a configuration has a guest to run; this one's needs no more than firmware does, as its disk is empty.
FILES: Final = {
    "config.ini": b"ipv6_prefix=fd2b:110b:b7cd:0\nipv6_gateway=fd2b:110b:b7cd::2\n",
    "deployment.json": json.dumps(
        {
            "deployment": {"name": "mainnet", "mgmt_mac": MAC},
            "dns": {"name_servers": "fd2b:110b:b7cd::3"},
            # The emulated processor has the extension for guests, but QEMU 10.0 stops when one runs.
            "resources": {"memory": "1", "cpu": "qemu", "nr_of_vcpus": "1"},
        }
    ).encode(),
}


def test_host_whose_guest_never_runs_restarts_by_itself_and_the_old_one_runs_it(
    upgrade: Upgrade, tmp_path: Path
) -> None:
    disk = tmp_path / "disk.img"
    disks.copy(upgrade.after, disk)
    configure(disk, FILES, tmp_path)
    without_unit(HOSTOS, disk, "guestos.service")
    with HOSTOS.boot(disk, tmp_path, "no-guest", memory=3072, restart=True) as host:
        falls_back(host)
        assert "failsafe" in host.succeeds("cat /proc/cmdline")
        host.succeeds("until virsh list --name | grep -q -x guestos; do sleep 1; done", BOOT_SECONDS)
