"""prod-sev without boot loader, as a host under SEV-SNP launches it, and without a certificate: then it serves nothing.

Nobody gets into it, so it is seen from outside. What is only inside is looked at in dev-sev (virsh_test).
"""

from pathlib import Path

from sysimage.vm.testing import free_port
from tests.boundary.boundary import BOUNDARY, given_medium, heard
from tests.vm.direct_boot import check_files, check_fixed, launch
from tests.vm.system import BOOT_SECONDS, Image

pytest_plugins = ["tests.boundary.boundary"]

# What the service manager shows on every console when all that is to start has started.
UP = r"Reached target .*[Mm]ulti-[Uu]ser"


def test_the_files_are_those_of_the_image(image: Image) -> None:
    check_files(image)
    check_fixed()


def test_it_boots(image: Image, tmp_path: Path) -> None:
    port = free_port()
    media = [given_medium(tmp_path / "medium.img")]
    with launch(BOUNDARY, image, tmp_path, media=media, network=True, forward=[(port, 443)]) as running:
        running.console.expect(
            r"generate-gateway-config: there is no certificate\.pem in the configuration: the gateway does not start; "
            r"give certificate\.pem and certificate_key\.pem\n",
            BOOT_SECONDS,
        )
        running.console.expect(UP, BOOT_SECONDS)
        assert heard(port) == b""
        # The modules with which a guest asks its processor, and all else.
        assert "Finished systemd-modules-load.service" in running.console.text
        assert "FAILED" not in running.console.text
        assert "login:" not in running.console.text
