"""Trusted certificates: links, hashes, the bundle."""

import pytest

from sysimage.debian import x509
from sysimage.debian.certificates import configure, update
from sysimage.debian.root import Root
from sysimage.debian.testing import root_of
from sysimage.errors import UserError

# C=CH, O="Test  Org " (blanks), CN="Ünïcode  ROOT"; made with openssl req, which says 3adeabac to -subject_hash.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBzjCCAXWgAwIBAgIUI++Z8dX8tsuCZlN67p5lcDYMuR8wCgYIKoZIzj0EAwIw
PDELMAkGA1UEBhMCQ0gxEzARBgNVBAoMClRlc3QgIE9yZyAxGDAWBgNVBAMMD8Oc
bsOvY29kZSAgUk9PVDAgFw0yNjExMjMwNDA1MDZaGA8yMTI2MTAzMDA0MDUwNlow
PDELMAkGA1UEBhMCQ0gxEzARBgNVBAoMClRlc3QgIE9yZyAxGDAWBgNVBAMMD8Oc
bsOvY29kZSAgUk9PVDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBOxTJsPxsum
VwCywei0OalrPZPahYZvYUJKI7UteluizRnmdrfoS4y5XDzj7gTW43iUoCFjOBtH
Wtd8NO2ZQMajUzBRMB0GA1UdDgQWBBTR5VcHVqT8TF8Ur7s9O1Ai9pgXHDAfBgNV
HSMEGDAWgBTR5VcHVqT8TF8Ur7s9O1Ai9pgXHDAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0cAMEQCIGFOdzMltxN0VdXKP+GJIeIc1RW5l9UkJOTQlcZHFE3I
AiBgLjnLj+bX8U7BjTEhiihSi2qbqXMxEhhRQ58BqRkuWA==
-----END CERTIFICATE-----
"""
HASH = "3adeabac"
PACKAGED = "usr/share/ca-certificates"
LOCAL = "usr/local/share/ca-certificates"


def certs(tree: Root) -> dict[str, str]:
    return {
        name: tree.link_target(f"etc/ssl/certs/{name}") or tree.text(f"etc/ssl/certs/{name}")
        for name in tree.names("etc/ssl/certs")
    }


def test_the_hash_is_that_of_openssl() -> None:
    (der,) = x509.certificates(CERTIFICATE.encode())
    assert x509.subject_hash(der) == HASH
    for length in range(0, 90):
        with pytest.raises(ValueError, match=r"DER is cut short|no subject|sequence of sequences"):
            x509.subject_hash(der[:length])


def test_links_and_bundle() -> None:
    tree = root_of(
        {
            f"{PACKAGED}/m/A b(c),d.crt": CERTIFICATE.rstrip("\n"),
            f"{PACKAGED}/m/off.crt": CERTIFICATE,
            f"{PACKAGED}/m/readme.txt": "no certificate",
            f"{LOCAL}/own.crt": CERTIFICATE,
            f"{LOCAL}/two.crt": CERTIFICATE * 2,
        }
    )
    configure(tree, "# head\n")
    assert tree.text("etc/ca-certificates.conf") == "# head\nm/A b(c),d.crt\nm/off.crt\n"
    tree.write("etc/ca-certificates.conf", "# head\nm/A b(c),d.crt\n!m/off.crt\nm/gone.crt\n\n")
    for _ in range(2):  # the second time changes nothing
        update(tree)
        assert certs(tree) == {
            "A_b=c=_d.pem": f"/{PACKAGED}/m/A b(c),d.crt",
            "own.pem": f"/{LOCAL}/own.crt",
            "two.pem": f"/{LOCAL}/two.crt",
            f"{HASH}.0": "A_b=c=_d.pem",
            f"{HASH}.1": "own.pem",
            "ca-certificates.crt": CERTIFICATE * 4,
        }
    tree.remove(f"{LOCAL}/own.crt")
    update(tree)
    assert sorted(certs(tree)) == [f"{HASH}.0", "A_b=c=_d.pem", "ca-certificates.crt", "two.pem"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "/etc/ca-certificates.conf is missing"),
        (
            {"etc/ca-certificates.conf": "", f"{LOCAL}/x.crt": "text"},
            f"/{LOCAL}/x.crt is not a certificate: it has no PEM block",
        ),
        (
            {"etc/ca-certificates.conf": "x.crt\n", f"{LOCAL}/x.crt": CERTIFICATE, f"{PACKAGED}/x.crt": CERTIFICATE},
            f"the certificates /{LOCAL}/x.crt and /{PACKAGED}/x.crt have one name",
        ),
        (
            {"etc/ca-certificates.conf": "", f"{LOCAL}/x.crt": CERTIFICATE.replace("MIIB", "MII!")},
            f"/{LOCAL}/x.crt is not a certificate: not base64: Only base64 data is allowed",
        ),
        (
            {"etc/ca-certificates.conf": "", f"{LOCAL}/x.crt": CERTIFICATE.replace("MIIB", "AIIB")},
            f"/{LOCAL}/x.crt is not a certificate: it is not a sequence of sequences",
        ),
    ],
)  # fmt: skip
def test_errors(files: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as error:
        update(root_of(files))
    assert error.value.message == message
