"""A browser before an image's nginx, as users have it: its headers, its page and worker, a replica that certifies.

The browser's part (browser.test.ts) and the replica (certified_replica.ts) are programs for Node.js.
"""

import base64
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.boundary.gateway.machine import PAGE, PORT, SECONDS, Machine, enter

NODE, TESTS, REPLICA = (str(Path(os.environ[name]).absolute()) for name in ("NODE", "TESTS", "REPLICA"))
WORKERS: Final = Path("typescript/service-worker").absolute()
ADDRESS: Final = "fd00::1"


@pytest.fixture(scope="module")
def root_key() -> Iterator[bytes]:
    """That of a network, in PEM, as long as a replica of it runs."""
    enter()
    with subprocess.Popen([NODE, REPLICA, ADDRESS, str(PORT)], stdout=subprocess.PIPE, text=True) as replica:
        try:
            assert replica.stdout
            der = bytes.fromhex(replica.stdout.readline())
            yield b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(der) + b"-----END PUBLIC KEY-----\n"
        finally:
            replica.kill()


# By the variants that carry it (worker_carried_test): npm in prod and prod-sev, source in dev and dev-sev.
@pytest.mark.parametrize("origin", ["npm", "source"])
def test_a_browser_gets_what_is_certified(origin: str, root_key: bytes, tmp_path: Path) -> None:
    page = {name: (WORKERS / origin / name).read_bytes() for name in PAGE}
    machine = Machine(tmp_path / "root", (ADDRESS,), page=page, given={"nns_public_key.pem": root_key})
    with machine.serving():
        done = subprocess.run(
            [NODE, "--enable-source-maps", "--test-reporter=tap", TESTS],
            env={**os.environ, "ORIGIN": origin},
            stdout=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    print(done.stdout)
    assert done.returncode == 0
    assert re.search(r"^# pass [1-9]", done.stdout, re.MULTILINE)
