"""prod, as it was built, boots from a stick, and no console asks for a login.

The installer refuses the configuration, a template that nobody filled in.
"""

import re
import time
from pathlib import Path

from sysimage.vm.testing import path
from tests.setupos.stick import SETUPOS
from tests.vm.access import QUIET_SECONDS
from tests.vm.system import BOOT_SECONDS, Image
from tests.vm.upgrade import chosen

pytest_plugins = ["tests.setupos.stick"]

REFUSAL = (
    r"SETUPOS FAILED in step config: config\.ini, line 6: ipv6_prefix cannot be ''; "
    r"it is four groups, such as 2a00:fb01:400:200"
)


def test_refuses_what_nobody_filled_in(image: Image, tmp_path: Path) -> None:
    with SETUPOS.boot(image.disk, tmp_path, "boot-prod", writable=False) as setupos:
        chosen(setupos, "A", "install")
        version = path("VERSION").read_text().strip()
        setupos.console.expect(rf"SetupOS {re.escape(version)}\b", BOOT_SECONDS)
        setupos.console.expect(REFUSAL, BOOT_SECONDS)
        before = len(setupos.console.text)
        setupos.console.send("\n\nroot\nroot\n")
        time.sleep(QUIET_SECONDS)
        assert re.search(r"login:|[Pp]assword|root@|[#$] $", setupos.console.text[before:]) is None
        # Of all units only the installer has failed, and nothing asked before.
        assert re.findall(r"Failed to start ([\w.@-]+)", setupos.console.text) in ([], ["setupos.service"])
        assert re.search(r"login: |[Pp]assword: ", setupos.console.text) is None
