"""apt's resolver over small indexes."""

import dataclasses
import gzip
import hashlib
from pathlib import Path

import pytest

from sysimage.debian.index import parse_packages
from sysimage.debian.lock import Request
from sysimage.debian.resolve import Resolver, VerifiedIndex
from sysimage.errors import UserError


def verified(suite: str, packages: str) -> VerifiedIndex:
    """An index as the loader would hand it on."""
    plain = packages.encode()
    data = gzip.compress(plain, mtime=0)
    release = (
        f"Origin: Tiny\nCodename: {suite}\nDate: Sat, 01 Aug 2026 10:00:00 UTC\n"
        "Architectures: amd64\nComponents: main\n"
        f"SHA256:\n {hashlib.sha256(plain).hexdigest()} {len(plain)} main/binary-amd64/Packages\n"
        f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages.gz\n"
    )
    entries = parse_packages(packages, "debian", suite)
    return VerifiedIndex("debian", suite, "main", release, data, "Packages.gz", entries)


def package(name: str, version: str = "1.0", **fields: str) -> str:
    """A stanza of a Packages file."""
    sha256 = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    extra = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items())
    return (
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: T <t@example.invalid>\n{extra}"
        f"Description: test\nFilename: pool/{name}_{version}_amd64.deb\nSize: 5\nSHA256: {sha256}\n\n"
    )


TINY = "".join(
    [
        package("apt", Priority="required", Depends="libc"),
        package("base", Essential="yes"),
        package("libc", "1:2.41+b1"),
        package("editor-a", Provides="editor", Depends="libc", Recommends="spell"),
        package("editor-b", Provides="editor", Conflicts="editor-a"),
        package("spell"),
        package("server", "2.0~rc1", Depends="libc (>= 1:2), editor-a | editor"),
        package("broken", Depends="not-there (>= 4)"),
        package("newer", "1"),
    ]
)
UPDATES = package("newer", "2") + package("libc", "1:2.41+b1")


def ask(*names: str) -> list[Request]:
    """Requests of a list."""
    return [Request(name, "test", f"list:{number}") for number, name in enumerate(names, 1)]


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Resolver:
    """One resolver for all."""
    return Resolver(
        tmp_path_factory.mktemp("apt"), "amd64", [verified("tiny", TINY), verified("tiny-updates", UPDATES)]
    )


def test_closure_without_recommends(resolver: Resolver) -> None:
    assert [e.name for e in resolver.resolve(ask("server"), {})] == ["editor-a", "libc", "server"]


def test_alternatives_follow_what_is_asked_for(resolver: Resolver) -> None:
    assert [e.name for e in resolver.resolve(ask("editor-b", "server"), {})] == ["editor-b", "libc", "server"]


def test_only_what_the_base_lacks(resolver: Resolver) -> None:
    base = {entry.name: entry for entry in resolver.resolve(ask("apt"), {})}
    assert sorted(base) == ["apt", "libc"]
    assert [e.name for e in resolver.resolve(ask("server"), base)] == ["editor-a", "server"]
    assert resolver.resolve(ask("apt"), base) == []
    assert resolver.resolve([], base) == []


def test_newest_version_of_all_suites(resolver: Resolver) -> None:
    assert [e.version for e in resolver.resolve(ask("newer"), {})] == ["2"]


def test_minimal(resolver: Resolver) -> None:
    assert [request.name for request in resolver.minimal()] == ["apt", "base"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["apt", "servre"], "list:2: unknown package servre (hint: did you mean server?)"),
        (["editor-c"], "list:1: unknown package editor-c (hint: did you mean editor-b or editor-a?)"),
        (["zzz"], "list:1: unknown package zzz (hint: it is in none of the suites of this lock)"),
        (["editor"], "list:1: editor is a virtual package (hint: name one that provides it: editor-a, editor-b)"),
    ],
)
def test_unknown_package(resolver: Resolver, names: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolver.resolve(ask(*names), {})
    assert str(caught.value) == message


def test_unmet_dependency(resolver: Resolver) -> None:
    with pytest.raises(UserError, match=r"^apt-get --simulate failed: .*not-there"):
        resolver.resolve(ask("broken"), {})


def test_base_is_not_changed(resolver: Resolver) -> None:
    base = {entry.name: entry for entry in resolver.resolve(ask("editor-a"), {})}
    with pytest.raises(UserError) as caught:
        resolver.resolve(ask("editor-b"), base)
    assert str(caught.value) == (
        "to install editor-b, apt would remove or change editor-a of the base set "
        "(hint: the lists ask for packages that exclude each other)"
    )


def test_index_that_apt_ignores(tmp_path: Path) -> None:
    index = verified("tiny", TINY)
    lines = [line for line in index.release.splitlines(keepends=True) if not line.endswith("/Packages\n")]
    with pytest.raises(UserError) as caught:
        Resolver(tmp_path, "amd64", [dataclasses.replace(index, release="".join(lines))])
    assert str(caught.value) == "apt took 0 of 1 indexes (hint: does each Release file name the plain Packages too?)"


def test_apt_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError) as caught:
        Resolver(tmp_path, "amd64", [verified("tiny", TINY)])
    assert str(caught.value) == "apt-get is missing: it resolves dependencies (hint: install the package apt)"
