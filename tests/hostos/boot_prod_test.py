"""prod boots, and nobody gets in but by a key that its configuration brought; no console asks for one."""

from pathlib import Path

from sysimage.vm.testing import free_port, path
from tests.hostos.host import HOSTOS, configure
from tests.vm.access import SSH_PORT, by_key, check_locked, check_running, ssh, wait_for_ssh

pytest_plugins = ["tests.hostos.host", "tests.vm.access"]


def test_lets_nobody_in_but_by_key(copy: Path, key: Path, tmp_path: Path) -> None:
    port = free_port()
    configure(copy, {"ssh_authorized_keys/admin": key.with_suffix(".pub").read_bytes()}, tmp_path)
    with HOSTOS.boot(copy, tmp_path, "boot-prod", forward=[(port, SSH_PORT)]) as host:
        wait_for_ssh(port)
        check_running(port, key, tmp_path)
        places = "for place in / /boot /boot/config /var; do findmnt -no SOURCE ${place}; done"
        command = f"cat /opt/ic/share/version.txt; {places}"
        status, output, _ = ssh(port, "admin", command, tmp_path, *by_key(key))
        volumes = [f"/dev/mapper/hostlvm-{name}" for name in ("A_boot", "config", "A_var")]
        assert (status, output.split()) == (0, [path("VERSION").read_text().strip(), "/dev/mapper/vroot", *volumes])
        check_locked(host, port, key, tmp_path)
