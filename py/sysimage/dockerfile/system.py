"""apt-get, systemctl, update-ca-certificates, ldconfig, setcap: what a container engine would run programs for."""

import dataclasses
import re
import struct

from sysimage.debian import certificates, ldconfig, units
from sysimage.dockerfile.machine import Command, Commands, Machine, kind
from sysimage.dockerfile.options import parse
from sysimage.errors import UserError
from sysimage.tree import NodeType, join

# Capability numbers by name. Source: Linux, include/uapi/linux/capability.h.
_NAMES = (
    "cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_fsetid cap_kill cap_setgid cap_setuid "
    "cap_setpcap cap_linux_immutable cap_net_bind_service cap_net_broadcast cap_net_admin cap_net_raw "
    "cap_ipc_lock cap_ipc_owner cap_sys_module cap_sys_rawio cap_sys_chroot cap_sys_ptrace cap_sys_pacct "
    "cap_sys_admin cap_sys_boot cap_sys_nice cap_sys_resource cap_sys_time cap_sys_tty_config cap_mknod "
    "cap_lease cap_audit_write cap_audit_control cap_setfcap cap_mac_override cap_mac_admin cap_syslog "
    "cap_wake_alarm cap_block_suspend cap_audit_read cap_perfmon cap_bpf cap_checkpoint_restore "
)
CAPABILITIES = tuple(_NAMES.split())
_CAPABILITY = "security.capability"
_REVISION_2 = 0x02000000
_EFFECTIVE = 1
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.]")  # Debian policy, 5.6.1; a `-` at the end would remove it
_CLAUSE = re.compile(r"([a-z_,]*)((?:[-+=][eip]*)+)$")


def apt_get(machine: Machine, arguments: list[str]) -> bytes:
    """Installs from the lock; update and upgrade have nothing to do."""
    options = parse(
        arguments,
        "y,yes,assume-yes",
        "q,quiet",
        "no-install-recommends",
        "no-install-suggests",
        "auto-remove,purge",
        "o,option=",
    )
    for value in options.values("o"):
        if value.partition("=")[0] not in ("Dpkg::Use-Pty", "Acquire::Retries", "APT::Install-Recommends"):
            raise UserError(f"-o {value} is not supported", hint="what is installed is the lock's to say")
    if not options.operands:
        raise UserError("what it is to do is missing", hint="apt-get install -y --no-install-recommends PACKAGE...")
    action, *names = options.operands
    if action in ("update", "clean", "autoclean", "autoremove"):
        if names:
            raise UserError(f"{action} takes no {names[0]!r}")
        if action == "clean":
            _clean(machine)
        return b""
    if action in ("upgrade", "dist-upgrade", "full-upgrade"):
        return b""  # the lock holds what is newest at its date
    if action != "install":
        raise UserError(f"{action!r} is not supported", hint="it knows update, install, upgrade, autoremove and clean")
    if "y" not in options:
        raise UserError("install without -y would ask", hint="add -y")
    if "no-install-recommends" not in options and "APT::Install-Recommends=0" not in options.values("o"):
        raise UserError("recommended packages are not in the lock", hint="add --no-install-recommends")
    for name in names:
        if not _PACKAGE.fullmatch(name):
            raise UserError(f"{name!r} is more than a package's name", hint="the lock says which version")
    if not names:
        raise UserError("no package is named")
    machine.packages.install(machine.root, names)
    return b""


def _clean(machine: Machine) -> None:
    folder = "var/cache/apt/archives"
    if not machine.tree.is_directory(folder):
        return
    for name in machine.tree.children(folder):
        if name.endswith(".deb"):
            machine.tree.remove(join(folder, name))


def systemctl(machine: Machine, arguments: list[str]) -> bytes:
    """Enables, disables, masks units by the links that stand for that."""
    options = parse(arguments, "q,quiet", "no-reload", "system", "global")
    if not options.operands:
        raise UserError("what it is to do is missing", hint="enable, disable, mask, unmask, preset, set-default")
    action, *names = options.operands
    manager = "user" if "global" in options else "system"
    if not names:
        raise UserError(f"{action}: no unit is named")
    if action == "set-default":
        if len(names) > 1:
            raise UserError("set-default takes one target")
        units.set_default(machine.root, names[0])
        return b""
    actions = {
        "enable": units.enable,
        "disable": units.disable,
        "mask": units.mask,
        "unmask": units.unmask,
        "preset": units.preset,
    }
    if action not in actions:
        raise UserError(f"{action!r} is not supported", hint=f"it knows {', '.join(actions)} and set-default")
    for name in names:
        actions[action](machine.root, name, manager)
    return b""


def update_ca_certificates(machine: Machine, arguments: list[str]) -> bytes:
    """Makes the links and the bundle of trusted certificates."""
    options = parse(arguments, "v,verbose", "f,fresh")
    if options.operands:
        raise UserError(f"it takes no {options.operands[0]!r}")
    certificates.update(machine.root)
    return b""


def run_ldconfig(machine: Machine, arguments: list[str]) -> bytes:
    """Makes the cache of shared libraries."""
    options = parse(arguments, "v,verbose")
    if options.operands:
        raise UserError(f"it takes no {options.operands[0]!r}", hint="name folders in /etc/ld.so.conf.d")
    ldconfig.update(machine.root)
    return b""


def setcap(machine: Machine, arguments: list[str]) -> bytes:
    """Sets or (-r) removes file capabilities."""
    words = [word for word in arguments if word not in ("-q", "-v")]
    if not words or len(words) % 2:
        raise UserError("capabilities and files are wanted in pairs", hint="setcap cap_net_raw=ep FILE")
    for text, word in zip(words[::2], words[1::2], strict=True):
        path = machine.existing(word)
        node = machine.tree[path]
        if node.type is not NodeType.FILE:
            raise UserError(f"{word!r} is a {kind(node)}; a file is wanted")
        xattrs = {key: value for key, value in node.xattrs.items() if key != _CAPABILITY}
        if text != "-r":
            xattrs[_CAPABILITY] = encode_capabilities(text)
        machine.tree.set(path, dataclasses.replace(node, xattrs=xattrs))
    return b""


def encode_capabilities(text: str) -> bytes:
    """`security.capability`, revision 2: magic and flags, then two words each of permitted and inheritable bits.

    Source: Linux, struct vfs_cap_data; the text is that of cap_from_text(3).

    Raises:
        UserError: an unknown capability, or effective ones that are not all the others.
    """
    sets = {"e": 0, "i": 0, "p": 0}
    for clause in text.split():
        match = _CLAUSE.match(clause)
        if not match or (match[1] == "" and match[2][:1] != "="):
            raise UserError(f"{text!r} are no capabilities", hint="write them like cap_net_raw,cap_net_admin=ep")
        bits = 0
        for name in (match[1] or "all").split(","):
            if name != "all" and name not in CAPABILITIES:
                raise UserError(f"unknown capability {name!r}", hint=f"they are {', '.join(CAPABILITIES)}")
            bits |= (1 << len(CAPABILITIES)) - 1 if name == "all" else 1 << CAPABILITIES.index(name)
        for operator, flags in re.findall(r"([-+=])([eip]*)", match[2]):
            for each in sets:
                if (operator == "=" and each not in flags) or (operator == "-" and each in flags):
                    sets[each] &= ~bits
                elif each in flags:
                    sets[each] |= bits
    given = sets["p"] | sets["i"]
    if sets["e"] not in (0, given):
        raise UserError(f"{text!r}: a file has all its capabilities effective or none", hint="give e to all or none")
    low = 0xFFFFFFFF
    effective = _EFFECTIVE if sets["e"] else 0
    words = (sets["p"] & low, sets["i"] & low, sets["p"] >> 32, sets["i"] >> 32)
    return struct.pack("<5I", _REVISION_2 | effective, *words)


COMMANDS: Commands = {
    "apt-get": Command(
        apt_get, "apt-get update|upgrade|clean|autoremove, apt-get install -y --no-install-recommends PACKAGE..."
    ),
    "systemctl": Command(
        systemctl, "systemctl [--global] enable|disable|mask|unmask|preset UNIT..., systemctl set-default TARGET"
    ),
    "update-ca-certificates": Command(update_ca_certificates, "update-ca-certificates"),
    "ldconfig": Command(run_ldconfig, "ldconfig"),
    "setcap": Command(setcap, "setcap CAPABILITIES FILE, setcap -r FILE"),
}
