"""Which medium is looked at, and how: the devices of a machine are what the programs of this test say."""

from pathlib import Path

import pytest

from tests.guestos.configuration.rootfs import Node, archive

CONFIGURED = "bootstrap-ic-node: the node is configured\n"
NOTHING = "bootstrap-ic-node: no removable medium has ic-bootstrap.tar: the node is not configured\n"
NOT_A_TAR = "bootstrap-ic-node: REFUSED, nothing of it is applied: it is not a tar archive\n"


class Machine(Node):
    """A node with devices. A volume is a folder, and mounting it makes it the mount point's content."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.log = root / "log"
        self.log.touch()
        self.devices = root / "devices"
        self.devices.touch()
        note = 'echo "$(basename "$0") $*" >> "${BOOTSTRAP_ROOT}/log"\n'
        self.program("lsblk", 'cat "${BOOTSTRAP_ROOT}/devices"')
        self.program("udevadm", note + '[ "$1" = settle ]')
        # mount -t vfat -o OPTIONS DEVICE FOLDER
        self.program("mount", note + 'cp "${BOOTSTRAP_ROOT}/volumes${5}/"* "$6"')
        self.program("umount", note + 'rm -f "$1"/*')

    def add(self, device: str, line: str, content: bytes | None) -> None:
        """A device, with what lsblk says of it behind its name."""
        with self.devices.open("a") as file:
            file.write(f"{device} {line}\n")
        volume = self.root / "volumes" / device.lstrip("/")
        volume.mkdir(parents=True)
        (volume / "README").touch()
        if content is not None:
            (volume / "ic-bootstrap.tar").write_bytes(content)

    def start(self) -> tuple[int, str]:
        return self.run("bootstrap-ic-node.sh")

    def done(self) -> list[str]:
        """What was asked of the system's programs."""
        return self.log.read_text().replace(str(self.root), "").splitlines()

    def host_name(self) -> str:
        return (self.root / "boot/config/bootstrap/network.conf").read_text()


def bootstrap(host_name: str) -> bytes:
    return archive({"network.conf": f"hostname={host_name}\n".encode()})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


def test_a_machine_without_media_does_not_wait(machine: Machine) -> None:
    machine.add("/dev/vda", "0", None)
    machine.add("/dev/vda1", "0 vfat ESP", None)
    assert machine.start() == (0, NOTHING)
    assert machine.done() == ["udevadm settle --timeout=30"]


def test_a_machine_with_usb_waits_once(machine: Machine) -> None:
    (machine.root / "sys/bus/usb/devices/usb1").mkdir(parents=True)
    waited = "bootstrap-ic-node: no medium with the label CONFIG came within 10 s\n"
    assert machine.start() == (0, waited + NOTHING)
    assert machine.done() == ["udevadm settle --timeout=30", "udevadm wait --timeout=10 /dev/disk/by-label/CONFIG"]


def test_a_medium_that_is_there_is_not_waited_for(machine: Machine) -> None:
    (machine.root / "sys/bus/usb/devices/usb1").mkdir(parents=True)
    machine.add("/dev/sda", "1 vfat CONFIG", bootstrap("a"))
    assert machine.start() == (0, "bootstrap-ic-node: found ic-bootstrap.tar on /dev/sda\n" + CONFIGURED)
    assert machine.host_name() == "hostname=a\n"
    assert machine.done() == [
        "udevadm settle --timeout=30",
        "mount -t vfat -o ro,nosuid,nodev,noexec,umask=0077 /dev/sda /run/bootstrap-ic-node/medium",
        "umount /run/bootstrap-ic-node/medium",
    ]


def test_only_removable_vfat_is_looked_at(machine: Machine) -> None:
    machine.add("/dev/vdb", "0 vfat CONFIG", bootstrap("fixed"))
    machine.add("/dev/sda", "1 ext4 CONFIG", bootstrap("ext4"))
    machine.add("/dev/sdb", "1 ext4", bootstrap("other"))
    machine.add("/dev/sdc", "1", bootstrap("unknown"))
    assert machine.start() == (
        0,
        "bootstrap-ic-node: /dev/sda is labelled CONFIG but has ext4, not vfat: ignored\n" + NOTHING,
    )
    assert machine.done() == ["udevadm settle --timeout=30"]


def test_the_label_comes_first_and_a_stick_without_it_counts(machine: Machine) -> None:
    machine.add("/dev/sda1", "1 vfat", bootstrap("unlabelled"))
    machine.add("/dev/sdb", "1 vfat CONFIG", None)
    found = "bootstrap-ic-node: found ic-bootstrap.tar on /dev/sda1\n"
    assert machine.start() == (0, found + CONFIGURED)
    assert machine.host_name() == "hostname=unlabelled\n"
    assert [line.split()[5] for line in machine.done() if line.startswith("mount")] == ["/dev/sdb", "/dev/sda1"]


def test_behind_a_refused_medium_a_good_one_is_taken(machine: Machine) -> None:
    machine.add("/dev/sda", "1 vfat CONFIG", b"no tar")
    machine.add("/dev/sdb", "1 vfat CONFIG", bootstrap("b"))
    machine.add("/dev/sdc", "1 vfat CONFIG", bootstrap("c"))
    found = "bootstrap-ic-node: found ic-bootstrap.tar on "
    assert machine.start() == (0, f"{found}/dev/sda\n{NOT_A_TAR}{found}/dev/sdb\n{CONFIGURED}")
    assert machine.host_name() == "hostname=b\n"


def test_a_refused_medium_is_no_failure(machine: Machine) -> None:
    machine.add("/dev/sda", "1 vfat CONFIG", b"no tar")
    machine.add("/dev/sdb", "1 vfat", None)
    found = "bootstrap-ic-node: found ic-bootstrap.tar on /dev/sda\n"
    assert machine.start() == (3, found + NOT_A_TAR)
    assert not (machine.root / "boot/config/bootstrap").exists()


def test_a_medium_that_cannot_be_mounted(machine: Machine) -> None:
    machine.add("/dev/sda", "1 vfat CONFIG", bootstrap("a"))
    machine.program("mount", "exit 32")
    assert machine.start() == (3, "bootstrap-ic-node: REFUSED /dev/sda: it cannot be mounted as vfat\n")


def test_a_failure_of_the_system_is_none_of_the_medium(machine: Machine) -> None:
    """A full volume, say: no other medium is tried, and the unit fails."""
    machine.add("/dev/sda", "1 vfat CONFIG", bootstrap("a"))
    machine.add("/dev/sdb", "1 vfat CONFIG", bootstrap("b"))
    machine.program("mkdir", 'case "$*" in *bootstrap.new*) exit 1 ;; esac; exec /usr/bin/mkdir "$@"')
    assert machine.start() == (1, "bootstrap-ic-node: found ic-bootstrap.tar on /dev/sda\n")
    assert not (machine.root / "boot/config/bootstrap").exists()


def test_what_a_power_cut_interrupted_is_completed_and_no_medium_is_looked_at(machine: Machine) -> None:
    machine.add("/dev/sda", "1 vfat CONFIG", bootstrap("another"))
    (machine.root / "boot/config/bootstrap").mkdir()
    (machine.root / "boot/config/bootstrap/network.conf").write_text("hostname=a\n")
    assert machine.start() == (0, CONFIGURED)
    assert machine.host_name() == "hostname=a\n"
    assert machine.done() == []
