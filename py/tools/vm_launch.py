"""Boots a disk image in QEMU, with its console in this terminal; changes to the disk are thrown away."""

import os
import re
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from absl import flags

from sysimage.errors import UserError
from sysimage.vm import disks
from sysimage.vm.interactive import launch
from sysimage.vm.qemu import Disk, Machine, kvm_usable
from tools.main import refuse_arguments, run

_TOOL = flags.DEFINE_string("tool", None, "Folder with unpacked QEMU and firmware.", required=True)
_IMAGE = flags.DEFINE_string("image", None, "disk-img.tar.zst, or a raw disk image.", required=True)
_KEEP = flags.DEFINE_string("keep", None, "Raw disk that keeps its changes; made from the image if it is not there.")
_SIZE = flags.DEFINE_integer("disk_gib", 50, "Size of the disk in GiB; the image is made as large with a hole.")
_USB = flags.DEFINE_boolean("usb", False, "The disk is a removable USB stick, as for an installer.")
_EMPTY_NVME = flags.DEFINE_integer(
    "empty_nvme_gib", 0, "Size in GiB of an empty NVMe disk beside it, for an installer to fill; 0: none."
)
_MEDIUM = flags.DEFINE_multi_string("medium", [], "Raw image to plug in as a removable USB stick. May be repeated.")
_DEFAULT_MEDIUM = flags.DEFINE_string(
    "default_medium", "", "The one to plug in where no --medium is given; empty: none."
)
_MEMORY = flags.DEFINE_integer("memory", 2048, "Memory in MiB.")
_CPUS = flags.DEFINE_integer("cpus", 2, "Processors.")
_SSH_PORT = flags.DEFINE_integer("ssh_port", 2222, "Port of this machine that leads to ssh of the guest; 0: none.")
_FORWARD = flags.DEFINE_multi_string(
    "forward",
    [],
    "HOST:GUEST: a TCP port of this machine that leads to one of the guest. The last one for a port of the guest "
    "counts; HOST 0: none leads there.",
)

_SUFFIX = ".tar.zst"
_GIB = 1 << 30
_SSH = 22
_LOCAL = "127.0.0.1"


def unpack_to(image: Path, kept: Path, size: int) -> Path:
    """Makes the disk that keeps its changes. It takes its name when it is complete; its holes stay holes.

    Raises:
        UserError: the image is none, or the disk cannot be written where it is to be.
    """
    try:
        # Beside its place: from another file system it could only be copied there, byte by byte, and hole by hole.
        with tempfile.TemporaryDirectory(prefix=f"{kept.name}.", suffix=".partial", dir=kept.parent) as folder:
            os.replace(disks.unpack(image, folder, size=size), kept)
    except OSError as error:
        raise UserError(f"cannot write {kept}: {error.strerror}", hint="name another file with --keep") from error
    return kept


def provide_disk(scratch: Path) -> Disk:
    """The disk that the flags describe.

    Raises:
        UserError: the image is missing or is none.
    """
    size = _SIZE.value * _GIB
    image = Path(_IMAGE.value)
    if _KEEP.value and Path(_KEEP.value).exists():
        return Disk(Path(_KEEP.value).absolute(), writable=True)
    if not image.is_file():
        raise UserError(f"there is no image {image}")
    if not image.name.endswith(_SUFFIX):
        return Disk(image.absolute())
    if _KEEP.value:
        return Disk(unpack_to(image, Path(_KEEP.value).absolute(), size), writable=True)
    return Disk(disks.unpack(image, scratch, size=size))


def provide_media(paths: Sequence[str]) -> list[Disk]:
    """Removable media; what the guest writes to them is thrown away.

    Raises:
        UserError: one is not there.
    """
    for path in paths:
        if not Path(path).is_file():
            raise UserError(f"there is no medium {path}", hint="name a raw image by its whole path")
    return [Disk(Path(path).absolute(), removable=True) for path in paths]


def provide_empty(scratch: Path, gib: int) -> list[Disk]:
    """An empty NVMe disk, if it is to have a size. It costs what is written to it, and is thrown away at the end.

    Raises:
        UserError: the size is none.
    """
    if gib < 0:
        raise UserError(f"--empty_nvme_gib={gib} is less than nothing", hint="0: no such disk")
    if not gib:
        return []
    path = scratch / "empty.img"
    with open(path, "wb") as file:
        file.truncate(gib * _GIB)
    return [Disk(path, nvme=True)]


def provide_ports(ssh_port: int, rules: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of ports, this machine's and the guest's.

    Raises:
        UserError: a rule is malformed, or a port of this machine is not to be had.
    """
    hosts = {_SSH: ssh_port}
    for rule in rules:
        if re.fullmatch(r"[0-9]{1,5}:[0-9]{1,5}", rule) is None:
            raise UserError(f"--forward={rule} is not of the form HOST:GUEST, two port numbers")
        host, guest = map(int, rule.split(":"))
        hosts[guest] = host
    for guest, host in hosts.items():
        if not 0 < guest < 1 << 16 or not 0 <= host < 1 << 16:
            raise UserError(f"--forward={host}:{guest} has a port beyond 65535, or leads to port 0")
        try:
            socket.create_server((_LOCAL, host)).close()
        except OSError as error:
            mend = "--ssh_port" if guest == _SSH else "--forward"
            other = f"{mend}={host + 1}" + ("" if guest == _SSH else f":{guest}")
            why = os.strerror(error.errno or 0)
            raise UserError(f"port {host} of this machine: {why}", hint=f"another one: {other}") from error
    return [(host, guest) for guest, host in hosts.items() if host]


def main(argv: Sequence[str]) -> int:
    """Runs the machine until it, or the user, ends it."""
    refuse_arguments(argv)
    forward = provide_ports(_SSH_PORT.value, _FORWARD.value)
    with tempfile.TemporaryDirectory(prefix="launch-") as scratch:
        default = [_DEFAULT_MEDIUM.value] if _DEFAULT_MEDIUM.value else []
        media = provide_media(_MEDIUM.value or default)
        disk = replace(provide_disk(Path(scratch)), removable=_USB.value)
        empty = provide_empty(Path(scratch), _EMPTY_NVME.value)
        machine = Machine([disk, *empty, *media], memory=_MEMORY.value, cpus=_CPUS.value, forward=forward, restart=True)
        print(f"Starting with {'KVM' if kvm_usable() else 'software emulation (no usable KVM)'}.")
        print("Ctrl-A X ends the machine, Ctrl-A H lists more keys." + ("" if disk.writable else " Changes are lost."))
        for host, guest in forward:
            print(f"localhost:{host} is port {guest} of the guest{' (ssh)' if guest == _SSH else ''}.")
        if empty:
            print(f"There is an empty NVMe disk of {_EMPTY_NVME.value} GiB, which is lost at the end.")
        for medium in media:
            print(f"{medium.path.name} is plugged in.")
        return launch(machine, _TOOL.value, scratch)


if __name__ == "__main__":
    run(main)
