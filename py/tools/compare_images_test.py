"""The program that compares two images: what it prints, what it exits with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysimage.explanation.testing import NONE, PARTITION, archive, disk, packed, patched
from sysimage.extents import ExtentMap
from sysimage.materialise import write_raw
from sysimage.sparse_tar import Member

DISK = disk()


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    # What this process can import, the program can import.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tools.compare_images", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_equal(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_raw(DISK, NONE, tmp_path / name)
    assert run(tmp_path, "a", "b") == (0, "a and b are the same bytes\n", "")


def test_disks_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "a.tar.zst").write_bytes(packed(archive([Member("disk.img", DISK)])))
    other = patched(DISK, (2 * PARTITION * 512 + 7, b"x"), (4 * PARTITION * 512, b"y"))
    (tmp_path / "b.tar").write_bytes(archive([Member("disk.img", ExtentMap.of_bytes(other))]))
    status, text, errors = run(tmp_path, "a.tar.zst", "b.tar")
    widths = (25, 26, 26, 25)
    edge = f"+{'+'.join('-' * width for width in widths)}+"
    # A zstd file against a tar: the bytes have nothing in common, but the picture is drawn all the same.
    assert (status, text, errors) == (1, text, "")
    names = [name.center(width) for name, width in zip(("esp", "boot", "root", "var"), widths, strict=True)]
    marks = [mark * width for mark, width in zip(" # #", widths, strict=True)]
    assert text.splitlines()[2:7] == [
        edge,
        f"|{'|'.join(names)}|",
        f"|{'|'.join(marks)}|",
        edge,
        "#: differs",
    ]
    assert text.splitlines()[8] == "a zstd file against a tar archive"


@pytest.mark.parametrize(
    ("first", "second", "arguments", "said"),
    [
        (b"one", b"two", [], 'a and b differ:\ncontent differs first at byte 0 of 3 (line 1): "one" against "two"\n'),
        (b"[1,2]", b"[3,4]", ["--limit=1"], "a and b differ:\n[0] 1 against 3\n1 more difference is left out\n"),
    ],
)
def test_other_files(tmp_path: Path, first: bytes, second: bytes, arguments: list[str], said: str) -> None:
    (tmp_path / "a").write_bytes(first)
    (tmp_path / "b").write_bytes(second)
    assert run(tmp_path, "a", "b", *arguments) == (1, said, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "two files are compared, not 1 (hint: compare_images FILE OTHER_FILE)"),
        (["a", "none"], "cannot read none: No such file or directory"),
        (["a", "."], "cannot read .: Is a directory"),
        (["a", "a", "--limit=0"], "flag --limit=0: 0 is not a positive integer (hint: --help lists the flags)"),
    ],
)
def test_bad_input(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "a").write_bytes(b"x")
    assert run(tmp_path, *arguments) == (2, "", f"error: {message}\n")


def test_bazel_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    assert run(Path("/"), "a", "a") == (0, "a and a are the same bytes\n", "")
