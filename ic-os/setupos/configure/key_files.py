"""Keys that an image carries: public ones of ssh, that of the NNS, that of the node operator. None is ever quoted.

Lines of ssh keys are judged as HostOS judges them (is_ssh_key in settings.awk): it leaves out what is none, and lets
the others count, which is no use to somebody who wants to log in; so here such a line is refused.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from configure import der
from sysimage.credentials import check_pem
from sysimage.errors import UserError

_SSH_KEY = re.compile(
    rb"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    rb" +([A-Za-z0-9+/]+=*)( .*)?"
)
_COMMENT = re.compile(rb" *(#.*)?")

_EC = "1.2.840.10045.2.1"
_CURVES = {
    "1.2.840.10045.3.1.7": "P-256",
    "1.3.132.0.10": "secp256k1",
    "1.3.132.0.34": "P-384",
    "1.3.132.0.35": "P-521",
}
_ALGORITHMS = {
    "1.3.101.112": "Ed25519",
    "1.3.6.1.4.1.44668.5.3.1.2.1": "BLS12-381",
    "1.2.840.113549.1.1.1": "RSA",
}
_BODY = re.compile(rb"-----BEGIN ((?:EC )?(?:PRIVATE|PUBLIC) KEY)-----\n([A-Za-z0-9+/=\n]*)-----END", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SshKey:
    """A public key of ssh: its type, its fingerprint as ssh-keygen -l has it, its comment."""

    type: str
    fingerprint: str
    comment: str


@dataclass(frozen=True, slots=True)
class Key:
    """What may be said of a key: its algorithm, and the sha256 of the public part, if that is in the file."""

    algorithm: str
    fingerprint: str


def ssh_lines(data: bytes) -> tuple[list[bytes], list[int]]:
    """The keys of an authorized_keys file as HostOS takes them, and the numbers of the lines that it leaves out."""
    keys, others = [], []
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, 1):
        if _SSH_KEY.fullmatch(line):
            keys.append(line)
        elif not _COMMENT.fullmatch(line):
            others.append(number)
    return keys, others


def check_ssh_keys(what: str, data: bytes) -> None:
    """Makes sure that a file has public keys of ssh, comments and empty lines alone.

    Raises:
        UserError: it has something that HostOS leaves out, or a line that is no text.
    """
    lines = data.split(b"\n")
    _, others = ssh_lines(data)
    if others:
        line = lines[others[0] - 1]
        where = f"{what}, line {others[0]}"
        if b"PRIVATE KEY" in line:
            raise UserError(f"{where}: this is a private key", hint="the public one is in the file that ends in .pub")
        if line.endswith(b"\r"):
            raise UserError(f"{where}: has a carriage return; lines end in a line feed alone")
        raise UserError(f"{where}: is not a public ssh key", hint="a line is TYPE BASE64 [COMMENT], without options")


def ssh_keys(data: bytes) -> list[SshKey]:
    """The keys of an authorized_keys file."""
    found = []
    for line in ssh_lines(data)[0]:
        match = _SSH_KEY.fullmatch(line)
        assert match is not None
        try:
            digest = hashlib.sha256(base64.b64decode(match[5], validate=True)).digest()
            fingerprint = "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
        except binascii.Error:
            fingerprint = "not base64"
        comment = (match[6] or b"").decode("ascii", "backslashreplace").strip()
        found.append(SshKey(match[1].decode(), fingerprint, "".join(c if c.isprintable() else "?" for c in comment)))
    return found


def check_public_key(what: str, data: bytes) -> Key:
    """A public key in PEM (SubjectPublicKeyInfo, RFC 5280).

    Raises:
        UserError: it is none.
    """
    check_pem(what, data, ["PUBLIC KEY"])
    _, content = _block(data)
    try:
        parts = der.sequence(content)
        if len(parts) != 2:
            raise ValueError("it is no SubjectPublicKeyInfo")
        algorithm, key = parts
        name = _algorithm(der.values(algorithm.content))
        if algorithm.tag != der.SEQUENCE or key.tag != der.BIT_STRING or len(key.content) < 2 or key.content[0]:
            raise ValueError("it has no key")
    except ValueError as error:
        raise UserError(f"{what}: its content is not a public key: {error}") from None
    return Key(name, hashlib.sha256(content).hexdigest())


def check_private_key(what: str, data: bytes) -> Key:
    """A private key in PEM: one of EC (SEC 1 or PKCS #8), or Ed25519 (PKCS #8).

    Raises:
        UserError: it is none. The message says nothing of what is in it.
    """
    check_pem(what, data, ["EC PRIVATE KEY", "PRIVATE KEY"], besides=["EC PARAMETERS"])
    label, content = _block(data)
    try:
        return _sec1(content, "") if label == "EC PRIVATE KEY" else _pkcs8(content)
    except ValueError as error:
        raise UserError(
            f"{what}: its content is not the private key that it should be: {error}",
            hint="an EC or Ed25519 key is wanted, without a password",
        ) from None


def _block(data: bytes) -> tuple[str, bytes]:
    """The label and the content of the one block that counts, of a PEM that was checked."""
    match = _BODY.search(data)
    assert match is not None
    return match[1].decode(), base64.b64decode(match[2])


def _algorithm(parts: list[der.Value]) -> str:
    identifier = parts[0].identifier if parts else ""
    if not identifier:
        raise ValueError("it names no algorithm")
    if identifier == _EC:
        curve = parts[1].identifier if len(parts) > 1 else ""
        return f"EC {_CURVES.get(curve, curve)}".strip()
    return _ALGORITHMS.get(identifier, identifier)


def _sec1(content: bytes, curve: str) -> Key:
    """ECPrivateKey, RFC 5915, 3."""
    parts = der.sequence(content)
    if len(parts) < 2:
        raise ValueError("it is no ECPrivateKey")
    version, secret, *more = parts
    if version != der.Value(der.INTEGER, b"\1") or secret.tag != der.OCTET_STRING or not secret.content:
        raise ValueError("it is no ECPrivateKey")
    public = ""
    for each in more:
        inner = der.values(each.content)
        if each.tag == 0xA0 and inner:
            curve = curve or f"EC {_CURVES.get(inner[0].identifier, inner[0].identifier)}"
        elif each.tag == 0xA1 and inner:
            public = hashlib.sha256(inner[0].content[1:]).hexdigest()
    return Key(curve or "EC", public)


def _pkcs8(content: bytes) -> Key:
    """OneAsymmetricKey, RFC 5958, 2."""
    parts = der.sequence(content)
    if len(parts) < 3:
        raise ValueError("it is no PrivateKeyInfo")
    version, algorithm, secret, *more = parts
    if version.tag != der.INTEGER or secret.tag != der.OCTET_STRING:
        raise ValueError("it is no PrivateKeyInfo")
    name = _algorithm(der.values(algorithm.content))
    if name.startswith("EC"):
        return _sec1(secret.content, name)
    if name != "Ed25519":
        raise ValueError(f"its algorithm is {name}")
    inner = der.values(secret.content)
    if len(inner) != 1 or inner[0].tag != der.OCTET_STRING or len(inner[0].content) != 32:
        raise ValueError("it is no Ed25519 key")
    public = next((each.content[1:] for each in more if each.tag == 0x81), b"")
    return Key(name, hashlib.sha256(public).hexdigest() if public else "")
