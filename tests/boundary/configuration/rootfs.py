"""The scripts of the image, run on this machine with a root of their own: the very files, real programs."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fake_root import FakeRoot

# What all systems have, or those in virtual machines, and this one.
TEMPLATES: Final = [Path(f"ic-os/{folder}").absolute() for folder in ("rootfs", "boundary-guestos/rootfs")]
TESTDATA: Final = Path("ic-os/scripts/testdata").absolute()
CERTIFICATE: Final = (TESTDATA / "boundary/certificate.pem").read_bytes()
KEY: Final = (TESTDATA / "boundary/certificate_key.pem").read_bytes()
NNS_KEY: Final = (TESTDATA / "boundary/nns_public_key.pem").read_bytes()
SSH_KEY: Final = (TESTDATA / "keys.pub").read_bytes()

NETWORK_CONF: Final = b"hostname=boundary-1\nipv6_address=2001:db8::2/64\nipv6_gateway=2001:db8::1\n"
BOUNDARY_CONF: Final = (
    b"ipv6_replica_ips=2001:db8:4::1 2001:db8:4::2\nipv4_http_ips=198.51.100.0/24 192.0.2.9\n"
    b"ipv6_http_ips=::/0\nipv6_debug_ips=2001:db8:1::/48\nipv6_monitoring_ips=2001:db8:3::/64\n"
)
FULL: Final[Mapping[str, bytes]] = {
    "network.conf": NETWORK_CONF,
    "boundary.conf": BOUNDARY_CONF,
    "nns.conf": b"nns_url=https://nns.example,http://[2001:db8::8]:8081/a,https://192.0.2.8:8443\n",
    "nns_public_key.pem": NNS_KEY,
    "certificate.pem": CERTIFICATE,
    "certificate_key.pem": KEY,
    "accounts_ssh_authorized_keys/admin": SSH_KEY,
}


def make_certificate(folder: Path, *words: str, algorithm: str = "EC", option: str = "ec_paramgen_curve:P-256") -> None:
    """A certificate and its key in a folder."""
    command = ["openssl", "req", "-x509", "-newkey", algorithm, "-pkeyopt", option, "-nodes", "-subj", "/CN=x"]
    files = ["-keyout", f"{folder}/certificate_key.pem", "-out", f"{folder}/certificate.pem"]
    subprocess.run([*command, *words, *files], check=True, capture_output=True)


class Gateway(FakeRoot):
    """A root folder with what the scripts want to find in one.

    chown is a program of the test, which notes down what it is asked for: the accounts of the image are not those of
    this machine.

    Args:
        may_sign: the image is one that makes itself a certificate.
    """

    def __init__(self, root: Path, may_sign: bool = False) -> None:
        super().__init__(root, "IC_ROOT", TEMPLATES, ("boot/config", "proc/sys/kernel", "etc/ic-gateway"))
        (root / "proc/sys/kernel/hostname").write_text("boundary-guestos\n")
        if may_sign:
            (root / "etc/ic-gateway/self-signed").touch()
        self.program("chown", 'echo "$*" >> "${IC_ROOT}/owners"')

    @property
    def environment(self) -> dict[str, str]:
        """That of what runs in it; the bootstrap's scripts have a variable of another name."""
        return super().environment | {"BOOTSTRAP_ROOT": str(self.root)}

    def take(self, archive: bytes) -> tuple[int, str]:
        """Has a bootstrap archive taken over."""
        tar = self.root / "medium.tar"
        tar.write_bytes(archive)
        return self.run("take-bootstrap.sh", tar)

    def configure(self, files: Mapping[str, bytes]) -> None:
        """Puts files into the config partition, as if they had been taken over."""
        for name, data in files.items():
            path = self.root / "boot/config/bootstrap" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def generate(self) -> str:
        """Has the gateway's configuration made; what was said."""
        status, said = self.run("generate-gateway-config.sh")
        assert status == 0, said
        return said

    def made(self) -> dict[str, bytes]:
        """The files of the gateway's configuration."""
        found = self.content("run/ic-gateway")
        return {name.removeprefix("run/ic-gateway/"): data for name, data in found.items() if not name.endswith("/")}
