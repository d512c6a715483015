"""groupadd, useradd, usermod, passwd, chpasswd, adduser, addgroup: accounts, with the numbers of the accounts table."""

import re
from collections.abc import Sequence

from sysimage.debian.accounts import NOLOGIN, add_group, add_user, group_ids, modify_user, user_ids
from sysimage.dockerfile.machine import Command, Commands, Machine
from sysimage.dockerfile.options import Options, parse
from sysimage.dockerfile.text import given
from sysimage.errors import UserError
from sysimage.text import is_decimal
from sysimage.tree import decode

# Hashes as crypt(5) lists them: $id$..., or the 13 characters of the old one; `!` and `*` are no hash.
_HASH = re.compile(r"(!*|\*|!*\$[0-9a-z]+\$[^:\n]+|!*[./0-9A-Za-z]{13})$")
_ORDINARY_USERS = range(1000, 60001)  # UID_MIN to UID_MAX of Debian's login.defs
_FIRST_SUBORDINATE = 100000
_SUBORDINATE_COUNT = 65536
_PLAIN = "write a hash (openssl passwd -6 -salt SALT): a plain password would get a new salt in every build"


def groupadd(machine: Machine, arguments: list[str]) -> bytes:
    """Makes a group; its number is that of the accounts table."""
    options = parse(arguments, "g,gid=", "r,system", "f,force")
    name = options.operand("group name")
    if "f" in options and name in group_ids(machine.root):
        return b""
    add_group(machine.root, machine.accounts, name, _number(options.value("g")))
    return b""


def useradd(machine: Machine, arguments: list[str]) -> bytes:
    """Makes a user; the numbers are those of the accounts table."""
    options = parse(
        arguments,
        "u,uid=",
        "g,gid=",
        "G,groups=",
        "d,home-dir,home=",
        "m,create-home",
        "M,no-create-home",
        "s,shell=",
        "c,comment=",
        "r,system",
        "N,no-user-group",
        "U,user-group",
        "p,password=",
        "k,skel=",
        "l,no-log-init",
    )
    name = options.operand("user name")
    shell = options.value("s")
    home = options.value("d") or f"/home/{name}"
    makes_home = "m" in options and "M" not in options and machine.node(home) is None
    password = options.value("p")
    if password is not None:
        _check_hash(password)
    add_user(
        machine.root,
        machine.accounts,
        name,
        uid=_number(options.value("u")),
        group=options.value("g"),
        home=home,
        shell="/bin/sh" if shell is None else shell,
        comment=options.value("c") or "",
        groups=_list(options.value("G")) or (),
        password=password if password is not None else "!",
        create_home=makes_home,
        skeleton=options.value("k") or "/etc/skel",
        system="r" in options,
    )
    if "r" not in options:
        _add_subordinate_ids(machine, name)
    if makes_home:
        machine.tree.change(machine.locate(home), mode=_home_mode(machine))
    return b""


def _add_subordinate_ids(machine: Machine, name: str) -> None:
    """The first free range in subuid and subgid, where these are. Source: useradd(8), login.defs(5)."""
    if user_ids(machine.root)[name][0] not in _ORDINARY_USERS:
        return
    for path in ("/etc/subuid", "/etc/subgid"):
        if machine.node(path) is None:
            continue
        lines = [line.split(":") for line in decode(machine.read(path)).splitlines()]
        taken = sorted((int(fields[1]), int(fields[2])) for fields in lines if len(fields) == 3)
        start = _FIRST_SUBORDINATE
        for first, count in taken:
            if first - start >= _SUBORDINATE_COUNT:
                break
            start = max(start, first + count)
        machine.write(path, f"{name}:{start}:{_SUBORDINATE_COUNT}\n".encode(), append=True)


def _home_mode(machine: Machine) -> int:
    """HOME_MODE of /etc/login.defs, or what its UMASK leaves. Source: useradd(8)."""
    words = {}
    if machine.node("/etc/login.defs") is not None:
        lines = decode(machine.read("/etc/login.defs")).splitlines()
        words = {line.split()[0]: line.split()[1] for line in lines if len(line.split()) == 2 and line[0] != "#"}
    if "HOME_MODE" in words:
        return int(words["HOME_MODE"], 8)
    return 0o777 & ~int(words.get("UMASK", "022"), 8)


def usermod(machine: Machine, arguments: list[str]) -> bytes:
    """Changes a user."""
    options = parse(
        arguments,
        "a,append",
        "G,groups=",
        "g,gid=",
        "p,password=",
        "L,lock",
        "U,unlock",
        "s,shell=",
        "d,home=",
        "c,comment=",
    )
    name = options.operand("user name")
    if "a" in options and "G" not in options:
        raise UserError("-a is for -G", hint="usermod -aG GROUP USER")
    password = options.value("p")
    if password is not None:
        _check_hash(password)
    groups = _list(options.value("G"))
    modify_user(
        machine.root,
        name,
        add_groups=groups or () if "a" in options else (),
        groups=None if "a" in options else groups,
        group=options.value("g"),
        home=options.value("d"),
        shell=options.value("s"),
        comment=options.value("c"),
        password=password,
        lock=_lock(options, "L", "U"),
    )
    return b""


def passwd(machine: Machine, arguments: list[str]) -> bytes:
    """Locks (-l) or unlocks (-u) a password, or removes it (-d)."""
    options = parse(arguments, "l,lock", "u,unlock", "d,delete", "q,quiet")
    name = options.operand("user name")
    if not {"l", "u", "d"} & set(options.given):
        raise UserError("passwd would ask for a password", hint=f"usermod -p HASH {name}, or chpasswd -e")
    if "d" in options:
        modify_user(machine.root, name, password="")
    lock = _lock(options, "l", "u")
    if lock is not None:
        modify_user(machine.root, name, lock=lock)
    return b""


def chpasswd(machine: Machine, arguments: list[str]) -> bytes:
    """Sets password hashes (-e)."""
    options = parse(arguments, "e,encrypted")
    if options.operands:
        raise UserError(f"it takes no {options.operands[0]!r}")
    if "e" not in options:
        raise UserError("without -e it makes a hash with a random salt", hint=_PLAIN)
    for line in decode(given(machine)).splitlines():
        name, colon, password = line.partition(":")
        if not colon:
            raise UserError(f"{line!r} is not of the form USER:HASH")
        _check_hash(password)
        modify_user(machine.root, name, password=password)
    return b""


def adduser(machine: Machine, arguments: list[str]) -> bytes:
    """`adduser --system USER`, or `adduser USER GROUP`."""
    options = parse(
        arguments,
        "system",
        "group",
        "quiet",
        "uid=",
        "gid=",
        "ingroup=",
        "home=",
        "no-create-home",
        "shell=",
        "gecos,comment=",
        "disabled-password",
        "disabled-login",
    )
    if len(options.operands) == 2 and not {*options.given} - {"quiet"}:
        modify_user(machine.root, options.operands[0], add_groups=[options.operands[1]])
        return b""
    name = options.operand("user name")
    if "system" not in options:
        raise UserError("without --system it would ask", hint="adduser --system, or useradd")
    if name in user_ids(machine.root):
        return b""
    home = options.value("home") or "/nonexistent"
    add_user(
        machine.root,
        machine.accounts,
        name,
        uid=_number(options.value("uid")),
        group=options.value("ingroup") or options.value("gid"),
        home=home,
        shell=options.value("shell") or NOLOGIN,
        comment=options.value("gecos") or "",
        create_home="no-create-home" not in options and home != "/nonexistent",
        skeleton="/nonexistent",
        system=True,
    )
    return b""


def addgroup(machine: Machine, arguments: list[str]) -> bytes:
    """Makes a group, unless a system group of that name is there."""
    options = parse(arguments, "system", "quiet", "gid=")
    name = options.operand("group name")
    if "system" in options and name in group_ids(machine.root):
        return b""
    add_group(machine.root, machine.accounts, name, _number(options.value("gid")))
    return b""


def _number(text: str | None) -> int | None:
    if text is not None and not is_decimal(text):
        raise UserError(f"{text!r} is no number")
    return None if text is None else int(text)


def _list(text: str | None) -> Sequence[str] | None:
    return None if text is None else [each for each in text.split(",") if each]


def _lock(options: Options, lock: str, unlock: str) -> bool | None:
    if lock in options and unlock in options:
        raise UserError(f"-{lock} and -{unlock} exclude each other")
    return True if lock in options else False if unlock in options else None


def _check_hash(password: str) -> None:
    if not _HASH.match(password):
        raise UserError(f"{password!r} is no password hash", hint=_PLAIN)


COMMANDS: Commands = {
    "groupadd": Command(groupadd, "groupadd [-rf] [-g GID] GROUP"),
    "useradd": Command(
        useradd, "useradd [-rmMNUl] [-u UID] [-g GROUP] [-G GROUP,...] [-d HOME] [-s SHELL] [-c TEXT] [-p HASH] USER"
    ),
    "usermod": Command(
        usermod, "usermod [-aLU] [-G GROUP,...] [-g GROUP] [-d HOME] [-s SHELL] [-c TEXT] [-p HASH] USER"
    ),
    "passwd": Command(passwd, "passwd -l|-u|-d USER"),
    "chpasswd": Command(chpasswd, "chpasswd -e (lines of USER:HASH as input)", reads_input=True),
    "adduser": Command(adduser, "adduser --system [--uid N] [--ingroup GROUP] [--home HOME] USER, adduser USER GROUP"),
    "addgroup": Command(addgroup, "addgroup [--system] [--gid N] GROUP"),
}
