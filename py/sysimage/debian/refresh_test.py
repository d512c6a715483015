"""From a signed archive to a lock and its .debs, over a loopback server."""

import dataclasses
import datetime
import functools
import hashlib
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysimage.debian.fetch import Fetcher, fetch
from sysimage.debian.lock import Lock, LockedIndex, Request, parse_lock
from sysimage.debian.refresh import IndexLoader, SetSpec, Suite, check_not_older, resolve_sets
from sysimage.debian.resolve import Resolver
from sysimage.errors import UserError

DATA = Path(__file__).parent / "testdata"
KEYRING = DATA / "keyring.gpg"
NOW = datetime.datetime(2026, 8, 2, tzinfo=datetime.UTC)
TINY = Suite("tiny", "tiny")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that keeps its log to itself, and answers 503 below /busy."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""

    def do_GET(self) -> None:
        """Serves a file, or not."""
        if self.path.startswith("/busy/"):
            self.send_error(503)
        else:
            super().do_GET()


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A private copy of the archive."""
    shutil.copytree(DATA / "archive", tmp_path / "archive")
    return tmp_path / "archive"


@pytest.fixture(name="server")
def _server(folder: Path) -> Iterator[str]:
    """The address of a server of that copy."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def loader(*mirrors: str, **changes: object) -> IndexLoader:
    """A loader of the archive's index."""
    plain = IndexLoader("amd64", ["main"], {"tiny": mirrors}, [KEYRING], NOW)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def ask(*names: str) -> list[Request]:
    """Requests of a list."""
    return [Request(name, "test", f"list:{number}") for number, name in enumerate(names, 1)]


def make_lock(address: str, folder: Path) -> Lock:
    """A lock of the tiny archive."""
    index, verified = loader(address).load(TINY)
    specs = [
        SetSpec("system", "", [], minimal=True),
        SetSpec("more", "system", ask("server")),
        SetSpec("tool", "", ask("editor-a")),
    ]
    return resolve_sets("amd64", specs, [index], Resolver(folder, "amd64", verified))


def test_lock(server: str, tmp_path: Path) -> None:
    (tmp_path / "apt").mkdir()
    lock = make_lock(server, tmp_path / "apt")
    assert lock.snapshot == "20260802T100000Z"
    assert [index.date for index in lock.indexes] == ["2026-08-01T10:00:00Z"]
    assert {package.name: package.sets for package in lock.packages} == {
        "apt": ("system",),
        "base": ("system",),
        "editor-a": ("more", "tool"),
        "server": ("more",),
        "tiny-libc": ("system", "tool"),
    }
    assert lock.set_named("system").requests == ("apt", "base")
    assert [package.name for package in lock.closure("more")] == ["apt", "base", "editor-a", "server", "tiny-libc"]
    assert "127.0.0.1" not in lock.to_text()
    assert parse_lock(lock.to_text(), "x") == lock

    fetcher = Fetcher({"tiny": [f"{server}/gone", server]}, tmp_path / "cache", lock.snapshot)
    debs = fetcher.debs(lock.packages)
    assert debs[4].read_text() == "not really a package: tiny-libc 1:2.41-1+b1\n"
    offline = dataclasses.replace(fetcher, mirrors={"tiny": []})
    assert offline.debs(lock.packages) == debs


@pytest.mark.parametrize("damaged", [b"", b"not really a package: tiny-libc 1:2.41-1+b2\n"], ids=["empty", "changed"])
def test_damaged_cache(server: str, tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "apt").mkdir()
    package = make_lock(server, tmp_path / "apt").packages[4]
    fetcher = Fetcher({"tiny": [server]}, tmp_path / "cache", "")
    kept = fetcher.deb(package)
    whole = kept.read_bytes()
    assert len(damaged) in (0, package.size)
    kept.write_bytes(damaged)
    assert fetcher.deb(package).read_bytes() == whole


def test_version_gone(server: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "apt").mkdir()
    lock = make_lock(server, tmp_path / "apt")
    (folder / "pool/main/s/server/server_2.0~rc1_amd64.deb").unlink()
    with pytest.raises(UserError) as caught:
        Fetcher({"tiny": [server]}, tmp_path / "cache", lock.snapshot).debs(lock.packages)
    assert str(caught.value) == (
        "server 2.0~rc1 (amd64) is on no mirror of 'tiny' any more (pool/main/s/server/server_2.0~rc1_amd64.deb) "
        "(hint: set TINY_MIRROR to an archive snapshot of 20260802T100000Z, with {snapshot} in the address where the "
        "date goes; or refresh the lock)"
    )


def test_wrong_hash(server: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "apt").mkdir()
    package = make_lock(server, tmp_path / "apt").closure("system")[1]
    (folder / package.path).write_bytes(b"something else")
    with pytest.raises(UserError) as caught:
        Fetcher({"tiny": [server]}, tmp_path / "cache", "").deb(package)
    assert str(caught.value) == (
        f"base 1 (all): {server} serves 14 bytes with sha256 "
        f"{hashlib.sha256(b'something else').hexdigest()}; "
        f"the lock has 29 bytes with sha256 {package.sha256} "
        "(hint: the mirror or the line to it is damaged: try another)"
    )
    assert not list((tmp_path / "cache").rglob("*.deb"))
    mirrors = [server, "http://127.0.0.1:1", f"{server}/busy", f"{server}/none", f"file:{DATA}/archive"]
    assert Fetcher({"tiny": mirrors}, tmp_path / "cache", "").deb(package).is_file()


def test_server_says_no(server: str) -> None:
    assert fetch(f"{server}/none") is None
    with pytest.raises(UserError) as caught:
        fetch(f"{server}/busy/file")
    assert (
        str(caught.value) == f"{server}/busy/file: the server says 503 Service Unavailable (hint: try another mirror)"
    )


def test_nobody_listens() -> None:
    with pytest.raises(UserError, match=r"^http://127.0.0.1:1/x: .*refused.* \(hint: is the mirror's address right"):
        fetch("http://127.0.0.1:1/x")


def test_next_mirror_when_one_is_bad(server: str) -> None:
    index, _ = loader("http://127.0.0.1:1", f"{server}/busy", f"{server}/none", server).load(TINY)
    assert index.suite == "tiny"
    with pytest.raises(UserError, match=r"/busy/dists/tiny/InRelease: the server says 503"):
        loader(f"{server}/busy", f"{server}/none").load(TINY)


def test_local_folder_is_a_mirror(folder: Path) -> None:
    assert fetch(f"file:{folder}/none") is None
    index, verified = loader(f"file:{folder}").load(TINY)
    assert index.suite == "tiny"
    assert [len(part.entries) for part in verified] == [8]


def test_codename_or_suite(folder: Path, server: str) -> None:
    shutil.copytree(folder / "dists/tiny", folder / "dists/tiny-stable")
    shutil.copytree(folder / "dists/tiny", folder / "dists/other")
    assert loader(server).load(Suite("tiny", "tiny-stable"))[0].suite == "tiny-stable"
    with pytest.raises(UserError) as caught:
        loader(server).load(Suite("tiny", "other"))
    assert str(caught.value) == (
        f"{server}/dists/other/InRelease: is the index of 'tiny', not of 'other' "
        "(hint: the mirror serves the wrong suite)"
    )


def test_no_such_suite(server: str) -> None:
    with pytest.raises(UserError) as caught:
        loader(server).load(Suite("tiny", "tniy"))
    assert str(caught.value) == (
        f"no suite 'tniy' of the archive 'tiny' at {server}/dists/tniy (hint: is the suite's name right?)"
    )


def test_expired(server: str) -> None:
    late = datetime.datetime(2026, 9, 1, tzinfo=datetime.UTC)
    with pytest.raises(UserError, match=r"InRelease: expired at 2026-08-08 10:00 UTC \(hint: "):
        loader(server, now=late).load(TINY)
    assert loader(server, now=late, allow_expired=True).load(TINY)[0].date == "2026-08-01T10:00:00Z"


def test_tampered_packages(folder: Path, server: str) -> None:
    path = folder / "dists/tiny/main/binary-amd64/Packages.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(
        UserError, match=r"Packages\.gz: sha256 is [0-9a-f]{64}, signed is [0-9a-f]{64} \(hint: the mirror"
    ):
        loader(server).load(TINY)
    path.unlink()
    with pytest.raises(UserError, match=r"Packages\.gz: missing, though the signed index names it"):
        loader(server).load(TINY)


def test_no_such_component(server: str) -> None:
    with pytest.raises(UserError, match=r"Release: names no contrib/binary-amd64/Packages \(\.xz, \.gz\)$"):
        loader(server, components=["contrib"]).load(TINY)


def test_older_index() -> None:
    def lock(date: str) -> Lock:
        return Lock("amd64", "20260802T100000Z", (LockedIndex("tiny", "tiny", date, "", ()),), (), ())

    check_not_older(lock("2026-08-01T10:00:00Z"), lock("2026-08-01T10:00:00Z"))
    with pytest.raises(UserError) as caught:
        check_not_older(lock("2026-08-01T10:00:00Z"), lock("2026-07-31T10:00:00Z"))
    assert str(caught.value) == (
        "the index of tiny tiny is of 2026-07-31T10:00:00Z, older than the lock's of 2026-08-01T10:00:00Z "
        "(hint: use a mirror that is up to date, or give --allow_older)"
    )


def test_base_that_is_none(tmp_path: Path, server: str) -> None:
    index, verified = loader(server).load(TINY)
    (tmp_path / "apt").mkdir()
    with pytest.raises(UserError) as caught:
        resolve_sets(
            "amd64", [SetSpec("more", "system", ask("server"))], [index], Resolver(tmp_path / "apt", "amd64", verified)
        )
    assert str(caught.value) == "set 'more': its base 'system' is no set before it"
