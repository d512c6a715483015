"""Every path, account and unit that something on a system mentions must exist on it.

Looked at are unit files with their drop-ins, fstab, sudoers, udev rules, symbolic links, the first line of scripts,
and the scripts that no package brought (see `scripts`). What is made at run time stands in the reviewed list, except
what is in /dev, /proc, /run and /sys.
"""

import re
from collections.abc import Iterator

from sysimage.errors import UserError
from sysimage.properties import scripts, units
from sysimage.properties.findings import Finding
from sysimage.properties.missing import made_at_run_time, missing
from sysimage.properties.system import System, shown
from sysimage.tree import NodeType, basename

CHECKS = ("missing-path", "missing-unit", "missing-account", "missing-command", "not-executable", "dangling-link")
_EXEC = re.compile(r"Exec(Condition|StartPre|Start|StartPost|Reload|Stop|StopPre|StopPost)")
_PATHS = (
    *("WorkingDirectory", "RootDirectory", "EnvironmentFile", "ReadWritePaths", "ReadOnlyPaths", "BindPaths"),
    *("BindReadOnlyPaths", "RequiresMountsFor", "InaccessiblePaths", "LoadCredential", "ExecPaths"),
)
_CONDITION = re.compile(r"(Condition|Assert)(Path|File|Directory)\w+")
_ACCOUNTS = {
    "User": "users",
    "Group": "groups",
    "SupplementaryGroups": "groups",
    "SocketUser": "users",
    "SocketGroup": "groups",
}
_NEEDED = ("Requires", "BindsTo", "Requisite", "Also", "Unit", "Sockets", "Service")
_UDEV_RUN = re.compile(r'(?:RUN|PROGRAM|IMPORT)\s*(?:\{(\w+)\})?\s*[-+:]?==?\s*"([^"]*)"')
_UDEV_OWNER = re.compile(r'\b(OWNER|GROUP)\s*[:+]?=\s*"([^"$%]*)"')
_UDEV_FOLDERS = ("etc/udev/rules.d", "usr/lib/udev/rules.d")
_FSTAB_UNITS = ("x-systemd.requires", "x-systemd.after", "x-systemd.before", "x-systemd.wanted-by")
_EXECUTABLE = 0o111
_FIRST_LINE_MAX = 256  # as the kernel's BINPRM_BUF_SIZE


def references(system: System) -> list[Finding]:
    """All that is mentioned and missing."""
    found: list[Finding] = []
    for path in units.unit_files(system):
        found += _unit(system, path)
    found += [*_udev(system), *_fstab(system), *_sudoers(system), *links(system)]
    for path, node in system.tree.walk():
        if node.type is NodeType.FILE and node.mode & _EXECUTABLE:
            found += _interpreter(system, path)
    for path in own_scripts(system):
        found += scripts.mentioned(system, path)
    return found


def own_scripts(system: System) -> list[str]:
    """Shell scripts that no package determines."""
    return [
        path for path in sorted(system.foreign) if scripts.is_shell(system.head(system.tree[path], _FIRST_LINE_MAX))
    ]


def program(system: System, path: str, where: str) -> Iterator[Finding]:
    """The finding for a program that is missing or that nobody may execute."""
    node = system.find(path.strip("/"))
    if node is None or made_at_run_time(path):
        yield from missing(system, path, where)
    elif node.type is not NodeType.FILE or not node.mode & _EXECUTABLE:
        yield Finding("not-executable", path, f"is run by {where}, and has mode {node.mode:04o} ({node.type.value})")


def _unit(system: System, path: str) -> Iterator[Finding]:
    settings = [*units.settings(system, path)]
    dynamic = any(each.key == "DynamicUser" and each.value in ("yes", "true", "1") for each in settings)
    packaged = path not in system.foreign
    for each in settings:
        where = f"/{path}:{each.line} ({each.key}=)"
        if _EXEC.fullmatch(each.key) and each.value:
            word, optional = units.program(each.value)
            if not optional and word.startswith("/") and not units.has_specifier(word):
                yield from program(system, word, where)
            elif (
                not optional
                and word
                and not word.startswith(("/", "$", "%"))
                and not scripts.find_command(system, word)
            ):
                yield Finding("missing-command", f"/{path}", f"line {each.line} runs {word!r}, which is on no path")
        elif each.key in _PATHS or (_CONDITION.fullmatch(each.key) and not packaged):
            for word in units.words(each.value):
                bare = word.lstrip("+!|").partition(":")[0]
                if bare.startswith("/") and not units.has_specifier(bare) and not set("*?") & set(bare):
                    yield from missing(system, bare, where)
        elif each.key in _ACCOUNTS and not dynamic:
            known = getattr(system, _ACCOUNTS[each.key])
            for word in each.value.split():
                if word not in known and not word.isdigit() and not units.has_specifier(word):
                    yield Finding(
                        "missing-account",
                        f"/{path}",
                        f"line {each.line} ({each.key}=) names {word!r}, which no account has",
                    )
        elif each.key in _NEEDED:
            for word in each.value.split():
                if (
                    not units.has_specifier(word)
                    and not _comes_with_the_machine(word)
                    and not units.find_unit(system, word)
                ):
                    yield Finding(
                        "missing-unit", f"/{path}", f"line {each.line} ({each.key}=) needs {word}, which does not exist"
                    )


def _comes_with_the_machine(unit: str) -> bool:
    """Devices and mounts come from udev, fstab and generators; systemd has root slices and scopes of its own."""
    return unit.endswith((".device", ".mount", ".swap", ".scope")) or unit in ("-.slice", "system.slice", "user.slice")


def _udev(system: System) -> Iterator[Finding]:
    for path in system.files(*_UDEV_FOLDERS, suffix=".rules"):
        for number, line in system.lines(path):
            where = f"/{path}:{number}"
            for kind, command in _UDEV_RUN.findall(line):
                word = units.words(command)[0]
                if kind in ("builtin", "file", "db", "cmdline", "parent") or not word or units.has_specifier(word):
                    continue
                # What has no slash lies in udev's own folder.
                yield from program(system, word if word.startswith("/") else f"/usr/lib/udev/{word}", where)
            for kind, name in _UDEV_OWNER.findall(line):
                known = system.users if kind == "OWNER" else system.groups
                if name and name not in known and not name.isdigit():
                    yield Finding("missing-account", f"/{path}", f"line {number} names {name!r}, which no account has")


def _fstab(system: System) -> Iterator[Finding]:
    for number, line in system.lines("etc/fstab"):
        columns = line.split()
        where = f"/etc/fstab:{number}"
        if len(columns) < 3:
            yield Finding("missing-path", "/etc/fstab", f"line {number} has {len(columns)} fields, not the 3 at least")
            continue
        if columns[1].startswith("/"):
            yield from missing(system, columns[1], where)
        for option in columns[3].split(",") if len(columns) > 3 else ():
            key, _, unit = option.partition("=")
            if key not in _FSTAB_UNITS or unit.startswith("/") or _comes_with_the_machine(unit):
                continue
            if not units.find_unit(system, unit):
                yield Finding(
                    "missing-unit", "/etc/fstab", f"line {number} ({key}=) needs {unit}, which does not exist"
                )


def _sudoers(system: System) -> Iterator[Finding]:
    for path in ("etc/sudoers", *system.files("etc/sudoers.d")):
        for number, line in system.lines(path):
            if line.startswith(("Defaults", "@include", "#include")) or "_Alias" in line:
                continue
            who, _, rest = " ".join(line.split()).partition(" ")
            known = system.groups if who.startswith("%") else system.users
            if who.lstrip("%") not in known and who != "ALL":
                yield Finding("missing-account", f"/{path}", f"line {number} is for {who!r}, which no account has")
            for word in re.findall(r"(?<![\w.])/[\w./-]+", rest):
                yield from program(system, word, f"/{path}:{number}")


def links(system: System) -> Iterator[Finding]:
    """Symbolic links that lead nowhere."""
    for path, node in system.tree.walk():
        if node.type is not NodeType.SYMLINK or node.target == "/dev/null":
            continue
        try:
            place = system.tree.resolve(path)
            leads = place in system.tree or made_at_run_time(place)
        except UserError:
            leads = False
        if not leads:
            yield Finding("dangling-link", f"/{path}", f"is a link to {shown(node.target)}, which does not exist")


def _interpreter(system: System, path: str) -> Iterator[Finding]:
    node = system.tree[path]
    head = system.head(node, _FIRST_LINE_MAX)
    if not head.startswith(b"#!"):
        return
    line = head[2:].split(b"\n", 1)[0].decode("utf-8", "backslashreplace").split()
    if not line:
        return
    yield from program(system, line[0], f"the first line of /{path}")
    if basename(line[0]) == "env":
        names = [word for word in line[1:] if not word.startswith("-") and "=" not in word]
        if names and not scripts.find_command(system, names[0]):
            yield Finding("missing-command", f"/{path}", f"its first line runs {names[0]!r}, which is on no path")
