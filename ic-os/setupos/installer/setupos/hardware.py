"""Whether the machine is one of those that nodes are made of: processors, memory, disks."""

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from setupos.disks import Disk
from setupos.display import gibibytes, terabytes
from setupos.failure import Failure
from setupos.generations import GENERATIONS, MEMORY, SOCKETS, Generation
from setupos.machine import Machine
from setupos.settings import Settings

_DMI: Final = "/sys/firmware/dmi/tables/DMI"
_GIB: Final = 1 << 30
_RESERVE: Final = 1  # GiB that HostOS keeps for itself (generate-guestos-config.sh)


@dataclass(frozen=True, slots=True)
class Processors:
    """What /proc/cpuinfo says: the model name of each socket, flags that all threads have, number of threads."""

    models: Sequence[str]
    flags: frozenset[str]
    threads: int


def read_processors(machine: Machine) -> Processors:
    """What the machine has."""
    blocks = [_fields(block) for block in machine.read("/proc/cpuinfo").split("\n\n") if block.strip()]
    sockets = {block.get("physical id", "0"): block.get("model name", "an unnamed one") for block in blocks}
    flags = [frozenset(block.get("flags", "").split()) for block in blocks]
    common = frozenset.intersection(*flags) if flags else frozenset()
    return Processors([sockets[socket] for socket in sorted(sockets)], common, len(blocks))


def _fields(block: str) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def find_generation(processors: Processors) -> Generation | None:
    """That of the processors, by their names; None: no such machine."""
    for generation in GENERATIONS:
        if processors.models and all(re.match(generation.processor, model) for model in processors.models):
            return generation
    return None


def check_processors(machine: Machine) -> Generation:
    """The generation of the machine.

    Raises:
        Failure: it is none, or the firmware keeps something from it.
    """
    found = read_processors(machine)
    generation = find_generation(found)
    if generation is None:
        seen = " and ".join(sorted(set(found.models))) or "unknown ones"
        wanted = " or ".join(each.processor_name for each in GENERATIONS)
        raise Failure(f"the processors are {seen}, but a node has {wanted}; use another machine")
    if len(found.models) != SOCKETS:
        raise Failure(
            f"the machine has {len(found.models)} processor(s), but a node of {generation.name} has {SOCKETS}; "
            f"look whether the other one is there and seen by the firmware"
        )
    if generation.flag not in found.flags:
        raise Failure(
            f"the processors do not show {generation.flag}; turn on {generation.flag_setting} in the firmware's "
            f"settings"
        )
    if found.threads < generation.threads or (generation.exact and found.threads != generation.threads):
        wanted = f"{'' if generation.exact else 'at least '}{generation.threads}"
        raise Failure(
            f"the processors have {found.threads} threads, but a node of {generation.name} has {wanted}; "
            f"turn on all cores and SMT in the firmware's settings"
        )
    return generation


def installed_memory(machine: Machine) -> int:
    """Bytes of all modules, as the firmware lists them (SMBIOS 3.6, 7.18, "Memory Device"); 0: it does not.

    Not MemTotal, which lacks what the kernel and the firmware take for themselves (some 10 of 512 GiB, more under
    SEV-SNP), and not the kernel's memory blocks, which lack what the firmware reserves whole blocks of: both would
    refuse a good machine.
    """
    try:
        table = machine.path(_DMI).read_bytes()
    except OSError:
        return 0
    total = position = 0
    while position + 4 <= len(table):
        kind, length = table[position], table[position + 1]
        body = table[position : position + length]
        if length < 4 or len(body) < length:
            break
        if kind == 17 and length >= 14:
            (size,) = struct.unpack_from("<H", body, 12)
            if size == 0x7FFF and length >= 32:
                total += (struct.unpack_from("<I", body, 28)[0] & 0x7FFFFFFF) << 20
            elif size != 0xFFFF:  # unknown
                total += (size & 0x7FFF) << (10 if size & 0x8000 else 20)
        # Behind each structure its texts, and two zero bytes.
        end = table.find(b"\0\0", position + length)
        if end < 0:
            break
        position = end + 2
    return total


def check_memory(machine: Machine, settings: Settings) -> int:
    """How much memory is installed, in bytes.

    Raises:
        Failure: it is too little for a node, or what is usable of it is for the guest that is configured.
    """
    installed = installed_memory(machine)
    if installed <= MEMORY:
        seen = (
            f"the firmware lists {gibibytes(installed)} of memory"
            if installed
            else "the firmware lists no memory modules"
        )
        raise Failure(f"{seen}, but a node has more than {gibibytes(MEMORY)}; look at its modules")
    match = re.search(r"^MemTotal: *(\d+) kB$", machine.read("/proc/meminfo"), re.MULTILINE)
    usable = int(match[1]) << 10 if match else 0
    if usable < (settings.memory + _RESERVE) * _GIB:
        raise Failure(
            f"{gibibytes(installed)} of memory are installed, but only {gibibytes(usable)} can be used, and the "
            f"guest and HostOS "
            f"need {settings.memory + _RESERVE} GiB; look at the modules, or change resources.memory in deployment.json"
        )
    return installed


def check_disks(disks: Sequence[Disk], generation: Generation | None) -> None:
    """Whether the disks are those of a generation.

    Raises:
        Failure: they are not.
    """
    if generation is None:
        raise Failure(
            "which disks a node has depends on its processors, which are none of a node's; skip the check disks as well"
        )
    for disk in disks:
        if disk.size <= generation.disk:
            raise Failure(
                f"the disk {disk} has {terabytes(disk.size)}, but each of a node of {generation.name} has more than "
                f"{terabytes(generation.disk)}; replace it"
            )
    total = sum(disk.size for disk in disks)
    if total <= generation.disks:
        raise Failure(
            f"the {len(disks)} NVMe disks have {terabytes(total)} together, but a node of {generation.name} has "
            f"more than "
            f"{terabytes(generation.disks)}; add disks, or look whether all are seen"
        )
