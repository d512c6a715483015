"""Lock files and package lists."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.debian.lock import (
    Lock,
    LockedIndex,
    LockedPackage,
    LockedSet,
    check_requests,
    parse_list,
    parse_lock,
    read_lists,
    read_lock,
)
from sysimage.errors import UserError

SHA = "0123456789abcdef" * 4


def package(name: str, *sets: str) -> LockedPackage:
    """A package of a lock."""
    return LockedPackage(name, "1.0", "amd64", "debian", f"pool/main/{name}_1.0_amd64.deb", 10, SHA, sets or ("base",))


LOCK = Lock(
    architecture="amd64",
    snapshot="20260802T100000Z",
    indexes=(LockedIndex("debian", "trixie", "2026-08-01T10:00:00Z", SHA, ("AA",)),),
    sets=(LockedSet("base", "", ("aa",)), LockedSet("more", "base", ("cc",)), LockedSet("tool", "", ("aa", "dd"))),
    packages=(package("aa", "base", "tool"), package("bb"), package("cc", "more"), package("dd", "tool")),
)


def test_comes_back() -> None:
    assert parse_lock(LOCK.to_text(), "x") == LOCK


def test_one_package_a_line() -> None:
    lines = LOCK.to_text().splitlines()
    assert [json.loads(line.rstrip(","))["name"] for line in lines if '"sha256"' in line] == ["aa", "bb", "cc", "dd"]


names = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,20}", fullmatch=True)


@given(st.lists(names, unique=True), st.integers(1, 2**63))
def test_any_lock_comes_back(found: list[str], size: int) -> None:
    packages = tuple(dataclasses.replace(package(name), size=size) for name in sorted(found))
    lock = dataclasses.replace(LOCK, packages=packages)
    assert parse_lock(lock.to_text(), "x") == lock


def test_closure() -> None:
    assert LOCK.lineage("more") == ("base", "more")
    assert [p.name for p in LOCK.closure("base")] == ["aa", "bb"]
    assert [p.name for p in LOCK.closure("more")] == ["aa", "bb", "cc"]
    assert [p.name for p in LOCK.closure("tool")] == ["aa", "dd"]
    with pytest.raises(UserError) as caught:
        LOCK.closure("none")
    assert str(caught.value) == "the lock has no set 'none' (hint: it has base, more, tool)"


def test_filename_and_text() -> None:
    assert LOCK.packages[0].filename == "aa_1.0_amd64.deb"
    assert str(LOCK.packages[0]) == "aa 1.0 (amd64)"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            '"version": 1,',
            '"version": 2,',
            "x: not a package lock of version 1",
        ),
        (
            '"snapshot"',
            '"date"',
            "x: expected the keys architecture, indexes, packages, sets, snapshot, version; found "
            "architecture, date, indexes, packages, sets, version",
        ),
        (
            "20260802T100000Z",
            "today",
            "x: snapshot 'today' is not of the form YYYYMMDDTHHMMSSZ",
        ),
        (
            '"size": 10',
            '"size": "10"',
            "x: 'size' is \"10\", expected int",
        ),
        (
            '"size": 10',
            '"size": true',
            "x: 'size' is true, expected int",
        ),
        (
            '"size": 10',
            '"size": 0',
            "x: package 'aa': malformed size or sha256",
        ),
        (
            "pool/main/aa_",
            "../aa_",
            "x: package 'aa': path '../aa_1.0_amd64.deb' leaves the archive",
        ),
        (
            '["more"]',
            '["less"]',
            "x: package 'cc': no set 'less'",
        ),
        ('["more"]', "[]", "x: package 'cc' is in no set"),
        (
            '{"name": "bb"',
            '{"name": "aa"',
            "x: package 'aa' is there twice",
        ),
        (
            '{"name": "bb"',
            '{"name": "BB"',
            "x: package 'BB': not a package name",
        ),
        (
            '"tool", "base": ""',
            '"base", "base": ""',
            "x: set 'base' is there twice",
        ),
        (
            '"tool", "base": ""',
            '"to ol", "base": ""',
            "x: set 'to ol': not a name of lower-case letters, digits, '-', '_' and '.'",
        ),
        (
            '"more", "base": "base"',
            '"more", "base": "tool"',
            "x: set 'more': its base 'tool' is no set before it",
        ),
    ],
)
def test_bad_lock(before: str, after: str, message: str) -> None:
    text = LOCK.to_text()
    assert before in text
    with pytest.raises(UserError) as caught:
        parse_lock(text.replace(before, after, 1), "x")
    assert caught.value.message == message


def test_not_json() -> None:
    with pytest.raises(
        UserError, match=r"x: not JSON: .* \(hint: restore it, or empty the file and refresh the lock\)"
    ):
        parse_lock(LOCK.to_text()[:-5], "x")


def test_entry_with_other_fields() -> None:
    with pytest.raises(UserError, match="x: expected an object with name, base, requests; found"):
        parse_lock(LOCK.to_text().replace('"base": ""', '"bass": ""', 1), "x")


def test_missing_lock(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_lock(tmp_path / "lock.json")
    assert (
        str(caught.value)
        == f"cannot read the lock {tmp_path}/lock.json: No such file or directory (hint: refresh the lock)"
    )


def test_list() -> None:
    text = "# title\n\nfoo  # does this\n  libstdc++6 # that # too\n"
    assert [(r.name, r.reason, r.where) for r in parse_list(text, "l")] == [
        ("foo", "does this", "l:3"),
        ("libstdc++6", "that # too", "l:4"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo\n", "l:1: foo has no reason (hint: write: foo  # what it is needed for)"),
        ("foo #\n", "l:1: foo has no reason (hint: write: foo  # what it is needed for)"),
        ("foo bar # x\n", "l:1: 'foo bar' is not a package name (hint: one package a line: name  # reason)"),
        ("Foo # x\n", "l:1: 'Foo' is not a package name (hint: one package a line: name  # reason)"),
        ("foo=1.0 # x\n", "l:1: 'foo=1.0' is not a package name (hint: one package a line: name  # reason)"),
        ("foo # x\n\nfoo # y\n", "l:3: foo is already asked for at l:1 (hint: remove one of the two)"),
    ],
)
def test_bad_list(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_list(text, "l")
    assert str(caught.value) == message


def test_lists_of_one_set(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("foo # x\n")
    (tmp_path / "two").write_text("bar # y\nfoo # z\n")
    assert [r.name for r in read_lists([tmp_path / "one"])] == ["foo"]
    with pytest.raises(UserError) as caught:
        read_lists([tmp_path / "one", tmp_path / "two"])
    assert str(caught.value) == "two:2: foo is already asked for at one:1 (hint: remove one of the two)"
    with pytest.raises(UserError) as caught:
        read_lists([tmp_path / "none"])
    assert str(caught.value) == f"cannot read the package list {tmp_path}/none: No such file or directory"


def test_requests_against_lock() -> None:
    check_requests(LOCK, "tool", parse_list("dd # x\naa # x\n", "l"))
    with pytest.raises(UserError) as caught:
        check_requests(LOCK, "tool", parse_list("aa # x\ndd # x\nbb # x\n", "l"))
    assert str(caught.value) == "l:3: bb is in the list but not in the lock (hint: refresh the lock)"
    with pytest.raises(UserError) as caught:
        check_requests(LOCK, "tool", parse_list("aa # x\n", "l"))
    assert str(caught.value) == "set 'tool' of the lock has dd, which no list asks for (hint: refresh the lock)"
