"""The program that changes files of an image: what it writes, what it refuses, in one line."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import fat, gpt
from sysimage.edit import partition_tree, read_file
from sysimage.extents import Sources
from sysimage.fat import FatType, Options
from sysimage.gpt import Layout, Partition
from sysimage.inspection import open_image
from sysimage.materialise import write_raw
from sysimage.tree import Tree, file

TYPE = UUID("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
LAYOUT = Layout(UUID(int=1), 16384, (Partition(1, "config", 2048, 10240, TYPE, UUID(int=2)),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tree = Tree()
    tree.add("config.ini", file(b"old\n"))
    content = fat.plan(tree, Options(10240 * 512, FatType.FAT16, label="CONFIG"))
    write_raw(gpt.plan(LAYOUT, {"config": content}), Sources({}), tmp_path / "disk.img")
    (tmp_path / "new").write_bytes(b"new\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    # What this process can import, the program can import.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tools.edit_image", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_files_come_and_go(folder: Path) -> None:
    arguments = [
        "--file=config:a/new=new",
        "--mode=config:a/new=0600",
        "--remove=config:config.ini",
        "--epoch=1700000000",
    ]
    assert run(folder, "--image=disk.img", "--output=out.tar.zst", *arguments) == (0, "", "")
    assert sorted(each.name for each in folder.iterdir()) == ["disk.img", "new", "out.tar.zst", "out.tar.zst.sha256"]
    with open_image(folder / "out.tar.zst") as disk:
        tree = partition_tree(disk, "config")
        assert read_file(disk, tree, "a/new") == b"new\n"
        assert "config.ini" not in tree


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mode=config:new=rw"], "--mode of 'config:new': 'rw' is not an octal mode (hint: as in 0644)"),
        (["--mode=config:new=0888"], "--mode of 'config:new': '0888' is not an octal mode (hint: as in 0644)"),
        (["--mode=config:new=-1"], "--mode of 'config:new': '-1' is not an octal mode (hint: as in 0644)"),
        (["--mode=config:new=0o7"], "--mode of 'config:new': '0o7' is not an octal mode (hint: as in 0644)"),
        (["--mode=config:new=77777"], "--mode of 'config:new': '77777' is not an octal mode (hint: as in 0644)"),
        (["--mode=config:new"], "--mode 'config:new' is not of the form PARTITION:PATH=..."),
        (["--file=config:new"], "--file 'config:new' is not of the form PARTITION:PATH=..."),
        (["--file=new=new"], "--file 'new' does not begin with PARTITION:PATH"),
        (["--file=config:new=gone"], "config:new: cannot read gone: No such file or directory"),
        (["--file=config:/new=new"], "'/new' is no path of a file in a file system (hint: as in etc/config.ini)"),
        (["--remove=config"], "--remove 'config' does not begin with PARTITION:PATH"),
        (["--remove=data:new"], "there is no partition 'data' (hint: there are config)"),
        (["--file=config:a=new", "--remove=config:a"], "partition 'config': /a is changed twice"),
        (["word"], "unexpected argument 'word'"),
        (
            ["--output=out.iso"],
            "out.iso: the name of an image ends in .tar.zst, .tar, .img (hint: it says how it is packed)",
        ),
        (["--output="], "give --image and --output"),
    ],
)
def test_refused(folder: Path, arguments: list[str], message: str) -> None:
    before = (folder / "disk.img").read_bytes()
    assert run(folder, "--image=disk.img", "--output=out.img", *arguments) == (2, "", f"error: {message}\n")
    assert (folder / "disk.img").read_bytes() == before
    assert sorted(each.name for each in folder.iterdir()) == ["disk.img", "new"]
