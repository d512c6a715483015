"""What is made of the configuration for systemd-networkd, byte by byte, and the host's name."""

from pathlib import Path

import pytest

from tests.hostos.configuration.host import CONFIG_INI, DEPLOYMENT, MAC, MINIMAL, Host

NETWORK = """\
# Made by generate-network-config.sh out of /boot/config/config.ini and deployment.json.
[Match]
Name=br6

[Network]
Address={address}/64
Gateway={gateway}
{servers}IPv6AcceptRA=no
DHCP=ipv4
LLMNR=no
MulticastDNS=no

[DHCPv4]
UseHostname=no
UseDNS=no
UseNTP=no
"""
BRIDGE = b"[NetDev]\nMACAddress=6a:00:f4:09:d7:2a\n"
ADDRESS = "2a00:fb01:400:200:6800:f4ff:fe09:d72a"
FALLBACK = "generate-network-config: addresses come by router advertisements and DHCP"
HOST_NAME = "proc/sys/kernel/hostname"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path / "root")
    (made.root / HOST_NAME).write_text("hostos\n")
    return made


def generated(network: str) -> dict[str, bytes]:
    return {
        "run/systemd/": b"",
        "run/systemd/network/": b"",
        "run/systemd/network/10-br6.netdev.d/": b"",
        "run/systemd/network/10-br6.netdev.d/mac.conf": BRIDGE,
        "run/systemd/network/15-br6.network": network.encode(),
    }


def test_golden_address_and_the_name_servers_that_the_firewall_lets_it_ask(host: Host) -> None:
    host.configure()
    assert host.run("generate-network-config.sh") == (0, "")
    network = NETWORK.format(address=ADDRESS, gateway="2a00:fb01:400:200::1", servers="DNS=2606:4700:4700::1111\n")
    assert host.content("run") == generated(network)


def test_a_link_local_gateway_and_no_name_servers(host: Host) -> None:
    host.configure("ipv6_prefix=2a00::200\nipv6_gateway=fe80::1\n", MINIMAL)
    assert host.run("generate-network-config.sh") == (0, "")
    network = NETWORK.format(address="2a00::200:6800:f4ff:fe09:d72a", gateway="fe80::1", servers="")
    assert host.content("run") == generated(network)


def test_again_after_a_change(host: Host) -> None:
    host.configure()
    assert host.run("generate-network-config.sh") == (0, "")
    host.configure(CONFIG_INI.replace("::1\n", "::2\n"), MINIMAL)
    assert host.run("generate-network-config.sh") == (0, "")
    network = NETWORK.format(address=ADDRESS, gateway="2a00:fb01:400:200::2", servers="")
    assert host.content("run") == generated(network)


# Whatever is wrong, the image's own holds; one line says what.
FALLBACKS: dict[str, tuple[str | None, object, str]] = {
    "no configuration": (None, None, "config.ini: is not there; this host is not configured"),
    "no config.ini": (None, DEPLOYMENT, "config.ini: is not there; this host is not configured"),
    "no deployment.json": (CONFIG_INI, None, "deployment.json: is not there; put it beside config.ini"),
    "malformed": (
        CONFIG_INI + "verbose=maybe\n",
        DEPLOYMENT,
        "config.ini, line 3: verbose cannot be 'maybe'; it is true or false",
    ),
}


@pytest.mark.parametrize("case", FALLBACKS)
def test_fallback(case: str, host: Host) -> None:
    config, deployment, reason = FALLBACKS[case]
    host.configure(config, deployment)
    assert host.run("generate-network-config.sh") == (0, f"{FALLBACK}: {reason}\n")
    assert host.content("run") == {}


def test_a_machine_without_any_mac(host: Host) -> None:
    host.configure(deployment={"deployment": {"name": "mainnet"}})
    assert host.run("generate-network-config.sh") == (
        0,
        "host-config: neither a BMC nor a network port has a MAC that could be the management MAC; "
        f"give deployment.mgmt_mac in deployment.json\n{FALLBACK}\n",
    )
    assert host.content("run") == {}


def test_host_name(host: Host) -> None:
    host.configure()
    assert host.run("setup-hostname.sh") == (0, "")
    assert (host.root / HOST_NAME).read_text() == f"host-{MAC.replace(':', '')}\n" == "host-3cecef6b3799\n"


def test_host_name_without_configuration(host: Host) -> None:
    host.add_port("eno1", "52:54:00:12:34:56")
    said = "host-config: the management MAC is that of the network port eno1: 52:54:00:12:34:56\n"
    assert host.run("setup-hostname.sh") == (0, said)
    assert (host.root / HOST_NAME).read_text() == "host-525400123456\n"


def test_malformed_configuration_leaves_the_image_s_name(host: Host) -> None:
    host.configure("nonsense\n")
    assert host.run("setup-hostname.sh") == (
        0,
        "host-config: config.ini, line 1: is not of the form key=value\n"
        "setup-hostname: the host keeps the name of the image\n",
    )
    assert (host.root / HOST_NAME).read_text() == "hostos\n"
