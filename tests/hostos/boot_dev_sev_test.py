"""dev-sev boots to a login with nothing failed, and is what it claims to be."""

from pathlib import Path

from tests.hostos.host import HOSTOS
from tests.hostos.storage import check
from tests.vm.checks import check_command_line, check_root
from tests.vm.system import Image
from tests.vm.upgrade import chosen

pytest_plugins = ["tests.hostos.host"]


def test_boots(image: Image, tmp_path: Path) -> None:
    with HOSTOS.boot(image.disk, tmp_path, "boot-dev-sev", writable=False) as host:
        chosen(host, "A", "install")
        host.login()
        host.check_running()
        check_root(host, image)
        check_command_line(host, image)
        check(host)
