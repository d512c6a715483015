"""Power cuts during the first boot: wherever one falls, the next boot ends with a complete system.

One first boot runs, and the disk is copied at marked and at random moments of it, as a power cut would leave it; at the
end QEMU is killed. Then each of these disks is booted. Each costs a boot: power_cut_test takes a few of the moments,
power_cut_all_test all of them.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.guestos.guest import boot
from tests.guestos.storage import check, check_table, labels
from tests.vm.system import BOOT_SECONDS, Image

pytest_plugins = ["tests.guestos.guest"]

SEED = 4
LATEST = 6.0  # seconds behind its mark of a random moment


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the first boot: when this appears on the console, or at random after it.

    var and store: labels of the LUKS volumes that the disk must have at that moment, None: no matter which.
    """

    mark: str
    random: bool = False
    var: str | None = None
    store: str | None = None


MOMENTS = {
    "partitioning": Moment("Starting .*systemd-repart.service", var=""),
    "somewhere before the key": Moment("Finished .*systemd-repart.service", random=True),
    "key": Moment("setup-storage: making the key", var="", store=""),
    "formatting var": Moment("setup-storage: formatting var"),
    "filling var": Moment("setup-storage: filling var", var="new", store=""),
    "formatting store": Moment("setup-storage: formatting store", var="var"),
    "filling store": Moment("setup-storage: filling store", var="var", store="new"),
    "somewhere in the store": Moment("setup-storage: filling store", random=True, var="var"),
    "killed": Moment("setup-storage: store is complete", var="var"),
}
FEW = ("filling var", "filling store", "killed")
CHOSEN = {name: moment for name, moment in MOMENTS.items() if os.environ["MOMENTS"] == "all" or name in FEW}


@pytest.fixture(scope="module")
def cuts(image: Image, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each moment a disk that a power cut left behind."""
    folder = tmp_path_factory.mktemp("cuts")
    random = Random(SEED)
    result = {name: folder / f"{number}.img" for number, name in enumerate(CHOSEN)}
    with boot(image.disk, folder, "first-boot-cut") as guest:
        seen = ""
        for name, moment in CHOSEN.items():
            if moment.mark != seen:
                guest.console.expect(moment.mark, BOOT_SECONDS)
            seen = moment.mark
            if moment.random:
                time.sleep(random.uniform(0, LATEST))
            if name != "killed":
                guest.snapshot(result[name])
        guest.power_cut()
    image.disk.rename(result["killed"])
    return result


@pytest.mark.parametrize("name", CHOSEN)
def test_next_boot_ends_with_a_complete_system(name: str, cuts: dict[str, Path], tmp_path: Path) -> None:
    moment, disk = CHOSEN[name], cuts[name]
    found = labels(disk)
    assert moment.var is None or found["A_var"] == moment.var
    assert moment.store is None or found["store"] == moment.store
    with boot(disk, tmp_path, f"cut-{name.replace(' ', '-')}") as guest:
        guest.login()
        guest.check_running()
        check(guest)
        guest.shutdown()
    check_table(disk)
    assert labels(disk) == {"A_var": "var", "B_var": "", "store": "store"}
    disk.unlink()
