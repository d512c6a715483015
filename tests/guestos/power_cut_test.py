"""The power goes in the first boot, in the next, and in the one after: the last ends with a complete system.

Each boot is cut behind what the one before was cut in, so that it shows that this was made good. power_cut_all_test
cuts one boot at each of many moments.
"""

from pathlib import Path

from tests.guestos.guest import boot
from tests.guestos.moments import MOMENTS
from tests.guestos.storage import check, check_table, labels
from tests.vm.system import BOOT_SECONDS, Image

pytest_plugins = ["tests.guestos.guest"]


def test_cut_again_and_again(image: Image, tmp_path: Path) -> None:
    for name in ("filling var", "filling store", "killed"):
        moment = MOMENTS[name]
        with boot(image.disk, tmp_path, f"cut-{name.replace(' ', '-')}") as guest:
            guest.console.expect(moment.mark, BOOT_SECONDS)
            guest.power_cut()
        found = labels(image.disk)
        assert found["A_var"] == moment.var
        assert moment.store is None or found["store"] == moment.store
    with boot(image.disk, tmp_path, "complete") as guest:
        guest.login()
        guest.check_running()
        check(guest)
    check_table(image.disk)
    assert labels(image.disk) == {"A_var": "var", "B_var": "", "store": "store"}
