"""Release and Packages files, and who signed them."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.debian import index
from sysimage.debian.index import FileHash, parse_packages, parse_release, parse_stanzas, verify_clearsigned
from sysimage.errors import UserError

DATA = Path(__file__).parent / "testdata"
INRELEASE = (DATA / "archive/dists/tiny/InRelease").read_bytes()
SHA = "0123456789abcdef" * 4
RELEASE = f"""\
Suite: stable
Codename: tiny
Date: Sat, 01 Aug 2026 10:00:00 UTC
Components: main contrib
Acquire-By-Hash: yes
SHA256:
 {SHA} 12 main/binary-amd64/Packages.xz
"""
PACKAGE = {
    "Package": "hello",
    "Version": "1:2.0-1",
    "Architecture": "amd64",
    "Filename": "pool/main/h/hello/hello_2.0-1_amd64.deb",
    "Size": "7",
    "SHA256": SHA,
}


def stanza(**changes: str) -> str:
    """A Packages stanza with fields changed; an empty value leaves the field out."""
    fields = {**PACKAGE, **changes}
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)


def test_stanzas() -> None:
    text = "# comment\nA: 1\nB:  two \n  lines\n\n\nA: 2"
    assert list(parse_stanzas(text, "x")) == [
        ({"a": "1", "b": "two\n lines"}, "A: 1\nB:  two \n  lines\n"),
        ({"a": "2"}, "A: 2\n"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" A: 1\n", "x:1: a continuation line without a field before it: ' A: 1'"),
        ("A: 1\n\nhello\n", "x:3: expected 'Field: value', found 'hello'"),
        ("A b: 1\n", "x:1: expected 'Field: value', found 'A b: 1'"),
        (": 1\n", "x:1: expected 'Field: value', found ': 1'"),
        ("A: 1\na: 2\n", "x:2: field 'a' comes twice in one stanza"),
    ],
)
def test_bad_stanzas(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        list(parse_stanzas(text, "x"))
    assert str(caught.value) == message


@given(st.lists(st.dictionaries(st.from_regex(r"[A-Z][a-z0-9-]{0,8}", fullmatch=True), st.just("v"), min_size=1)))
def test_stanzas_come_back(stanzas: list[dict[str, str]]) -> None:
    text = "\n".join("".join(f"{key}: {value}\n" for key, value in fields.items()) for fields in stanzas)
    assert [set(fields) for fields, _ in parse_stanzas(text, "x")] == [{k.lower() for k in f} for f in stanzas]


def test_release() -> None:
    release = parse_release(RELEASE, "x")
    assert release.date == datetime.datetime(2026, 8, 1, 10, tzinfo=datetime.UTC)
    assert release.valid_until is None
    assert (release.suite, release.codename, release.components) == ("stable", "tiny", ("main", "contrib"))
    assert release.by_hash
    assert release.files == {"main/binary-amd64/Packages.xz": FileHash(SHA, 12)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x: expected one stanza, found 0"),
        (RELEASE + "\nA: 1\n", "x: expected one stanza, found 2"),
        (RELEASE.replace("Date", "Data"), "x: no field 'Date'"),
        (RELEASE.replace("SHA256", "MD5Sum"), "x: no field 'Sha256'"),
        (RELEASE.replace("Sat, 01 Aug", "Some day"), "x: not a date: 'Some day 2026 10:00:00 UTC'"),
        (
            RELEASE.replace(" 12 ", " many "),
            f"x: expected 'sha256 size path', found '{SHA} many main/binary-amd64/Packages.xz'",
        ),
    ],
)
def test_bad_release(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_release(text, "x")
    assert str(caught.value) == message


def test_expiry() -> None:
    release = parse_release(RELEASE + "Valid-Until: Sat, 08 Aug 2026 10:00:00 UTC\n", "x")
    index.check_expiry(release, datetime.datetime(2026, 8, 8, 9, 59, tzinfo=datetime.UTC), "x")
    with pytest.raises(UserError) as caught:
        index.check_expiry(release, datetime.datetime(2026, 8, 8, 10, 1, tzinfo=datetime.UTC), "x")
    assert str(caught.value) == (
        "x: expired at 2026-08-08 10:00 UTC (hint: use a mirror that is up to date; "
        "for an archive snapshot, whose dates are past, give --allow_expired)"
    )


def test_packages() -> None:
    text = stanza() + "\n" + stanza(Package="other", Essential="yes", Priority="required", Provides="a (= 1), b")
    hello, other = parse_packages(text, "debian", "x")
    assert (hello.name, hello.version, hello.size, hello.archive) == ("hello", "1:2.0-1", 7, "debian")
    assert (hello.essential, hello.required, hello.provides) == (False, False, ())
    assert (other.essential, other.required, other.provides) == (True, True, ("a", "b"))
    assert hello.stanza == stanza()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Package": ""}, "x: package ?: no field 'Package'"),
        ({"SHA256": ""}, "x: package hello: no field 'Sha256'"),
        ({"SHA256": "abc"}, "x: package hello: malformed Size or SHA256"),
        ({"Size": "7 kB"}, "x: package hello: malformed Size or SHA256"),
        ({"Filename": "pool/../../etc"}, "x: package hello: Filename 'pool/../../etc' leaves the archive"),
        ({"Filename": "/etc/passwd"}, "x: package hello: Filename '/etc/passwd' leaves the archive"),
    ],
)
def test_bad_packages(changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_packages(stanza(**changes), "debian", "x")
    assert str(caught.value) == message


def test_good_signature() -> None:
    signed = verify_clearsigned(INRELEASE, [DATA / "keyring.gpg"], "x")
    assert signed.text.startswith("Origin: Tiny\n")
    assert "BEGIN PGP" not in signed.text
    assert len(signed.keys) == 1


def test_signature_is_found_in_any_keyring() -> None:
    keyrings = [DATA / "other-keyring.gpg", DATA / "keyring.gpg"]
    assert verify_clearsigned(INRELEASE, keyrings, "x") == verify_clearsigned(INRELEASE, keyrings[1:], "x")


def test_text_outside_the_signature_is_not_believed() -> None:
    signed = verify_clearsigned(INRELEASE + b"\nOrigin: Somebody else\n", [DATA / "keyring.gpg"], "x")
    assert "Somebody else" not in signed.text


@pytest.mark.parametrize(
    ("data", "keyring", "message"),
    [
        (
            INRELEASE.replace(b"An archive", b"An Archive"),
            "keyring.gpg",
            "x: the signature is bad: the file was changed after it was signed",
        ),
        (
            INRELEASE,
            "other-keyring.gpg",
            "x: no good signature by a key of KEYRING: gpgv: Can't check signature: No public key",
        ),
        (INRELEASE, "none.gpg", "keyring KEYRING is missing (hint: install debian-archive-keyring or give --keyring)"),
        (
            b"<html>Not found</html>",
            "keyring.gpg",
            "x: not a clear-signed file (hint: is that address a mirror of this archive?)",
        ),
    ],
    ids=["tampered", "other key", "no keyring", "not signed"],
)
def test_bad_signature(data: bytes, keyring: str, message: str) -> None:
    path = DATA / keyring
    with pytest.raises(UserError) as caught:
        verify_clearsigned(data, [path], "x")
    assert str(caught.value) == message.replace("KEYRING", str(path))


def test_every_flipped_byte_of_the_text_is_noticed() -> None:
    start = INRELEASE.index(b"Origin")
    for position in (start, start + 40, INRELEASE.index(b"Packages.gz") + 3):
        data = bytearray(INRELEASE)
        data[position] ^= 1
        with pytest.raises(UserError):
            verify_clearsigned(bytes(data), [DATA / "keyring.gpg"], "x")


def test_weak_and_expired_signatures_do_not_count() -> None:
    valid = "[GNUPG:] VALIDSIG AA 2026-08-01 1 0 4 0 1 {} 01 BB"
    assert index._good_keys("\n".join(["[GNUPG:] NEWSIG", "[GNUPG:] GOODSIG A x", valid.format(8)]), "x") == ("BB",)
    assert index._good_keys("\n".join(["[GNUPG:] NEWSIG", "[GNUPG:] GOODSIG A x", valid.format(2)]), "x") == ()
    assert index._good_keys("\n".join(["[GNUPG:] NEWSIG", "[GNUPG:] EXPKEYSIG A x", valid.format(8)]), "x") == ()
    assert index._good_keys("\n".join(["[GNUPG:] NEWSIG", "[GNUPG:] REVKEYSIG A x", valid.format(8)]), "x") == ()


def test_gpgv_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError) as caught:
        verify_clearsigned(INRELEASE, [DATA / "keyring.gpg"], "x")
    assert str(caught.value) == "gpgv is missing: it checks the signature of the index (hint: install the package gpgv)"
