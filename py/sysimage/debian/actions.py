"""The vocabulary of what is done in place of maintainer scripts.

Each word is a function on the tree. Words have a phase: diversions count before anything is
unpacked, accounts come before what is owned by them, and what reads the finished tree
(the linker's cache, the certificate bundle) comes last and once.
"""

import enum
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from sysimage import tree as t
from sysimage.deb import Deb
from sysimage.debian import alternatives, certificates, ldconfig, pam, shells, sysusers, sysv, tmpfiles, units
from sysimage.debian.accounts import LOCKED, NO_PASSWORD, NOLOGIN, Accounts, AccountsTable
from sysimage.debian.blocks import Action
from sysimage.debian.database import ADMIN, Database, Diversion
from sysimage.debian.root import Root
from sysimage.errors import UserError
from sysimage.tree import NodeType


class Phase(enum.IntEnum):
    """When a word acts."""

    DIVERSIONS = 0
    BASE_ACCOUNTS = 1
    ACCOUNTS = 2
    FILES = 3
    TMPFILES = 4
    UNITS = 5
    ONCE = 6


@dataclass(frozen=True, slots=True)
class Context:
    """What words work on. script: the text of the script that the action stands for."""

    root: Root
    database: Database
    table: AccountsTable
    accounts: Accounts
    deb: Deb
    script: str


@dataclass(frozen=True, slots=True)
class Word:
    """A word: its function, phase, the fewest and most arguments it takes, and what it does."""

    run: Callable[[Context, tuple[str, ...]], None]
    phase: Phase
    least: int
    most: int
    usage: str


def check(action: Action, where: str) -> None:
    """Whether an action is a word of the vocabulary, with a possible number of arguments.

    Raises:
        UserError: it is not; `where` says where it stands.
    """
    word = VOCABULARY.get(action.name)
    if word is None:
        raise UserError(f"{where}: {action.name!r} is no action", hint=f"known are: {', '.join(sorted(VOCABULARY))}")
    if not word.least <= len(action.arguments) <= word.most:
        raise UserError(f"{where}: '{action}' has the wrong number of arguments", hint=f"use: {word.usage}")


def _divert(context: Context, words: tuple[str, ...]) -> None:
    package = words[2] if len(words) > 2 else context.deb.name
    context.database.divert(Diversion(words[0], words[1], package))


def _base_accounts(context: Context, words: tuple[str, ...]) -> None:
    """The lines of base-passwd's master files, passwords moved to the shadow files."""
    root, accounts, table = context.root, context.accounts, context.table
    where = f"package {context.deb.name}"
    for line in root.text(words[1]).splitlines():
        name, _, number, _ = line.split(":")
        gid = table.gid(name, where)
        if int(number) != gid:
            raise UserError(f"group {name!r}: {where} says {number}, but {table.origin} says {gid}")
        if name not in accounts.group:
            accounts.add_group(name, gid, where)
            accounts.gshadow[name][1] = NO_PASSWORD
    for line in root.text(words[0]).splitlines():
        name, _, uid, gid_text, comment, home, shell = line.split(":")
        pinned = table.uid(name, where)
        if (int(uid), int(gid_text)) != pinned:
            raise UserError(f"user {name!r}: {where} says {uid}:{gid_text}, but {table.origin} says {pinned}")
        shadow = [NO_PASSWORD, str(root.day), "0", "99999", "7", "", "", ""]
        accounts.add_user(name, *pinned, comment, home, shell, shadow, where)


def _group(context: Context, words: tuple[str, ...]) -> None:
    where = f"package {context.deb.name}"
    context.accounts.add_group(words[0], context.table.gid(words[0], where), where)


def _user(context: Context, words: tuple[str, ...]) -> None:
    name, home, comment = words[0], words[1], words[2] if len(words) > 2 else ""
    where = f"package {context.deb.name}"
    uid, gid = context.table.uid(name, where)
    if context.table.groups.get(name) == gid:
        context.accounts.add_group(name, gid, where)
    shadow = [LOCKED, str(context.root.day), "", "", "", "", "", ""]
    context.accounts.add_user(name, uid, gid, comment, home, NOLOGIN, shadow, where)


def _member(context: Context, words: tuple[str, ...]) -> None:
    if words[0] not in context.accounts.passwd:
        raise UserError(f"package {context.deb.name}: user {words[0]!r} does not exist")
    context.accounts.add_member(words[1], words[0])


def _sysusers(context: Context, words: tuple[str, ...]) -> None:
    for name in words:
        if not context.root.is_file(f"{sysusers.DIRECTORY}/{name}"):
            raise UserError(f"package {context.deb.name}: sysusers.d file {name!r} does not exist")


def _ids(context: Context, owner: str, group: str) -> tuple[int, int]:
    """Numbers of accounts that are in the tree."""
    accounts = context.accounts
    if owner not in accounts.passwd or group not in accounts.group:
        missing = f"user {owner!r}" if owner not in accounts.passwd else f"group {group!r}"
        raise UserError(f"package {context.deb.name}: {missing} does not exist")
    return int(accounts.passwd[owner][2]), int(accounts.group[group][2])


def _owned(context: Context, words: tuple[str, ...]) -> tuple[int, int, int]:
    """MODE [OWNER GROUP] as numbers."""
    uid, gid = _ids(context, words[1], words[2]) if len(words) > 2 else (0, 0)
    return int(words[0], 8), uid, gid


def _directory(context: Context, words: tuple[str, ...]) -> None:
    context.root.directory(words[0], *_owned(context, words[1:]))


def _file(context: Context, words: tuple[str, ...]) -> None:
    if context.root.get(words[0]) is None:
        context.root.write(words[0], b"", *_owned(context, words[1:]))


def _copy(context: Context, words: tuple[str, ...]) -> None:
    if context.root.get(words[1]) is None:
        context.root.copy(words[0], words[1])


def _symlink(context: Context, words: tuple[str, ...]) -> None:
    if context.root.place(words[1]) not in context.root.tree:
        context.root.symlink(words[1], words[0])


def _directory_to_symlink(context: Context, words: tuple[str, ...]) -> None:
    place = context.root.place(words[0])
    if context.root.tree.is_directory(place):
        if context.root.tree.children(place):
            raise UserError(f"package {context.deb.name}: /{place} is not empty; it cannot become a link to {words[1]}")
        context.root.remove(words[0])
    context.root.symlink(words[0], words[1])


def _mode(context: Context, words: tuple[str, ...]) -> None:
    context.root.attributes(words[0], *_owned(context, words[1:]))


def _statoverride(context: Context, words: tuple[str, ...]) -> None:
    owner, group, mode, path = words
    uid, gid = _ids(context, owner, group)
    # As with dpkg-statoverride, the path need not exist yet.
    if context.root.get(path) is not None:
        context.root.attributes(path, int(mode, 8), uid, gid)
    context.database.overrides.setdefault(path, (owner, group, f"{int(mode, 8):o}"))


def _remove(context: Context, words: tuple[str, ...]) -> None:
    context.root.remove(words[0])


def _here_document(context: Context, words: tuple[str, ...]) -> None:
    if context.root.get(words[0]) is None:
        context.root.write(words[0], here_document(context.script, words[0], context.deb.name), int(words[1], 8))


def here_document(script: str, path: str, package: str) -> str:
    """The text that a script writes to a file with `cat > FILE <<END`.

    Raises:
        UserError: the script has no such lines, or they contain what a shell would replace.
    """
    write = re.compile(rf'\s*cat\b.*>+\s*"?(?:\$DPKG_ROOT)?{re.escape(path)}"?(?=\s|$)')
    mark = re.compile(r"<<(-?)\s*(['\"]?)(\w+)")
    lines = script.split("\n")
    for number, line in enumerate(lines):
        match = mark.search(line) if write.match(line) else None
        if match is not None:
            indent, quote, end = match.groups()
            body = [each.lstrip("\t") if indent else each for each in lines[number + 1 :]]
            if end not in body:
                raise UserError(f"package {package}: the text that its script writes to {path} does not end")
            text = "".join(each + "\n" for each in body[: body.index(end)])
            if not quote and re.search(r"[$`\\]", text):
                raise UserError(f"package {package}: what its script writes to {path} depends on the shell")
            return text
    raise UserError(f"package {package}: its script does not write {path} with a here-document")


def _ucf(context: Context, words: tuple[str, ...]) -> None:
    """A configuration file that ucf looks after: copied, and registered under /var/lib/ucf."""
    root = context.root
    source, path = words[0], words[1]
    package = context.deb.name
    if root.get(path) is None:
        root.copy(source, path, 0o644 if len(words) < 3 else int(words[2], 8))
    digest = hashlib.md5(root.read(source), usedforsecurity=False).hexdigest()
    _add_line(root, "var/lib/ucf/hashfile", f"{digest}  {path}\n")
    _add_line(root, "var/lib/ucf/registry", f"{package} \t {path}\n")
    root.directory("var/lib/ucf/cache")
    root.copy(source, f"var/lib/ucf/cache/{path.replace('/', ':')}")


def _add_line(root: Root, place: str, line: str) -> None:
    text = root.text(place) if root.is_file(place) else ""
    if line not in text.splitlines(keepends=True):
        root.write(place, text + line)


def _alternative(context: Context, words: tuple[str, ...]) -> None:
    link, name, path, priority, *rest = words
    if len(rest) % 3:
        raise UserError(f"package {context.deb.name}: alternative {name!r} has a slave with too few words")
    slaves = [alternatives.Slave(*rest[at : at + 3]) for at in range(0, len(rest), 3)]
    if context.root.get(path) is None and path.startswith("/usr/share/man/"):
        return  # a manual page that the image leaves out
    alternatives.install(context.root, link, name, path, int(priority), slaves)


def _certificates(context: Context, _words: tuple[str, ...]) -> None:
    script = t.decode(context.deb.scripts.get("postinst", b""))
    if not context.root.is_file(certificates.CONFIGURATION):
        certificates.configure(context.root, here_document(script, "/" + certificates.CONFIGURATION, context.deb.name))
    certificates.update(context.root)


def _architecture(context: Context, _words: tuple[str, ...]) -> None:
    context.root.write(f"{ADMIN}/arch-native", f"{context.deb.architecture}\n")


def _capabilities(context: Context, words: tuple[str, ...]) -> None:
    """`setcap`: VALUE is the attribute in hexadecimal, as `getfattr -e hex` shows it without 0x."""
    place = context.root.resolve(words[0])
    node = context.root.tree.get(place)
    if node is None or node.type is not NodeType.FILE:
        raise UserError(f"package {context.deb.name}: /{place} is missing or not a file; it cannot have capabilities")
    context.root.tree.change(place, xattrs={**node.xattrs, "security.capability": bytes.fromhex(words[1])})


def _units(function: Callable[..., None], *extra: str) -> Callable[[Context, tuple[str, ...]], None]:
    return lambda context, words: function(context.root, words[0], *extra)


def _on_root(function: Callable[[Root], None]) -> Callable[[Context, tuple[str, ...]], None]:
    return lambda context, _words: function(context.root)


def _tmpfiles(context: Context, words: tuple[str, ...]) -> None:
    tmpfiles.create(context.root, words)


_ANY = 1 << 30
VOCABULARY = {
    "divert": Word(_divert, Phase.DIVERSIONS, 2, 3, "divert PATH TO [PACKAGE]"),
    "base-accounts": Word(_base_accounts, Phase.BASE_ACCOUNTS, 2, 2, "base-accounts PASSWD GROUP"),
    "group": Word(_group, Phase.ACCOUNTS, 1, 1, "group NAME"),
    "user": Word(_user, Phase.ACCOUNTS, 2, 3, "user NAME HOME [COMMENT]"),
    "member": Word(_member, Phase.ACCOUNTS, 2, 2, "member USER GROUP"),
    "sysusers": Word(_sysusers, Phase.ACCOUNTS, 1, _ANY, "sysusers FILE..."),
    "directory": Word(_directory, Phase.FILES, 2, 4, "directory PATH MODE [OWNER GROUP]"),
    "file": Word(_file, Phase.FILES, 2, 4, "file PATH MODE [OWNER GROUP]"),
    "copy": Word(_copy, Phase.FILES, 2, 2, "copy SOURCE PATH"),
    "symlink": Word(_symlink, Phase.FILES, 2, 2, "symlink TARGET PATH"),
    "directory-to-symlink": Word(_directory_to_symlink, Phase.FILES, 2, 2, "directory-to-symlink PATH TARGET"),
    "mode": Word(_mode, Phase.FILES, 4, 4, "mode PATH MODE OWNER GROUP"),
    "statoverride": Word(_statoverride, Phase.FILES, 4, 4, "statoverride OWNER GROUP MODE PATH"),
    "remove": Word(_remove, Phase.FILES, 1, 1, "remove PATH"),
    "here-document": Word(_here_document, Phase.FILES, 2, 2, "here-document PATH MODE"),
    "ucf": Word(_ucf, Phase.FILES, 2, 3, "ucf SOURCE PATH [MODE]"),
    "alternative": Word(_alternative, Phase.FILES, 4, _ANY, "alternative LINK NAME PATH PRIORITY [LINK NAME PATH]..."),
    "capabilities": Word(_capabilities, Phase.FILES, 2, 2, "capabilities PATH VALUE"),
    "tmpfiles": Word(_tmpfiles, Phase.TMPFILES, 1, _ANY, "tmpfiles FILE..."),
    "native-architecture": Word(_architecture, Phase.FILES, 0, 0, "native-architecture"),
    "init-script": Word(_units(sysv.enable), Phase.UNITS, 1, 1, "init-script NAME"),
    "init-script-disabled": Word(_units(sysv.disable), Phase.UNITS, 1, 1, "init-script-disabled NAME"),
    "enable": Word(_units(units.helper_enable), Phase.UNITS, 1, 1, "enable UNIT"),
    "enable-user": Word(_units(units.helper_enable, "user"), Phase.UNITS, 1, 1, "enable-user UNIT"),
    "update-state": Word(_units(units.helper_update_state), Phase.UNITS, 1, 1, "update-state UNIT"),
    "update-state-user": Word(_units(units.helper_update_state, "user"), Phase.UNITS, 1, 1, "update-state-user UNIT"),
    "systemctl-enable": Word(_units(units.enable), Phase.UNITS, 1, 1, "systemctl-enable UNIT"),
    "shells": Word(_on_root(shells.update), Phase.ONCE, 0, 0, "shells"),
    "pam-auth-update": Word(_on_root(pam.update), Phase.ONCE, 0, 0, "pam-auth-update"),
    "certificates": Word(_certificates, Phase.ONCE, 0, 0, "certificates"),
    "ldconfig": Word(_on_root(ldconfig.update), Phase.ONCE, 0, 0, "ldconfig"),
}  # fmt: skip
