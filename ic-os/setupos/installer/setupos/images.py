"""The images on the stick: whether they are what they were when they were built, and fit where they go."""

import re
from dataclasses import dataclass
from typing import Final

from setupos.archive import Image, read_head
from setupos.disks import Disk
from setupos.display import Display, gibibytes
from setupos.failure import Failure
from setupos.machine import Machine
from setupos.transfer import hash_file

_DIGEST: Final = re.compile(r"([0-9a-f]{64})(?:[ \n].*)?", re.DOTALL)
_ANEW: Final = "write the stick anew"
# guestos in the image of HostOS, before it grows (ic-os/hostos/volumes.json).
GUEST_VOLUME: Final = 12800 * (4 << 20)


@dataclass(frozen=True, slots=True)
class Child:
    """A system that is installed. step: whose it is."""

    title: str
    step: str

    @property
    def archive(self) -> str:
        """Its image on the stick."""
        return f"/data/{self.step.removesuffix('os')}-os.img.tar.zst"


HOSTOS: Final = Child("HostOS", "hostos")
GUESTOS: Final = Child("GuestOS", "guestos")


def check(machine: Machine, display: Display, child: Child) -> Image:
    """Reads all of an image's archive, and what it says of the disk.

    Raises:
        Failure: it is missing, damaged, or no such image.
    """
    path = machine.path(child.archive)
    sum_file = f"{child.archive}.sha256"
    if not path.is_file():
        raise Failure(f"the image of {child.title} is not on the stick ({child.archive}); {_ANEW}", child.step)
    wanted = _DIGEST.fullmatch(machine.read(sum_file))
    if wanted is None:
        raise Failure(f"there is no checksum of the image of {child.title} ({sum_file}); {_ANEW}", child.step)
    progress = display.progress(f"checking {child.title}", path.stat().st_size)
    try:
        digest = hash_file(path, progress.advance)
    except OSError as error:
        raise Failure(
            f"the stick cannot be read ({child.archive}: {error.strerror}); use another", child.step
        ) from error
    if digest != wanted[1]:
        raise Failure(
            f"the image of {child.title} is damaged ({child.archive} has another sha256); {_ANEW}", child.step
        )
    try:
        with machine.unpacked(child.archive) as stream:
            return read_head(stream, child.archive)
    except Failure as failure:
        raise Failure(str(failure), child.step) from failure


def check_room(host: Image, guest: Image, disk: Disk) -> None:
    """Whether both fit.

    Raises:
        Failure: one does not.
    """
    if disk.size < host.size:
        raise Failure(
            f"HostOS needs {gibibytes(host.size)}, but the disk {disk} has {gibibytes(disk.size)}; put a larger "
            f"one in its place",
            HOSTOS.step,
        )
    if guest.size > GUEST_VOLUME:
        raise Failure(
            f"the image of GuestOS is larger than its volume of {gibibytes(GUEST_VOLUME)}; {_ANEW}", GUESTOS.step
        )
