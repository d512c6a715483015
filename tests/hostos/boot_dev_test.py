"""dev boots to a login with nothing failed, is what it claims to be, and is the same machine at its next boot.

Before that boot it gets a configuration that is malformed, which changes nothing of that.
"""

from pathlib import Path

from tests.hostos.configuration.field import MALFORMED, check_malformed
from tests.hostos.host import HOSTOS, configure
from tests.hostos.storage import check
from tests.vm.checks import check_command_line, check_root, template_differences
from tests.vm.system import BOOT_SECONDS, Image
from tests.vm.upgrade import chosen, identity

pytest_plugins = ["tests.hostos.host"]


def test_boots_and_stays_itself(image: Image, copy: Path, tmp_path: Path) -> None:
    with HOSTOS.boot(copy, tmp_path, "boot-dev") as host:
        chosen(host, "A", "install")
        host.login()
        host.check_running()
        assert host.succeeds("tty") == "/dev/ttyS0"
        # The screen asks as well.
        assert host.succeeds("systemctl is-active getty@tty1.service") == "active"
        check_root(host, image)
        check_command_line(host, image)
        check(host)
        assert template_differences(host) == ""
        itself = identity(host)
        host.succeeds("echo kept > /var/mark && sync /var/mark")
        # What an upgrade waits for before it is confirmed.
        host.succeeds("systemctl start boot-complete.target", BOOT_SECONDS)
        host.shutdown()

    configure(copy, MALFORMED, tmp_path)
    with HOSTOS.boot(copy, tmp_path, "boot-dev-malformed") as host:
        chosen(host, "A", "stable")
        host.login()
        check_malformed(host)
        check(host)
        assert identity(host) == itself
        assert host.succeeds("cat /var/mark") == "kept"
