"""A whole installation on a machine that is a folder; then the same with one thing broken, thing by thing.

Whatever breaks: the console says one sentence, the program ends with a failure, and no disk is left half installed
that a firmware would start.
"""

import os
import runpy
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from make_believe import BAD, MILAN, OK, MakeBelieve
from setupos import transfer
from setupos.installation import RESTART_SECONDS, THINK_SECONDS
from setupos.machine import Result
from setupos.settings import MAY_SKIP, OPERATOR_KEY, SKIP
from setupos.systems import BOOT_SECTOR, EMPTY_VOLUMES, GUEST_DEVICE
from sysimage import sparse_tar
from sysimage.extents import Extent, ExtentMap, Sources
from sysimage.sparse_tar import Member

MIB = 1 << 20
TB = 10**12
OLD = b"OLD BOOT SECTOR "
NEW = b"NEW BOOT SECTOR "
FIRST = "nvme0n1 (MODEL serial S-nvme0n1)"
SECOND = "nvme1n1 (MODEL serial S-nvme1n1)"
STICK = "BootOrder: 0001\nBoot0001* UEFI stick\tPciRoot\n"
TARGET = "/run/setupos/config"
FIRMWARE = "reset the firmware's settings, and turn on UEFI"
AGAIN = "restart the machine to try again, or replace the disk"
AGAIN_FIRST = "restart the machine to try again, or replace its first disk"
REPLACE = "restart the machine and try again, or replace this disk"
# What changes a disk or the firmware, by the beginning of its command line.
EFFECTS = ("wipefs", "blkdiscard", "fallocate", "pvcreate", "dmsetup remove", "vgchange", "efibootmgr --quiet")


class Server(MakeBelieve):
    """A machine of a node, once installed, on which everything works."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.entries = ["Boot0002* IC-OS\tHD(1,GPT,old)"]
        self.waits: list[tuple[float, int]] = []  # seconds, and how many programs had run by then
        self.configure()
        self.answers["/opt/ic/bin/host-config.sh get verbose"] = Result(0, "false\n", "")
        self.connect()
        self.set_processors()
        self.set_memory([32] * 16, 503)
        for number in range(2):
            self.add_disk(f"nvme{number}n1", 33 * TB // 10)
        self.write("/dev/nvme0n1", BOOT_SECTOR.start, OLD)
        for name in ("config", *EMPTY_VOLUMES):
            self.put(f"/dev/hostlvm/{name}", bytes(4 * MIB))
        self.put_image("host", (0, b"table"), (BOOT_SECTOR.start, NEW), (2 * MIB, b"HostOS"))
        self.put_image("guest", (2 * MIB, b"GuestOS"))
        self.put("/sys/firmware/efi/efivars/Boot0000", "")
        self.put("/sys/class/block/dm-0/dm/name", "hostlvm-config")
        self.put("/sys/class/block/dm-0/slaves/nvme1n1", "")
        self.answers["dmsetup remove"] = self.take_down
        self.answers["pvs"] = Result(0, "  /dev/nvme1n1|hostlvm\n  /dev/sda1|hostlvm\n", "")
        self.answers["efibootmgr"] = lambda: Result(0, STICK + "\n".join(self.entries), "")
        self.answers["efibootmgr --quiet --create"] = self.make_entry
        self.answers["efibootmgr --quiet --delete-bootnum"] = self.remove_entry

    def put_image(self, name: str, *pieces: tuple[int, bytes]) -> None:
        """The image of a child, of 4 MiB."""
        content = ExtentMap(4 * MIB, [Extent(at, len(data), data) for at, data in pieces])
        with open(self.put(f"/data/{name}-os.img.tar", b""), "wb") as file:
            sparse_tar.write([Member("disk.img", content)], Sources({}), file)
        archive = self.path(f"/data/{name}-os.img.tar.zst")
        subprocess.run(["zstd", "-q", "--rm", "-o", archive, self.path(f"/data/{name}-os.img.tar")], check=True)
        said = subprocess.run(
            ["sha256sum", archive.name], cwd=archive.parent, capture_output=True, text=True, check=True
        )
        self.put(f"/data/{name}-os.img.tar.zst.sha256", said.stdout)

    def write(self, device: str, offset: int, data: bytes) -> None:
        """Changes bytes of a device."""
        with open(self.path(device), "r+b") as file:
            file.seek(offset)
            file.write(data)

    def sector(self) -> bytes:
        """What decides whether the first disk starts."""
        with open(self.path("/dev/nvme0n1"), "rb") as file:
            file.seek(BOOT_SECTOR.start)
            return file.read(len(BOOT_SECTOR))

    def take_down(self) -> Result:
        """The last volume of the old group."""
        self.path("/sys/class/block/dm-0").rename(self.path("/gone"))
        return OK

    def make_entry(self) -> Result:
        """The firmware takes one. The disk must not start yet."""
        assert not any(self.sector())
        self.entries.append("Boot0003* IC-OS\tHD(1,GPT,new)")
        return OK

    def remove_entry(self) -> Result:
        """The firmware lets it go."""
        del self.entries[0]
        return OK

    def sleep(self, seconds: float) -> None:
        """Time passes, and is counted."""
        super().sleep(seconds)
        self.waits.append((seconds, len(self.ran)))

    def effects(self) -> list[str]:
        """The programs that ran and change something for good."""
        return [line for line in self.ran if line.startswith(EFFECTS)]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def start(server: Server, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs the program that setupos.service starts; its exit status."""
    monkeypatch.setattr("setupos.machine.Machine", lambda: server)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(os.environ["START"], run_name="__main__")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def fails(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said at the end of an installation that must fail, from the step on."""
    assert start(server, monkeypatch) == 1
    shown = server.read("/dev/ttyS0").splitlines()
    failed = [line for line in shown if "SETUPOS FAILED" in line]
    assert failed == shown[-1:]
    assert not [line for line in shown if "SETUPOS DONE" in line]
    assert "systemctl reboot" not in server.ran
    assert "Traceback" not in server.read("/config/setupos.log")
    return failed[0].removeprefix("SETUPOS FAILED in step ")


def second(answer: Result) -> Callable[[], Result]:
    """A program that does what it should the first time only."""
    answers = iter([OK])
    return lambda: next(answers, answer)


def test_all_goes_well(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(server, monkeypatch) == 0
    shown = server.read("/dev/ttyS0")
    assert "Gen1: AMD EPYC 7302, sev" in shown
    assert shown.endswith("SETUPOS DONE: this machine is installed, the stick can be taken out; it restarts in 15 s")
    assert server.sector().startswith(NEW)
    assert server.entries == ["Boot0003* IC-OS\tHD(1,GPT,new)"]
    assert server.read(f"{TARGET}/config.ini").startswith("ipv6_prefix=")
    assert server.waits == [(RESTART_SECONDS, server.ran.index("systemctl reboot"))]


def test_machine_that_does_not_restart(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is installed, and stays so."""
    server.answers["systemctl reboot"] = BAD
    assert start(server, monkeypatch) == 1
    *_, done, _, failed = server.read("/dev/ttyS0").splitlines()
    assert done.startswith("SETUPOS DONE: this machine is installed")
    assert failed == ("SETUPOS FAILED in step reboot: the machine does not restart (it says no); switch it off and on")
    assert server.sector().startswith(NEW)
    assert len(server.entries) == 1


def test_what_programs_say_stands_above_the_sentence(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/opt/ic/bin/host-config.sh get verbose"] = Result(0, "true\n", "")
    server.answers["sfdisk"] = BAD
    assert fails(server, monkeypatch).startswith("hostos: the partition table of ")
    assert "    it says no\n" in server.read("/dev/ttyS0")


# The first disk, and so the old system, stays as it was.
@pytest.mark.parametrize(
    ("program", "answer", "said"),
    [
        ("efibootmgr", second(BAD), f"disk: the firmware does not say its boot entries (it says no); {FIRMWARE}"),
        (
            "efibootmgr --quiet --delete-bootnum",
            BAD,
            f"disk: the old boot entry IC-OS cannot be removed (it says no); {FIRMWARE}",
        ),
        (
            "dmsetup remove",
            BAD,
            "disk: the volume hostlvm-config of what is on the disks cannot be taken down (it says no); "
            "restart the machine and try again",
        ),
        (
            "wipefs --all /dev/sda1",
            BAD,
            "disk: /dev/sda1, of an old group hostlvm, cannot be wiped (it says no); replace this disk",
        ),
        ("wipefs --all --force", BAD, f"disk: signatures on nvme0n1 cannot be wiped (it says no); {REPLACE}"),
    ],
)
def test_disk_that_stays_as_it_was(
    server: Server, monkeypatch: pytest.MonkeyPatch, program: str, answer: Result | Callable[[], Result], said: str
) -> None:
    server.answers[program] = answer
    assert fails(server, monkeypatch) == said
    assert server.sector().startswith(OLD)
    assert not [line for line in server.ran if line.startswith(("blkdiscard", "fallocate", "pvcreate", "sgdisk"))]


# From here on the old system is gone, and nothing may start.
@pytest.mark.parametrize(
    ("program", "answer", "said"),
    [
        (
            "udevadm lock --device /dev/nvme0n1",
            BAD,
            f"disk: the disk {FIRST} is in use (it says no); {REPLACE}",
        ),
        (
            "wipefs --all --force /dev/nvme1n1",
            BAD,
            f"disk: signatures on nvme1n1 cannot be wiped (it says no); {REPLACE}",
        ),
        ("pvcreate", BAD, f"disk: the disk {SECOND} cannot become a physical volume (it says no); replace it"),
        (
            "sgdisk --move-second-header /dev/nvme0n1",
            BAD,
            f"hostos: the partition table of {FIRST} cannot be adapted (it says no); {AGAIN}",
        ),
        ("sfdisk", BAD, f"hostos: the partition table of {FIRST} cannot be adapted (it says no); {AGAIN}"),
        (
            "udevadm lock --device /dev/nvme0n1",
            second(BAD),
            f"hostos: the partition table of {FIRST} cannot be adapted (it says no); {AGAIN}",
        ),
        ("udevadm settle", BAD, f"hostos: devices do not come up (it says no); {AGAIN}"),
        ("pvresize", BAD, f"hostos: the volume group hostlvm cannot be extended (it says no); {AGAIN}"),
        ("vgextend", BAD, f"hostos: the volume group hostlvm cannot be extended by {SECOND} (it says no); {AGAIN}"),
        ("vgchange --activate y", BAD, f"hostos: the volume group hostlvm cannot be activated (it says no); {AGAIN}"),
        ("lvextend", BAD, f"hostos: the volume hostlvm/guestos cannot be extended (it says no); {AGAIN}"),
        (
            f"sgdisk --move-second-header {GUEST_DEVICE}",
            BAD,
            f"guestos: the partition table of GuestOS cannot be adapted (it says no); {AGAIN}",
        ),
        (
            "mount -t ext4 -o rw",
            BAD,
            f"config: /dev/hostlvm/config cannot be mounted (it says no); {AGAIN_FIRST}",
        ),
        (
            "mount -t ext4 -o ro",
            BAD,
            f"config: /dev/hostlvm/config cannot be mounted (it says no); {AGAIN_FIRST}",
        ),
        ("umount", BAD, f"config: /dev/hostlvm/config cannot be unmounted (it says no); {AGAIN_FIRST}"),
        ("vgchange --activate n", BAD, f"reboot: the volume group hostlvm cannot be put down (it says no); {AGAIN}"),
        ("efibootmgr --quiet --create", BAD, f"reboot: the boot entry IC-OS cannot be made (it says no); {FIRMWARE}"),
        (
            "efibootmgr --quiet --create",
            Result(127, "", "efibootmgr: No such file or directory"),
            f"reboot: the boot entry IC-OS cannot be made (efibootmgr: No such file or directory); {FIRMWARE}",
        ),
        ("efibootmgr --quiet --create", OK, f"reboot: the firmware did not keep the boot entry IC-OS; {FIRMWARE}"),
    ],
)
def test_program_that_fails(
    server: Server, monkeypatch: pytest.MonkeyPatch, program: str, answer: Result | Callable[[], Result], said: str
) -> None:
    server.answers[program] = answer
    assert fails(server, monkeypatch) == said
    assert not any(server.sector())
    assert server.entries == []


def test_disk_that_takes_no_zeros(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["fallocate"] = BAD
    assert fails(server, monkeypatch) == f"disk: the disk {FIRST} takes no writes (it says no); {REPLACE}"
    assert server.entries == []


def test_volume_that_does_not_appear(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.path("/dev/hostlvm/B_root").unlink()
    assert (
        fails(server, monkeypatch)
        == f"hostos: /dev/hostlvm/B_root cannot be opened (No such file or directory); {AGAIN}"
    )
    assert not any(server.sector())


def test_guest_that_does_not_fit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put(GUEST_DEVICE, bytes(MIB))
    assert fails(server, monkeypatch) == f"guestos: {GUEST_DEVICE} is smaller than the image of GuestOS; {AGAIN}"
    assert not any(server.sector())


def test_configuration_that_is_not_taken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was wrong first is said, though the volume cannot be unmounted either."""
    server.put(f"{TARGET}/ssh_authorized_keys", "no folder")
    server.put("/config/ssh_authorized_keys/admin", "ssh-ed25519 AAAA\n")
    server.answers["umount"] = BAD
    assert fails(server, monkeypatch) == (
        f"config: the configuration cannot be written to /dev/hostlvm/config (File exists); {AGAIN_FIRST}"
    )
    assert f"umount {TARGET}" in server.ran
    assert not any(server.sector())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config.ini", f"/dev/hostlvm/config gives back another config.ini than was written to it; {AGAIN_FIRST}"),
        (
            "nns_public_key.pem",
            "the configuration cannot be read back from /dev/hostlvm/config (No such file or directory); "
            f"{AGAIN_FIRST}",
        ),
    ],
)
def test_configuration_that_comes_back_wrong(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    def mount_damaged() -> Result:
        file = server.path(f"{TARGET}/{name}")
        if name == "config.ini":
            file.write_bytes(file.read_bytes()[:-1] + b"!")
        else:
            file.unlink()
        return OK

    server.answers["mount -t ext4 -o ro"] = mount_damaged
    assert fails(server, monkeypatch) == f"config: {said}"
    assert server.ran.count(f"umount {TARGET}") == 2
    assert not any(server.sector())
    assert server.entries == []


@pytest.mark.parametrize("device", ["/dev/nvme0n1", GUEST_DEVICE])
def test_image_that_comes_back_wrong(server: Server, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    """The disk forgets between writing and reading."""
    plain = transfer.drop_cache

    def forget(file: int) -> None:
        plain(file)
        server.write(device, 2 * MIB, b"!")

    monkeypatch.setattr(transfer, "drop_cache", forget)
    step = "hostos" if device == "/dev/nvme0n1" else "guestos"
    assert fails(server, monkeypatch) == (
        f"{step}: {device} gives back other bytes than were written to it; replace this disk"
    )
    assert not any(server.sector())


def test_boot_sector_that_comes_back_wrong(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken back: it may be what a firmware can start."""
    plain = transfer.drop_cache

    def forget(file: int) -> None:
        plain(file)
        if any(server.sector()):
            server.write("/dev/nvme0n1", BOOT_SECTOR.stop - 1, b"!")

    monkeypatch.setattr(transfer, "drop_cache", forget)
    assert fails(server, monkeypatch) == (
        "reboot: /dev/nvme0n1 gives back other bytes than were written to it; replace this disk"
    )
    assert not any(server.sector())


def test_firmware_without_variables(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.path("/sys/firmware/efi/efivars/Boot0000").unlink()
    assert fails(server, monkeypatch) == (
        "hardware: this machine was not started by UEFI, so it could not start what is installed; "
        "turn off legacy boot (CSM) in the firmware's settings"
    )
    assert server.effects() == []
    assert server.sector().startswith(OLD)


@pytest.mark.parametrize("names", ["", "all\n", "network\n"])
def test_checks_that_may_not_be_skipped(server: Server, monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    """An image without the permission, as prod is: whatever skip-checks says, it being there is refused."""
    server.put(SKIP, names)
    assert fails(server, monkeypatch) == (
        "config: this image makes all checks, but there is skip-checks on the stick; "
        "remove it from its partition CONFIG"
    )
    assert server.effects() == []
    assert server.sector().startswith(OLD)
    assert "checks skipped" not in server.read("/dev/ttyS0")


def test_checks_that_may_be_skipped(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with the permission; nothing else makes the difference."""
    server.put(SKIP, "all\n")
    server.put(MAY_SKIP, "")
    server.set_processors("QEMU TCG CPU")
    assert start(server, monkeypatch) == 0
    assert "checks skipped: cpu, memory, disks, network" in server.read("/dev/ttyS0")


def make_gen2(server: Server, disks: Sequence[str]) -> None:
    server.set_processors(MILAN, flags="sev sev_snp")
    for name in disks:
        server.add_disk(name, 65 * TB // 10)


def test_gen2_without_the_key_of_its_operator(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five minutes to switch it off, in which nothing is changed."""
    make_gen2(server, [f"nvme{number}n1" for number in range(5)])
    assert start(server, monkeypatch) == 0
    shown = server.read("/dev/ttyS0").splitlines()
    (warning,) = (number for number, line in enumerate(shown) if f"WARNING: there is no {OPERATOR_KEY}" in line)
    assert shown[warning + 1 : warning + 6] == [
        f"      the installation goes on in {left}:00" for left in (5, 4, 3, 2, 1)
    ]
    assert shown[warning].endswith("To stop now, switch the machine off; nothing has been changed.")
    *thinking, (seconds, _) = server.waits
    assert seconds == RESTART_SECONDS
    assert [seconds for seconds, _ in thinking] == [60] * 5
    assert sum(seconds for seconds, _ in thinking) == THINK_SECONDS
    assert not [line for line in server.ran[: thinking[-1][1]] if line.startswith(EFFECTS)]


def test_gen2_with_the_key_of_its_operator(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    make_gen2(server, [f"nvme{number}n1" for number in range(5)])
    server.put(f"/config/{OPERATOR_KEY}", "-----BEGIN EC PRIVATE KEY-----\n")
    assert start(server, monkeypatch) == 0
    assert [seconds for seconds, _ in server.waits] == [RESTART_SECONDS]
    assert server.read(f"{TARGET}/{OPERATOR_KEY}") == "-----BEGIN EC PRIVATE KEY-----"
    assert server.path(f"{TARGET}/{OPERATOR_KEY}").stat().st_mode & 0o777 == 0o600
