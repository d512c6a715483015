"""The guest's QEMU as the host started it, made one that runs beside the host's machine.

Every option of the host's command line is in one of three tables, which say what becomes of it: taken over to the
letter, left out, or given other values. An option in none of them is an error, and so is an entry without an option.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sysimage.vm.qemu import DATA_FOLDERS

# What makes the guest's machine what it is.
KEPT: Final = frozenset(
    {
        "-name",
        "-S",  # libvirt lets it go by `cont`, and so does who starts it here
        "-blockdev libvirt-pflash0-format",
        "-machine",
        "-accel",
        "-cpu",
        "-m",
        "-object pc.ram",
        "-overcommit",
        "-smp",
        "-uuid",
        "-display",
        "-no-user-config",
        "-nodefaults",
        "-rtc",
        "-no-shutdown",
        "-boot",
        "-device pci.1",
        "-device pci.2",
        "-device pci.3",
        "-device pci.4",
        "-device pci.5",
        "-device pci.6",
        "-device usb",
        "-device virtio-disk0",
        "-device usb-disk0",
        "-audiodev audio1",
        "-global",
        "-watchdog-action",
        "-object objrng0",
        "-device rng0",
        "-sandbox",
        "-msg",
    }
)
LEFT_OUT: Final = frozenset(
    {
        # The key with which libvirt encrypts secrets that it hands to QEMU; there are none.
        "-object masterKey0",
        # libvirt's own connection. The test has one, which the emulator is given in any case.
        "-chardev charmonitor",
        "-mon monitor",
        # A terminal, and the log that virtlogd keeps of it. The test's console does both.
        "-add-fd",
        "-chardev charserial0",
        # Its other end is the kernel of whoever runs QEMU, here a test's machine, where /dev/vhost-vsock need not be.
        # The slot that it would be in stays empty.
        "-device vsock0",
    }
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the guest's machine has outside of the host.

    tool: the unpacked folder with QEMU. firmware, card_rom: out of the host's root. variables, medium: out of the
    host's /run. disk: the host's; offset, size: where the guest's volume lies on it, in bytes. cable: a datagram
    socket, whose messages are frames, to a port of the host's bridge.
    """

    tool: Path
    firmware: Path
    card_rom: Path
    variables: Path
    medium: Path
    disk: Path
    offset: int
    size: int
    cable: int

    def changes(self) -> Mapping[str, Mapping[str, Any]]:
        """The properties that have other values than on the host, by option; None: the property is not there."""
        return {
            # The same files, elsewhere.
            "-blockdev libvirt-pflash0-storage": {"filename": str(self.firmware)},
            "-blockdev libvirt-pflash1-storage": {"filename": str(self.variables)},
            "-blockdev libvirt-1-storage": {"filename": str(self.medium)},
            # The volume is a region of the disk that the host's QEMU has open as well, so what both see is this
            # machine's page cache, and neither keeps the other off. Nothing here must outlive a power cut.
            "-blockdev libvirt-2-storage": {
                "driver": "raw",
                "filename": None,
                "aio": None,
                "offset": self.offset,
                "size": self.size,
                "cache": {"direct": False, "no-flush": True},
                "file": {"driver": "file", "filename": str(self.disk), "discard": "unmap", "locking": "off"},
            },
            # Where the host has a tap in its bridge, its machine has a card there, with this cable between the two.
            "-netdev hostnet0": {"type": "dgram", "fd": None, "local": {"type": "fd", "str": str(self.cable)}},
            # QEMU finds it by itself where it is installed.
            "-device net0": {"romfile": str(self.card_rom)},
            "-device serial0": {"chardev": "console"},
        }


@dataclass(frozen=True, slots=True)
class Option:
    """An option of QEMU's command line; value: empty where it has none."""

    name: str
    value: str = ""

    @property
    def properties(self) -> Mapping[str, Any]:
        """Those of a value in JSON, or else of one in QEMU's own notation, as far as it is KEY=VALUE."""
        if self.value.startswith("{"):
            found: Mapping[str, Any] = json.loads(self.value)
            return found
        return dict(part.split("=", 1) for part in self.value.split(",") if "=" in part)

    @property
    def key(self) -> str:
        """Its name, and which it is where there can be several."""
        found = self.properties
        identity = found.get("id", found.get("node-name", ""))
        return f"{self.name} {identity}".strip()

    def changed(self, changes: Mapping[str, Any]) -> "Option":
        """The option with other values; None takes a property away."""
        merged = {**self.properties, **changes}
        kept = {name: value for name, value in merged.items() if value is not None}
        return Option(self.name, json.dumps(kept, separators=(",", ":")))

    def words(self) -> list[str]:
        """As QEMU takes it."""
        return [self.name, self.value] if self.value else [self.name]


def parse(words: Iterable[str]) -> Iterator[Option]:
    """The options of a command line without its program.

    Raises:
        ValueError: a value without an option.
    """
    name = ""
    for word in words:
        if word.startswith("-"):
            if name:
                yield Option(name)
            name = word
        elif name:
            yield Option(name, word)
            name = ""
        else:
            raise ValueError(f"{word!r} is the value of no option")
    if name:
        yield Option(name)


def translate(words: Sequence[str], parts: Parts) -> list[str]:
    """The arguments of a QEMU that runs the guest beside the host's machine.

    Args:
        words: the command line on the host.
        parts: what it is given instead of the host's own.

    Raises:
        ValueError: it has an option that no table names, or lacks one that a table names.
    """
    changes = parts.changes()
    options = list(parse(words[1:]))
    found, named = {option.key for option in options}, KEPT | LEFT_OUT | changes.keys()
    if found != named:
        unknown, missing = sorted(found - named), sorted(named - found)
        raise ValueError(f"options that no table names: {unknown}; options that are named and not there: {missing}")
    # The emulator is not installed either.
    out = [word for folder in DATA_FOLDERS for word in ("-L", str(parts.tool / folder))]
    for option in options:
        if option.key in changes:
            out += option.changed(changes[option.key]).words()
        elif option.key in KEPT:
            out += option.words()
    return out
