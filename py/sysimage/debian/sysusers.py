"""sysusers.d: accounts that packages declare, made with the numbers of the table.

Source: sysusers.d(5). Types u, u!, g, m and r; specifiers are not used by any package and are refused.
"""

import shlex
from dataclasses import dataclass

from sysimage.debian.accounts import NOLOGIN, Accounts, AccountsTable
from sysimage.debian.root import Root
from sysimage.errors import UserError
from sysimage.text import is_decimal

DIRECTORY = "usr/lib/sysusers.d"
_INVALID = "!*"  # locked, and no password would fit
_EXPIRED = "1"  # days since 1970: what `u!` writes, so that no key opens the account either


@dataclass(frozen=True, slots=True)
class Line:
    """One line: kind (u, u!, g, m, r), name, id, comment, home, shell; `-` and what is left out are empty."""

    kind: str
    name: str
    id: str = ""
    comment: str = ""
    home: str = ""
    shell: str = ""


def parse(text: str, origin: str) -> list[Line]:
    """The lines of a sysusers.d file.

    Raises:
        UserError: a line that is not understood; `origin` names the file.
    """
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            words = ["" if word == "-" else word for word in shlex.split(line)]
        except ValueError as error:
            raise UserError(f"{origin}:{number}: {error}: {line!r}") from error
        if not 2 <= len(words) <= 6 or words[0] not in ("u", "u!", "g", "m", "r") or "%" in line:
            raise UserError(f"{origin}:{number}: not understood as sysusers.d(5): {line!r}")
        lines.append(Line(*words))
    return lines


def apply(root: Root, accounts: Accounts, table: AccountsTable) -> None:
    """Makes the accounts of all sysusers.d files in the tree that are not there yet.

    Raises:
        UserError: an account without an id; a number that contradicts the table; a file that is not understood.
    """
    members: list[tuple[Line, str]] = []
    for name in root.names(DIRECTORY):
        if not name.endswith(".conf"):
            continue
        origin = f"/{DIRECTORY}/{name}"
        for line in parse(root.text(origin), origin):
            match line.kind:
                case "g":
                    gid = table.gid(line.name, origin)
                    _agree("group", line.name, line.id, gid, table, origin)
                    _group(accounts, line.name, gid, origin)
                case "u" | "u!":
                    _user(root, accounts, table, line, origin)
                case "m":
                    members.append((line, origin))
    for line, origin in members:
        table.uid(line.name, origin)
        accounts.add_member(line.id, line.name)


def _agree(kind: str, name: str, wanted: str, pinned: int, table: AccountsTable, origin: str) -> None:
    if is_decimal(wanted) and int(wanted) != pinned:
        raise UserError(f"{kind} {name!r}: {origin} says {wanted}, but {table.origin} says {pinned}")


def _group(accounts: Accounts, name: str, gid: int, origin: str) -> None:
    if name not in accounts.group:
        accounts.add_group(name, gid, origin)
        accounts.gshadow[name][1] = _INVALID


def _user(root: Root, accounts: Accounts, table: AccountsTable, line: Line, origin: str) -> None:
    uid, gid = table.uid(line.name, origin)
    wanted, _, group = line.id.partition(":")
    _agree("user", line.name, wanted, uid, table, origin)
    if not group:
        # Its own group, with its own number unless the group is there already.
        _group(accounts, line.name, table.gid(line.name, origin), origin)
        group = line.name
    expected = int(group) if is_decimal(group) else table.gid(group, origin)
    if gid != expected:
        raise UserError(f"user {line.name!r}: {origin} says group {expected}, but {table.origin} says {gid}")
    shadow = [_INVALID, str(root.day), "", "", "", "", _EXPIRED if line.kind == "u!" else "", ""]
    accounts.add_user(line.name, uid, gid, line.comment, line.home or "/", line.shell or NOLOGIN, shadow, origin)
