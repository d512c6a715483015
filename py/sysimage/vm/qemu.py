"""QEMU out of an unpacked tool folder: the command line, the process, its sockets.

Software emulation unless KVM is really usable. The serial console and the control
protocol (QMP) go over sockets that are handed down already connected, so no path can
be too long and no port be taken.
"""

import contextlib
import json
import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sysimage import locked_tool
from sysimage.errors import UserError
from sysimage.vm.console import Console, ConsoleError

PROGRAM = "qemu-system-x86_64"
FIRMWARE_CODE = "usr/share/OVMF/OVMF_CODE_4M.fd"
FIRMWARE_VARIABLES = "usr/share/OVMF/OVMF_VARS_4M.fd"
DATA_FOLDERS = ("usr/share/qemu", "usr/share/seabios")

# All that the emulator has, but for promises that make it slow. Where byte strings are said to be fast (erms, fsrm), a
# kernel copies and clears memory by them, and the emulator does these byte by byte. Registers of AVX and MPX are saved
# at each change of process, and wide ones worked on a piece at a time. A fifth level of page tables (la57) is one more
# to walk at each miss; SMAP changes a flag around each access to a program's memory, which ends a translated block, and
# so do protection keys (pku). A boot takes a tenth to a quarter less processor time without all that.
SLOW_FEATURES = ("erms", "fsrm", "avx", "avx2", "mpx", "la57", "smap", "pku")
_EMULATED = ",".join(["max", *(f"{feature}=off" for feature in SLOW_FEATURES)])

# Removable media: the controller, once a machine, and each medium.
_REMOVABLE_CONTROLLER = "qemu-xhci"
_REMOVABLE = "usb-storage,removable=on"

# Unique local (RFC 4193): QEMU's own default is site-local, which systems do not take for an address to be reached at.
_IPV6_NETWORK = "fd2b:110b:b7cd::/64"

_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Disk:
    """A raw disk image as a virtio disk, an NVMe disk, or a removable USB stick.

    Writes go to a throw-away overlay unless `writable`; read_only lets the guest not even try. write_log: a file that
    gets every write in order (see `write_log`); the disk must be writable then.
    """

    path: Path
    writable: bool = False
    read_only: bool = False
    serial: str = ""
    removable: bool = False
    nvme: bool = False
    write_log: Path | None = None

    def arguments(self, number: int) -> list[str]:
        """QEMU's arguments for it as the machine's disk of a number, from 0."""
        mode = "readonly=on" if self.read_only else f"snapshot={'off' if self.writable else 'on'}"
        cache = "cache=unsafe,discard=unmap"  # nothing here must survive a power cut of the host
        # An NVMe disk must have a serial number.
        serial = self.serial or (f"disk{number}" if self.nvme else "")
        kind = _REMOVABLE if self.removable else "nvme" if self.nvme else "virtio-blk-pci"
        device = f"{kind},drive=disk{number}"
        drive = ["-drive", f"if=none,id=disk{number},format=raw,{cache},{mode},file={_escape(self.path)}"]
        if self.write_log is not None:
            drive = []
            for name, path in (("file", self.path), ("log", self.write_log)):
                node = f"driver=file,node-name=disk{number}-{name},cache.no-flush=on,filename={_escape(path)}"
                drive += ["-blockdev", node]
            node = f"driver=blklogwrites,node-name=disk{number},file=disk{number}-file,log=disk{number}-log"
            drive += ["-blockdev", node]
        return [*drive, "-device", device + (f",serial={serial}" if serial else "")]


@dataclass(frozen=True, slots=True)
class Port:
    """A virtio serial port by name; what the guest writes to it goes to a file."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine is made of.

    With `kernel` it starts the kernel directly (no boot loader, firmware qboot), else UEFI from the
    first disk that can. memory is in MiB. network: a card, with addresses by DHCP and router advertisements, but no
    way out. forward: pairs of TCP ports (host, guest); any pair gives the guest such a network as well.
    state: what `VirtualMachine.save` wrote of a machine of the same devices: it goes on there, instead of starting. Its
    disks must be as they were then.
    variables: a file in which the firmware keeps its variables, boot entries among them, for the machine's next start;
    it is made if it is not there. Without it each machine is new.
    extra: further arguments; descriptors: file descriptors that they name, which QEMU gets under the same numbers.
    """

    disks: Sequence[Disk] = ()
    kernel: Path | None = None
    initrd: Path | None = None
    command_line: str = ""
    memory: int = 1024
    cpus: int = 2
    network: bool = False
    forward: Sequence[tuple[int, int]] = ()
    ports: Sequence[Port] = ()
    restart: bool = False  # whether a reboot of the guest restarts it; else it ends the machine
    extra: Sequence[str] = field(default=())
    descriptors: Sequence[int] = ()
    state: Path | None = None
    variables: Path | None = None


def kvm_usable() -> bool:
    """Whether KVM runs ordinary guests here.

    The device alone says nothing: a paravirtual back end opens, and hangs Debian's kernels.
    A processor that shows its virtualization extension can do it.
    """
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and processor_virtualizes()


def processor_virtualizes(root: Path = Path("/")) -> bool:
    """Whether the processor shows its virtualization extension. root: of the machine that is asked."""
    if platform.machine() != "x86_64":
        return False
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not {"vmx", "svm"}.isdisjoint(flags.split())


def _escape(path: Path) -> str:
    """A path as the value of a QEMU option: commas are doubled."""
    return str(path).replace(",", ",,")


def _accelerator() -> list[str]:
    if kvm_usable():
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", _EMULATED]


def arguments(machine: Machine, tool: Path, variables: Path | None) -> list[str]:
    """QEMU's arguments for a machine, but for the console and QMP.

    Args:
        machine: the machine.
        tool: the unpacked tool folder.
        variables: the machine's own copy of the firmware's variables; None: no UEFI.
    """
    # Without the disk controller of the board, which a guest would search for disks for seconds.
    words = ["-machine", "q35,sata=off,smbus=off", *_accelerator()]
    words += ["-smp", str(machine.cpus), "-m", str(machine.memory)]
    words += ["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"]
    for folder in DATA_FOLDERS:
        words += ["-L", str(tool / folder)]
    if not machine.restart:
        words.append("-no-reboot")
    if machine.state is not None:
        words += ["-incoming", "defer"]
    if machine.kernel is not None:
        words += ["-bios", "qboot.rom", "-kernel", str(machine.kernel), "-append", machine.command_line]
        if machine.initrd is not None:
            words += ["-initrd", str(machine.initrd)]
    if variables is not None:
        code = tool / FIRMWARE_CODE
        words += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_escape(code)}"]
        words += ["-drive", f"if=pflash,unit=1,format=raw,file={_escape(variables)}"]
    if any(disk.removable for disk in machine.disks):
        words += ["-device", _REMOVABLE_CONTROLLER]
    for number, disk in enumerate(machine.disks):
        words += disk.arguments(number)
    # Entropy for the guest: without it, services wait for the kernel to gather its own.
    words += ["-device", "virtio-rng-pci"]
    if machine.network or machine.forward:
        rules = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in machine.forward)
        words += ["-netdev", f"user,id=net,ipv6-net={_IPV6_NETWORK}{rules}"]
        words += ["-device", "virtio-net-pci,netdev=net,romfile="]
    if machine.ports:
        words += ["-device", "virtio-serial-pci"]
    for number, port in enumerate(machine.ports):
        words += ["-chardev", f"file,id=port{number},path={_escape(port.path)}"]
        words += ["-device", f"virtserialport,chardev=port{number},name={port.name}"]
    return [*words, *machine.extra]


class Emulator:
    """A process of QEMU; leaving the `with` block ends it.

    Args:
        words: its arguments. The character device `console` is there for a serial port to take; QMP is added.
        tool: the unpacked tool folder.
        scratch: a folder for its files, such as overlays.
        log: where the console's output goes as well; None: nowhere.
        descriptors: file descriptors that the arguments name, which it gets under the same numbers.

    Raises:
        UserError: QEMU cannot be started.
    """

    def __init__(
        self,
        words: Sequence[str],
        tool: Path | str,
        scratch: Path | str,
        log: Path | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        ours, theirs = socket.socketpair()
        control, their_control = socket.socketpair()
        sockets = ["-chardev", f"socket,id=console,fd={theirs.fileno()}"]
        sockets += ["-chardev", f"socket,id=control,fd={their_control.fileno()}", "-qmp", "chardev:control"]
        self._files = contextlib.ExitStack()
        self._errors = self._files.enter_context(open(Path(scratch) / "qemu.stderr", "w+b"))  # noqa: SIM115
        with theirs, their_control:
            self.process = subprocess.Popen(
                locked_tool.command(Path(tool).absolute(), PROGRAM, [*words, *sockets]),
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                pass_fds=[theirs.fileno(), their_control.fileno(), *descriptors],
                # Overlays go there.
                env={**locked_tool.ENVIRONMENT, "TMPDIR": str(Path(scratch).absolute())},
            )
        self.console = Console(ours, log)
        self._control = control
        self._replies = control.makefile("rb")
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _greet(self) -> None:
        # It greets before it has made all of the machine.
        with contextlib.suppress(OSError, ConsoleError):
            if self._replies.readline():
                self.control("qmp_capabilities")
                return
        self.process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip()
        raise UserError(f"QEMU did not start: {said or 'it said nothing'}")

    def control(self, command: str, **parameters: Any) -> Any:
        """Sends a QMP command, and returns what it answers.

        Raises:
            ConsoleError: QEMU refuses it, or is gone.
        """
        message = {"execute": command, "arguments": parameters}
        try:
            self._control.sendall(json.dumps(message).encode() + b"\n")
            for reply in self._read_replies():
                if "return" in reply:
                    return reply["return"]
                if "error" in reply:
                    raise ConsoleError(f"QEMU refuses {command}: {reply['error'].get('desc')}")
        except OSError as error:
            raise ConsoleError(f"QEMU does not take {command}: {error.strerror}") from error
        raise ConsoleError(f"QEMU was gone before it answered {command}")

    def _read_replies(self) -> Iterator[dict[str, Any]]:
        for line in self._replies:
            yield json.loads(line)

    def save(self, target: Path) -> None:
        """Stops the machine and writes its state, memory and all, but not its disks, for a machine that goes on there.

        Raises:
            ConsoleError: QEMU cannot.
        """
        self.control("stop")
        self.control("migrate", uri=f"file:{target.absolute()}")
        self._wait_migrated()

    def _wait_migrated(self) -> None:
        while (found := self.control("query-migrate")).get("status") != "completed":
            if found.get("status") == "failed":
                raise ConsoleError(f"the machine's state is lost: {found.get('error-desc', 'QEMU does not say why')}")
            time.sleep(_POLL_SECONDS)

    def wait(self, timeout: float) -> None:
        """Waits until the machine ends by itself (the guest powers off).

        Raises:
            ConsoleError: it does not.
        """
        self.console.wait_closed(timeout)
        self.process.wait(timeout=_STOP_SECONDS)

    def close(self) -> None:
        """Ends the machine at once, as pulling its plug would."""
        if self.process.poll() is None:
            with contextlib.suppress(ConsoleError):
                self.control("quit")
            try:
                self.process.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._replies.close()
        self._control.close()
        self.console.close()
        self._files.close()


class VirtualMachine(Emulator):
    """A running machine; leaving the `with` block ends it.

    Args:
        machine: what it is made of.
        tool: the unpacked tool folder (QEMU, firmware).
        scratch: a folder for its files: firmware variables, overlays.
        log: where the console's output goes as well; None: nowhere.

    Raises:
        UserError: QEMU cannot be started.
    """

    def __init__(self, machine: Machine, tool: Path | str, scratch: Path | str, log: Path | None = None) -> None:
        tool, scratch = Path(tool).absolute(), Path(scratch).absolute()
        variables = None
        if machine.kernel is None:
            kept = machine.variables is not None and machine.variables.exists()
            variables = machine.variables or scratch / "firmware-variables.fd"
            if not kept:
                shutil.copyfile(tool / FIRMWARE_VARIABLES, variables)
        words = [*arguments(machine, tool, variables), "-serial", "chardev:console"]
        super().__init__(words, tool, scratch, log, machine.descriptors)
        if machine.state is None:
            return
        try:
            self.control("migrate-incoming", uri=f"file:{machine.state.absolute()}")
            self._wait_migrated()
            self.control("cont")
        except BaseException:
            self.close()
            raise
