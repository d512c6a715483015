"""Which keys are put in force, where, and what is said of the rest."""

from pathlib import Path

import pytest

from tests.hostos.configuration.host import Host

FIRST = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJMPnBXaWL4fyAxjOAWvBfdLXRCYxrJj0hGLpzNRYmPb admin@here\n"
SECOND = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA==\n"
IN_FORCE = "run/ic/ssh_authorized_keys/"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "root")


def put(host: Host, account: str, text: str | bytes) -> Path:
    path = host.root / "boot/config/ssh_authorized_keys" / account
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def in_force(host: Host) -> dict[str, str]:
    found = host.content("run")
    assert {"run/ic/", IN_FORCE} <= found.keys()
    return {name.removeprefix(IN_FORCE): text.decode() for name, text in found.items() if not name.endswith("/")}


def test_keys_of_the_accounts(host: Host) -> None:
    # As SetupOS copies them from a FAT volume.
    put(host, "admin", f"# two\n\n{FIRST}{SECOND}").chmod(0o777)
    put(host, "readonly", SECOND.rstrip("\n"))
    put(host, "root", FIRST)
    assert host.run("setup-ssh-keys.sh") == (0, "")
    assert in_force(host) == {"admin": FIRST + SECOND, "readonly": SECOND}
    folder = host.root / IN_FORCE
    assert {path.stat().st_mode & 0o7777 for path in folder.iterdir()} == {0o644}
    assert folder.stat().st_mode & 0o7777 == folder.parent.stat().st_mode & 0o7777 == 0o755


def test_no_keys(host: Host) -> None:
    assert host.run("setup-ssh-keys.sh") == (0, "")
    assert in_force(host) == {}


def test_what_is_no_key_is_left_out(host: Host) -> None:
    put(host, "admin", f'ssh-dss AAAA\n{FIRST}command="reboot" {FIRST}\x00{FIRST}-----BEGIN OPENSSH PRIVATE KEY-----\n')
    put(host, "backup", SECOND.replace("\n", "\r\n"))
    said = "".join(
        f"setup-ssh-keys: ssh_authorized_keys/{name}: left out, for it is not a public ssh key\n"
        for name in ("admin, line 1", "admin, line 3", "admin, line 4", "admin, line 5", "backup, line 1")
    )
    assert host.run("setup-ssh-keys.sh") == (0, said)
    assert in_force(host) == {"admin": FIRST, "backup": ""}


def test_a_key_that_is_taken_away(host: Host) -> None:
    put(host, "admin", FIRST)
    path = put(host, "backup", FIRST)
    assert host.run("setup-ssh-keys.sh") == (0, "")
    path.unlink()
    put(host, "admin", SECOND)
    assert host.run("setup-ssh-keys.sh") == (0, "")
    assert in_force(host) == {"admin": SECOND}
