"""Files and folders of the host as data."""

import os
from pathlib import Path

import pytest

from sysimage.errors import UserError
from sysimage.folders import read_file, read_folder


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "b/c/x").write_bytes(b"x")
    (tmp_path / "b.y").write_bytes(b"y")
    (tmp_path / "a").symlink_to("b/c/x")
    (tmp_path / "empty").mkdir()
    assert read_folder("f", tmp_path, 3) == {"a": b"x", "b.y": b"y", "b/c/x": b"x"}
    assert list(read_folder("f", tmp_path, 3)) == ["a", "b.y", "b/c/x"]


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_file("f", tmp_path / "x", 5) == b"12345"
    with pytest.raises(UserError) as caught:
        read_file("f", tmp_path / "x", 4)
    assert str(caught.value) == f"f: {tmp_path}/x has more than the 4 bytes that are possible"
    with pytest.raises(UserError) as caught:
        read_file("f", tmp_path / "y", 4)
    assert str(caught.value) == f"f: cannot read {tmp_path}/y: No such file or directory"


def test_what_is_no_folder_of_files(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_folder("f", tmp_path / "none", 1)
    assert str(caught.value) == f"f: {tmp_path}/none is not a folder"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError) as caught:
        read_folder("f", tmp_path, 1)
    assert str(caught.value) == f"f: {tmp_path}/pipe is neither a file nor a folder (hint: remove it)"


@pytest.mark.parametrize("target", ["nowhere", ".."])
def test_links_that_lead_to_no_file(target: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(UserError) as caught:
        read_folder("f", tmp_path, 1)
    assert str(caught.value) == f"f: {tmp_path}/link is neither a file nor a folder (hint: remove it)"


def test_all_files_together_have_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"123")
    assert len(read_folder("f", tmp_path, 6)) == 2
    with pytest.raises(UserError) as caught:
        read_folder("f", tmp_path, 5)
    assert str(caught.value) == f"f: {tmp_path}/b has more than the 2 bytes that are possible"
