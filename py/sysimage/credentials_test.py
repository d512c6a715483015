"""Keys as text: what ssh-keygen and openssl make is taken, and what else is said of the rest."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.credentials import check_authorized_keys, check_pem
from sysimage.errors import UserError

PUBLIC = "-----BEGIN PUBLIC KEY-----\nMIGC\n-----END PUBLIC KEY-----\n"
SECRET = "-----BEGIN EC PRIVATE KEY-----\nMHQC\n-----END EC PRIVATE KEY-----\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJMPnBXaWL4fyAxjOAWvBfdLXRCYxrJj0hGLpzNRYmPb"


def tool(*command: str | Path) -> bytes:
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_ssh_keygen(kind: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    tool("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "somebody at a machine", "-f", key)
    public = key.with_suffix(".pub").read_bytes()
    check_authorized_keys("k", b"# of somebody\n\n" + public + public)
    with pytest.raises(UserError) as caught:
        check_authorized_keys("k", key.read_bytes())
    hint = "the public key is in the file whose name ends in .pub"
    assert str(caught.value) == f"k, line 1: this is a private key (hint: {hint})"


def test_ssh_keygen_reads_what_is_taken(tmp_path: Path) -> None:
    check_authorized_keys("k", KEY.encode())
    (tmp_path / "k").write_text(KEY + "\n")
    assert b"ED25519" in tool("ssh-keygen", "-l", "-f", tmp_path / "k")


def test_keys_of_openssl(tmp_path: Path) -> None:
    wanted = ["EC PRIVATE KEY", "PRIVATE KEY"]
    traditional = tool("openssl", "ecparam", "-name", "secp256k1", "-genkey")
    assert b"EC PARAMETERS" in traditional
    check_pem("k", traditional, wanted, ["EC PARAMETERS"])
    modern = tool("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    check_pem("k", modern, wanted)
    (tmp_path / "key").write_bytes(modern)
    check_pem("k", tool("openssl", "pkey", "-in", tmp_path / "key", "-pubout"), ["PUBLIC KEY"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "k: has 0 blocks of PUBLIC KEY, one is wanted"),
        (PUBLIC * 2, "k: has 2 blocks of PUBLIC KEY, one is wanted"),
        ("key\n" + PUBLIC, "k, line 1: not PEM: this line is outside of any block"),
        (SECRET, "k, line 1: has a EC PRIVATE KEY where a PUBLIC KEY is wanted"),
        (PUBLIC[:31], "k: the PUBLIC KEY that begins in line 1 has no end"),
        (PUBLIC.replace("MIGC", "MIG C"), "k, line 2: not PEM: this line is not base64"),
        (PUBLIC.replace("MIGC", "M" * 77), "k, line 2: not PEM: this line is not base64"),
        (PUBLIC.replace("MIGC", "MIG"), "k: the PUBLIC KEY that begins in line 1 is not base64 of DER"),
        (PUBLIC.replace("MIGC", "AAAA"), "k: the PUBLIC KEY that begins in line 1 is not base64 of DER"),
        (PUBLIC.replace("MIGC\n", ""), "k: the PUBLIC KEY that begins in line 1 is not base64 of DER"),
        (PUBLIC.replace("\n", "\r\n"), "k, line 1: has a carriage return; lines end in a line feed alone"),
        (PUBLIC.replace("MIGC", "\x1b[2J"), "k, line 2: has the byte 0x1b"),
    ],
)
def test_bad_pem(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        check_pem("k", text.encode(), ["PUBLIC KEY"])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "k: has no key (hint: leave the file out if nobody is to log in)"),
        ("# nobody\n", "k: has no key (hint: leave the file out if nobody is to log in)"),
        (
            f'command="sh" {KEY}\n',
            "k, line 1: does not begin with a type of ssh key (hint: a line is: TYPE BASE64 [COMMENT], "
            "without options)",
        ),
        (
            "\nssh-dss AAAA\n",
            "k, line 2: does not begin with a type of ssh key (hint: a line is: TYPE BASE64 [COMMENT], "
            "without options)",
        ),
        ("ssh-ed25519\n", "k, line 1: what follows ssh-ed25519 is not such a key in base64"),
        ("ssh-ed25519 A*\n", "k, line 1: what follows ssh-ed25519 is not such a key in base64"),
        (KEY.replace("ssh-ed25519", "ssh-rsa"), "k, line 1: what follows ssh-rsa is not such a key in base64"),
        (f"{KEY}\n\0", "k, line 2: has the byte 0x00"),
    ],
)
def test_bad_authorized_keys(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        check_authorized_keys("k", text.encode())
    assert str(caught.value) == message


@given(st.binary(max_size=40), st.integers(0, 40))
def test_no_secret_is_ever_quoted(noise: bytes, at: int) -> None:
    """A private key with a damage anywhere: the message has none of its lines."""
    body = "MHQCSECRETSECRETSECRETSECRET"
    whole = f"-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\n".encode()
    try:
        check_pem("k", whole[:at] + noise + whole[at:], ["EC PRIVATE KEY"])
    except UserError as error:
        assert "SECRETSECRET" not in str(error)
