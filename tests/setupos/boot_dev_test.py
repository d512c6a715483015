"""dev boots from a stick to a login, and is what it claims to be.

Nothing fails but the installer, which finds no server here.
"""

from pathlib import Path

from tests.setupos.stick import SETUPOS, check_data, check_mounts
from tests.vm.checks import check_command_line, check_root
from tests.vm.system import BOOT_SECONDS, Image
from tests.vm.upgrade import chosen

pytest_plugins = ["tests.setupos.stick"]


def test_boots(image: Image, tmp_path: Path) -> None:
    with SETUPOS.boot(image.disk, tmp_path, "boot-dev", writable=False) as setupos:
        chosen(setupos, "A", "install")
        setupos.console.expect(r"SETUPOS FAILED in step hardware: ", BOOT_SECONDS)
        setupos.console.send("\n")  # The prompt is above what the installer said.
        setupos.login()
        assert setupos.succeeds("systemctl --failed --no-legend --plain").split()[:1] == ["setupos.service"]
        assert setupos.succeeds("tty") == "/dev/ttyS0"
        # The screen asks as well.
        assert setupos.succeeds("systemctl is-active getty@tty1.service") == "active"
        check_root(setupos, image)
        check_command_line(setupos, image)
        check_mounts(setupos)
        check_data(setupos)
        setupos.shutdown()
