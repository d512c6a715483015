"""The power goes at any moment of an installation; the next one, from the same stick, comes to its end.

One installation is made with a log of all that the machine writes to its first disk. From the log come disks as
power cuts leave them, without what the disk's cache would have lost. On each of them SetupOS is started again.
"""

import random
from pathlib import Path

import pytest

from sysimage.vm import disks
from sysimage.vm.testing import path
from sysimage.vm.write_log import Replay
from tests.setupos.install.installed import check_group, check_guest, check_host, host_files, take_out
from tests.setupos.install.server import (
    CONFIG_INI,
    FIRST_DISK,
    NOT_HERE,
    SECOND_DISK,
    Server,
    answering_nns,
    deployment,
    empty_disk,
    make_stick,
)

POWER_CUTS = 4


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The raw images of HostOS and GuestOS."""
    host, guest = (disks.unpack(path(name), tmp_path_factory.mktemp(name.lower())) for name in ("HOST", "GUEST"))
    return host, guest


def check(server: Server, images: tuple[Path, Path], scratch: Path) -> None:
    """The server is installed as if nothing had been."""
    host, guest = images
    check_group(server.disks)
    check_host(server.disks, host)
    taken = take_out(server.disks, "guestos", scratch / "guest.img")
    check_guest(taken, guest)
    taken.unlink()
    assert host_files(server.disks[0])["config.ini"] == CONFIG_INI.encode()


def test_an_installation_after_a_power_cut(images: tuple[Path, Path], tmp_path: Path) -> None:
    first, second, log = tmp_path / "first.img", tmp_path / "second.img", tmp_path / "writes"
    server = Server(tmp_path, (empty_disk(first, FIRST_DISK), empty_disk(second, SECOND_DISK)))
    log.touch()
    draw = random.Random("power cuts")
    with answering_nns() as nns:
        config = {"config.ini": CONFIG_INI, "skip-checks": "".join(f"{name}\n" for name in NOT_HERE)}
        stick = make_stick(path("IMAGE"), tmp_path, config, {"deployment.json": deployment(nns.url)})
        server.install("uninterrupted", stick, write_log=log)
        check(server, images, tmp_path)
        late = tmp_path / "second.late.img"
        disks.copy(second, late)
        with Replay(empty_disk(tmp_path / "replayed.img", FIRST_DISK), log) as replay:
            for number, moment in enumerate(sorted(draw.sample(range(len(replay.entries)), POWER_CUTS))):
                with replay.power_cut(moment, draw):
                    disks.copy(tmp_path / "replayed.img", first)
                # The other disk may be further, or not begun with.
                if number % 2:
                    disks.copy(late, second)
                else:
                    empty_disk(second, SECOND_DISK)
                server.install(f"after-power-cut-{number}", stick)
                check(server, images, tmp_path)
