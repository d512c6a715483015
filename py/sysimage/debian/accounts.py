"""Users and groups: the four files of /etc, and the table that pins every number.

Numbers that systems hand out as they go follow the order of installation, and
persistent data outlives an image: so every account that an image has stands in a
committed table with its numbers, and one that does not is an error. The table is
in the format of sysusers.d(5): `g NAME GID` and `u NAME UID:GID-OR-GROUP`.
Sources: passwd(5), group(5), shadow(5), gshadow(5).
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sysimage.debian.root import Root
from sysimage.errors import UserError
from sysimage.text import is_decimal, read_text

LOCKED = "!"
NO_PASSWORD = "*"
NOLOGIN = "/usr/sbin/nologin"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?")
_AGING = "0:99999:7:::"  # minimum, maximum, warning days: login.defs as Debian ships it
MAX_ID = (1 << 32) - 2


@dataclass(frozen=True, slots=True)
class AccountsTable:
    """The numbers of an image's accounts: groups by name, and (uid, gid) of users by name."""

    groups: dict[str, int]
    users: dict[str, tuple[int, int]]
    origin: str = "the accounts table"

    def gid(self, name: str, wanted_by: str) -> int:
        """The number of a group.

        Raises:
            UserError: it is not in the table.
        """
        if name not in self.groups:
            raise UserError(
                f"group {name!r}, wanted by {wanted_by}, is an account without an id",
                hint=f"add 'g {name} GID' with a free number to {self.origin}",
            )
        return self.groups[name]

    def uid(self, name: str, wanted_by: str) -> tuple[int, int]:
        """The numbers (uid, gid) of a user.

        Raises:
            UserError: it is not in the table.
        """
        if name not in self.users:
            raise UserError(
                f"user {name!r}, wanted by {wanted_by}, is an account without an id",
                hint=f"add 'u {name} UID:GROUP' with a free number to {self.origin}",
            )
        return self.users[name]


def load_accounts(path: Path | str) -> AccountsTable:
    """Reads a table file. Errors: as `parse_accounts`, or the file cannot be read."""
    return parse_accounts(read_text(path), str(path))


def parse_accounts(text: str, origin: str) -> AccountsTable:
    """The table in a text; `origin` names it in errors.

    Raises:
        UserError: a line that is not understood, a name or number given twice, a user's group that is not there.
    """
    groups: dict[str, int] = {}
    users: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        where = f"{origin}:{number}"
        if not words:
            continue
        kind, name, ids = words if len(words) == 3 else ("", "", "")
        if kind not in ("g", "u") or not _NAME.fullmatch(name):
            raise UserError(f"{where}: {line.strip()!r} is neither 'g NAME GID' nor 'u NAME UID:GROUP'")
        if kind == "g":
            gid = _number(ids, where)
            if name in groups or gid in groups.values():
                raise UserError(f"{where}: group {name!r} or its number {gid} stands in the table already")
            groups[name] = gid
        else:
            uid = _number(ids.partition(":")[0], where)
            if name in users or uid in (user for user, _ in users.values()):
                raise UserError(f"{where}: user {name!r} or its number {uid} stands in the table already")
            users[name] = uid, ids.partition(":")[2]
    resolved = {}
    for name, (uid, group) in users.items():
        if is_decimal(group) and int(group) in groups.values():
            resolved[name] = uid, int(group)
        elif (group or name) in groups:
            resolved[name] = uid, groups[group or name]
        else:
            raise UserError(f"{origin}: the group {group or name!r} of user {name!r} is not in the table")
    return AccountsTable(groups, resolved, origin)


def _number(text: str, where: str) -> int:
    if not is_decimal(text) or int(text) > MAX_ID:
        raise UserError(f"{where}: {text!r} is not a number from 0 to {MAX_ID}")
    return int(text)


@dataclass(slots=True)
class Accounts:
    """The account files of a tree, lines as lists of fields by name, in their order.

    Change them with `add_*` and `modify_user` and write them back with `save`.
    """

    passwd: dict[str, list[str]] = field(default_factory=dict)
    group: dict[str, list[str]] = field(default_factory=dict)
    shadow: dict[str, list[str]] = field(default_factory=dict)
    gshadow: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Root) -> "Accounts":
        """Reads what there is; files that are missing are empty.

        Raises:
            UserError: a line with other fields than its file has, or without a number where one must stand.
        """
        accounts = cls()
        for name, count, numbers in (("passwd", 7, (2, 3)), ("group", 4, (2,)), ("shadow", 9, ()), ("gshadow", 4, ())):
            if root.is_file(f"etc/{name}"):
                lines: dict[str, list[str]] = getattr(accounts, name)
                for line in root.text(f"etc/{name}").splitlines():
                    fields = line.split(":")
                    if len(fields) != count:
                        raise UserError(f"/etc/{name} has a line with {len(fields)} fields, not {count}: {line!r}")
                    for number in numbers:
                        _number(fields[number], f"/etc/{name}")
                    lines[fields[0]] = fields
        return accounts

    def save(self, root: Root) -> None:
        """Writes the files; the shadow files are 0640 root:shadow."""
        shadow_gid = int(self.group["shadow"][2]) if "shadow" in self.group else 0
        for name, mode, gid in (("passwd", 0o644, 0), ("group", 0o644, 0), ("shadow", 0o640, shadow_gid),
                                ("gshadow", 0o640, shadow_gid)):  # fmt: skip
            lines: dict[str, list[str]] = getattr(self, name)
            root.write(f"etc/{name}", "".join(":".join(fields) + "\n" for fields in lines.values()), mode, 0, gid)

    def add_group(self, name: str, gid: int, wanted_by: str) -> None:
        """Adds a group, unless it is there with this number.

        Raises:
            UserError: the name or the number is taken.
        """
        old = self.group.get(name)
        if old is not None:
            if int(old[2]) != gid:
                raise UserError(f"group {name!r} has the number {old[2]}; {wanted_by} wants {gid}")
            return
        _check_name("group", name)
        for other in self.group.values():
            if int(other[2]) == gid:
                raise UserError(f"group {name!r} wants the number {gid}, which group {other[0]!r} has")
        self.group[name] = [name, "x", str(gid), ""]
        self.gshadow[name] = [name, LOCKED, "", ""]

    def add_user(
        self, name: str, uid: int, gid: int, comment: str, home: str, shell: str, shadow: Sequence[str], wanted_by: str
    ) -> None:
        """Adds a user, unless it is there with these numbers. `shadow`: its line there, without the name.

        Raises:
            UserError: the name or the number is taken.
        """
        old = self.passwd.get(name)
        if old is not None:
            if (int(old[2]), int(old[3])) != (uid, gid):
                raise UserError(f"user {name!r} has the numbers {old[2]}:{old[3]}; {wanted_by} wants {uid}:{gid}")
            return
        _check_name("user", name)
        for other in self.passwd.values():
            if int(other[2]) == uid:
                raise UserError(f"user {name!r} wants the number {uid}, which user {other[0]!r} has")
        for what, value in (("comment", comment), ("home", home), ("shell", shell)):
            if ":" in value or "\n" in value:
                raise UserError(f"user {name!r}: the {what} {value!r} contains a colon or a newline")
        self.passwd[name] = [name, "x", str(uid), str(gid), comment, home, shell]
        self.shadow[name] = [name, *shadow]

    def add_member(self, group: str, user: str) -> None:
        """Puts a user into a group as a further member.

        Raises:
            UserError: there is no such group.
        """
        if group not in self.group:
            raise UserError(f"group {group!r} does not exist; user {user!r} cannot become a member")
        for fields in (self.group[group], self.gshadow.setdefault(group, [group, LOCKED, "", ""])):
            members = [each for each in fields[3].split(",") if each]
            if user not in members:
                fields[3] = ",".join([*members, user])

    def remove_members(self, user: str, but: Collection[str]) -> None:
        """Takes a user out of all groups of which it is a further member, but those named."""
        for files in (self.group, self.gshadow):
            for name, fields in files.items():
                if name not in but:
                    fields[3] = ",".join(each for each in fields[3].split(",") if each and each != user)


def _check_name(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is not a possible name of a {kind}")


def user_ids(root: Root) -> dict[str, tuple[int, int]]:
    """(uid, gid) of every user in the tree."""
    return {name: (int(fields[2]), int(fields[3])) for name, fields in Accounts.load(root).passwd.items()}


def group_ids(root: Root) -> dict[str, int]:
    """The number of every group in the tree."""
    return {name: int(fields[2]) for name, fields in Accounts.load(root).group.items()}


def add_group(root: Root, table: AccountsTable, name: str, gid: int | None = None) -> None:
    """groupadd: makes a group with its number from the table.

    Raises:
        UserError: an account without an id; `gid` is not the table's; the name or number is taken.
    """
    pinned = table.gid(name, "groupadd")
    if gid not in (None, pinned):
        raise UserError(f"group {name!r}: {gid} was asked for, but {table.origin} says {pinned}")
    accounts = Accounts.load(root)
    if name in accounts.group:
        raise UserError(f"group {name!r} exists already")
    accounts.add_group(name, pinned, table.origin)
    accounts.save(root)


def add_user(
    root: Root,
    table: AccountsTable,
    name: str,
    *,
    uid: int | None = None,
    group: str | None = None,
    home: str = "/nonexistent",
    shell: str = NOLOGIN,
    comment: str = "",
    groups: Sequence[str] = (),
    password: str = LOCKED,
    create_home: bool = False,
    skeleton: str = "/etc/skel",
    system: bool = False,
) -> None:
    """useradd: makes a user with its numbers from the table; its own group too, if the table says so and it is missing.

    Args:
        root: where.
        table: has the numbers.
        name: of the user.
        uid: what was asked for, to be compared with the table; None: whatever the table says.
        group: name or number of the primary group, likewise.
        home: home directory.
        shell: login shell.
        comment: the GECOS field.
        groups: further groups; they must exist.
        password: a crypt(3) string, or `!`.
        create_home: whether to make the home directory (0755, the user's) with what is in `skeleton`.
        skeleton: directory with what a new home begins with.
        system: an account without password aging.

    Raises:
        UserError: an account without an id; numbers that are not the table's; a name or number that is taken;
            a group that does not exist.
    """
    pinned, gid = table.uid(name, "useradd")
    if uid not in (None, pinned):
        raise UserError(f"user {name!r}: uid {uid} was asked for, but {table.origin} says {pinned}")
    accounts = Accounts.load(root)
    if name in accounts.passwd:
        raise UserError(f"user {name!r} exists already")
    if table.groups.get(name) == gid:
        accounts.add_group(name, gid, table.origin)
    numbers = {int(fields[2]): each for each, fields in accounts.group.items()}
    if gid not in numbers:
        raise UserError(f"user {name!r}: its group {gid} does not exist", hint="make it first")
    if group is not None and group not in (str(gid), numbers[gid]):
        raise UserError(f"user {name!r}: group {group} was asked for, but {table.origin} says {numbers[gid]} ({gid})")
    aging = "::::::" if system else f"{_AGING}"
    shadow = [password, str(root.day), *(aging.split(":") if not system else [""] * 6)]
    accounts.add_user(name, pinned, gid, comment, home, shell, shadow, "useradd")
    for each in groups:
        accounts.add_member(each, name)
    accounts.save(root)
    if create_home:
        _make_home(root, home, pinned, gid, skeleton)


def _make_home(root: Root, home: str, uid: int, gid: int, skeleton: str) -> None:
    if root.get(home) is not None:
        return
    root.directory(home, 0o755, uid, gid)
    for name in root.names(skeleton):
        if root.is_file(f"{skeleton}/{name}"):
            root.copy(f"{skeleton}/{name}", f"{home}/{name}", uid=uid, gid=gid)


def modify_user(
    root: Root,
    name: str,
    *,
    add_groups: Sequence[str] = (),
    groups: Sequence[str] | None = None,
    group: str | None = None,
    home: str | None = None,
    shell: str | None = None,
    comment: str | None = None,
    password: str | None = None,
    lock: bool | None = None,
) -> None:
    """usermod, chpasswd -e, passwd -l: changes what is given and leaves the rest.

    Args:
        root: where.
        name: of the user.
        add_groups: further groups to add (-aG).
        groups: the further groups from now on (-G).
        group: the primary group, by name or number (-g).
        home: home directory (-d); nothing is moved.
        shell: login shell (-s).
        comment: the GECOS field (-c).
        password: a crypt(3) string (-p).
        lock: True puts a `!` before the password (-L), False takes it away (-U).

    Raises:
        UserError: no such user or group; a value that cannot stand in the file.
    """
    accounts = Accounts.load(root)
    if name not in accounts.passwd:
        raise UserError(f"user {name!r} does not exist")
    fields = accounts.passwd[name]
    if group is not None:
        numbers = {each: line[2] for each, line in accounts.group.items()}
        if group not in numbers and group not in numbers.values():
            raise UserError(f"group {group!r} does not exist; it cannot be the group of user {name!r}")
        fields[3] = numbers.get(group, group)
    for index, value in ((4, comment), (5, home), (6, shell)):
        if value is not None:
            if ":" in value or "\n" in value:
                raise UserError(f"user {name!r}: {value!r} contains a colon or a newline")
            fields[index] = value
    if groups is not None:
        accounts.remove_members(name, groups)
    for each in [*(groups or ()), *add_groups]:
        accounts.add_member(each, name)
    shadow = accounts.shadow.setdefault(name, [name, LOCKED, str(root.day), *_AGING.split(":")])
    if password is not None:
        if ":" in password or "\n" in password:
            raise UserError(f"user {name!r}: the password contains a colon or a newline")
        shadow[1], shadow[2] = password, str(root.day)
    if lock is True and not shadow[1].startswith(LOCKED):
        shadow[1] = LOCKED + shadow[1]
    elif lock is False:
        shadow[1] = shadow[1].removeprefix(LOCKED)
    accounts.save(root)
