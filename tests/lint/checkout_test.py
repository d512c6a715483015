"""Tests of what the linters share: they must see everything, and fail."""

import json
import sys
from pathlib import Path

import pytest

from tests.lint.checkout import check, lay_out


def test_lay_out_gives_files_their_names_back(tmp_path: Path) -> None:
    (tmp_path / "repo" / "tree" / "a").mkdir(parents=True)
    (tmp_path / "repo" / "tree" / "a" / "BUILD.bazel.link").write_text("text")
    index = tmp_path / "repo" / "files.json"
    index.write_text(json.dumps({"bazel": {"tree/a/BUILD.bazel.link": "a/BUILD.bazel"}, "shell": {}}))
    folder = tmp_path / "out"
    folder.mkdir()
    assert lay_out(index, "bazel", folder) == [Path("a/BUILD.bazel")]
    assert (folder / "a" / "BUILD.bazel").read_text() == "text"


def test_a_missing_source_is_an_error(tmp_path: Path) -> None:
    index = tmp_path / "files.json"
    index.write_text(json.dumps({"shell": {"tree/a.sh": "a.sh"}}))
    with pytest.raises(FileNotFoundError):
        lay_out(index, "shell", tmp_path)


def test_check_reports_what_the_linter_said_and_the_way_out(tmp_path: Path) -> None:
    check([sys.executable, "-c", "print('fine')"], tmp_path, "nothing")
    with pytest.raises(pytest.fail.Exception, match=r"(?s)bad line.*To mend it: do this$"):
        check([sys.executable, "-c", "print('bad line'); raise SystemExit(1)"], tmp_path, "do this")
