"""dev-sev without boot loader, as a host under SEV-SNP launches it."""

from pathlib import Path

from tests.boundary.boundary import BOUNDARY
from tests.vm.direct_boot import COMMAND_LINE, check_files, check_fixed, check_sev, launch
from tests.vm.system import Image

pytest_plugins = ["tests.boundary.boundary"]


def test_the_files_are_those_of_the_image(image: Image) -> None:
    check_files(image)
    check_fixed()


def test_it_boots(image: Image, tmp_path: Path) -> None:
    with launch(BOUNDARY, image, tmp_path, network=True) as running:
        running.login()
        running.check_running()
        assert running.succeeds("cat /proc/cmdline") == COMMAND_LINE
        assert running.succeeds("findmnt --noheadings --output=OPTIONS /").split(",")[0] == "ro"
        check_sev(running, ["rdmsr", "openssl", "xxd"])
