"""The disks of a machine that was in service are what they claim to be, for tools that know."""

from pathlib import Path

import pytest

from sysimage import ext4, lvm
from sysimage.extents import open_raw
from sysimage.vm.testing import path
from tests.hostos.host import HOSTOS
from tests.setupos.install.installed import check_group, open_spread
from tests.setupos.install.old import MARK, in_service
from tests.setupos.install.server import FIRST_DISK
from tests.vm.system import filesystem

_GUEST_VAR = 23_685_120 * 512


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("old")
    targets = (folder / "first.img", folder / "second.img", folder / "third.img")
    in_service(path("HOST"), targets, (FIRST_DISK, 20 << 30, 5 << 30), folder)
    return targets


def test_group_over_two_disks(disks: tuple[Path, Path, Path]) -> None:
    with pytest.raises(AssertionError):  # the extents of the third disk, and of the end of the first, are free
        check_group(disks)
    guest = open_spread(disks[:2], "guestos")
    with guest.sources:
        assert guest.size == (12800 + 5119) << 22
        assert guest.read(_GUEST_VAR, 8) == b"LUKS\xba\xbe\x00\x02"
    for disk, name in ((disks[1], "hostlvm"), (disks[2], "backup")):
        reader = open_raw(disk)
        with reader.sources:
            assert lvm.verify(reader) == []
            assert lvm.read(reader).name == name


def test_marks(disks: tuple[Path, Path, Path]) -> None:
    content, view = filesystem(disks[0], HOSTOS.volume("A_var"))
    with view.sources as sources:
        assert ext4.find(view)
        assert content.read("mark", sources) == MARK
    for disk in disks:
        assert disk.stat().st_blocks > 1000
