"""Where archives are, by environment and apt configuration."""

from pathlib import Path

import pytest

from sysimage.debian.mirrors import archive_of, find_mirrors, parse_deb822, parse_one_line, variable_of
from sysimage.errors import UserError

DEB822 = """\
# comment
Types: deb deb-src
URIs: http://mirror.example/debian http://second.example/debian/
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/x.gpg

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: trixie
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: trixie
Components: main

Types: deb
URIs: https://other.example/linux/debian
Suites: trixie
Components: stable
"""
ONE_LINE = """\
# deb http://comment.example/debian trixie main
deb http://mirror.example/debian trixie main # why
deb [arch=amd64 signed-by=/x.gpg] http://options.example/debian-security trixie-security main contrib
deb-src http://source.example/debian trixie main
deb http://flat.example/debian ./
"""


@pytest.mark.parametrize(
    ("uri", "archive"),
    [
        ("http://mirror.example/debian", "debian"),
        ("http://mirror.example/pub/debian/", "debian"),
        ("http://mirror.example:3142/mirror.example/debian-security", "debian-security"),
        ("https://snapshot.example/archive/debian/20250820T143000Z/", "debian"),
        ("file:/srv/mirror/debian", "debian"),
        ("file:///srv/mirror/debian", "debian"),
        ("http://mirror.example", ""),
        ("http://mirror.example/", ""),
    ],
)
def test_archive_of(uri: str, archive: str) -> None:
    assert archive_of(uri) == archive


def test_variables() -> None:
    assert variable_of("debian") == "DEBIAN_MIRROR"
    assert variable_of("debian-security") == "DEBIAN_SECURITY_MIRROR"


def test_one_line() -> None:
    assert parse_one_line(ONE_LINE) == [
        ("http://mirror.example/debian", ["main"]),
        ("http://options.example/debian-security", ["main", "contrib"]),
    ]


def test_deb822() -> None:
    assert parse_deb822(DEB822, "x") == [
        ("http://mirror.example/debian", ["main", "contrib"]),
        ("http://second.example/debian/", ["main", "contrib"]),
        ("https://other.example/linux/debian", ["stable"]),
    ]


def test_apt_configuration(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    (tmp_path / "sources.list.d/debian.sources.bak").write_text(DEB822.replace("mirror", "backup"))
    assert find_mirrors("debian", {}, apt_folder=tmp_path) == [
        "http://mirror.example/debian",
        "http://second.example/debian",
    ]
    assert find_mirrors("debian-security", {}, apt_folder=tmp_path) == ["http://options.example/debian-security"]


def test_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    environment = {"DEBIAN_MIRROR": " http://a.example/x/  http://b.example/{snapshot} "}
    assert find_mirrors("debian", environment, "20260802T100000Z", tmp_path) == [
        "http://a.example/x",
        "http://b.example/20260802T100000Z",
    ]


def test_no_mirror(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_mirrors("debian-security", {"DEBIAN_SECURITY_MIRROR": " "}, apt_folder=tmp_path)
    assert str(caught.value) == (
        f"no mirror of the archive 'debian-security' is known: DEBIAN_SECURITY_MIRROR is not set and {tmp_path} "
        "has no source of it (hint: set DEBIAN_SECURITY_MIRROR to the address of a mirror)"
    )


def test_no_address(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_mirrors("debian", {"DEBIAN_MIRROR": "http://a.example/debian mirror.example/debian"}, apt_folder=tmp_path)
    assert str(caught.value) == (
        'DEBIAN_MIRROR names the mirror "mirror.example/debian", which begins with none of http:, https:, file: '
        "(hint: give the base address of a mirror, http://HOST/debian)"
    )


def test_snapshot_without_a_date(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_mirrors("debian", {"DEBIAN_MIRROR": "http://a.example/{snapshot}"}, apt_folder=tmp_path)
    assert str(caught.value) == (
        "DEBIAN_MIRROR has {snapshot}, but which is not known (hint: give --snapshot YYYYMMDDTHHMMSSZ)"
    )
