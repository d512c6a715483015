"""A host, for its scripts: a root folder with a configuration, network ports and a BMC."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fake_root import FakeRoot
from sysimage import locked_tool

# What all systems have, and this one.
TEMPLATES: Final = [Path("ic-os/rootfs").absolute(), Path("ic-os/hostos/rootfs").absolute()]
JQ: Final = Path("tests/hostos/configuration/jq").absolute()

MAC: Final = "3c:ec:ef:6b:37:99"
CONFIG_INI: Final = "ipv6_prefix=2a00:fb01:400:200\nipv6_gateway=2a00:fb01:400:200::1\n"
DEPLOYMENT: Final[Mapping[str, Mapping[str, str]]] = {
    "deployment": {"name": "mainnet", "mgmt_mac": MAC},
    "logging": {"hosts": "logs.example:443 [2001:db8::9]:9200"},
    "nns": {"url": "https://nns.example,http://[2001:db8::8]:8080"},
    "dns": {"name_servers": "2606:4700:4700::1111 192.0.2.53"},
    "resources": {"memory": "16", "cpu": "qemu", "nr_of_vcpus": "8"},
}
MINIMAL: Final = {"deployment": {"name": "mainnet", "mgmt_mac": MAC}}
# As `ipmitool lan print` has it.
LAN: Final = """\
Set in Progress         : Set Complete
IP Address Source       : Static Address
IP Address              : 10.0.0.9
Subnet Mask             : 255.255.255.0
MAC Address             : {}
SNMP Community String   : public
"""


class Host(FakeRoot):
    """A host in a folder. It has neither a configuration nor ports nor a BMC until it is given some."""

    def __init__(self, root: Path) -> None:
        folders = ("boot/config", "proc/sys/kernel", "sys/class/net", "dev")
        super().__init__(root, "IC_ROOT", TEMPLATES, folders)
        self.program("jq", f'exec {shlex.join(locked_tool.command(JQ, "jq", []))} "$@"')
        self.program("udevadm", 'echo "udevadm $*" >> "${IC_ROOT}/asked"')

    def configure(self, config: str | bytes | None = CONFIG_INI, deployment: object = DEPLOYMENT) -> None:
        """Puts both files into the config volume, deployment.json of an object or as it is; None: there is none."""
        if not isinstance(deployment, str | bytes | None):
            deployment = json.dumps(deployment)
        for name, content in (("config.ini", config), ("deployment.json", deployment)):
            path = self.root / "boot/config" / name
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content.encode() if isinstance(content, str) else content)

    def add_port(self, name: str, mac: str, bus: str = "pci0000:00/0000:00:03.0", kind: int = 1) -> Path:
        """A network port with a device; its folder below /sys/class/net."""
        device = self.root / "sys/devices" / bus
        port = device / "net" / name
        port.mkdir(parents=True)
        (port / "address").write_text(f"{mac}\n")
        (port / "type").write_text(f"{kind}\n")
        (port / "device").symlink_to(device)
        (self.root / "sys/class/net" / name).symlink_to(port)
        return port

    def add_virtual(self, name: str, mac: str) -> None:
        """A network interface without a device."""
        port = self.root / "sys/devices/virtual/net" / name
        port.mkdir(parents=True)
        (port / "address").write_text(f"{mac}\n")
        (port / "type").write_text("1\n")
        (self.root / "sys/class/net" / name).symlink_to(port)

    def add_bmc(self, text: str, status: int = 0) -> None:
        """A BMC, with what ipmitool prints of it."""
        (self.root / "dev/ipmi0").touch()
        (self.root / "lan").write_text(text)
        self.program("ipmitool", f'[ "$*" = "lan print" ] && cat "${{IC_ROOT}}/lan" && exit {status}')

    def asked(self) -> list[str]:
        """What was asked of udev."""
        asked = self.root / "asked"
        return asked.read_text().splitlines() if asked.exists() else []

    def get(self, key: str) -> str:
        """A value of the configuration, without the line feed behind it."""
        done = self.execute("host-config.sh", "get", key)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout.removesuffix("\n")
