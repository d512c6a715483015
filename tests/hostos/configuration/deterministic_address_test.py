"""Deterministic addresses: the golden values, Python's own arithmetic for many others, and what is refused."""

import hashlib
import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostos.configuration.host import MAC, Host

INDEXES = {"setupos": "0f", "hostos": "00", "guestos": "01", "boundary": "02"}
PREFIX = "2a00:fb01:400:200"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(tmp_path_factory.mktemp("host") / "root")


def configure(host: Host, mac: str, name: str, prefix: str = PREFIX) -> None:
    host.configure(f"ipv6_prefix={prefix}\nipv6_gateway=fe80::1\n", {"deployment": {"name": name, "mgmt_mac": mac}})


def address(host: Host, *words: str) -> str:
    status, said = host.run("deterministic-address.sh", *words)
    assert status == 0, said
    return said.removesuffix("\n")


def test_golden_values(host: Host) -> None:
    configure(host, MAC, "mainnet")
    for system, index in INDEXES.items():
        assert address(host, "mac", system) == f"6a:{index}:f4:09:d7:2a"
        assert address(host, "mac", system, "6") == f"6a:{index}:f4:09:d7:2a"
        assert address(host, "mac", system, "4") == f"4a:{index}:f4:09:d7:2a"
        assert address(host, "ipv6", system) == f"{PREFIX}:68{index}:f4ff:fe09:d72a"
        assert address(host, "ipv6", system, "6") == f"{PREFIX}:68{index}:f4ff:fe09:d72a"


MACS = st.binary(min_size=6, max_size=6).map(lambda mac: bytes([mac[0] & 0xFE]) + mac[1:]).filter(any)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789._-", min_size=1, max_size=40)
# Zeros more often than by chance: they are what is written in many ways.
GROUPS = st.lists(st.sampled_from([0, 0, 0, 1, 0xA, 0xFB01, 0xFFFF, 0x0400]), min_size=3, max_size=3)
FIRST = st.sampled_from([0x2A00, 0xFD00, 0x2001, 0x64])


@given(
    mac=MACS, name=NAMES, first=FIRST, groups=GROUPS, system=st.sampled_from(sorted(INDEXES)), capitals=st.booleans()
)
@settings(deadline=None, max_examples=50)
def test_what_python_makes_of_it(
    host: Host, mac: bytes, name: str, first: int, groups: list[int], system: str, capitals: bool
) -> None:
    text = mac.hex(":")
    prefix = ":".join(f"{group:04X}" if capitals else f"{group:x}" for group in (first, *groups))
    configure(host, text.upper() if capitals else text, name, prefix)
    digest = hashlib.sha256(f"{text}{name}\n".encode()).digest()[:4]
    made = bytes([0x6A, int(INDEXES[system], 16)]) + digest
    suffix = bytes([made[0] ^ 2]) + made[1:3] + b"\xff\xfe" + made[3:]
    network = b"".join(group.to_bytes(2, "big") for group in (first, *groups))
    assert address(host, "mac", system) == made.hex(":")
    assert address(host, "ipv6", system) == str(ipaddress.IPv6Address(network + suffix))


USAGE = "usage: deterministic-address.sh mac|ipv6 SYSTEM [6|4]"
SYSTEMS = "is none of setupos, hostos, guestos, boundary"
REFUSED = {
    "": USAGE,
    "mac": USAGE,
    "mac guestos 6 4": USAGE,
    "ip guestos": "'ip' is neither mac nor ipv6",
    "mac guest": f"the system 'guest' {SYSTEMS}",
    "ipv6 boundary-guestos": f"the system 'boundary-guestos' {SYSTEMS}",
    "mac guestos 5": "there are the interfaces 6 and 4, not '5'",
    "ipv6 guestos ipv6": "there are the interfaces 6 and 4, not 'ipv6'",
    "ipv6 guestos 4": "an IPv6 address is made of the MAC of the IPv6 interface; leave 4 out",
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused(words: str, host: Host) -> None:
    configure(host, MAC, "mainnet")
    assert host.run("deterministic-address.sh", *words.split()) == (2, f"deterministic-address: {REFUSED[words]}\n")


def test_nothing_is_made_of_a_malformed_configuration(host: Host) -> None:
    configure(host, MAC, "main net")
    said = "deployment.json: deployment.name cannot be 'main net'; it is a word of letters, digits and ._-"
    for words in (["mac", "hostos"], ["ipv6", "hostos"]):
        assert host.run("deterministic-address.sh", *words) == (2, f"host-config: {said}\n")


def test_nor_without_one(host: Host) -> None:
    host.configure(None, {"deployment": {"name": "mainnet", "mgmt_mac": MAC}})
    # A MAC needs no config.ini.
    assert address(host, "mac", "hostos") == "6a:00:f4:09:d7:2a"
    said = "host-config: config.ini: is not there; this host is not configured\n"
    assert host.run("deterministic-address.sh", "ipv6", "hostos") == (3, said)
    host.configure(None, None)
    host.add_port("eno1", "52:54:00:12:34:56")
    status, text = host.run("deterministic-address.sh", "mac", "hostos")
    assert (status, text.splitlines()[-1] + "\n") == (3, said)
