"""Files and folders that appear whole or not at all."""

import os
import resource
from pathlib import Path

import pytest

from sysimage.errors import UserError
from sysimage.files import atomic_folder, write_source


def test_a_source_keeps_its_mode(tmp_path: Path) -> None:
    lock = tmp_path / "packages.lock.json"
    write_source(lock, "one\n")
    assert (lock.read_text(), lock.stat().st_mode & 0o777) == ("one\n", 0o644)
    lock.chmod(0o600)
    write_source(lock, "two\n")
    assert (lock.read_text(), lock.stat().st_mode & 0o777) == ("two\n", 0o600)
    assert os.listdir(tmp_path) == [lock.name]


def test_a_source_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    lock = tmp_path / "packages.lock.json"
    write_source(lock, "old\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # Python ignores the signal, so the write fails
    try:
        with pytest.raises(UserError) as caught:
            write_source(lock, "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value) == f"cannot write {lock}: File too large"
    assert lock.read_text() == "old\n"
    assert os.listdir(tmp_path) == [lock.name]


def test_a_source_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "packages.lock.json"
    calls: list[tuple[str, bytes]] = []
    fsync, replace = os.fsync, os.replace

    def traced_fsync(descriptor: int) -> None:
        fsync(descriptor)
        calls.append(("fsync", os.pread(descriptor, 100, 0)))

    def traced_replace(source: Path, target: Path) -> None:
        replace(source, target)
        calls.append(("replace", target.read_bytes()))

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_replace)
    write_source(lock, "new\n")
    assert calls == [("fsync", b"new\n"), ("replace", b"new\n")]


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for content in ("one", "two"):
        with atomic_folder(folder, ["file"]) as made:
            (made / "file").write_text(content)
            assert folder.exists() == (content == "two")
        assert (folder / "file").read_text() == content
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_that_is_not_finished_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with atomic_folder(folder, ["file"]) as made:
        (made / "file").write_text("one")
    with pytest.raises(KeyboardInterrupt), atomic_folder(folder, ["file"]) as made:
        (made / "file").write_text("half")
        raise KeyboardInterrupt
    assert (folder / "file").read_text() == "one"
    assert os.listdir(tmp_path) == ["out"]


def test_folders_that_are_not_for_taking(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter").touch()
    (tmp_path / "file").touch()
    for name, message in (
        ("full", "{} has something else in it, letter (hint: name another folder, or empty it)"),
        ("file", "cannot write {}: Not a directory"),
        ("none/out", "cannot write {}: No such file or directory"),
    ):
        with pytest.raises(UserError) as caught, atomic_folder(tmp_path / name, ["file"]):
            raise AssertionError
        assert str(caught.value) == message.format(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["file", "full"]
