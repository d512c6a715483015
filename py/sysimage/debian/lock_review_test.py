"""The review of maintainer scripts at a refresh."""

import hashlib
import io
import tarfile
from pathlib import Path

from sysimage.debian.changes import compare
from sysimage.debian.fetch import Fetcher
from sysimage.debian.lock import Lock, LockedPackage, LockedSet
from sysimage.debian.lock_review import review_scripts
from sysimage.debian.scripts import parse_scripts

OLD = "#!/bin/sh\nset -e\nhello --setup\nexit 0\n"
NEW = "#!/bin/sh\nset -e\nhello --setup --all\nexit 0\n"


def ar_member(name: str, data: bytes) -> bytes:
    """One member of an ar archive. Source: deb(5), ar(5)."""
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)


def make_deb(name: str, version: str, postinst: str) -> bytes:
    """A package with nothing in it but a postinst."""
    control = io.BytesIO()
    with tarfile.open(fileobj=control, mode="w") as archive:
        fields = f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
        for member, text in (("./control", fields), ("./postinst", postinst)):
            info = tarfile.TarInfo(member)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    members = (("debian-binary", b"2.0\n"), ("control.tar", control.getvalue()), ("data.tar", empty.getvalue()))
    return b"!<arch>\n" + b"".join(ar_member(*member) for member in members)


class Archive:
    """Packages in a cache folder, with locks of them."""

    def __init__(self, folder: Path) -> None:
        self.fetcher = Fetcher({"debian": ()}, folder, "20260802T100000Z")

    def package(self, name: str, version: str, postinst: str) -> LockedPackage:
        """Makes a package and keeps it in the cache."""
        data = make_deb(name, version, postinst)
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.fetcher.cache / sha256[:2] / f"{sha256}.deb"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return LockedPackage(name, version, "all", "debian", f"{name}_{version}.deb", len(data), sha256, ("base",))

    def lock(self, *packages: LockedPackage) -> Lock:
        """A lock of some packages."""
        return Lock("amd64", "20260802T100000Z", (), (LockedSet("base", "", ()),), packages)

    def review(self, old: Lock | None, new: Lock, table: str = "") -> str:
        """The review of going from one lock to another."""
        changes = compare(old, new)
        fresh = [*changes.added, *(package for _, package in changes.changed)]
        return review_scripts(changes, self.fetcher.debs(fresh), self.fetcher, parse_scripts(table, "table"))


def digest(text: str) -> str:
    """The hash that stands in the table."""
    return hashlib.sha256(text.encode()).hexdigest()


def entry(text: str) -> str:
    """An entry of the table for a postinst of hello."""
    return f'[[script]]\npackage = "hello"\nscript = "postinst"\nsha256 = "{digest(text)}"\nwhy = "test"\n'


def test_new_script(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    lock = archive.lock(archive.package("hello", "1", OLD))
    assert archive.review(None, lock) == (
        f"the postinst of package hello is not in the scripts table (sha256 {digest(OLD)})\n    hello --setup\n"
    )
    assert archive.review(None, lock, entry(OLD)) == ""


def test_changed_script(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    old = archive.lock(archive.package("hello", "1", OLD))
    new = archive.lock(archive.package("hello", "2", NEW))
    assert archive.review(old, new, entry(OLD)) == (
        f"the postinst of package hello has changed since it was reviewed (sha256 {digest(NEW)})\n"
        "    --- postinst of hello 1\n"
        "    +++ postinst of hello 2\n"
        "    @@ -1,4 +1,4 @@\n"
        "     #!/bin/sh\n"
        "     set -e\n"
        "    -hello --setup\n"
        "    +hello --setup --all\n"
        "     exit 0\n"
    )
    assert archive.review(old, new, entry(NEW)) == ""


def test_changed_script_when_the_old_version_is_gone(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    old = archive.package("hello", "1", OLD)
    new = archive.lock(archive.package("hello", "2", NEW))
    (tmp_path / old.sha256[:2] / f"{old.sha256}.deb").unlink()
    assert archive.review(archive.lock(old), new, entry(OLD)) == (
        f"the postinst of package hello has changed since it was reviewed (sha256 {digest(NEW)})\n"
        "    hello --setup --all\n"
    )


def test_version_with_the_same_script(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    old = archive.lock(archive.package("hello", "1", OLD))
    new = archive.lock(archive.package("hello", "2", OLD))
    assert archive.review(old, new, entry(OLD)) == ""
    assert archive.review(old, old) == ""
