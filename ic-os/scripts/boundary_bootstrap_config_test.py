"""The bootstrap medium of a Boundary-guestOS: what each option makes, what is refused; the program and the rule.

What it has in common with that of a GuestOS (FAT, tar, the options of the network) bootstrap_config_test.py tests.
"""

import base64
import os
import subprocess
from pathlib import Path

import pytest

from bootstrap_config import AUTHORIZED_KEYS, make_archive, make_tree
from boundary_bootstrap_config import BOUNDARY
from sysimage.errors import UserError

TOOL = Path(os.environ["TOOL"]).absolute()
MADE_BY_THE_RULE = Path(os.environ["IMAGE"]).absolute()
TESTDATA = Path("ic-os/scripts/testdata").absolute()
CERTIFICATE, KEY, NNS_KEY = (
    TESTDATA / "boundary" / name for name in ("certificate.pem", "certificate_key.pem", "nns_public_key.pem")
)

# Each option of a value, as the rule (:boundary) has it, and the line it makes.
LINES = {
    "ipv6_address": (["2001:db8::2/64"], "network.conf", "ipv6_address=2001:db8::2/64"),
    "ipv6_gateway": (["2001:db8::1"], "network.conf", "ipv6_gateway=2001:db8::1"),
    "name_servers": (["2001:db8::53"], "network.conf", "name_servers=2001:db8::53"),
    "hostname": (["boundary-1"], "network.conf", "hostname=boundary-1"),
    "ipv4_address": (["192.0.2.2/24"], "network.conf", "ipv4_address=192.0.2.2/24"),
    "ipv4_gateway": (["192.0.2.1"], "network.conf", "ipv4_gateway=192.0.2.1"),
    "domain": (["example.org"], "network.conf", "domain=example.org"),
    "nns_url": (["https://a.example", "https://b.example"], "nns.conf", "nns_url=https://a.example,https://b.example"),
    "ipv6_replica_ips": (
        ["2001:db8:4::1", "2001:db8:4::2"],
        "boundary.conf",
        "ipv6_replica_ips=2001:db8:4::1 2001:db8:4::2",
    ),
    "ipv4_http_ips": (["198.51.100.0/24"], "boundary.conf", "ipv4_http_ips=198.51.100.0/24"),
    "ipv6_http_ips": (["::/0"], "boundary.conf", "ipv6_http_ips=::/0"),
    "ipv6_debug_ips": (
        ["2001:db8:1::/48,2001:db8:2::1"],
        "boundary.conf",
        "ipv6_debug_ips=2001:db8:1::/48 2001:db8:2::1",
    ),
    "ipv6_monitoring_ips": (["2001:db8:3::/64"], "boundary.conf", "ipv6_monitoring_ips=2001:db8:3::/64"),
}
FILES = {"nns_public_key": [str(NNS_KEY)], "certificate": [str(CERTIFICATE)], "certificate_key": [str(KEY)]}
EVERYTHING = {name: words for name, (words, _, _) in LINES.items()} | FILES
KEYS = {AUTHORIZED_KEYS: [f"admin={TESTDATA}/keys.pub"]}


def program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False)


def content(tar: bytes) -> dict[str, str]:
    """The members of an archive, as GNU tar has them."""

    def run(*words: str) -> str:
        return subprocess.run(["tar", *words], input=tar, capture_output=True, check=True).stdout.decode()

    names = run("--list", "--file=-").split()
    return {name: run("--extract", "--to-stdout", "--file=-", name) for name in names if not name.endswith("/")}


def test_the_table_above_has_every_option() -> None:
    assert list(BOUNDARY.help) == [*LINES, *FILES, AUTHORIZED_KEYS]


def test_everything() -> None:
    made = content(make_archive(make_tree(EVERYTHING | KEYS, BOUNDARY)))
    expected: dict[str, str] = {}
    for _, file, line in LINES.values():
        expected[file] = expected.get(file, "") + line + "\n"
    assert made == expected | {
        "accounts_ssh_authorized_keys/admin": (TESTDATA / "keys.pub").read_text(),
        "certificate.pem": CERTIFICATE.read_text(),
        "certificate_key.pem": KEY.read_text(),
        "nns_public_key.pem": NNS_KEY.read_text(),
    }


def test_the_rule_hands_on_every_attribute(tmp_path: Path) -> None:
    words = [f"--{name}={word}" for name, given in (EVERYTHING | KEYS).items() for word in given]
    done = program(tmp_path / "medium.img", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "medium.img").read_bytes() == MADE_BY_THE_RULE.read_bytes()


BAD: list[tuple[dict[str, list[str]], str]] = [
    (
        {"ic_crypto": ["folder"]},
        f"there is no option 'ic_crypto' (hint: there are {', '.join([*LINES, *FILES, AUTHORIZED_KEYS])})",
    ),
    (
        {"ipv6_replica_ips": ["2001:db8::/64"]},
        "ipv6_replica_ips '2001:db8::/64' is not an IPv6 address (hint: write it as 2001:db8::2)",
    ),
    (
        {"ipv6_replica_ips": ["192.0.2.1"]},
        "ipv6_replica_ips '192.0.2.1' is an IPv4 address; an IPv6 address is wanted",
    ),
    ({"ipv6_replica_ips": ["::1 ::1"]}, "ipv6_replica_ips has '::1' twice"),
    ({"ipv6_replica_ips": [""]}, "--ipv6_replica_ips is given without a value (hint: leave the option out)"),
    ({"ipv4_http_ips": ["::1"]}, "ipv4_http_ips '::1' is an IPv6 address; an IPv4 address is wanted"),
    (
        {"ipv4_http_ips": ["10.0.0.0/33"]},
        "ipv4_http_ips '10.0.0.0/33' has the prefix length '33', which is not a number from 0 to 32",
    ),
    (
        {"ipv6_http_ips": ["2001:db8::1/64"]},
        "ipv6_http_ips '2001:db8::1/64' is an address in a network, not the network (hint: write it as 2001:db8::/64)",
    ),
    ({"ipv6_debug_ips": ["all"]}, "ipv6_debug_ips 'all' is not an IPv6 address (hint: write it as 2001:db8::2)"),
    (
        {"ipv6_monitoring_ips": ["::/x"]},
        "ipv6_monitoring_ips '::/x' has the prefix length 'x', which is not a number from 0 to 128",
    ),
    ({"certificate": ["a"]}, "--certificate is given without --certificate_key (hint: give both, or neither)"),
    ({"certificate_key": ["a"]}, "--certificate_key is given without --certificate (hint: give both, or neither)"),
    (
        {"nns_public_key": [f"{TESTDATA}/public.pem"]},
        f"nns_public_key ({TESTDATA}/public.pem): is not a public key of BLS12-381 in DER, 133 bytes, "
        "as the NNS has one",
    ),
    (
        {"certificate": [str(KEY)], "certificate_key": [str(KEY)]},
        f"certificate ({KEY}), line 1: has a PRIVATE KEY where a CERTIFICATE is wanted",
    ),
    (
        {"certificate": [str(CERTIFICATE)], "certificate_key": [str(CERTIFICATE)]},
        f"certificate_key ({CERTIFICATE}), line 1: has a CERTIFICATE where a EC PRIVATE KEY or PRIVATE KEY or "
        "RSA PRIVATE KEY is wanted",
    ),
    (
        {AUTHORIZED_KEYS: [f"backup={TESTDATA}/keys.pub"]},
        f"accounts_ssh_authorized_keys ({TESTDATA}/keys.pub): there is no account 'backup' (hint: there are "
        "admin, readonly, root)",
    ),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_values(options: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UserError) as caught:
        make_tree(options, BOUNDARY)
    assert str(caught.value) == message


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", other],
        check=True,
        capture_output=True,
    )
    with pytest.raises(UserError) as caught:
        make_tree({"certificate": [str(CERTIFICATE)], "certificate_key": [str(other)]}, BOUNDARY)
    assert str(caught.value) == (
        f"certificate_key ({other}): is not the key of the first certificate in {CERTIFICATE} "
        "(hint: give the pair, and the server's own first)"
    )


def test_what_only_looks_like_a_certificate(tmp_path: Path) -> None:
    """Base64 of some DER, and a key that is encrypted."""
    shaped = tmp_path / "shaped.pem"
    body = base64.b64encode(bytes([0x30, 3, 2, 1, 5])).decode()
    shaped.write_text(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    with pytest.raises(UserError) as caught:
        make_tree({"certificate": [str(shaped)], "certificate_key": [str(KEY)]}, BOUNDARY)
    assert str(caught.value).startswith(f"certificate ({shaped}) and its key ({KEY}) are none for TLS: ")
    encrypted = tmp_path / "encrypted.pem"
    words = ["openssl", "pkcs8", "-topk8", "-in", str(KEY), "-passout", "pass:secret", "-out", str(encrypted)]
    subprocess.run(words, check=True, capture_output=True)
    with pytest.raises(UserError) as caught:
        make_tree({"certificate": [str(CERTIFICATE)], "certificate_key": [str(encrypted)]}, BOUNDARY)
    assert str(caught.value) == (
        f"certificate_key ({encrypted}), line 1: has a ENCRYPTED PRIVATE KEY where a EC PRIVATE KEY or PRIVATE KEY or "
        "RSA PRIVATE KEY is wanted"
    )


def test_a_chain(tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_text(CERTIFICATE.read_text() * 2)
    made = content(make_archive(make_tree({"certificate": [str(chain)], "certificate_key": [str(KEY)]}, BOUNDARY)))
    assert made["certificate.pem"] == chain.read_text()


def test_the_program_refuses_in_one_line_and_writes_nothing(tmp_path: Path) -> None:
    usage = "(hint: build-boundary-bootstrap-config-image OUT [--OPTION=VALUE ...])"
    for arguments, message in (
        (["--hostname=a"], f"no file is named {usage}"),
        ([tmp_path / "x.img", "--ipv6_replica_ips=::1", "y"], f"unexpected argument 'y' {usage}"),
        (
            [tmp_path / "x.img", "--ipv6_replica_ip=::1"],
            "Unknown command line flag 'ipv6_replica_ip'. Did you mean: ipv6_replica_ips ? "
            "(hint: --help lists the flags)",
        ),
    ):
        done = program(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_help_lists_the_options() -> None:
    done = program("--help")
    assert all(f"--{name}:" in done.stdout for name in BOUNDARY.help), done.stdout
