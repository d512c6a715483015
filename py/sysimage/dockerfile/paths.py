"""rm, rmdir, mkdir, touch, chmod, chown, chgrp: what changes one path at a time."""

import dataclasses

from sysimage.debian.accounts import group_ids, user_ids
from sysimage.debian.root import Root
from sysimage.dockerfile import modes
from sysimage.dockerfile.machine import Command, Commands, Machine, kind, place_of
from sysimage.dockerfile.options import parse
from sysimage.errors import UserError
from sysimage.text import is_decimal
from sysimage.tree import Node, NodeType, basename, decode, parent

_CAPABILITY = "security.capability"
_HOME = 5  # field of passwd(5)


def rm(machine: Machine, arguments: list[str]) -> bytes:
    """Removes paths; a directory with -r, an empty one with -d; a missing one is an error without -f."""
    options = parse(arguments, "r,R,recursive", "f,force", "d,dir", "v,verbose")
    if not options.operands and "f" not in options:
        raise UserError("what is to be removed is missing")
    for word in options.operands:
        if basename(word.rstrip("/")) in (".", ".."):
            raise UserError(f"{word!r} cannot be removed: it is '.' or '..'")
        path = place_of(machine, word)
        node = machine.tree.get(path)
        if node is None or (word.endswith("/") and node.type is not NodeType.DIRECTORY):
            if "f" in options:
                continue
            raise UserError(f"{word!r} does not exist", hint="rm -f takes that for done")
        if node.type is NodeType.DIRECTORY and "r" not in options:
            empty = not machine.tree.children(path)
            if "d" not in options or not empty:
                raise UserError(f"{word!r} is a directory", hint="rm -r removes it with its content")
        machine.remove(path)
    return b""


def rmdir(machine: Machine, arguments: list[str]) -> bytes:
    """Removes empty directories; with -p their parents too."""
    options = parse(arguments, "p,parents", "v,verbose")
    _wanted(options.operands, "directory")
    for word in options.operands:
        path = place_of(machine, word)
        while True:
            node = machine.tree.get(path)
            if node is None or node.type is not NodeType.DIRECTORY:
                raise UserError(f"{word!r} is {'missing' if node is None else 'a ' + kind(node)}")
            if machine.tree.children(path):
                raise UserError(f"/{path} is not empty")
            machine.remove(path)
            word, path = word.rstrip("/").rpartition("/")[0], parent(path)
            if "p" not in options or not word or not path:
                break
    return b""


def mkdir(machine: Machine, arguments: list[str]) -> bytes:
    """Makes directories; with -p those above them too, and one that is there is fine."""
    options = parse(arguments, "p,parents", "m,mode=", "v,verbose")
    _wanted(options.operands, "directory")
    for word in options.operands:
        path = machine.locate(word)
        if "p" in options and machine.tree.is_directory(path):
            continue
        if "p" in options:
            make_parents(machine, word)
        path = machine.make_directory(word.rstrip("/") or "/")
        mode = options.value("m")
        if mode is not None:
            base = machine.tree[path].mode & 0o2000 | (0 if mode[:1].isdigit() else 0o777 & ~machine.umask)
            machine.tree.change(path, mode=modes.change(mode, base, True, machine.umask))
    return b""


def make_parents(machine: Machine, word: str, mode: int = 0o777) -> None:
    """Makes the missing directories above a word's path."""
    parts = word.rstrip("/").split("/")
    for count in range(1, len(parts)):
        ancestor = "/".join(parts[:count]) or "/"
        if machine.tree.get(machine.locate(ancestor)) is None:
            machine.make_directory(ancestor, mode)
        elif not machine.is_directory(ancestor):
            raise UserError(f"{ancestor!r} is in the way of {word!r}: it is no directory")


def touch(machine: Machine, arguments: list[str]) -> bytes:
    """Makes empty files; what is there gets the epoch as its time."""
    options = parse(arguments, "c,no-create", "a", "m", "h,no-dereference")
    _wanted(options.operands, "file")
    for word in options.operands:
        node = machine.node(word, "h" not in options)
        if node is None and "c" in options:
            continue
        if node is None:
            if word.endswith("/"):
                raise UserError(f"{word!r} does not exist")
            machine.write(word, b"")
        elif "a" not in options or "m" in options:
            machine.tree.change(machine.locate(word, "h" not in options), mtime=machine.mtime)
    return b""


def chmod(machine: Machine, arguments: list[str]) -> bytes:
    """Changes modes; links met on the way down are left alone."""
    # A mode that takes bits away looks like an option.
    mode_like = [word for word in arguments if word[:1] == "-" and word[1:2] in tuple("rwxXst")]
    rest = [word for word in arguments if word not in mode_like]
    options = parse(rest, "R,recursive", "v,verbose", "c,changes")
    operands = options.operands
    mode = mode_like[0] if mode_like else operands.pop(0) if operands else ""
    if len(mode_like) > 1 or not mode:
        raise UserError("one mode is wanted", hint="chmod 0644 FILE, chmod u+x FILE")
    _wanted(operands, "file")
    modes.change(mode, 0, False)
    for word in operands:
        path = machine.existing(word)
        for each, node in [*machine.tree.walk(path)] if "R" in options else [(path, machine.tree[path])]:
            if node.type is not NodeType.SYMLINK:
                is_directory = node.type is NodeType.DIRECTORY
                machine.tree.change(each, mode=modes.change(mode, node.mode, is_directory, machine.umask))
    return b""


def chown(machine: Machine, arguments: list[str]) -> bytes:
    """Changes owners; with -R those of links themselves and not of what they lead to."""
    options = parse(arguments, "R,recursive", "h,no-dereference", "v,verbose", "c,changes")
    if len(options.operands) < 2:
        raise UserError("an owner and a file are wanted", hint="chown USER:GROUP FILE")
    uid, gid = owner(machine.root, options.operands[0])
    _change_owner(machine, options.operands[1:], uid, gid, "R" in options, "h" in options)
    return b""


def chgrp(machine: Machine, arguments: list[str]) -> bytes:
    """Changes groups, as chown does."""
    options = parse(arguments, "R,recursive", "h,no-dereference", "v,verbose", "c,changes")
    if len(options.operands) < 2:
        raise UserError("a group and a file are wanted", hint="chgrp GROUP FILE")
    gid = group_id(machine.root, options.operands[0])
    _change_owner(machine, options.operands[1:], None, gid, "R" in options, "h" in options)
    return b""


def _change_owner(
    machine: Machine, words: list[str], uid: int | None, gid: int | None, recursive: bool, no_dereference: bool
) -> None:
    for word in words:
        path = machine.existing(word, follow=not (recursive or no_dereference))
        for each, node in [*machine.tree.walk(path)] if recursive else [(path, machine.tree[path])]:
            machine.tree.set(each, with_owner(node, uid, gid))


def with_owner(node: Node, uid: int | None, gid: int | None) -> Node:
    """An inode after chown(2): set-ID bits and file capabilities of what is no directory go."""
    mode, xattrs = node.mode, node.xattrs
    if node.type is not NodeType.DIRECTORY and node.type is not NodeType.SYMLINK:
        mode &= ~0o4000
        if mode & 0o010:
            mode &= ~0o2000
        xattrs = {key: value for key, value in xattrs.items() if key != _CAPABILITY}
    return dataclasses.replace(
        node, uid=node.uid if uid is None else uid, gid=node.gid if gid is None else gid, mode=mode, xattrs=xattrs
    )


def owner(root: Root, text: str) -> tuple[int | None, int | None]:
    """`USER`, `USER:GROUP`, `USER:` (the user's own group), `:GROUP` as numbers; names are the tree's.

    Raises:
        UserError: a name that the tree's /etc/passwd or /etc/group does not have.
    """
    user, colon, group = text.partition(":")
    uid = None if not user else user_id(root, user)[0]
    if colon and not group and user:
        return uid, user_id(root, user)[1]
    return uid, group_id(root, group) if group else None


def user_id(root: Root, name: str) -> tuple[int, int | None]:
    """(uid, own gid) of a user; of a number, that number."""
    known = user_ids(root) if root.get("etc/passwd") is not None else {}
    if name in known:
        return known[name]
    if is_decimal(name):
        return int(name), next((gid for uid, gid in known.values() if uid == int(name)), None)
    raise UserError(f"unknown user {name!r}: /etc/passwd has no such line", hint="make it with useradd first")


def home_of(root: Root, uid: int) -> str:
    """The home directory of a user by number: what HOME is in a RUN line. `/` for one that /etc/passwd has not."""
    lines = decode(root.read("etc/passwd")).splitlines() if root.get("etc/passwd") is not None else []
    for fields in (line.split(":") for line in lines):
        if len(fields) > _HOME and fields[2] == str(uid):
            return fields[_HOME] or "/"
    return "/" if uid else "/root"


def group_id(root: Root, name: str) -> int:
    """The gid of a group's name or number."""
    known = group_ids(root) if root.get("etc/group") is not None else {}
    if name in known:
        return known[name]
    if is_decimal(name):
        return int(name)
    raise UserError(f"unknown group {name!r}: /etc/group has no such line", hint="make it with groupadd first")


def _wanted(operands: list[str], what: str) -> None:
    if not operands:
        raise UserError(f"a {what} is wanted")


COMMANDS: Commands = {
    "rm": Command(rm, "rm [-rfd] PATH..."),
    "rmdir": Command(rmdir, "rmdir [-p] DIRECTORY..."),
    "mkdir": Command(mkdir, "mkdir [-p] [-m MODE] DIRECTORY..."),
    "touch": Command(touch, "touch [-ch] FILE... (the time is always the epoch)"),
    "chmod": Command(chmod, "chmod [-R] MODE FILE..."),
    "chown": Command(chown, "chown [-Rh] USER[:GROUP] FILE..."),
    "chgrp": Command(chgrp, "chgrp [-Rh] GROUP FILE..."),
}
