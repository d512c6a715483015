"""A disk image whose files were changed, before those who read it in the field: again and again, in both directions."""

from pathlib import Path
from uuid import UUID

import pytest

from sysimage import ext4, fat, gpt
from sysimage.edit import Change, edit_image
from sysimage.ext4.testing import options
from sysimage.extents import Sources
from sysimage.fat import FatType, Options
from sysimage.gpt import Layout, Partition
from sysimage.materialise import write_raw
from sysimage.tree import Tree, directory, file
from tests.interop.edit.judges import check, judge, partition

NONE = Sources({})
MIB = 1 << 20
SECTORS = MIB // 512
TIME = 1_700_000_000_000_000_000
BASIC = UUID("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
LINUX = UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
LAYOUT = Layout(
    UUID(int=1),
    300 * SECTORS,
    (
        Partition(1, "config", SECTORS, 50 * SECTORS, BASIC, UUID(int=2)),
        Partition(2, "data", 51 * SECTORS, 200 * SECTORS, LINUX, UUID(int=3)),
    ),
)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    config, data = Tree(directory(mtime=TIME)), Tree(directory(mtime=TIME))
    config.put("config.ini", file(b"ipv6_prefix=2001:db8\n", mtime=TIME))
    data.put("guest-os.img.tar.zst", file(b"guest" * 100_000, mtime=TIME))
    contents = {
        "config": fat.plan(config, Options(50 * MIB, FatType.FAT32, label="CONFIG", hidden_sectors=SECTORS)),
        "data": ext4.plan(data, options(size=200 * MIB)),
    }
    path = tmp_path / "disk.img"
    write_raw(gpt.plan(LAYOUT, contents), NONE, path)
    return path


def test_changed_files_are_read_by_others(image: Path) -> None:
    for number in range(3):
        text = f"round {number}\n" * 10 ** (number + 1)
        edit_image(
            image,
            {
                "config": [
                    Change("config.ini", text.encode(), mtime=TIME),
                    Change("ssh_authorized_keys/admin", b"key\n" if number != 1 else None, mtime=TIME),
                ],
                "data": [Change("deployment.json", text.encode(), mtime=TIME)],
            },
        )
        config, data = check(image)
        assert judge("mtype", "-i", config, "::config.ini") == text
        assert ("admin" in judge("mdir", "-b", "-i", config, "::ssh_authorized_keys")) == (number != 1)
        assert judge("debugfs", "-R", "cat /deployment.json", data) == text
        assert judge("debugfs", "-R", "cat /guest-os.img.tar.zst", data) == "guest" * 100_000


def test_what_others_wrote_is_changed(image: Path, tmp_path: Path) -> None:
    config = partition(image, "config")
    (tmp_path / "theirs").write_text("theirs\n")
    judge("mcopy", "-i", config, tmp_path / "theirs", "::/a long name of theirs.text")
    with image.open("r+b") as file_:
        file_.seek(MIB)
        file_.write(config.read_bytes())
    edit_image(image, {"config": [Change("config.ini", b"ours\n", mtime=TIME)]})
    config, _ = check(image)
    assert judge("mtype", "-i", config, "::/a long name of theirs.text") == "theirs\n"
    assert judge("mtype", "-i", config, "::config.ini") == "ours\n"
