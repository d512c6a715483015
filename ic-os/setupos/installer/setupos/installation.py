"""The installation from its first look to the restart, stage by stage.

First all checks, which change nothing but /run. Only when none of them fails is the first byte written.
"""

import traceback
from collections.abc import Callable, Sequence
from typing import Final

from setupos import disks, firmware, hardware, images, network, systems
from setupos.archive import Image
from setupos.disk_step import prepare
from setupos.disks import Disk
from setupos.display import Display, clock, gibibytes, listed, terabytes
from setupos.failure import Failure
from setupos.generations import Generation
from setupos.handover import hand_over
from setupos.images import GUESTOS, HOSTOS
from setupos.log import StickLog
from setupos.machine import Machine
from setupos.settings import OPERATOR_KEY, Settings, load, read_skipped
from setupos.transfer import Written

THINK_SECONDS: Final = 300
RESTART_SECONDS: Final = 15


class Installation:
    """What is known so far, and the stages that find it out and use it."""

    settings: Settings
    disks: Sequence[Disk]
    generation: Generation | None
    host: Image
    guest: Image
    written: Written

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.log = StickLog(machine, lambda text: self.display.say(text))
        self.display = Display(machine, self.log.keep)
        self.generation = None
        self._skipped: Sequence[str] = ()
        machine.note = self.display.detail
        # Step, title, what is done.
        self.stages: Sequence[tuple[str, str, Callable[[], None]]] = (
            ("config", "Configuration: is it complete and right", self.check_configuration),
            ("hardware", "Hardware: is this a node's machine", self.check_hardware),
            ("network", "Network: are gateway and NNS reached", self.check_network),
            ("images", "Images: are they whole, and do they fit", self.check_images),
            ("disk", "Disks: emptied", self.prepare_disks),
            ("hostos", "HostOS: installed on the first disk", self.install_host),
            ("guestos", "GuestOS: installed in its volume", self.install_guest),
            ("config", "Configuration: handed over to HostOS", self.hand_over),
            ("reboot", "Restart into HostOS", self.restart),
        )

    def run(self) -> bool:
        """Runs all stages; False: one failed, and the console says why."""
        version = self.machine.read("/opt/ic/share/version.txt") or "of an unknown version"
        self.display.say()
        self.display.say(f"SetupOS {version}")
        for number, (step, title, stage) in enumerate(self.stages, 1):
            self.display.say(f"[{number}/{len(self.stages)}] {title}")
            if self._skipped:
                self.display.say(f"checks skipped: {', '.join(self._skipped)}")
            try:
                stage()
            except Failure as failure:
                self._fail(failure.step or step, str(failure))
                return False
            except Exception as error:
                for line in traceback.format_exc().splitlines():
                    self.display.detail(line)
                reason = " ".join(str(error).split())
                self._fail(
                    step,
                    f"the installer itself has an error ({type(error).__name__}: {reason}); "
                    f"hand the log on the stick to whoever made the stick",
                )
                return False
            self.log.write()
        return True

    def _fail(self, step: str, sentence: str) -> None:
        self.display.say()
        self.display.say(f"SETUPOS FAILED in step {step}: {sentence}")
        self.log.write()

    def _remark(self, text: str) -> None:
        self.display.say(f"      {text}")

    # Checks.

    def check_configuration(self) -> None:
        """config.ini, deployment.json, keys, and which checks are skipped."""
        self._skipped = read_skipped(self.machine)
        if self._skipped:
            self.display.say(f"checks skipped: {', '.join(self._skipped)}")
        self.machine.run("udevadm", "settle")
        self.settings = load(self.machine)
        self.display.verbose = self.settings.verbose
        for remark in self.settings.remarks:
            self._remark(f"WARNING: {remark}")

    def check_hardware(self) -> None:
        """Processors, memory, disks."""
        firmware.check(self.machine)
        if self.settings.checks("cpu"):
            self.generation = hardware.check_processors(self.machine)
            self._remark(f"{self.generation.name}: {self.generation.processor_name}, {self.generation.flag}")
        else:
            self.generation = hardware.find_generation(hardware.read_processors(self.machine))
        if self.settings.checks("memory"):
            self._remark(f"{gibibytes(hardware.check_memory(self.machine, self.settings))} of memory")
        self.disks = disks.find(self.machine)
        if self.settings.checks("disks"):
            hardware.check_disks(self.disks, self.generation)
        for number, disk in enumerate(self.disks):
            self._remark(f"{disk}: {terabytes(disk.size)}" + (", HostOS goes here" if number == 0 else ""))

    def check_network(self) -> None:
        """Address, gateway, NNS."""
        if self.settings.checks("network"):
            network.check(self.machine, self.settings, self._remark)

    def check_images(self) -> None:
        """Both images; and a last chance to think."""
        self.host = images.check(self.machine, self.display, HOSTOS)
        self.guest = images.check(self.machine, self.display, GUESTOS)
        images.check_room(self.host, self.guest, self.disks[0])
        if self.generation and self.generation.wants_operator_key and not self.settings.has_operator_key:
            self._think()

    def _think(self) -> None:
        self._remark(
            f"WARNING: there is no {OPERATOR_KEY} on the stick. Without it somebody must join this node to "
            "its operator by hand. To stop now, switch the machine off; nothing has been changed."
        )
        for left in range(THINK_SECONDS, 0, -60):
            self._remark(f"the installation goes on in {clock(left)}")
            self.machine.sleep(60)

    # Effects.

    def prepare_disks(self) -> None:
        """From here on what was on the disks is lost."""
        self._remark(f"emptying {listed(disk.name for disk in self.disks)}")
        prepare(self.machine, self.disks)

    def install_host(self) -> None:
        """HostOS."""
        self.written = systems.install_host(self.machine, self.display, self.host, self.disks)

    def install_guest(self) -> None:
        """GuestOS."""
        systems.install_guest(self.machine, self.display, self.guest)

    def hand_over(self) -> None:
        """The configuration."""
        hand_over(self.machine)

    def restart(self) -> None:
        """The disk becomes one that starts."""
        systems.permit_start(self.machine, self.disks[0], self.written)
        self.display.say()
        self.display.say(
            f"SETUPOS DONE: this machine is installed, the stick can be taken out; it restarts in {RESTART_SECONDS} s"
        )
        self.log.write()
        self.machine.sleep(RESTART_SECONDS)
        self.machine.must("the machine does not restart", "switch it off and on", "systemctl", "reboot")
