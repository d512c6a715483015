"""Tests of the wheels' lock."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from toolchains.python import lock as program
from toolchains.python.lock import LockError, Wheel, format_lock, merge_reports, replace, requirement_name


def report(*packages: tuple[str, str, str, list[str]]) -> dict[str, Any]:
    install = [
        {
            "metadata": {"name": name, "version": version, "requires_dist": requires},
            "download_info": {"archive_info": {"hashes": {"sha256": digest}}},
        }
        for name, version, digest, requires in packages
    ]
    value: dict[str, Any] = json.loads(json.dumps({"install": install}))
    return value


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("iniconfig", "iniconfig"),
        ("pluggy<2,>=1.6", "pluggy"),
        ('typing_extensions>=4.6.0; python_version < "3.15"', "typing-extensions"),
        ("zope.interface (>=5)", "zope-interface"),
        ("hyperscan >=0.7", "hyperscan"),
    ],
)
def test_requirement_name(requirement: str, name: str) -> None:
    assert requirement_name(requirement) == name


def test_merge_joins_hashes_and_keeps_who_needs_what() -> None:
    wheels = merge_reports(
        [
            report(
                ("Top", "1", "aa", ["low_er>=2", 'other; extra == "more"']),
                ("low.er", "2", "bb", []),
                ("other", "3", "cc", []),
            ),
            report(("top", "1", "dd", ["low-er>=2"]), ("low.er", "2", "bb", [])),
        ]
    )
    assert wheels == {
        "top": Wheel("1", {"aa", "dd"}),
        "low-er": Wheel("2", {"bb"}, {"top"}),
        "other": Wheel("3", {"cc"}),
    }
    assert format_lock(wheels).partition("lock\n")[2] == (
        "low-er==2 \\\n    --hash=sha256:bb\n    # via top\n"
        "other==3 \\\n    --hash=sha256:cc\n"
        "top==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:dd\n"
    )


def test_a_lock_says_how_it_is_made() -> None:
    assert format_lock({}) == (
        "# Locked wheels for CPython 3.11, 3.12, 3.13, 3.14 on x86_64.\n"
        "# Made from requirements.in by: bazel run //toolchains/python:lock\n"
    )
    assert format_lock({}, "tests/x", ["3.14"]) == (
        "# Locked wheels for CPython 3.14 on x86_64.\n# Made from requirements.in by: bazel run //tests/x:lock\n"
    )


def test_one_version_for_all_interpreters() -> None:
    with pytest.raises(LockError, match=r"^top: interpreters differ: 1 and 2$"):
        merge_reports([report(("top", "1", "aa", [])), report(("top", "2", "bb", []))])


def test_a_lock_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    replace(lock, "old\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # Python ignores the signal, so the write fails
    try:
        with pytest.raises(LockError) as caught:
            replace(lock, "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value) == f"cannot write {lock}: File too large (hint: it is as it was)"
    assert lock.read_text() == "old\n"
    assert os.listdir(tmp_path) == [lock.name]


def test_without_an_index_the_lock_stays_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "toolchains" / "python"
    folder.mkdir(parents=True)
    (folder / "requirements.in").write_text("no-such-wheel==1\n")
    (folder / "requirements.lock").write_text("old\n")
    environment = {**os.environ, "BUILD_WORKSPACE_DIRECTORY": str(tmp_path), "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [sys.executable, program.__file__], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith(
        f"\nerror: pip could not resolve {folder}/requirements.in for Python 3.11 (hint: its message is above)\n"
    )
    assert "Traceback" not in done.stderr
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        "requirements.in": "no-such-wheel==1\n",
        "requirements.lock": "old\n",
    }
