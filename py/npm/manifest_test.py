from pathlib import Path

import pytest

from npm.manifest import as_text, manifest
from sysimage.errors import UserError

A = {"name": "a", "version": "1.0.0", "integrity": "sha512-a"}
B = {"name": "b", "version": "1.0.0", "integrity": "sha512-b"}


def test_manifest(tmp_path: Path) -> None:
    (tmp_path / "sw.js").write_text("1")
    (tmp_path / "empty").write_text("")
    text = as_text(manifest("source", [tmp_path / "sw.js", tmp_path / "empty"], [[B, A], [A]]))
    assert text == (
        '{"origin":"source","packages":['
        '{"integrity":"sha512-a","name":"a","version":"1.0.0"},{"integrity":"sha512-b","name":"b","version":"1.0.0"}],'
        '"sha256":{"empty":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",'
        '"sw.js":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"}}\n'
    )


def test_one_name_twice(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for path in ("a.js", "x/a.js"):
        (tmp_path / path).write_text("1")
    with pytest.raises(UserError, match=r"^two files are named a\.js$"):
        manifest("source", [tmp_path / "a.js", tmp_path / "x/a.js"], [])
