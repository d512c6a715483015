"""The configuration, as it was checked, into HostOS's config volume."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from setupos.disk_step import GROUP
from setupos.failure import Failure
from setupos.machine import Machine
from setupos.settings import OPERATOR_KEY, STAGE

_TARGET: Final = "/run/setupos/config"
_DEVICE: Final = f"/dev/{GROUP}/config"
_HINT: Final = "restart the machine to try again, or replace its first disk"


def hand_over(machine: Machine) -> None:
    """Copies what is staged, and reads it back from the disk.

    Raises:
        Failure: the volume does not take it, or gives something else back.
    """
    stage = machine.path(STAGE)
    names = sorted(str(path.relative_to(stage)) for path in stage.rglob("*") if path.is_file())
    with _mounted(machine, "rw") as target, _refused("written to"):
        for name in names:
            _write(target / name, (stage / name).read_bytes(), 0o600 if name == OPERATOR_KEY else 0o644)
        for folder in sorted({target, *((target / name).parent for name in names)}):
            _sync(folder)
    with _mounted(machine, "ro") as target, _refused("read back from"):
        for name in names:
            if (target / name).read_bytes() != (stage / name).read_bytes():
                raise Failure(f"{_DEVICE} gives back another {name} than was written to it; {_HINT}")


@contextmanager
def _refused(done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(f"the configuration cannot be {done} {_DEVICE} ({error.strerror}); {_HINT}") from error


@contextmanager
def _mounted(machine: Machine, mode: str) -> Iterator[Path]:
    target = machine.path(_TARGET)
    target.mkdir(parents=True, exist_ok=True)
    options = f"{mode},nodev,nosuid,noexec"
    machine.must(f"{_DEVICE} cannot be mounted", _HINT, "mount", "-t", "ext4", "-o", options, _DEVICE, target)
    try:
        yield target
    except BaseException:
        machine.run("umount", target)  # What went wrong first is what is said.
        raise
    machine.must(f"{_DEVICE} cannot be unmounted", _HINT, "umount", target)


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(mode=0o755, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
