import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from benchmarks import repository
from sysimage.errors import UserError

CONTROL = """\
Package: {name}
Version: {version}
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: a test
"""


def ar_member(name: str, data: bytes) -> bytes:
    """One member of an ar archive. Source: deb(5), ar(5)."""
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
    return header.encode() + data + b"\n" * (len(data) % 2)


def make_deb(folder: Path, name: str, version: str) -> Path:
    control = CONTROL.format(name=name, version=version).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("./control")
        info.size = len(control)
        archive.addfile(info, io.BytesIO(control))
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w:gz").close()
    path = folder / f"{name}_{version}_all.deb"
    members = [("debian-binary", b"2.0\n"), ("control.tar.gz", buffer.getvalue()), ("data.tar.gz", empty.getvalue())]
    path.write_bytes(b"!<arch>\n" + b"".join(ar_member(*member) for member in members))
    return path


def test_archive_lists_files_with_their_hashes(tmp_path: Path) -> None:
    debs = [make_deb(tmp_path, "zebra", "1.0"), make_deb(tmp_path, "ant", "2:3-4")]
    archive = repository.make(tmp_path / "archive", debs)
    assert archive.packages == {"ant": "2:3-4", "zebra": "1.0"}
    index = (archive.path / "dists/trixie/main/binary-amd64/Packages").read_bytes()
    first, second = index.decode().split("\n\n")
    assert repository.field(first, "Package") == "ant"
    assert repository.field(second, "SHA256") == hashlib.sha256(debs[0].read_bytes()).hexdigest()
    assert (archive.path / repository.field(second, "Filename")).read_bytes() == debs[0].read_bytes()
    release = (archive.path / "dists/trixie/Release").read_text()
    assert f" {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-amd64/Packages\n" in release
    assert archive.source == f"deb [trusted=yes] copy://{tmp_path}/archive trixie main"


def test_two_versions_of_one_package(tmp_path: Path) -> None:
    debs = [make_deb(tmp_path, "ant", "1"), make_deb(tmp_path, "ant", "2")]
    with pytest.raises(UserError, match="package ant is given twice: 1 and 2"):
        repository.make(tmp_path / "archive", debs)


def test_no_packages(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \.deb files are given for the archive"):
        repository.make(tmp_path / "archive", [])


STATUS = """\
Package: ant
Status: install ok installed
Version: 1

Package: bee
Status: deinstall ok config-files
Version: 2

"""


def test_installed_packages_are_compared(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(STATUS)
    assert repository.installed(status) == {"ant": "1"}
    repository.check_same_packages(repository.Repository(tmp_path, {"ant": "1"}), status, "peer")
    with pytest.raises(UserError, match=r"peer did not install the packages of the lock; they differ in .*'ant', '1'"):
        repository.check_same_packages(repository.Repository(tmp_path, {"ant": "2"}), status, "peer")
