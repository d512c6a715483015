"""What the units of the node's programs are kept from, as the image's own systemd judges it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sysimage import locked_tool

# The exposure that `systemd-analyze security` may find, 0 (none) to 10. What it still finds: the network (but for the
# vault), more system calls than the fewest, a root directory that is the image's; for the replica, /dev/vsock and
# memory that is written and then executed; for node_exporter, processes and devices of the whole machine.
EXPOSURE = {
    "ic-btc-adapter.service": 1.5,
    "ic-crypto-csp.service": 0.6,
    "ic-https-outcalls-adapter.service": 1.5,
    "ic-orchestrator.service": 1.5,
    "ic-replica.service": 1.7,
    "node_exporter.service": 2.1,
}
UNITS = [Path(folder) / "etc/systemd/system" for folder in ("ic-os/guestos/rootfs", "ic-os/rootfs")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with our units; runfiles are links, which would lead out of it."""
    for units in UNITS:
        shutil.copytree(units, tmp_path / "etc/systemd/system", symlinks=False, dirs_exist_ok=True)
    return tmp_path


def exposure(root: Path, unit: str) -> float:
    words = ["security", "--no-pager", "--offline=yes", f"--root={root}", unit]
    command = locked_tool.command(Path(os.environ["SYSTEMD"]).absolute(), "systemd-analyze", words)
    # It wants a /run that it can write to.
    own_run = ["unshare", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"]
    said = subprocess.run([*own_run, *command], check=True, capture_output=True, text=True).stdout
    found = re.search(rf"Overall exposure level for {re.escape(unit)}: ([0-9.]+) ", said)
    assert found is not None, said
    return float(found[1])


@pytest.mark.parametrize("unit", EXPOSURE)
def test_exposure(unit: str, root: Path) -> None:
    assert exposure(root, unit) <= EXPOSURE[unit]


def test_every_program_is_judged() -> None:
    assert sorted(unit.name for units in UNITS for unit in units.glob("ic-*.service")) == [
        name for name in EXPOSURE if name[:3] == "ic-"
    ]


def test_what_all_have_in_common_counts(root: Path) -> None:
    """Without it, the same unit is found to be exposed."""
    shutil.rmtree(root / "etc/systemd/system/ic-.service.d")
    assert exposure(root, "ic-replica.service") > 5
