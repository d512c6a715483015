"""dev-malicious boots as dev does (first_boot_test), with another replica."""

from pathlib import Path

from sysimage.vm.testing import free_port
from tests.guestos.guest import boot
from tests.guestos.status import STATUS_PORT, check_replica
from tests.vm.checks import check_command_line, check_root
from tests.vm.system import Image
from tests.vm.upgrade import chosen

pytest_plugins = ["tests.guestos.guest"]


def test_boots_and_serves(image: Image, tmp_path: Path) -> None:
    status = free_port()
    with boot(image.disk, tmp_path, "boot-malicious", forward=[(status, STATUS_PORT)], writable=False) as guest:
        chosen(guest, "A", "install")
        guest.login()
        guest.check_running()
        check_root(guest, image)
        check_command_line(guest, image)
        check_replica(status, malicious=True)
