"""SetupOS refuses: each check fails on a machine that it is to fail on, says so, and nothing is written to any disk.

One machine was started for all of them. Its installer is started again after each change: files on the stick, disks
and network cards that are taken out. What passes only on real servers (their processors, memory, disks) is seen
failing here.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from sysimage.vm.testing import path
from tests.hostos.configuration.field import ROUTER
from tests.setupos.install.server import (
    CONFIG_INI,
    FIRST_DISK,
    NOT_HERE,
    Nns,
    Server,
    answering_nns,
    deployment,
    empty_disk,
    make_stick,
    outcome,
)
from tests.vm.system import Running

SMALL_DISK = 1 << 30  # bytes; HostOS does not fit
CHECK_SECONDS = 600.0
# An address at which there is no router.
DEAD_ROUTER = "fd2b:110b:b7cd::dead"
DAMAGED = 100_000_000  # which byte of an image
_WAITS = "/opt/ic/lib/setupos/network.py"


@dataclass(frozen=True, slots=True)
class Refusing:
    """A machine whose installer has failed once, at its start, for want of a configuration; root is logged in."""

    running: Running
    disks: Sequence[Path]
    nns: Nns

    def write(self, name: str, content: str | None) -> None:
        """Writes a file below /config or /data, or takes it away."""
        folder = "/" + name.split("/")[1]
        if content is None:
            change = f"mv {name} {name}.away"
        else:
            # In its place: the partition data has not one free block.
            change = (
                f"if [ -e {name}.away ]; then mv {name}.away {name}; fi && printf %s {shlex.quote(content)} | "
                f"dd of={name} conv=notrunc status=none && truncate -s {len(content)} {name}"
            )
        self.running.succeeds(f"mount -o remount,rw {folder} && {change} && sync -f {folder}")
        self.running.succeeds(f"mount -o remount,ro {folder}")

    def refuses(self) -> tuple[str, str]:
        """Starts the installer, which must fail, and leave the disks as they are: the step, and the sentence."""
        said, status = self.running.run("systemctl restart setupos.service", CHECK_SECONDS)
        assert status != 0, said
        assert self.running.run("systemctl is-failed setupos.service") == ("failed", 0)
        found = re.findall(r"SETUPOS FAILED in step (\w+): (.*)", said)
        assert len(found) == 1, said
        self.check_untouched()
        return found[0][0], found[0][1].strip()

    def check_untouched(self) -> None:
        """Not one block of a disk was written."""
        for disk in self.disks:
            assert disk.stat().st_blocks == 0, f"{disk.name} was written to"

    def skip(self, *names: str) -> None:
        """Lets these checks be skipped."""
        self.write("/config/skip-checks", "".join(f"{name}\n" for name in names))

    def hurry(self) -> None:
        """Lets the installer wait for the network for a quarter of a minute only."""
        change = r"s/^\(ADDRESS\|GATEWAY\)_SECONDS\(.*\) = .*/\1_SECONDS\2 = 15.0/"
        self.running.succeeds(f"sed '{change}' {_WAITS} > /run/network.py && ! cmp -s {_WAITS} /run/network.py")
        self.running.succeeds(f"mount --bind /run/network.py {_WAITS}")

    def take_out(self, devices: str) -> None:
        """Takes PCI devices out, by a pattern of their folders below /sys."""
        self.running.succeeds(f"for device in {devices}; do echo 1 > $(readlink -f $device)/remove; done")

    def put_back(self) -> None:
        """Puts all that was taken out back."""
        self.running.succeeds("echo 1 > /sys/bus/pci/rescan && udevadm settle")


@pytest.fixture(scope="session")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refusing]:
    folder = tmp_path_factory.mktemp("refusals")
    disks = (empty_disk(folder / "large.img", FIRST_DISK), empty_disk(folder / "small.img", SMALL_DISK))
    stick = make_stick(path("IMAGE"), folder, {"config.ini": None}, {})
    server = Server(folder, disks)
    with answering_nns() as nns, server.start("refusals", stick=stick) as running:
        said = outcome(running.console)
        assert re.fullmatch(r"SETUPOS FAILED in step config: .*config\.ini.*", said), said
        running.console.send("\n")  # The prompt is above what the installer said.
        running.login()
        yield Refusing(running, disks, nns)


def test_no_configuration(refusing: Refusing) -> None:
    """The first start found none."""
    assert refusing.running.run("systemctl is-failed setupos.service") == ("failed", 0)
    refusing.check_untouched()
    # It goes on standing still, and nothing else failed.
    assert refusing.running.succeeds("systemctl --failed --no-legend --plain | cut -d' ' -f1") == "setupos.service"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (CONFIG_INI + "ipv6_prefx=fd00::\n", r"config\.ini, line 3: .*ipv6_prefx.*"),
        ("ipv6_prefix=2a00:fb01:400\n", r"config\.ini, line 1: ipv6_prefix cannot be '2a00:fb01:400'; .*"),
    ],
)
def test_malformed_config_ini(refusing: Refusing, text: str, sentence: str) -> None:
    refusing.write("/config/config.ini", text)
    step, said = refusing.refuses()
    assert step == "config"
    assert re.search(sentence, said), said


@pytest.mark.parametrize("text", ["{", '{"deployment": {"name": "main net"}}', None])
def test_malformed_deployment_json(refusing: Refusing, text: str | None) -> None:
    refusing.write("/config/config.ini", CONFIG_INI)
    refusing.write("/data/deployment.json", text)
    step, said = refusing.refuses()
    assert step == "config"
    assert "deployment.json" in said


def test_processor(refusing: Refusing) -> None:
    refusing.write("/data/deployment.json", deployment(refusing.nns.url))
    refusing.skip("memory", "disks")
    step, said = refusing.refuses()
    assert step == "hardware"
    assert "EPYC" in said


def test_memory(refusing: Refusing) -> None:
    refusing.skip("cpu", "disks")
    step, said = refusing.refuses()
    assert step == "hardware"
    assert "memory" in said


def test_disks_of_a_server(refusing: Refusing) -> None:
    refusing.skip("cpu", "memory")
    step, said = refusing.refuses()
    assert step == "hardware"
    assert re.search(r"\bdisks?\b", said), said


def test_skip_checks_names_a_check_that_is_none(refusing: Refusing) -> None:
    refusing.skip("cpu", "images")
    assert "images" in refusing.refuses()[1]


def test_no_disk(refusing: Refusing) -> None:
    refusing.skip(*NOT_HERE)
    refusing.take_out("/sys/class/nvme/nvme*/device")
    assert refusing.refuses() == (
        "hardware",
        "this machine has no NVMe disk that could be installed on; look at its drives and their cables",
    )
    refusing.put_back()


def test_no_network_card(refusing: Refusing) -> None:
    refusing.take_out("/sys/bus/virtio/drivers/virtio_net/virtio*/..")
    step, said = refusing.refuses()
    assert (step, said.partition(";")[0]) == ("network", "this machine has no network port")
    refusing.put_back()


def test_link_that_is_down(refusing: Refusing) -> None:
    refusing.hurry()
    refusing.running.machine.control("set_link", name="net", up=False)
    step, said = refusing.refuses()
    assert step == "network"
    assert said.startswith("no network port has a link (")
    refusing.running.machine.control("set_link", name="net", up=True)


def test_gateway_that_does_not_answer(refusing: Refusing) -> None:
    refusing.write("/config/config.ini", CONFIG_INI.replace(ROUTER, DEAD_ROUTER))
    step, said = refusing.refuses()
    assert step == "network"
    assert said.startswith(f"the gateway {DEAD_ROUTER} does not answer")
    refusing.write("/config/config.ini", CONFIG_INI)


def test_disk_that_hostos_does_not_fit_on(refusing: Refusing) -> None:
    refusing.take_out("$(dirname $(grep -l large /sys/class/nvme/nvme*/serial))/device")
    step, said = refusing.refuses()
    assert step == "hostos"
    assert re.match(r"HostOS needs 100\.2 GiB, but the disk nvme\dn1 \(.* serial small\) has 1\.0 GiB;", said), said
    refusing.put_back()


def test_nns_that_does_not_answer(refusing: Refusing) -> None:
    assert refusing.nns.asked
    refusing.nns.stop()
    step, said = refusing.refuses()
    assert step == "network"
    assert said.startswith(f"no NNS URL answers ({refusing.nns.url}: ")


def test_image_that_is_damaged(refusing: Refusing) -> None:
    """One byte of the second child."""
    refusing.skip(*NOT_HERE, "network")
    image = "/data/guest-os.img.tar.zst"
    byte = int(refusing.running.succeeds(f"od -An -tu1 -j {DAMAGED} -N 1 {image}"))
    refusing.running.succeeds("mount -o remount,rw /data")
    other = f"'\\x{byte ^ 0xFF:02x}'"
    refusing.running.succeeds(f"printf {other} | dd of={image} bs=1 seek={DAMAGED} conv=notrunc status=none")
    refusing.running.succeeds("mount -o remount,ro /data")
    step, said = refusing.refuses()
    assert step == "guestos"
    assert said == f"the image of GuestOS is damaged ({image} has another sha256); write the stick anew"
