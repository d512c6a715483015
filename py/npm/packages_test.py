import io
import tarfile
from pathlib import Path

import pytest

from npm.packages import Package, copy_sources, lay_out, parse, unpack
from sysimage.errors import UserError


def archive(path: Path, files: dict[str, str], links: tuple[str, ...] = ()) -> Path:
    """A package with these files."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            member.mode = 0o755 if name.endswith(".sh") else 0o600
            tar.addfile(member, io.BytesIO(text.encode()))
        for name in links:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    return path


def test_parse() -> None:
    assert parse(["node_modules/@s/a|@s/a|1.0.0|sha512-AA==|a.tgz"]) == [
        Package("node_modules/@s/a", "@s/a", "1.0.0", "sha512-AA==", Path("a.tgz"))
    ]
    with pytest.raises(UserError, match=r"^--package 'a\|b' is not of the form PLACE\|NAME\|VERSION\|INTEGRITY\|FILE$"):
        parse(["a|b"])


def test_lay_out(tmp_path: Path) -> None:
    one = archive(tmp_path / "one.tgz", {"package/package.json": "{}", "package/bin/run.sh": "x"})
    # Not all packages call their folder `package`.
    two = archive(tmp_path / "two.tgz", {"b/index.js": "2"})
    lay_out(
        [
            Package("node_modules/a", "a", "1", "sha512-", one),
            Package("node_modules/a/node_modules/b", "b", "2", "sha512-", two),
        ],
        tmp_path / "tree",
    )
    folder = tmp_path / "tree/node_modules/a"
    found = {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert found == {"package.json": 0o644, "bin/run.sh": 0o755, "node_modules/b/index.js": 0o644}


@pytest.mark.parametrize("name", ["package/../../x", "/package/x", "x"])
def test_strange_names(tmp_path: Path, name: str) -> None:
    file = archive(tmp_path / "a.tgz", {name: "x"})
    with pytest.raises(UserError, match=r"is nothing that a package may have$"):
        unpack(file, tmp_path / "out")
    assert not (tmp_path / "x").exists()


def test_links(tmp_path: Path) -> None:
    file = archive(tmp_path / "a.tgz", {}, links=("package/link",))
    with pytest.raises(UserError, match=r"a\.tgz: 'package/link' is nothing that a package may have$"):
        unpack(file, tmp_path / "out")


def test_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_text("what")
    with pytest.raises(UserError, match=r"a\.tgz: not a package: "):
        unpack(tmp_path / "a.tgz", tmp_path / "out")


def test_copy_sources(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    copy_sources([f"src/a.ts={tmp_path / 'a'}"], tmp_path / "tree")
    assert (tmp_path / "tree/src/a.ts").read_text() == "1"


@pytest.mark.parametrize("word", ["a", "=a", "../a=b", "/a=b"])
def test_bad_sources(tmp_path: Path, word: str) -> None:
    with pytest.raises(UserError, match=r"is not of the form PATH=FILE$"):
        copy_sources([word], tmp_path)
