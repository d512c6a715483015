"""The life of the guest's machine: guestos.sh starts, follows and stops it, monitor-guestos.sh says how it is."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.hostos.guest.guest_host import PATIENCE, GuestHost

NOW: Final = 1767225600  # what date(1) says
STARTED: Final = "guestos: started (kvm); its console is in {}/var/log/libvirt/qemu/guestos-console.log\n"
SHUTDOWN: Final = "shutdown --domain guestos --mode acpi"
DESTROY: Final = "destroy --domain guestos"
CREATE: Final = "create --file /run/guestos/guestos.xml"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GuestHost]:
    """A host whose guest could be started."""
    made = GuestHost(tmp_path / "host")
    made.program("date", f'[ "$*" = +%s ] && echo {NOW}')
    folder = made.root / "run/guestos"
    folder.mkdir()
    (folder / "guestos.xml").write_text("<domain/>\n")
    (folder / "launch").write_text("acceleration=kvm\nsev_snp=no\n")
    yield made
    made.close()


def start(host: GuestHost, count: int = 1) -> subprocess.Popen[str]:
    """guestos.sh run, once the domain is there, for the given time."""
    running = subprocess.Popen(
        [host.root / "opt/ic/bin/guestos.sh", "run"], env=host.environment, stderr=subprocess.PIPE, text=True
    )
    starts = host.root / "run/guestos/starts"
    deadline = time.monotonic() + PATIENCE
    while not starts.exists() or starts.read_text() != f"{count}\n":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return running


def end_of(running: subprocess.Popen[str]) -> tuple[int, str]:
    said = running.communicate(timeout=PATIENCE)[1]
    return running.returncode, said


def metrics(host: GuestHost) -> dict[str, float]:
    """What node_exporter would find."""
    text = (host.root / "run/ic/metrics/guestos.prom").read_text()
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert text.count("# HELP ") == text.count("# TYPE ") == len(lines)
    return {name.removeprefix("hostos_guest_"): float(value) for name, value in lines}


def test_guest_that_shuts_down_ends_the_service(host: GuestHost) -> None:
    """Its own doing, or somebody's with virsh; the service manager starts it anew then."""
    running = start(host)
    assert host.virsh_asked() == [CREATE]
    host.execute("../../../programs/virsh", "shutdown")
    assert end_of(running) == (0, STARTED.format(host.root) + "guestos: stopped: shutdown\n")
    assert host.asked() == [
        "udevadm wait --timeout=60 /dev/hostlvm/guestos",
        "udevadm wait --timeout=60 /sys/class/net/br6",
    ]


def test_guest_that_crashes(host: GuestHost) -> None:
    """QEMU is gone, and libvirt has not even said so."""
    (host.root / "virsh/lives").write_text("1\n")
    assert end_of(start(host)) == (0, STARTED.format(host.root) + "guestos: stopped: reason unknown\n")


def test_every_start_counts(host: GuestHost) -> None:
    for count in (1, 2, 3):
        running = start(host, count)
        assert host.run("guestos.sh", "stop") == (0, "")
        assert end_of(running)[0] == 0
    assert host.run_file("starts") == b"3\n"
    assert int(host.run_file("started")) == NOW


def test_guest_that_runs_already_is_followed(host: GuestHost) -> None:
    """The service was ended by something else; the guest must not notice."""
    first = start(host)
    first.kill()
    first.wait()
    again = start(host)
    assert again.stderr is not None
    assert again.stderr.readline() == "guestos: runs already\n"
    host.execute("../../../programs/virsh", "shutdown")
    assert end_of(again) == (0, "guestos: stopped: shutdown\n")
    assert host.virsh_asked() == [CREATE, "shutdown"]
    assert host.run_file("starts") == b"1\n"


def test_stop_shuts_down(host: GuestHost) -> None:
    running = start(host)
    assert host.run("guestos.sh", "stop") == (0, "")
    assert end_of(running)[0] == 0
    assert host.virsh_asked() == [CREATE, SHUTDOWN]


def test_stop_switches_a_deaf_guest_off(host: GuestHost) -> None:
    (host.root / "virsh/deaf").touch()
    running = start(host)
    assert host.run("guestos.sh", "stop") == (0, "guestos: it did not shut down within 300 s, and is switched off\n")
    assert end_of(running) == (0, STARTED.format(host.root) + "guestos: stopped: destroyed\n")
    assert host.virsh_asked() == [CREATE, SHUTDOWN, DESTROY]
    assert host.slept() == 300


def test_stop_while_libvirt_makes_the_machine(host: GuestHost) -> None:
    """There is none to stop yet; the machine that then comes to be goes with the service."""
    host.hold_create()
    running = subprocess.Popen(
        [host.root / "opt/ic/bin/guestos.sh", "run"], env=host.environment, stderr=subprocess.PIPE, text=True
    )
    host.wait_for_create()
    assert host.run("guestos.sh", "stop") == (0, "")
    assert host.virsh_asked() == [CREATE]
    running.terminate()  # as the service manager does next
    host.release_create()
    assert end_of(running)[0] == 0
    assert host.virsh_asked() == [CREATE, SHUTDOWN]


@pytest.mark.parametrize("already", [False, True], ids=["started", "followed"])
def test_end_of_the_service_is_the_guest_s(host: GuestHost, already: bool) -> None:
    """Also where nothing stopped the guest before."""
    running = start(host)
    if already:
        running.kill()
        running.wait()
        running = start(host)
        assert running.stderr is not None
        assert running.stderr.readline() == "guestos: runs already\n"
    running.terminate()
    assert end_of(running)[0] == 0
    assert host.virsh_asked() == [CREATE, SHUTDOWN]
    assert host.run_file("starts") == b"1\n"


def test_stop_of_what_does_not_run(host: GuestHost) -> None:
    assert host.run("guestos.sh", "stop") == (0, "")
    assert host.virsh_asked() == []


def test_refusals(host: GuestHost) -> None:
    """Each one line, exit status 2, and no start counts."""
    assert host.run("guestos.sh") == (2, "guestos: usage: guestos.sh run|stop|wait\n")
    host.program("udevadm", 'test "$3" = /dev/hostlvm/guestos')
    assert host.run("guestos.sh", "run") == (2, "guestos: there is no /sys/class/net/br6\n")
    host.program("udevadm", "exit 1")
    assert host.run("guestos.sh", "run") == (2, "guestos: there is no /dev/hostlvm/guestos\n")
    host.program("udevadm", "")
    host.fail("create", "error: Failed to create domain from x\nerror: internal error: no\n")
    assert host.run("guestos.sh", "run") == (
        2,
        "guestos: the guest cannot be started: Failed to create domain from x internal error: no\n",
    )
    (host.root / "run/guestos/guestos.xml").unlink()
    assert host.run("guestos.sh", "run") == (
        2,
        "guestos: there is no guestos.xml; generate-guestos-config.service says why\n",
    )
    host.fail("list", "error: failed to connect to the hypervisor\n")
    for action in ("run", "stop"):
        assert host.run("guestos.sh", action) == (
            2,
            "guestos: libvirt does not say which guests run: failed to connect to the hypervisor\n",
        )
    assert not (host.root / "run/guestos/starts").exists()


def test_guest_that_cannot_be_switched_off(host: GuestHost) -> None:
    (host.root / "virsh/deaf").touch()
    running = start(host)
    host.fail("destroy", "error: Failed to terminate process\n")
    assert host.run("guestos.sh", "stop") == (
        2,
        "guestos: it did not shut down within 300 s, and is switched off\n"
        "guestos: it cannot be switched off: Failed to terminate process\n",
    )
    host.close()
    assert end_of(running)[0] == 0


def test_wait_wants_it_to_go_on_running(host: GuestHost) -> None:
    """A machine that starts again and again is none that runs."""
    running = start(host)
    # At the 30th second it has been started again; what counts is counted from there.
    host.program(
        "sleep",
        'cd "${IC_ROOT}" && echo >> slept; [ "$(wc -l < slept)" -ne 30 ] || echo 2 > run/guestos/starts',
    )
    assert host.run("guestos.sh", "wait") == (0, "")
    assert host.slept() == 91  # one to see it, 29, one to see that it is another, 60
    host.run("guestos.sh", "stop")
    end_of(running)


def test_metrics_of_a_host_without_configuration(host: GuestHost) -> None:
    host.configure(None, None)
    said = "monitor-guestos: no guest: there is no /boot/config/config.ini\n"
    assert host.run("monitor-guestos.sh") == (0, said)
    assert host.run("monitor-guestos.sh") == (0, "")
    assert metrics(host) == {
        "configured": 0,
        "up": 0,
        "state_known": 1,
        "starts_total": 0,
        "start_time_seconds": 0,
        "emulated": 0,
        "sev_snp": 0,
    }


def test_metrics_and_log_follow_the_guest(host: GuestHost) -> None:
    assert host.run("monitor-guestos.sh") == (0, "monitor-guestos: the guest is not running (kvm), start 0\n")
    running = start(host)
    assert host.run("monitor-guestos.sh") == (0, "monitor-guestos: the guest is running (kvm), start 1\n")
    assert host.run("monitor-guestos.sh") == (0, "")
    now = metrics(host)
    assert now.pop("start_time_seconds") == NOW
    assert now == {"configured": 1, "up": 1, "state_known": 1, "starts_total": 1, "emulated": 0, "sev_snp": 0}
    (host.root / "virsh/domstate").write_text("paused\n")
    assert host.run("monitor-guestos.sh") == (0, "monitor-guestos: the guest is paused (kvm), start 1\n")
    assert metrics(host)["up"] == 0
    host.run("guestos.sh", "stop")
    end_of(running)
    assert host.run("monitor-guestos.sh") == (0, "monitor-guestos: the guest is not running (kvm), start 1\n")
    assert metrics(host)["up"] == 0


def test_metrics_of_emulation_and_protection(host: GuestHost) -> None:
    (host.root / "run/guestos/launch").write_text("acceleration=emulation\nsev_snp=yes\n")
    assert host.run("monitor-guestos.sh") == (0, "monitor-guestos: the guest is not running (emulation), start 0\n")
    assert (metrics(host)["emulated"], metrics(host)["sev_snp"]) == (1, 1)


def test_metrics_where_libvirt_does_not_answer(host: GuestHost) -> None:
    host.fail("list", "error: failed to connect to the hypervisor\n")
    assert host.run("monitor-guestos.sh") == (0, "monitor-guestos: libvirt does not say how the guest is\n")
    assert (metrics(host)["up"], metrics(host)["state_known"]) == (0, 0)


def test_metrics_are_for_all_and_replaced_at_once(host: GuestHost) -> None:
    assert host.run("monitor-guestos.sh")[0] == 0
    (found,) = (host.root / "run/ic/metrics").iterdir()
    assert (found.name, found.stat().st_mode & 0o777) == ("guestos.prom", 0o644)
