"""The network configuration that is made out of network.conf: each combination, byte by byte."""

from pathlib import Path

import pytest

from tests.guestos.configuration.rootfs import Node

HEAD = """\
# Made by generate-network-config.sh out of /boot/config/bootstrap/network.conf.
[Match]
Name=en* eth*

[Network]
DHCP=no
LLMNR=no
MulticastDNS=no
"""
GENERATED = "run/systemd/network/05-bootstrap.network"
HOST_NAME = "proc/sys/kernel/hostname"

CASES = {
    "nothing": (
        "",
        "IPv6AcceptRA=yes\n\n[IPv6AcceptRA]\nDHCPv6Client=no\n",
    ),
    "name servers and SLAAC": (
        "name_servers=2001:db8::53 192.0.2.53\n",
        "IPv6AcceptRA=yes\nDNS=2001:db8::53\nDNS=192.0.2.53\n\n[IPv6AcceptRA]\nDHCPv6Client=no\nUseDNS=no\n",
    ),
    "static IPv6": (
        "ipv6_address=2001:db8::2/64\nipv6_gateway=2001:db8::1\nname_servers=2001:db8::53\nhostname=guest\n",
        "IPv6AcceptRA=no\nAddress=2001:db8::2/64\nGateway=2001:db8::1\nDNS=2001:db8::53\n",
    ),
    "static IPv6 and IPv4": (
        "ipv6_address=2001:db8::2/64\nipv6_gateway=fe80::1\nname_servers=192.0.2.53\n"
        "ipv4_address=192.0.2.2/24\nipv4_gateway=192.0.2.1\ndomain=example.org\n",
        "IPv6AcceptRA=no\nAddress=2001:db8::2/64\nAddress=192.0.2.2/24\nGateway=fe80::1\nGateway=192.0.2.1\n"
        "DNS=192.0.2.53\nDomains=example.org\n",
    ),
    "SLAAC and static IPv4": (
        "# by hand\nipv4_gateway=192.0.2.1\n\nipv4_address=192.0.2.2/24\n",
        "IPv6AcceptRA=yes\nAddress=192.0.2.2/24\nGateway=192.0.2.1\n\n[IPv6AcceptRA]\nDHCPv6Client=no\n",
    ),
    "a host without a way out": (
        "ipv6_address=fd00::2/64\n",
        "IPv6AcceptRA=no\nAddress=fd00::2/64\n",
    ),
}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "root")
    (made.root / HOST_NAME).write_text("guestos\n")
    return made


def configure(node: Node, text: str) -> None:
    folder = node.root / "boot/config/bootstrap"
    folder.mkdir()
    (folder / "network.conf").write_text(text)


@pytest.mark.parametrize("case", CASES)
def test_each_combination(case: str, node: Node) -> None:
    text, expected = CASES[case]
    configure(node, text)
    assert node.run("generate-network-config.sh") == (0, "")
    assert node.content("run") == {
        "run/systemd/": b"",
        "run/systemd/network/": b"",
        GENERATED: (HEAD + expected).encode(),
    }
    assert (node.root / HOST_NAME).read_text() == ("guest\n" if "hostname=guest\n" in text else "guestos\n")


def test_again_after_a_change(node: Node) -> None:
    configure(node, "hostname=a\n")
    assert node.run("generate-network-config.sh") == (0, "")
    (node.root / "boot/config/bootstrap/network.conf").write_text("hostname=b\ndomain=example.org\n")
    assert node.run("generate-network-config.sh") == (0, "")
    assert (node.root / HOST_NAME).read_text() == "b\n"
    assert "Domains=example.org\n" in (node.root / GENERATED).read_text()


def test_without_configuration_the_image_s_own_holds(node: Node) -> None:
    assert node.run("generate-network-config.sh") == (0, "")
    assert node.content("run") == {}
    assert (node.root / HOST_NAME).read_text() == "guestos\n"


def test_malformed_configuration_is_ignored_as_a_whole(node: Node) -> None:
    configure(node, "hostname=a\nipv6_address=nonsense\n")
    assert node.run("generate-network-config.sh") == (
        0,
        "generate-network-config: ignored, addresses come by DHCP: "
        "network.conf, line 2: ipv6_address cannot be 'nonsense'\n",
    )
    assert node.content("run") == {}
    assert (node.root / HOST_NAME).read_text() == "guestos\n"
