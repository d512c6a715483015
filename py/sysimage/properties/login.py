"""Ways in: everything by which somebody at a console, or with ssh and a password, gets a session.

A system without any is promised by `login = "none"`; `login = "console"` promises one: root, with a known password, on
the consoles of the kernel command line. What an administrator does with a key of his own is another matter.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from sysimage.errors import UserError
from sysimage.properties import units
from sysimage.properties.findings import Finding
from sysimage.properties.system import System
from sysimage.tree import basename, join

MODES = ("none", "console")
CHECKS = ("login-password", "login-getty", "login-ssh", "login-shell", "login-boot", "login-keyboard", "login-host")
# With a console to log in on, these say nothing new.
_OPEN_WITH_CONSOLE = ("login-getty", "login-ssh", "login-keyboard", "login-host")
_GETTY = re.compile(
    r"(?:serial-getty@|getty@|autovt@|container-getty@)[^/]*\.service|console-getty\.service|getty-static\.service"
)
_DEPENDENCIES = (".wants", ".requires", ".upholds")
_GENERATORS = ("etc/systemd/system-generators", "usr/lib/systemd/system-generators")
_RESCUE = ("emergency.service", "rescue.service")
_SULOGIN = "systemd-sulogin-shell"
_FORCE = "SYSTEMD_SULOGIN_FORCE"
# Words of the kernel command line that end in a shell, whoever asks.
_ARGUMENTS = re.compile(
    r"(?:systemd\.debug[-_]shell|rd\.systemd\.debug[-_]shell|rd\.shell|rd\.break|init|rdinit|systemd\.unit|systemd\.run"
    r"|systemd\.wants|sysrq_always_enabled)(?:=.*)?|single|emergency|rescue|1|s|S"
)
_NO_CREDENTIALS = ("systemd.import_credentials=no", "systemd.import_credentials=0", "systemd.import_credentials=false")
_SSH = {
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitrootlogin": "no",
    "permitemptypasswords": "no",
    "hostbasedauthentication": "no",
    "gssapiauthentication": "no",
    "kerberosauthentication": "no",
    "authorizedkeyscommand": "none",
    "trustedusercakeys": "none",
}
_PAM = re.compile(
    r"auth\s+(?:sufficient|\[[^]]*success=(?:done|end)[^]]*\])\s+"
    r"(pam_(?:permit|succeed_if|exec|debug)\.so|pam_wheel\.so.*\btrust\b)"
)


def ways_in(system: System, command_lines: Sequence[str], ssh: Mapping[str, str]) -> list[Finding]:
    """All ways in.

    Args:
        system: the root filesystem.
        command_lines: of the kernel, one a slot.
        ssh: the ssh server's effective settings, as `sshd -G` prints them; empty without a server.
    """
    found = [*_passwords(system), *_gettys(system), *_shells(system), *_pam(system), *_keyboard(system)]
    for key, safe in _SSH.items():
        if ssh.get(key, safe) != safe:
            found.append(Finding("login-ssh", "/etc/ssh/sshd_config", f"the server has {key} {ssh[key]}, not {safe}"))
    for line in command_lines:
        for word in line.split():
            if _ARGUMENTS.fullmatch(word) or _FORCE in word:
                found.append(Finding("login-boot", "/proc/cmdline", f"the kernel command line has {word!r}"))
        if not any(word in _NO_CREDENTIALS for word in line.split()):
            message = (
                "the machine's host may hand in units, keys and passwords (systemd.import_credentials=no forbids it)"
            )
            found.append(Finding("login-host", "/proc/cmdline", message))
    return found


def refused(mode: str, found: Sequence[Finding], system: System) -> list[Finding]:
    """Of the ways in, those that a mode of `MODES` does not allow."""
    if mode == "none":
        return [*found]
    shadow = system.rows("etc/shadow", 2)
    root = any(row[0] == "root" and not row[1].startswith(("!", "*")) and row[1] for row in shadow)
    return [
        each
        for each in found
        if each.check not in _OPEN_WITH_CONSOLE and not (root and each.message == _has_password("root"))
    ]


def checked(mode: str) -> tuple[str, ...]:
    """The checks that a mode of `MODES` makes; with a console to log in on, some ask for nothing."""
    return CHECKS if mode == "none" else tuple(check for check in CHECKS if check not in _OPEN_WITH_CONSOLE)


def console(system: System, command_lines: Sequence[str], password: str) -> list[Finding]:
    """What is missing for root to log in on each console of the command lines, with this password."""
    found: list[Finding] = []
    terminals = {
        word.removeprefix("console=").partition(",")[0]
        for line in command_lines
        for word in line.split()
        if word.startswith("console=")
    }
    wanted = {basename(finding.place) for finding in _gettys(system)}
    if not terminals:
        found.append(Finding("login-getty", "/proc/cmdline", "the kernel command line names no console"))
    for terminal in sorted(terminals):
        name = "getty@tty1.service" if terminal == "tty0" else f"serial-getty@{terminal}.service"
        if name not in wanted:
            found.append(
                Finding(
                    "login-getty",
                    f"/etc/systemd/system/getty.target.wants/{name}",
                    f"is missing: nobody asks on {terminal}",
                )
            )
    hashes = {row[0]: row[1] for row in system.rows("etc/shadow", 2)}
    if not is_password(password, hashes.get("root", "")):
        found.append(Finding("login-password", "/etc/shadow", f"the password of root is not {password!r}"))
    return found


def is_password(password: str, hashed: str) -> bool:
    """Whether a password is the one of a hash in crypt(5)'s form; `openssl passwd` computes it.

    Raises:
        UserError: the hash is of a method that openssl does not know, or openssl fails.
    """
    if not hashed or hashed.startswith(("!", "*")):
        return False
    parts = hashed.split("$")
    if len(parts) != 4 or parts[1] not in ("1", "5", "6"):
        raise UserError(
            f"the hash {hashed[:12]!r}... is of a method that cannot be checked", "hash it with openssl passwd -6"
        )
    command = ["openssl", "passwd", f"-{parts[1]}", "-salt", parts[2], "-stdin"]
    done = subprocess.run(command, input=password + "\n", capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"openssl passwd failed: {done.stderr.strip()}")
    return done.stdout.strip() == hashed


def boot_loader(place: str, text: str) -> list[Finding]:
    """Ways to change what GRUB starts, by its configuration file; a menu with a password is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    found = []
    guarded = any(re.match(r"set\s+superusers=.", line) for line in lines)
    for line in lines:
        if re.match(r"(menuentry|submenu)\b", line) and not guarded:
            found.append(
                Finding("login-boot", place, f"has a menu without superusers, so its entries can be edited: {line}")
            )
        if re.match(r"terminal_input\b.*\bserial\b", line) and not guarded:
            found.append(Finding("login-boot", place, f"takes keys from the serial line: {line}"))
    if not lines or lines[-1] not in ("reboot", "halt", "boot"):
        found.append(Finding("login-boot", place, "does not end in reboot, halt or boot: GRUB's shell comes after it"))
    return found


def _has_password(name: str) -> str:
    return f"{name} has a password"


def _passwords(system: System) -> Iterator[Finding]:
    shadowed = {row[0]: row[1] for row in system.rows("etc/shadow", 2)}
    for row in system.rows("etc/passwd", 7):
        name = row[0]
        path, hashed = ("/etc/shadow", shadowed.get(name, "*")) if row[1] == "x" else ("/etc/passwd", row[1])
        if not hashed:
            yield Finding("login-password", path, f"{name} needs no password")
        elif not hashed.startswith(("!", "*")):
            yield Finding("login-password", path, _has_password(name))
        elif len(hashed) > 13:  # a hash behind "!": it is unlocked by one character
            yield Finding("login-password", path, f"{name} is locked, but has a password hash")
        if row[2] == "0" and name != "root":
            yield Finding("login-password", "/etc/passwd", f"{name} is another root")
    if names := [line for _, line in system.lines("etc/securetty")]:
        yield Finding("login-password", "/etc/securetty", f"lets root in on {', '.join(names)}")


def _gettys(system: System) -> Iterator[Finding]:
    for folder in units.FOLDERS:
        if not system.tree.is_directory(folder):
            continue
        for path, node in system.tree.walk(folder):
            inside = path[len(folder) + 1 :].partition("/")[0].endswith(_DEPENDENCIES)
            masked = node.target == "/dev/null" or is_masked(system, basename(path))
            if inside and _GETTY.fullmatch(basename(path)) and not masked:
                yield Finding("login-getty", f"/{path}", "asks for a login")
    for name in ("systemd-getty-generator",):
        first = next((path for path in (join(folder, name) for folder in _GENERATORS) if path in system.tree), "")
        if first and system.tree[first].target != "/dev/null":
            yield Finding("login-getty", f"/{first}", "makes gettys for the consoles of the kernel command line")
    yield from _virtual_terminals(system)


def _virtual_terminals(system: System) -> Iterator[Finding]:
    """Logind starts autovt@.service (a getty) on each virtual terminal that somebody switches to."""
    if system.find("usr/lib/systemd/systemd-logind") is None or is_masked(system, "systemd-logind.service"):
        return
    if is_masked(system, "autovt@.service") or not units.find_unit(system, "autovt@.service"):
        return
    values = {"NAutoVTs": "6", "ReserveVT": "6"}
    for path in (
        "etc/systemd/logind.conf",
        *system.files("usr/lib/systemd/logind.conf.d", "etc/systemd/logind.conf.d"),
    ):
        values |= {each.key: each.value for each in units.settings(system, path) if each.key in values}
    if any(value != "0" for value in values.values()):
        message = (
            "logind starts a getty on each virtual terminal; set NAutoVTs=0 and ReserveVT=0, or mask autovt@.service"
        )
        yield Finding("login-getty", "/etc/systemd/logind.conf", message)


def is_masked(system: System, name: str) -> bool:
    """Whether a unit, or the template that it is an instance of, is masked."""
    prefix, at, rest = name.partition("@")
    names = [name, f"{prefix}@.{rest.rpartition('.')[2]}"] if at else [name]
    nodes = [system.tree.get(join(units.FOLDERS[0], each)) for each in names]
    return any(node is not None and node.target == "/dev/null" for node in nodes)


def _shells(system: System) -> Iterator[Finding]:
    """Units that give a shell to whoever sits at the console."""
    for path in units.unit_files(system):
        name = units.name(path)
        for each in units.settings(system, path):
            where = f"line {each.line} ({each.key}=)"
            if _FORCE in each.value:
                yield Finding(
                    "login-shell", f"/{path}", f"{where} has {_FORCE}: a locked root gets a shell all the same"
                )
            if name in _RESCUE and each.key == "ExecStart" and each.value:
                program = units.program(each.value)[0]
                if basename(program) in ("sh", "bash", "dash", "login", "agetty", "sulogin"):
                    yield Finding("login-shell", f"/{path}", f"{where} starts {program}")
    for folder in units.FOLDERS:
        for path, node in system.tree.walk(folder) if system.tree.is_directory(folder) else ():
            wanted = path[len(folder) + 1 :].partition("/")[0].endswith(_DEPENDENCIES)
            if (
                wanted
                and basename(path) == "debug-shell.service"
                and node.target != "/dev/null"
                and not is_masked(system, basename(path))
            ):
                yield Finding("login-shell", f"/{path}", "gives a root shell without any password")


def _pam(system: System) -> Iterator[Finding]:
    for path in system.files("etc/pam.d"):
        for number, line in system.lines(path):
            if found := _PAM.match(line):
                yield Finding("login-password", f"/{path}", f"line {number} lets in by {found[1]} alone")


def _keyboard(system: System) -> Iterator[Finding]:
    """The kernel's magic key, which a break on a serial console is as well."""
    value, where = "1", "the kernel's default"
    files = {basename(path): path for path in system.files("usr/lib/sysctl.d", "etc/sysctl.d", suffix=".conf")}
    for name in sorted(files):
        for number, line in system.lines(files[name]):
            key, _, setting = line.partition("=")
            if key.strip().lstrip("-").replace("/", ".") == "kernel.sysrq":
                value, where = setting.strip(), f"/{files[name]}:{number}"
    try:
        off = int(value, 0) == 0
    except ValueError:
        off = False
    if not off:
        yield Finding(
            "login-keyboard", "/proc/sys/kernel/sysrq", f"is {value} ({where}): keys at the console reach the kernel"
        )
