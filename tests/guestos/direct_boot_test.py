"""dev-sev without boot loader, as a host under SEV-SNP launches it: it serves as any other variant does."""

from collections.abc import Iterator

import pytest

from sysimage.vm.testing import free_port
from tests.guestos.guest import GUESTOS, Guest
from tests.guestos.status import STATUS_PORT, check_replica
from tests.vm.direct_boot import COMMAND_LINE, check_files, check_fixed, check_sev, launch
from tests.vm.system import Image

pytest_plugins = ["tests.guestos.guest"]


@pytest.fixture(scope="module")
def status_port() -> int:
    """The port of this machine that is the replica's status."""
    return free_port()


@pytest.fixture(scope="module")
def guest(image: Image, status_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """The launched machine."""
    folder = tmp_path_factory.mktemp("direct")
    with launch(GUESTOS, image, folder, forward=[(status_port, STATUS_PORT)]) as running:
        running.login()
        yield running


def test_the_files_are_those_of_the_image(image: Image) -> None:
    check_files(image)
    check_fixed()


def test_it_boots_and_serves(guest: Guest, status_port: int) -> None:
    guest.check_running()
    assert guest.succeeds("cat /proc/cmdline") == COMMAND_LINE
    assert guest.succeeds("findmnt --noheadings --output=OPTIONS /").split(",")[0] == "ro"
    check_replica(status_port, malicious=False)


def test_what_a_guest_asks_its_processor_with_is_there(guest: Guest) -> None:
    check_sev(guest, ["rdmsr", "openssl", "xxd"])
