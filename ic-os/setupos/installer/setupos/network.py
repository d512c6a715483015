"""The network: brought up as HostOS will have it, then the gateway and the NNS are asked.

Bond and bridge are HostOS's own (its files, at /opt/ic/share/network), so that ports which work here work there. Only
this system's address and MAC are another, by their place in deterministic-address.sh.
"""

import shutil
from collections.abc import Callable, Sequence
from typing import Final

from setupos.failure import Failure
from setupos.machine import Machine
from setupos.settings import Settings, ask_host

FILES: Final = ("10-bond6.netdev", "10-br6.netdev", "20-bond6.network", "20-ports.network")
_SHARE: Final = "/opt/ic/share/network"
_NETWORKD: Final = "/run/systemd/network"
BRIDGE: Final = "br6"
# A switch with spanning tree may take most of a minute until it passes anything on.
ADDRESS_SECONDS: Final = 120.0
GATEWAY_SECONDS: Final = 90.0
NNS_ROUNDS: Final = 3
_POLL_SECONDS: Final = 2.0

Say = Callable[[str], None]


def check(machine: Machine, settings: Settings, say: Say) -> None:
    """Whether this machine reaches what a node has to reach.

    Raises:
        Failure: it does not.
    """
    address = bring_up(machine, settings)
    say(f"address {address} by the management MAC {settings.management_mac}")
    _wait_for_address(machine, address)
    _wait_for_gateway(machine, settings.ipv6_gateway)
    say(f"the gateway {settings.ipv6_gateway} answers")
    say(f"{_ask_nns(machine, settings.nns_urls)} answers")


def bring_up(machine: Machine, settings: Settings) -> str:
    """Configures systemd-networkd, in /run; the address that the machine is to have."""
    if not ask_host(machine, "list-ports.sh"):
        raise Failure("this machine has no network port; look at its network cards")
    mac = ask_host(machine, "deterministic-address.sh", "mac", "setupos")
    address = ask_host(machine, "deterministic-address.sh", "ipv6", "setupos")
    folder = machine.path(_NETWORKD)
    (folder / "10-br6.netdev.d").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(machine.path(f"{_SHARE}/{name}"), folder / name)
    (folder / "10-br6.netdev.d/mac.conf").write_text(f"[NetDev]\nMACAddress={mac}\n")
    lines = [f"[Match]\nName={BRIDGE}\n\n[Network]\nAddress={address}/64\nGateway={settings.ipv6_gateway}"]
    lines += [f"DNS={server}" for server in settings.name_servers]
    lines += ["IPv6AcceptRA=no", "DHCP=no", "LLMNR=no", "MulticastDNS=no", ""]
    (folder / "15-br6.network").write_text("\n".join(lines))
    machine.must("the network cannot be configured", "write the stick anew", "networkctl", "reload")
    return address


def _wait_for_address(machine: Machine, address: str) -> None:
    end = machine.now() + ADDRESS_SECONDS
    while True:
        shown = machine.run("ip", "-oneline", "-6", "address", "show", "dev", BRIDGE, "scope", "global").output
        line = next((line for line in shown.splitlines() if f" {address}/" in line), "")
        if "dadfailed" in line:
            raise Failure(
                f"another machine in this network has the address {address} already; look whether "
                f"deployment.mgmt_mac in "
                f"deployment.json is this machine's own, or switch the other one off"
            )
        if line and "tentative" not in line:
            return
        if machine.now() >= end:
            break
        machine.sleep(_POLL_SECONDS)
    ports = ask_host(machine, "list-ports.sh").split()
    if not any(machine.read(f"/sys/class/net/{port}/carrier") == "1" for port in ports):
        raise Failure(f"no network port has a link ({', '.join(ports)}); look at the cables and the switch")
    raise Failure(
        f"the address {address} did not come up within {ADDRESS_SECONDS:.0f} s; look at the switch and restart"
    )


def _wait_for_gateway(machine: Machine, gateway: str) -> None:
    target = f"{gateway}%{BRIDGE}" if gateway.lower().startswith("fe") else gateway
    end = machine.now() + GATEWAY_SECONDS
    while machine.run("ping", "-6", "-n", "-c", "1", "-W", "3", target).status:
        if machine.now() >= end:
            raise Failure(
                f"the gateway {gateway} does not answer within {GATEWAY_SECONDS:.0f} s; look at ipv6_prefix and "
                f"ipv6_gateway in "
                f"config.ini, at the cables and at the switch"
            )
        machine.sleep(_POLL_SECONDS)


def _ask_nns(machine: Machine, urls: Sequence[str]) -> str:
    """The first URL that answers: whatever an HTTP server says is an answer."""
    if not urls:
        raise Failure(
            "there is no nns.url in deployment.json, so nobody to ask whether the network works; put it there"
        )
    reasons: dict[str, str] = {}
    for turn in range(NNS_ROUNDS):
        if turn:
            machine.sleep(5.0)
        for url in urls:
            words = [
                "curl",
                "--silent",
                "--show-error",
                "--output",
                "/dev/null",
                "--connect-timeout",
                "10",
                "--max-time",
                "20",
            ]
            result = machine.run(*words, f"{url.rstrip('/')}/api/v2/status")
            if not result.status:
                return url
            reasons[url] = result.reason
    said = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
    raise Failure(
        f"no NNS URL answers ({said}); look at nns.url and dns.name_servers in deployment.json, and at the firewall"
    )
