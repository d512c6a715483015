"""systemd's unit files: what they mention. Source: systemd.syntax(7), systemd.unit(5), systemd.exec(5)."""

import re
import shlex
from collections.abc import Iterator

from sysimage import unit_file
from sysimage.properties.system import System
from sysimage.tree import basename, join
from sysimage.unit_file import Setting

FOLDERS = ("etc/systemd/system", "usr/lib/systemd/system")
_SUFFIXES = (".service", ".socket", ".target", ".timer", ".mount", ".automount", ".path", ".swap", ".slice")
# What may stand before the program of ExecStart= and its like; "-" among them: it may fail, so it may be missing.
_PREFIXES = "-@:+!|"


def unit_files(system: System) -> list[str]:
    """Paths of all unit files and drop-ins; a file of the same name in /etc hides the package's, links are left out."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        if not system.tree.is_directory(folder):
            continue
        for path, node in system.tree.walk(folder):
            name = path[len(folder) + 1 :]
            dropped = name.count("/") == 1 and name.partition("/")[0].endswith(".d") and name.endswith(".conf")
            if (dropped or ("/" not in name and name.endswith(_SUFFIXES))) and node.target != "/dev/null":
                if node.content is not None:
                    found.setdefault(name, path)
            elif node.target == "/dev/null":
                found.setdefault(name, "")
    return sorted(path for path in found.values() if path)


def find_unit(system: System, name: str) -> bool:
    """Whether there is a unit, a template of it, or a mask in its place."""
    prefix, at, rest = name.partition("@")
    names = [name, f"{prefix}@.{rest.rpartition('.')[2]}"] if at else [name]
    return any(join(folder, each) in system.tree for folder in FOLDERS for each in names)


def settings(system: System, path: str) -> Iterator[Setting]:
    """The settings of a unit file."""
    return unit_file.settings(system.text(path))


def program(command: str) -> tuple[str, bool]:
    """The program of a command line such as ExecStart= has, and whether it may be missing."""
    optional = False
    while command and command[0] in _PREFIXES:
        optional = optional or command[0] == "-"
        command = command[1:]
    return words(command)[0] if command.strip() else "", optional


def words(value: str) -> list[str]:
    """A value's words; one with quotes that do not close is split at blanks."""
    try:
        return shlex.split(value) or [""]
    except ValueError:
        return value.split() or [""]


def has_specifier(text: str) -> bool:
    """Whether the manager fills something in (%i) or takes it from the environment (${x})."""
    return bool(re.search(r"%[^%]|\$", text))


def name(path: str) -> str:
    """Which unit a file is of: its own name, or the one that a drop-in's folder has."""
    folder = path.rpartition("/")[0]
    return basename(folder).removesuffix(".d") if folder.endswith(".d") else basename(path)
