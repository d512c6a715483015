"""prod boots and answers by TLS with the certificate of its bootstrap medium, and no console asks for a login."""

import http.client
import re
import ssl
import time
from pathlib import Path

import pytest

import bootstrap_config
import boundary_bootstrap_config
from sysimage.extents import Sources
from sysimage.materialise import write_raw
from sysimage.vm.testing import free_port, path
from tests.boundary.boundary import BOUNDARY
from tests.vm.access import QUIET_SECONDS
from tests.vm.system import BOOT_SECONDS, Image

pytest_plugins = ["tests.boundary.boundary"]

HTTPS_PORT = 443
SSH_PORT = 22
TRY_SECONDS = 15.0


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """A bootstrap medium with a certificate, for the network of QEMU."""
    target = tmp_path / "bootstrap.img"
    tree = bootstrap_config.make_tree(
        {
            "certificate": [str(path("CERTIFICATE"))],
            "certificate_key": [str(path("CERTIFICATE_KEY"))],
            "hostname": ["boundary-1"],
            "ipv4_address": ["10.0.2.15/24"],
            "ipv4_gateway": ["10.0.2.2"],
        },
        boundary_bootstrap_config.BOUNDARY,
    )
    with Sources({}) as nothing:
        write_raw(bootstrap_config.make_image(tree), nothing, target)
    return target


def get(port: int, target: str) -> tuple[int, bytes]:
    """Status and body of what is at a target, as soon as the gateway answers with its certificate."""
    context = ssl.create_default_context(cafile=path("CERTIFICATE"))
    context.check_hostname = False
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        try:
            client = http.client.HTTPSConnection("127.0.0.1", port, timeout=TRY_SECONDS, context=context)
            client.request("GET", target, headers={"Accept": "text/html"})
            response = client.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline, f"{target}: no answer within {BOOT_SECONDS:g} s"
            time.sleep(1)


def test_serves_and_lets_nobody_in(image: Image, medium: Path, tmp_path: Path) -> None:
    port = free_port()
    forward = [(port, HTTPS_PORT)]
    with BOUNDARY.boot(image.disk, tmp_path, "boot-prod", media=[medium], forward=forward, writable=False) as running:
        running.console.expect(r"GRUB: booting slot A, state install,", BOOT_SECONDS)
        status, page = get(port, "/")
        assert (status, b"<!doctype html>" in page.lower()) == (200, True)
        running.console.send("\n\nroot\nroot\n")
        time.sleep(QUIET_SECONDS)
        assert re.search(r"login: |[Pp]assword: |root@", running.console.text) is None
        assert "FAILED" not in running.console.text
