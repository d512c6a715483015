"""A host with a guest, for the scripts that launch it. libvirt has a stand-in: its domain is a process that sleeps."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

from tests.hostos.configuration.host import Host

PATIENCE: Final = 60.0
KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPkvYnvdzgLyh6vNeaZ1AAAAAAAAAAAAAAAAAAAAAAAA admin@example\n"
PUBLIC_KEY: Final = (
    "-----BEGIN PUBLIC KEY-----\nMIGCMB0GDSsGAQQBgtx8BQMBAgEGDCsGAQQBgtx8BQMCAQNhAA==\n-----END PUBLIC KEY-----\n"
)
PRIVATE_KEY: Final = "-----BEGIN EC PRIVATE KEY-----\nMHQCAQEEIA==\n-----END EC PRIVATE KEY-----\n"
GIB: Final = 1 << 20  # in the kB of /proc/meminfo

# The domain runs while its process does. Files say what is to go wrong: COMMAND-fails, with what is said then; deaf.
_VIRSH = """
state="${IC_ROOT}/virsh"
pid_file="${IC_ROOT}/run/libvirt/qemu/guestos.pid"
log="${IC_ROOT}/var/log/libvirt/qemu/guestos.log"
echo "$*" >> "${state}/asked"
if [ -f "${state}/$1-fails" ]; then
    cat "${state}/$1-fails" >&2
    exit 1
fi
runs() {
    [ -f "${pid_file}" ] && kill -0 "$(cat "${pid_file}")" 2> /dev/null
}
end() {
    echo "2026-01-01 00:00:00.000+0000: shutting down, reason=$1" >> "${log}"
    kill "$(cat "${pid_file}")"
    rm "${pid_file}"
}
case "$1" in
    list)
        if runs; then echo guestos; fi
        echo
        ;;
    domstate) runs && cat "${state}/domstate" && echo ;;
    create)
        cp "$3" "${state}/created.xml"
        while [ -f "${state}/held" ]; do /usr/bin/sleep 0.05; done
        /usr/bin/sleep "$(cat "${state}/lives")" > /dev/null 2>&1 &
        echo "$!" > "${pid_file}"
        echo "Domain 'guestos' created from $3"
        ;;
    shutdown) [ -f "${state}/deaf" ] || end shutdown ;;
    destroy) end destroyed ;;
    *) exit 64 ;;
esac
"""


class GuestHost(Host):
    """A configured host that could run a guest."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for folder in (
            "dev/hostlvm",
            "proc",
            "run/libvirt/qemu",
            "usr/share/OVMF",
            "var/log/libvirt/qemu",
            "virsh",
            "sys/module/kvm_amd/parameters",
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
        self.program("virsh", _VIRSH)
        self.program("sleep", 'echo "sleep $*" >> "${IC_ROOT}/slept"')
        (root / "virsh/domstate").write_text("running\n")
        (root / "virsh/lives").write_text("1000\n")
        (root / "usr/share/OVMF/OVMF_VARS_4M.fd").write_bytes(b"variables")
        self.set_memory(503)
        self.set_processor("sev sev_es svm")
        self.configure()

    def close(self) -> None:
        """Ends the domain's process."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.root / "run/libvirt/qemu/guestos.pid").read_text()), signal.SIGKILL)

    def set_memory(self, gib: int) -> None:
        """What the machine has."""
        (self.root / "proc/meminfo").write_text(f"MemTotal:       {gib * GIB} kB\nMemFree: 1 kB\n")

    def set_processor(self, flags: str, kvm: bool = True, snp: str = "N") -> None:
        """Its flags; whether /dev/kvm can be opened; what the kernel says of SEV-SNP."""
        (self.root / "proc/cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse2\n\nprocessor\t: 1\n")
        for name in ("kvm", "sev"):
            (self.root / "dev" / name).unlink(missing_ok=True)
        if kvm:
            (self.root / "dev/kvm").symlink_to("/dev/null")
        if snp == "Y":
            (self.root / "dev/sev").symlink_to("/dev/null")
        (self.root / "sys/module/kvm_amd/parameters/sev_snp").write_text(f"{snp}\n")

    def put(self, name: str, content: str | bytes) -> None:
        """A file of the config volume."""
        path = self.root / "boot/config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def fail(self, command: str, message: str) -> None:
        """From now on virsh fails at a command, with what it says then."""
        (self.root / "virsh" / f"{command}-fails").write_text(message)

    def hold_create(self) -> None:
        """From now on a machine is not made, until it is released."""
        (self.root / "virsh/held").touch()

    def release_create(self) -> None:
        """The machine that is being made comes to be."""
        (self.root / "virsh/held").unlink()

    def wait_for_create(self) -> None:
        """Until libvirt is making a machine."""
        deadline = time.monotonic() + PATIENCE
        while not (self.root / "virsh/created.xml").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def virsh_asked(self) -> list[str]:
        """The command lines of virsh, but for those that only look."""
        asked = self.root / "virsh/asked"
        lines = asked.read_text().splitlines() if asked.exists() else []
        return [line.replace(str(self.root), "") for line in lines if line.split()[0] not in ("list", "domstate")]

    def slept(self) -> int:
        """How often a script slept."""
        slept = self.root / "slept"
        return len(slept.read_text().splitlines()) if slept.exists() else 0

    def run_file(self, name: str) -> bytes:
        """A file of /run/guestos."""
        return (self.root / "run/guestos" / name).read_bytes()
