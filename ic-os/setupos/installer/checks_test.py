"""What stops an installation before anything is written, sentence by sentence; and what the console shows."""

import json
import os
from pathlib import Path

import pytest

from make_believe import BAD, MILAN, MODEL, OK, SHOWN, MakeBelieve
from setupos import disk_step, disks, firmware, hardware, images, network, systems
from setupos.archive import Image
from setupos.disks import Disk
from setupos.display import COLUMNS, Display, progress_line
from setupos.failure import Failure
from setupos.generations import GENERATIONS
from setupos.installation import Installation
from setupos.log import EARLIER, LOG, StickLog
from setupos.machine import Result
from setupos.settings import MAY_SKIP, SKIP, Settings, load, read_skipped
from setupos.systems import BOOT_SECTOR, EMPTY_VOLUMES

GEN1, GEN2 = GENERATIONS
SETTINGS = Settings(["https://nns.example"], "2001:db8::1", [], 490, "3c:ec:ef:6b:37:99", True)
TB = 10**12


@pytest.fixture
def machine(tmp_path: Path) -> MakeBelieve:
    return MakeBelieve(tmp_path)


@pytest.mark.parametrize(
    ("model", "sockets", "threads", "flags", "name"),
    [
        (MODEL, 2, 64, "fpu sev", "Gen1"),
        (MILAN, 2, 64, "sev sev_snp", "Gen2"),
        ("AMD EPYC 75F3 32-Core Processor", 2, 128, "sev sev_snp", "Gen2"),
        ("AMD EPYC 7773X 64-Core Processor", 2, 256, "sev_snp", None),
        (MODEL, 1, 64, "sev", "the machine has 1 processor(s), but a node of Gen1 has 2; look whether"),
        (MODEL, 2, 64, "fpu", "the processors do not show sev; turn on SMEE and SEV in the firmware's settings"),
        (MILAN, 2, 64, "sev", "the processors do not show sev_snp; turn on SMEE, SEV and SEV-SNP in the firmware's"),
        (MODEL, 2, 32, "sev", "the processors have 32 threads, but a node of Gen1 has 64; turn on all cores and SMT"),
        (MODEL, 2, 128, "sev", "the processors have 128 threads, but a node of Gen1 has 64; turn on all cores and"),
        (MILAN, 2, 32, "sev_snp", "the processors have 32 threads, but a node of Gen2 has at least 64; turn on all"),
        (
            "QEMU TCG CPU",
            2,
            64,
            "sev",
            "the processors are QEMU TCG CPU, but a node has AMD EPYC 7302 or AMD EPYC 7xx3;",
        ),
    ],
)
def test_processors(machine: MakeBelieve, model: str, sockets: int, threads: int, flags: str, name: str | None) -> None:
    machine.set_processors(model, sockets, threads, flags)
    if name in ("Gen1", "Gen2"):
        assert hardware.check_processors(machine).name == name
        return
    with pytest.raises(Failure) as caught:
        hardware.check_processors(machine)
    assert str(caught.value).startswith(name or "the processors are AMD EPYC 7773X 64-Core Processor, but")


@pytest.mark.parametrize(
    ("modules", "usable", "said"),
    [
        ([32] * 16, 503, ""),
        ([16] * 32, 503, ""),
        ([510], 503, "the firmware lists 510.0 GiB of memory, but a node has more than 510.0 GiB; look at its modules"),
        ([], 503, "the firmware lists no memory modules, but a node has more than 510.0 GiB; look at its modules"),
        (
            [32] * 16,
            480,
            "512.0 GiB of memory are installed, but only 480.0 GiB can be used, "
            "and the guest and HostOS need "
            "491 GiB; look at the modules, or change resources.memory in deployment.json",
        ),
    ],
)
def test_memory(machine: MakeBelieve, modules: list[int], usable: int, said: str) -> None:
    machine.set_memory(modules, usable)
    if not said:
        assert hardware.check_memory(machine, SETTINGS) == sum(modules) << 30
        return
    with pytest.raises(Failure) as caught:
        hardware.check_memory(machine, SETTINGS)
    assert str(caught.value) == said


def test_disks_are_found(machine: MakeBelieve) -> None:
    for name in ("nvme10n1", "nvme2n1", "sda", "dm-0"):
        machine.add_disk(name, 4 * TB)
    machine.add_disk("nvme0n1", 4 * TB, removable=True)
    machine.add_disk("nvme1n1", 4 * TB)
    machine.add_disk("nvme7n1", 4 * TB)
    machine.put("/sys/block/nvme10n1/device/address", "0000:01:00.0")
    machine.put("/sys/block/nvme7n1/device/address", "0000:02:00.0")
    machine.put("/sys/block/nvme2n1/device/address", "0000:c1:00.0")
    machine.add_disk("nvme3n1", 0)
    machine.mount("8:3", "nvme1n1", "nvme1n1p3")
    assert [disk.name for disk in disks.find(machine)] == ["nvme10n1", "nvme7n1", "nvme2n1"]
    assert str(disks.find(machine)[2]) == "nvme2n1 (MODEL serial S-nvme2n1)"


def test_no_disk(machine: MakeBelieve) -> None:
    machine.add_disk("sda", TB)
    with pytest.raises(Failure) as caught:
        disks.find(machine)
    assert str(caught.value) == (
        "this machine has no NVMe disk that could be installed on (it has sda); look at its drives and their cables"
    )


def test_sizes_of_disks() -> None:
    hardware.check_disks([Disk("nvme0n1", 3_200_631_791_616)], GEN1)
    hardware.check_disks([Disk(f"nvme{number}n1", 6_401_252_745_216) for number in range(5)], GEN2)
    for found, generation, said in (
        (
            [Disk("nvme0n1", GEN1.disk, "M", "S")],
            GEN1,
            "the disk nvme0n1 (M serial S) has 3.20 TB, but each of a node of Gen1 has more than 3.20 TB; replace it",
        ),
        (
            [Disk("nvme0n1", 7 * TB)],
            GEN2,
            "the 1 NVMe disks have 7.00 TB together, but a node of Gen2 has more than 32.00 TB; "
            "add disks, or look whether all are seen",
        ),
        (
            [Disk("nvme0n1", 7 * TB)],
            None,
            "which disks a node has depends on its processors, which are none of a node's; skip "
            "the check disks as well",
        ),
    ):
        with pytest.raises(Failure) as caught:
            hardware.check_disks(found, generation)
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("cpu\n\n# all\nnetwork # none here\n", ["cpu", "network"]),
        ("all\n", ["cpu", "memory", "disks", "network"]),
        (
            "images\n",
            "skip-checks, line 1: there is no check 'images' to skip; write cpu, memory, disks, network or all",
        ),
        (
            "\ncpu memory",
            "skip-checks, line 2: there is no check 'cpu memory' to skip; write cpu, memory, disks, network or all",
        ),
    ],
)
def test_skipped(machine: MakeBelieve, text: str, result: list[str] | str) -> None:
    assert read_skipped(machine) == ()
    machine.put(SKIP, text)
    with pytest.raises(Failure) as caught:
        read_skipped(machine)
    assert str(caught.value) == (
        "this image makes all checks, but there is skip-checks on the stick; remove it from its partition CONFIG"
    )
    machine.put(MAY_SKIP, "")
    if isinstance(result, list):
        assert read_skipped(machine) == result
        return
    with pytest.raises(Failure) as caught:
        read_skipped(machine)
    assert str(caught.value) == result


def test_configuration(machine: MakeBelieve) -> None:
    machine.configure(**{"/config/ssh_authorized_keys/root": "x"})
    found = load(machine)
    assert (found.nns_urls, found.memory, found.verbose, found.has_operator_key) == (["a", "b"], 490, True, False)
    assert found.remarks == [
        "there is no ssh_authorized_keys/admin on the stick: nobody will be able to log in over the network",
        "ssh_authorized_keys/root is left out: there are the accounts admin, backup, readonly",
    ]
    staged = json.loads(machine.read("/run/setupos/root/boot/config/deployment.json"))
    assert staged == {"deployment": {"name": "dev", "mgmt_mac": "3c:ec:ef:6b:37:99"}}
    assert [line for line in machine.ran if line.endswith(" check")] == ["/opt/ic/bin/host-config.sh check"] * 2


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"/config/config.ini": None}, "config.ini is not on the stick; put it into the stick's partition CONFIG"),
        (
            {"/data/nns_public_key.pem": None},
            "nns_public_key.pem is not on the stick; put it into the stick's partition data",
        ),
        ({"/config/config.ini": b"#" * 65537}, "config.ini has more than 65536 bytes; mend it on the stick"),
        (
            {"/config/ssh_authorized_keys/admin": b"ssh-rsa\r\n"},
            "ssh_authorized_keys/admin has a carriage return; mend it on the stick",
        ),
        (
            {"/config/ssh_authorized_keys/admin": b"\xc3\xa4"},
            "ssh_authorized_keys/admin has another character than printable ASCII; mend it on the stick",
        ),
    ],
)
def test_configuration_is_refused(machine: MakeBelieve, files: dict[str, str | bytes | None], said: str) -> None:
    machine.configure(**files)
    with pytest.raises(Failure) as caught:
        load(machine)
    assert str(caught.value) == said


def test_configuration_that_hostos_refuses(machine: MakeBelieve) -> None:
    machine.configure()
    machine.answers["/opt/ic/bin/host-config.sh check"] = Result(2, "", "host-config: config.ini, line 2: x\n")
    with pytest.raises(Failure, match=r"^config.ini, line 2: x \(mend it on the stick\)$"):
        load(machine)
    machine.put("/proc/self/mountinfo", "1 0 8:4 / /data ro\n")
    with pytest.raises(
        Failure, match=r"^the stick's partition CONFIG cannot be read; write the stick anew, or use another$"
    ):
        load(machine)


def test_firmware(machine: MakeBelieve) -> None:
    with pytest.raises(Failure, match=r"^this machine was not started by UEFI, .*; turn off legacy boot \(CSM\)"):
        firmware.check(machine)
    machine.put("/sys/firmware/efi/efivars/Boot0000", "")
    machine.answers["efibootmgr"] = BAD
    with pytest.raises(Failure) as caught:
        firmware.check(machine)
    assert str(caught.value) == (
        "the firmware does not say its boot entries (it says no); reset the firmware's settings, and turn on UEFI"
    )
    listed = (
        "BootOrder: 0001,0003\nBoot0001* UEFI stick\tPciRoot\n"
        "Boot0003* IC-OS\tHD(1)\nBoot0004* IC-OS 2\tHD(2)\nBoot000A  IC-OS\n"
    )
    machine.answers["efibootmgr"] = Result(0, listed, "")
    machine.answers["efibootmgr --quiet"] = OK
    firmware.remove_entries(machine)
    assert [line for line in machine.ran if "delete" in line] == [
        "efibootmgr --quiet --delete-bootnum --bootnum 0003",
        "efibootmgr --quiet --delete-bootnum --bootnum 000A",
    ]


def test_network(machine: MakeBelieve) -> None:
    machine.connect()
    said: list[str] = []
    network.check(machine, SETTINGS, said.append)
    assert said[1:] == ["the gateway 2001:db8::1 answers", "https://nns.example answers"]
    assert machine.read("/run/systemd/network/10-br6.netdev.d/mac.conf") == "[NetDev]\nMACAddress=6a:0f:f4:09:d7:2a"
    assert "Address=2001:db8::9/64\nGateway=2001:db8::1" in machine.read("/run/systemd/network/15-br6.network")


@pytest.mark.parametrize(
    ("program", "answer", "said"),
    [
        ("/opt/ic/bin/list-ports.sh", OK, "this machine has no network port; look at its network cards"),
        ("networkctl", BAD, "the network cannot be configured (it says no); write the stick anew"),
        ("ip ", OK, "no network port has a link (eno1, eno2); look at the cables and the switch"),
        (
            "ip ",
            Result(0, SHOWN.format("tentative"), ""),
            "no network port has a link (eno1, eno2); look at the cables",
        ),
        (
            "ip ",
            Result(0, SHOWN.format("dadfailed"), ""),
            "another machine in this network has the address 2001:db8::9 already",
        ),
        (
            "ping",
            BAD,
            "the gateway 2001:db8::1 does not answer within 90 s; look at ipv6_prefix and ipv6_gateway in config.ini",
        ),
        ("curl", BAD, "no NNS URL answers (https://nns.example: it says no); look at nns.url and dns.name_servers in"),
    ],
)
def test_network_is_refused(machine: MakeBelieve, program: str, answer: Result, said: str) -> None:
    machine.connect()
    machine.answers[program] = answer
    with pytest.raises(Failure) as caught:
        network.check(machine, SETTINGS, lambda _: None)
    assert str(caught.value).startswith(said)


def test_images(machine: MakeBelieve) -> None:
    display = Display(machine, lambda _: None)

    def said() -> str:
        with pytest.raises(Failure) as caught:
            images.check(machine, display, images.HOSTOS)
        assert caught.value.step == "hostos"
        return str(caught.value)

    archive = images.HOSTOS.archive
    assert said() == f"the image of HostOS is not on the stick ({archive}); write the stick anew"
    machine.put(archive, b"x")
    assert said() == f"there is no checksum of the image of HostOS ({archive}.sha256); write the stick anew"
    machine.put(f"{archive}.sha256", "0" * 64 + "  disk-img.tar.zst\n")
    assert said() == f"the image of HostOS is damaged ({archive} has another sha256); write the stick anew"
    with pytest.raises(
        Failure, match=r"^HostOS needs 100.0 GiB, but the disk nvme0n1 has 10.0 GiB; put a larger one in its place$"
    ):
        images.check_room(Image(100 << 30, ()), Image(1, ()), Disk("nvme0n1", 10 << 30))


def test_what_is_known_of_hostos() -> None:
    volumes = {volume["name"]: volume for volume in json.loads(Path(os.environ["VOLUMES"]).read_text())["volumes"]}
    assert volumes["guestos"]["extents"] * (4 << 20) == images.GUEST_VOLUME
    assert set(EMPTY_VOLUMES) <= set(volumes)
    first, *_, last = json.loads(Path(os.environ["PARTITIONS"]).read_text())["partitions"]
    assert (first["name"], first["start"] * 512) == ("esp", BOOT_SECTOR.start)
    assert last["name"] == disk_step.GROUP


def test_guest_partitions_without_content(machine: MakeBelieve) -> None:
    entries = bytearray(128 * 128)
    for number, (first, last) in enumerate([(2048, 4095), (4096, 8191)]):
        systems._ENTRY.pack_into(entries, number * 128, b"T" * 16, first, last)
    machine.put(systems.GUEST_DEVICE, bytes(1024) + entries)
    image = Image(8192 * 512, ((0, 4096), (1 << 20, 4096)))
    assert list(systems.partitions_without_content(machine, image)) == [(4096 * 512, 4096 * 512)]


def test_disks_are_emptied(machine: MakeBelieve) -> None:
    for number in range(2):
        machine.add_disk(f"nvme{number}n1", 64 << 20)
    machine.put("/sys/block/nvme0n1/nvme0n1p3/partition", "3")
    machine.put("/sys/class/block/dm-0/dm/name", "hostlvm-config")
    machine.put("/sys/class/block/dm-0/slaves/nvme0n1p3", "")
    machine.put("/sys/class/block/dm-1/dm/name", "vroot")

    def removed() -> Result:
        machine.path("/sys/class/block/dm-0").rename(machine.path("/gone"))
        return OK

    machine.answers["dmsetup remove"] = removed
    listed = ("/dev/nvme0n1p3|hostlvm", "/dev/sda1|hostlvm", "/dev/sdb1|other", "[unknown]|hostlvm")
    machine.answers["pvs"] = Result(0, "".join(f"  {line}\n" for line in listed), "")
    machine.answers["fallocate"] = OK
    disk_step.prepare(machine, disks.find(machine))
    wiped = [line for line in machine.ran if line.startswith(("wipefs", "dmsetup", "pvcreate"))]
    assert wiped == [
        "dmsetup remove --retry hostlvm-config",
        "wipefs --all /dev/sda1",
        "wipefs --all --force /dev/nvme0n1p3",
        "wipefs --all --force /dev/nvme0n1",
        "wipefs --all --force /dev/nvme1n1",
        "pvcreate --yes -ff /dev/nvme1n1",
    ]


def test_progress_fits_a_screen() -> None:
    for done in (0, 1, 1 << 30, 12 << 30, 99 << 30):
        assert len(progress_line("checking GuestOS", done, 99 << 30, 10.0)) < COLUMNS
    assert progress_line("writing HostOS", 1 << 29, 1 << 30, 4.0) == (
        "writing HostOS   [########........]  50% 0.50/1.00 GiB  128 MiB/s 0:04 left"
    )


def test_failure_stops_before_anything_is_written(machine: MakeBelieve) -> None:
    machine.configure(**{"/config/config.ini": None})
    machine.put("/opt/ic/share/version.txt", "1.2\n")
    machine.put(LOG, "earlier\n")
    assert not Installation(machine).run()
    shown = machine.read("/dev/ttyS0")
    assert shown.startswith("SetupOS 1.2\n[1/9] Configuration: is it complete and right\n")
    assert shown.endswith(
        "SETUPOS FAILED in step config: config.ini is not on the stick; put it into the stick's partition CONFIG"
    )
    assert all(len(row) < COLUMNS for row in machine.read("/dev/tty0").splitlines())
    assert "SETUPOS FAILED" in machine.read(LOG)
    assert machine.read(EARLIER) == "earlier"
    assert not [line for line in machine.ran if line.startswith(("wipefs", "blkdiscard", "fallocate", "pvcreate"))]


def test_installer_that_is_wrong_says_so(machine: MakeBelieve, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.path("/config").mkdir()
    installation = Installation(machine)
    monkeypatch.setattr(installation, "stages", [("disk", "Disks", lambda: [][0])])
    assert not installation.run()
    assert "SETUPOS FAILED in step disk: the installer itself has an error (IndexError: list index" in machine.read(
        "/dev/ttyS0"
    )
    assert "Traceback" in machine.read(LOG)


def test_stick_that_takes_no_log(machine: MakeBelieve) -> None:
    said: list[str] = []
    log = StickLog(machine, said.append)
    machine.answers["mount"] = BAD
    for _ in range(2):
        log.keep("x")
        log.write()
    assert said == [f"WARNING: no log is kept on the stick: {LOG}: it says no"]
