"""What generate-gateway-config.sh makes; a certificate of the machine's own; nothing of what is malformed."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.boundary.configuration.rootfs import CERTIFICATE, FULL, KEY, NNS_KEY, Gateway, make_certificate

HEAD = "# Made by generate-gateway-config.sh out of boundary.conf and nns.conf.\n"
EVERYBODY = 'add rule inet filter input tcp dport { 80, 443 } accept comment "gateway, for everybody"\n'
NOBODY_TO_FORWARD_TO = "generate-gateway-config: there is no ipv6_replica_ips in boundary.conf: no call is forwarded\n"
NO_CERTIFICATE = (
    "generate-gateway-config: there is no certificate.pem in the configuration: the gateway does not start; "
    "give certificate.pem and certificate_key.pem\n"
)
REFUSED = "generate-gateway-config: REFUSED, the gateway does not start and the firewall is closed: "
# Of the mainnet: https://internetcomputer.org/docs/references/ic-interface-spec, the public root key.
MAINNET = (
    "308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100"
    "814c0e6ec71fab583b08bd81373c255c3c371b2e84863c98a4f1e08b74235d14"
    "fb5d9c0cd546d9685f913a0c0b2cc5341583bf4b4392e467db96d65b9bb4cb71"
    "7112f8472e0d5a4d14505ffd7484b01291091c5f87b98883463f98091a0baaae"
)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path / "root")


@pytest.fixture
def signing(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path / "signing", may_sign=True)


def test_all_of_it(gateway: Gateway) -> None:
    gateway.configure(FULL)
    assert gateway.generate() == ""
    assert gateway.made() == {
        "firewall.nft": (
            HEAD + "add element inet filter replicas6 { 2001:db8:4::1, 2001:db8:4::2 }\n"
            "add element inet filter debug6 { 2001:db8:1::/48 }\n"
            "add element inet filter monitoring6 { 2001:db8:3::/64 }\n"
            "add element inet filter http4 { 198.51.100.0/24, 192.0.2.9 }\n"
            "add element inet filter http6 { ::/0 }\n"
            'add rule inet filter output tcp dport 443 accept comment "NNS"\n'
            'add rule inet filter output ip6 daddr 2001:db8::8 tcp dport 8081 accept comment "NNS"\n'
            'add rule inet filter output ip daddr 192.0.2.8 tcp dport 8443 accept comment "NNS"\n'
        ).encode(),
        "replicas": b"2001:db8:4::1\n2001:db8:4::2\n",
        "tls/certificate.pem": CERTIFICATE,
        "tls/certificate_key.pem": KEY,
        "www/ic-gateway.json": gateway.made()["www/ic-gateway.json"],
    }
    tls = gateway.root / "run/ic-gateway/tls"
    assert (tls / "certificate_key.pem").stat().st_mode & 0o777 == 0o400
    assert (
        f"ic-gateway:ic-gateway {gateway.root}/run/ic-gateway.new/tls/certificate_key.pem"
        in (gateway.root / "owners").read_text()
    )


URLS = {
    "https://a.example": "tcp dport 443",
    "http://a.example/x:1/y": "tcp dport 80",
    "https://a.example:1?x": "tcp dport 1",
    "http://192.0.2.1": "ip daddr 192.0.2.1 tcp dport 80",
    "https://[2001:db8::1]": "ip6 daddr 2001:db8::1 tcp dport 443",
    "https://[2001:db8::1]:65535/": "ip6 daddr 2001:db8::1 tcp dport 65535",
}


@pytest.mark.parametrize("url", URLS)
def test_the_way_to_the_nns(url: str, gateway: Gateway) -> None:
    gateway.configure({"nns.conf": f"nns_url={url}\n".encode()})
    gateway.generate()
    rule = f'add rule inet filter output {URLS[url]} accept comment "NNS"\n'
    assert gateway.made()["firewall.nft"].decode() == HEAD + EVERYBODY + rule


def test_one_list_of_clients_closes_the_other_family(gateway: Gateway) -> None:
    gateway.configure({"boundary.conf": b"ipv6_http_ips=2001:db8::/32\n"})
    assert gateway.generate() == NOBODY_TO_FORWARD_TO + NO_CERTIFICATE
    assert gateway.made()["firewall.nft"].decode() == HEAD + "add element inet filter http6 { 2001:db8::/32 }\n"


def root_key(gateway: Gateway) -> str:
    data = gateway.made()["www/ic-gateway.json"].decode()
    found = json.loads(data)
    assert data == '{"root_key":"' + found["root_key"] + '"}\n'
    return str(found["root_key"])


def test_the_root_key_is_the_mainnet_s_unless_there_is_another(gateway: Gateway) -> None:
    gateway.generate()
    assert root_key(gateway) == MAINNET
    gateway.configure({"nns_public_key.pem": NNS_KEY})
    gateway.generate()
    assert root_key(gateway) == MAINNET[: 2 * 37] + bytes(range(96)).hex()


def test_without_a_certificate_there_is_no_gateway(gateway: Gateway) -> None:
    assert gateway.generate() == NOBODY_TO_FORWARD_TO + NO_CERTIFICATE
    assert set(gateway.made()) == {"firewall.nft", "replicas", "www/ic-gateway.json"}
    assert gateway.content("boot") == {"boot/config/": b""}


def names(certificate: Path) -> list[str]:
    words = ["openssl", "x509", "-in", str(certificate), "-noout", "-ext", "subjectAltName"]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return said.splitlines()[1].replace(" ", "").split(",")


def test_a_certificate_of_its_own(signing: Gateway) -> None:
    said = (
        NOBODY_TO_FORWARD_TO + "generate-gateway-config: making a certificate of this machine's own, for "
        "boundary-guestos and *.localhost\n"
    )
    assert signing.generate() == said
    tls, kept = (signing.root / folder for folder in ("run/ic-gateway/tls", "boot/config/self-signed"))
    assert names(tls / "certificate.pem") == [
        "DNS:boundary-guestos",
        "DNS:*.boundary-guestos",
        "DNS:localhost",
        "DNS:*.localhost",
    ]
    assert (kept / "certificate_key.pem").stat().st_mode & 0o777 == 0o600
    made = signing.made()
    # It is kept.
    assert signing.generate() == NOBODY_TO_FORWARD_TO
    assert signing.made() == made
    # The machine has another name now.
    signing.configure({"network.conf": b"hostname=another\n"})
    assert "for another and" in signing.generate()
    assert names(tls / "certificate.pem")[0] == "DNS:another"
    assert signing.generate() == NOBODY_TO_FORWARD_TO
    # One that is given comes before it.
    signing.configure({"certificate.pem": CERTIFICATE, "certificate_key.pem": KEY})
    assert signing.generate() == NOBODY_TO_FORWARD_TO
    assert signing.made()["tls/certificate.pem"] == CERTIFICATE


def test_half_a_certificate_of_its_own_is_made_anew(signing: Gateway) -> None:
    """What a power cut leaves."""
    (signing.root / "boot/config/self-signed.new").mkdir()
    (signing.root / "boot/config/self-signed.new/certificate_key.pem").touch()
    signing.generate()
    assert set(signing.content("boot/config")) == {
        "boot/config/self-signed/",
        "boot/config/self-signed/certificate.pem",
        "boot/config/self-signed/certificate_key.pem",
    }


MALFORMED = [
    ("boundary.conf", b"ipv6_debug_ips=all\n", "boundary.conf, line 1: ipv6_debug_ips cannot be 'all'"),
    ("network.conf", b"hostname=-\n", "network.conf, line 1: hostname cannot be '-'"),
    ("nns.conf", b"nns_url=nns\n", "nns.conf, line 1: nns_url cannot be 'nns'"),
    ("boundary.conf", b"ipv6_debug_ips=::1\0\n", "boundary.conf, line 1: ipv6_debug_ips cannot be '::1\1'"),
    (
        "certificate_key.pem",
        b"",
        "certificate_key.pem, line 0: ends without one whole key",
    ),
    (
        "nns_public_key.pem",
        b"-----BEGIN PUBLIC KEY-----\nMIGC\n-----END PUBLIC KEY-----\n",
        "nns_public_key.pem: is not a public key of BLS12-381 in DER, 133 bytes, as the NNS has one",
    ),
]


@pytest.mark.parametrize(("file", "data", "message"), MALFORMED)
def test_what_is_malformed_leaves_nothing(file: str, data: bytes, message: str, gateway: Gateway) -> None:
    """Somebody changed a file of the config partition, say; and what was made before is gone too."""
    gateway.configure(FULL)
    gateway.generate()
    gateway.configure({file: data})
    assert gateway.generate() == f"{REFUSED}{message}\n"
    assert gateway.content("run") == {}


def test_a_pair_that_is_none_leaves_nothing(gateway: Gateway, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    gateway.configure({**FULL, "certificate_key.pem": (tmp_path / "certificate_key.pem").read_bytes()})
    assert gateway.generate() == (
        REFUSED + "certificate_key.pem: is not the key of the first certificate in certificate.pem; "
        "give the pair, and the server's own first\n"
    )
    assert gateway.made() == {}
