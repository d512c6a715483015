"""Power cuts during the first boot: wherever one falls, the next boot ends with a complete system.

One first boot runs, and the disk is copied at marked and at random moments of it, as a power cut would leave it; at the
end QEMU is killed. Then each of these disks is booted. All of that takes a quarter of an hour, so it is run by hand.
"""

import time
from pathlib import Path
from random import Random

import pytest

from tests.guestos.guest import boot
from tests.guestos.moments import MOMENTS
from tests.guestos.storage import check, check_table, labels
from tests.vm.system import BOOT_SECONDS, Image

pytest_plugins = ["tests.guestos.guest"]

SEED = 4
LATEST = 6.0  # seconds behind its mark of a random moment


@pytest.fixture(scope="module")
def cuts(image: Image, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each moment a disk that a power cut left behind."""
    folder = tmp_path_factory.mktemp("cuts")
    random = Random(SEED)
    result = {name: folder / f"{number}.img" for number, name in enumerate(MOMENTS)}
    with boot(image.disk, folder, "first-boot-cut") as guest:
        seen = ""
        for name, moment in MOMENTS.items():
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


@pytest.mark.parametrize("name", MOMENTS)
def test_next_boot_ends_with_a_complete_system(name: str, cuts: dict[str, Path], tmp_path: Path) -> None:
    moment, disk = MOMENTS[name], cuts[name]
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
