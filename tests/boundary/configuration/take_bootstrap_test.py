"""What a Boundary-guestOS takes from its medium, and refuses. How is what it has in common with GuestOS."""

from pathlib import Path

import pytest

from bootstrap_config import AUTHORIZED_KEYS, make_archive, make_tree
from boundary_bootstrap_config import BOUNDARY
from tests.boundary.configuration.rootfs import (
    BOUNDARY_CONF,
    CERTIFICATE,
    FULL,
    KEY,
    NNS_KEY,
    SSH_KEY,
    TESTDATA,
    Gateway,
    make_certificate,
)
from tests.guestos.configuration.rootfs import archive

CONFIGURED = "bootstrap-ic-node: the node is configured\n"
REFUSED = "bootstrap-ic-node: REFUSED, nothing of it is applied: "
OTHER_PEM = b"-----BEGIN PUBLIC KEY-----\nMIGC\n-----END PUBLIC KEY-----\n"
SHAPED = b"-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path / "root")


def test_all_is_taken_over(gateway: Gateway) -> None:
    assert gateway.take(archive(FULL)) == (0, CONFIGURED)
    folder = gateway.root / "boot/config/bootstrap"
    assert gateway.content("boot/config") == {
        "boot/config/CONFIGURED": b"",
        "boot/config/bootstrap/": b"",
        "boot/config/bootstrap/accounts_ssh_authorized_keys/": b"",
    } | {f"boot/config/bootstrap/{name}": data for name, data in FULL.items()}
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.glob("certificate*")} == {
        "certificate.pem": 0o644,
        "certificate_key.pem": 0o400,
    }
    owners = (gateway.root / "owners").read_text()
    assert owners == f"ic-gateway:ic-gateway {gateway.root}/boot/config/bootstrap.new/certificate_key.pem\n"


def test_what_is_another_system_s_is_ignored(gateway: Gateway) -> None:
    others = ["node_operator_private_key.pem", "ic_crypto/key", "accounts_ssh_authorized_keys/backup"]
    said = "".join(
        f"bootstrap-ic-node: ignored, for it is not on the list of what is taken: {name}\n" for name in others
    )
    assert gateway.take(archive({**FULL, **dict.fromkeys(others, b"x")})) == (0, said + CONFIGURED)


def test_what_the_tool_makes_is_taken(gateway: Gateway) -> None:
    """Every option, each value at its oddest."""
    options = {
        "ipv6_address": "2001:DB8:0:0:0:0:0:2/128",
        "ipv6_gateway": "fe80::1",
        "name_servers": "::1 1.1.1.1",
        "hostname": "3-com.Example.a1",
        "ipv4_address": "192.0.2.2/31",
        "ipv4_gateway": "192.0.2.3",
        "domain": "a.b",
        "nns_url": "https://[2001:db8::8]:8080/a/b?c=%20,http://nns.example",
        "ipv6_replica_ips": "2001:DB8::1,::1",
        "ipv4_http_ips": "0.0.0.0/0,192.0.2.1/32",
        "ipv6_http_ips": "::/0",
        "ipv6_debug_ips": "2001:db8::/127",
        "ipv6_monitoring_ips": "1:2:3:4:5:6:7:8",
        "nns_public_key": f"{TESTDATA}/boundary/nns_public_key.pem",
        "certificate": f"{TESTDATA}/boundary/certificate.pem",
        "certificate_key": f"{TESTDATA}/boundary/certificate_key.pem",
        AUTHORIZED_KEYS: f"admin={TESTDATA}/keys.pub",
    }
    assert list(options) == list(BOUNDARY.help)
    made = make_archive(make_tree({name: [value] for name, value in options.items()}, BOUNDARY))
    assert gateway.take(made) == (0, CONFIGURED)
    assert set(gateway.content("boot/config/bootstrap")) == {
        f"boot/config/bootstrap/{name}" for name in (*FULL, "accounts_ssh_authorized_keys/")
    }
    assert gateway.generate() == ""


BAD = [
    ("boundary.conf", b"ipv6_replica_ips=\n", "boundary.conf, line 1: ipv6_replica_ips cannot be ''"),
    ("boundary.conf", b"# x\nipv6_replica_ips=a\n", "boundary.conf, line 2: ipv6_replica_ips cannot be 'a'"),
    ("boundary.conf", b"ipv6_replica_ips=::/0\n", "boundary.conf, line 1: ipv6_replica_ips cannot be '::/0'"),
    ("boundary.conf", b"ipv6_replica_ips=::1 ::1\n", "boundary.conf, line 1: ipv6_replica_ips cannot be '::1 ::1'"),
    ("boundary.conf", b"ipv6_replica_ips=1.1.1.1\n", "boundary.conf, line 1: ipv6_replica_ips cannot be '1.1.1.1'"),
    ("boundary.conf", b"ipv4_http_ips=::1\n", "boundary.conf, line 1: ipv4_http_ips cannot be '::1'"),
    ("boundary.conf", b"ipv4_http_ips=1.1.1.1/33\n", "boundary.conf, line 1: ipv4_http_ips cannot be '1.1.1.1/33'"),
    ("boundary.conf", b"ipv6_http_ips=::1,::2\n", "boundary.conf, line 1: ipv6_http_ips cannot be '::1,::2'"),
    ("boundary.conf", b"ipv6_debug_ips=::/129\n", "boundary.conf, line 1: ipv6_debug_ips cannot be '::/129'"),
    ("boundary.conf", b"ipv6_monitoring_ips=$(id)\n", "boundary.conf, line 1: ipv6_monitoring_ips cannot be '$(id)'"),
    ("boundary.conf", b"ipv6_monitoring_ip=::1\n", "boundary.conf, line 1: there is no key 'ipv6_monitoring_ip'"),
    (
        "boundary.conf",
        b"ipv6_debug_ips=::1\nipv6_debug_ips=::2\n",
        "boundary.conf, line 2: ipv6_debug_ips comes twice",
    ),
    ("boundary.conf", b"ipv6_debug_ips=::1\r\n", "boundary.conf: has other characters than printable ASCII"),
    ("certificate.pem", b"", "certificate.pem, line 0: ends without a whole certificate"),
    (
        "certificate.pem",
        KEY,
        "certificate.pem, line 1: is not the beginning of such a certificate in PEM",
    ),
    ("certificate.pem", CERTIFICATE[:200], "certificate.pem, line 4: ends without a whole certificate"),
    (
        "certificate.pem",
        CERTIFICATE + SHAPED,
        "certificate.pem: only 1 of its 2 blocks are certificates by X.509; give the chain in PEM",
    ),
    (
        "certificate.pem",
        SHAPED,
        "certificate.pem: only 0 of its 1 blocks are certificates by X.509; give the chain in PEM",
    ),
    ("certificate_key.pem", b"hello\n", "certificate_key.pem, line 1: is not the beginning of such a key in PEM"),
    (
        "certificate_key.pem",
        b"-----BEGIN PRIVATE KEY-----\nMAMCAQU=\n-----END PRIVATE KEY-----\n",
        "certificate_key.pem: is not a private key that openssl can read; give it in PEM, without a passphrase",
    ),
    (
        "nns_public_key.pem",
        OTHER_PEM,
        "nns_public_key.pem: is not a public key of BLS12-381 in DER, 133 bytes, as the NNS has one",
    ),
]


@pytest.mark.parametrize(("file", "data", "message"), BAD)
def test_malformed_content_refuses_all(file: str, data: bytes, message: str, gateway: Gateway) -> None:
    assert gateway.take(archive({**FULL, file: data})) == (3, f"{REFUSED}{message}\n")
    assert gateway.content("boot/config") == {}


def without(name: str) -> dict[str, bytes]:
    return {each: data for each, data in FULL.items() if each != name}


def test_a_certificate_without_a_key(gateway: Gateway) -> None:
    message = "certificate.pem: is there without certificate_key.pem; give both, or neither"
    assert gateway.take(archive(without("certificate_key.pem"))) == (3, f"{REFUSED}{message}\n")


def test_a_key_without_a_certificate(gateway: Gateway) -> None:
    message = "certificate_key.pem: is there without certificate.pem; give both, or neither"
    assert gateway.take(archive(without("certificate.pem"))) == (3, f"{REFUSED}{message}\n")


def pair(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("certificate.pem", "certificate_key.pem")}


def test_the_key_of_another_certificate(gateway: Gateway, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    message = (
        "certificate_key.pem: is not the key of the first certificate in certificate.pem; "
        "give the pair, and the server's own first"
    )
    other = {"certificate_key.pem": pair(tmp_path)["certificate_key.pem"]}
    assert gateway.take(archive({**FULL, **other})) == (3, f"{REFUSED}{message}\n")


def test_a_key_that_is_too_short(gateway: Gateway, tmp_path: Path) -> None:
    make_certificate(tmp_path, algorithm="RSA", option="rsa_keygen_bits:1024")
    message = "certificate_key.pem: has 1024 bits of RSA; 2048 are the least that TLS takes"
    assert gateway.take(archive({**FULL, **pair(tmp_path)})) == (3, f"{REFUSED}{message}\n")


def test_a_key_of_rsa_and_a_chain(gateway: Gateway, tmp_path: Path) -> None:
    make_certificate(tmp_path, algorithm="RSA", option="rsa_keygen_bits:2048")
    files = pair(tmp_path)
    files["certificate.pem"] += CERTIFICATE
    assert gateway.take(archive({**FULL, **files})) == (0, CONFIGURED)


@pytest.mark.parametrize(
    ("end", "warning"),
    [
        ("20260102000000Z", "has expired (Jan  2 00:00:00 2026 GMT); it is served all the same, give another"),
    ],
)
def test_a_certificate_that_has_expired_is_taken(end: str, warning: str, gateway: Gateway, tmp_path: Path) -> None:
    make_certificate(tmp_path, "-not_before", "20260101000000Z", "-not_after", end)
    said = f"check-bootstrap: WARNING: certificate.pem {warning}\n"
    assert gateway.take(archive({**FULL, **pair(tmp_path)})) == (0, said + CONFIGURED)


def test_a_certificate_that_expires_soon_is_taken(gateway: Gateway, tmp_path: Path) -> None:
    make_certificate(tmp_path, "-days", "6")
    status, said = gateway.take(archive({**FULL, **pair(tmp_path)}))
    assert status == 0
    assert said.startswith("check-bootstrap: WARNING: certificate.pem expires within a week (")
    assert said.endswith("); give another\n" + CONFIGURED)


def test_an_archive_that_is_too_large(gateway: Gateway) -> None:
    tar = gateway.root / "medium.tar"
    with tar.open("wb") as file:
        file.truncate((4 << 20) + 1)
    assert gateway.run("take-bootstrap.sh", tar) == (3, f"{REFUSED}it has more than 4194304 bytes\n")


def test_what_a_power_cut_interrupted_is_completed(gateway: Gateway) -> None:
    gateway.configure({"boundary.conf": BOUNDARY_CONF})
    assert gateway.run("take-bootstrap.sh", "--finish") == (0, CONFIGURED)
    assert (gateway.root / "boot/config/CONFIGURED").exists()


def test_keys_alone_are_a_configuration(gateway: Gateway) -> None:
    """Of an NNS of tests, say, and for its developers."""
    files = {"nns_public_key.pem": NNS_KEY, "accounts_ssh_authorized_keys/root": SSH_KEY}
    assert gateway.take(archive(files)) == (0, CONFIGURED)
