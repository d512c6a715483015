"""The hash by which OpenSSL finds a certificate in a directory: that of its subject's name.

The name is brought into a canonical form first: strings as UTF-8, ASCII letters in
lower case, outer blanks removed and inner ones made one; each relative name
encoded in DER and the outer SEQUENCE left out. The hash is the first four bytes
of its SHA-1, little endian. Sources: RFC 5280, 4.1; OpenSSL's X509_NAME_hash(3), crypto/x509/x_name.c.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

_PEM = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----\s+(.*?)-----END (?:TRUSTED |X509 )?CERTIFICATE-----", re.DOTALL
)
_SEQUENCE, _SET, _VERSION = 0x30, 0x31, 0xA0
_UTF8 = 0x0C
_CODECS = {
    _UTF8: "utf-8",  # UTF8String
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # T61String, as OpenSSL reads it
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_BLANKS = re.compile(rb"[ \t\n\v\f\r]+")


def certificates(pem: bytes) -> list[bytes]:
    """The certificates of a PEM file, in DER.

    Raises:
        ValueError: the base64 of one is damaged.
    """
    try:
        return [base64.b64decode(b"".join(body.split()), validate=True) for body in _PEM.findall(pem)]
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error


def subject_hash(certificate: bytes) -> str:
    """Eight hexadecimal digits, as `openssl x509 -subject_hash` prints them.

    Args:
        certificate: in DER.

    Raises:
        ValueError: not a certificate.
    """
    tag, outer, _ = _element(certificate, 0)
    body_tag, body, _ = _element(outer, 0)
    if (tag, body_tag) != (_SEQUENCE, _SEQUENCE):
        raise ValueError("it is not a sequence of sequences")
    fields = list(_elements(body))
    # version (optional), serial number, signature algorithm, issuer, validity, subject
    if fields and fields[0][0] == _VERSION:
        del fields[0]
    if len(fields) < 5 or fields[4][0] != _SEQUENCE:
        raise ValueError("a certificate has no subject")
    digest = hashlib.sha1(_canonical(fields[4][1]), usedforsecurity=False).digest()
    return digest[3::-1].hex()


def _canonical(name: bytes) -> bytes:
    result = b""
    for tag, relative in _elements(name):
        if tag != _SET:
            raise ValueError("a name has a part that is no SET")
        attributes = []
        for _, attribute in _elements(relative):
            parts = list(_elements(attribute))
            if len(parts) != 2:
                raise ValueError("an attribute of a name is not a pair")
            (oid_tag, oid), (value_tag, value) = parts
            attributes.append(_der(_SEQUENCE, _der(oid_tag, oid) + _canonical_value(value_tag, value)))
        result += _der(_SET, b"".join(sorted(attributes)))
    return result


def _canonical_value(tag: int, value: bytes) -> bytes:
    codec = _CODECS.get(tag)
    if codec is None:
        return _der(tag, value)
    text = _BLANKS.sub(b" ", value.decode(codec).encode()).strip(b" ")
    return _der(_UTF8, text.lower())  # bytes.lower() changes ASCII alone, as OpenSSL does


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, content, at = _element(data, at)
        yield tag, content


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Tag, content, and where the next element begins."""
    if at + 2 > len(data):
        raise ValueError("DER is cut short")
    tag, length = data[at], data[at + 1]
    at += 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    if at + length > len(data):
        raise ValueError("DER is cut short")
    return tag, data[at : at + length], at + length


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content
