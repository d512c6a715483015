"""cp, mv, install, ln: what makes one path out of another.

Source: GNU coreutils manual, and the real programs (the tests compare with them).
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from sysimage.dockerfile import modes
from sysimage.dockerfile.machine import Command, Commands, Machine, kind, place_of, target_of
from sysimage.dockerfile.options import Options, parse
from sysimage.dockerfile.paths import group_id, make_parents, user_id, with_owner
from sysimage.errors import UserError
from sysimage.extents import ExtentMap
from sysimage.tree import Node, NodeType, directory, file, join, parent

_PRESERVABLE = {"mode", "ownership", "timestamps", "links", "xattr", "context", "all"}


def _targets(machine: Machine, options: Options) -> tuple[list[str], str, bool]:
    """(sources, destination, whether the destination is a directory to put them in)."""
    words = list(options.operands)
    folder = options.value("t")
    if folder is not None:
        if "T" in options:
            raise UserError("options -t and -T exclude each other")
        destination = folder
    else:
        if len(words) < 2:
            raise UserError("a source and a destination are wanted")
        destination = words.pop()
    if not words:
        raise UserError("a source is wanted")
    into = "T" not in options and machine.is_directory(destination)
    if not into and (len(words) > 1 or folder is not None):
        raise UserError(f"{destination!r} is no directory, so it cannot hold {len(words)} things")
    return words, destination, into


@dataclass(slots=True)
class _Copy:
    """How one cp goes about its work; links maps inodes of the source to where their copies are."""

    machine: Machine
    recursive: bool
    dereference: bool
    force: bool
    no_clobber: bool
    preserve: set[str]
    links: dict[int, str] = dataclasses.field(default_factory=dict)

    def copy(self, source: str, word: str, destination: str) -> None:
        """Copies the tree path `source` (written `word`) to the path that `destination` means."""
        tree = self.machine.tree
        if self.dereference:
            source = tree.resolve(source)
        node = tree.get(source)
        if node is None:
            raise UserError(f"{word!r} does not exist")
        if node.type is NodeType.DIRECTORY:
            self.copy_directory(source, node, word, destination)
            return
        path = place_of(self.machine, destination)
        old = tree.get(path)
        if old is not None and old.type is NodeType.SYMLINK and node.type is NodeType.FILE:
            path = tree.resolve(path)
            old = tree.get(path)
            if old is None:
                raise UserError(f"{destination!r} is a link to nothing; cp does not write through it")
        if old is not None:
            if self.no_clobber:
                return
            if old.type is NodeType.DIRECTORY:
                raise UserError(f"{destination!r} is a directory; {word!r} cannot take its place")
            if tree.number(path) == tree.number(source):
                raise UserError(f"{word!r} and {destination!r} are the same file")
        elif destination.endswith("/"):
            raise UserError(f"{destination!r} is no directory")
        number = tree.number(source)
        if "links" in self.preserve and number in self.links:
            if old is not None:
                self.machine.remove(path)
            tree.link(path, self.links[number])
            return
        self.links[number] = path
        if old is not None and old.type is NodeType.FILE and node.type is NodeType.FILE:
            self.machine.write("/" + path, node.data)
            made = self.preserved(node, tree[path])
            tree.set(path, made)
            return
        if old is not None:
            self.machine.remove(path)
        mode = node.mode if node.type is NodeType.SYMLINK else node.mode & 0o777 & ~self.machine.umask
        fresh = dataclasses.replace(node, mode=mode, xattrs={})
        self.machine.add(destination, path, fresh)
        tree.set(path, self.preserved(node, tree[path]))

    def copy_directory(self, source: str, node: Node, word: str, destination: str) -> None:
        tree = self.machine.tree
        if not self.recursive:
            raise UserError(f"{word!r} is a directory", hint="cp -r copies it with its content")
        path = tree.resolve(place_of(self.machine, destination))
        if path == source or path.startswith(source + "/") or not source:
            raise UserError(f"{word!r} cannot be copied into itself, {destination!r}")
        old = tree.get(path)
        if old is None:
            if tree.get(place_of(self.machine, destination)) is not None:
                raise UserError(f"{destination!r} is a link to nothing")
            self.machine.add(destination, path, directory(node.mode & 0o1777 & ~self.machine.umask))
        elif old.type is not NodeType.DIRECTORY:
            raise UserError(f"{destination!r} is a {kind(old)}; the directory {word!r} cannot take its place")
        for name in tree.children(source):
            self.copy(join(source, name), f"{word.rstrip('/')}/{name}", f"{destination.rstrip('/')}/{name}")
        tree.set(path, self.preserved(node, tree[path]))

    def preserved(self, node: Node, made: Node) -> Node:
        """The new inode with what is to be kept of the old one."""
        if "ownership" in self.preserve:
            made = with_owner(made, node.uid, node.gid)
        if "mode" in self.preserve and node.type is not NodeType.SYMLINK:
            made = dataclasses.replace(made, mode=node.mode)
        if "timestamps" in self.preserve:
            made = dataclasses.replace(made, mtime=node.mtime)
        if "xattr" in self.preserve:
            made = dataclasses.replace(made, xattrs=dict(node.xattrs))
        return made


def cp(machine: Machine, arguments: list[str]) -> bytes:
    """Copies files, and with -r directories."""
    options = parse(
        arguments,
        "r,R,recursive",
        "a,archive",
        "p",
        "d",
        "P,no-dereference",
        "L,dereference",
        "f,force",
        "n,no-clobber",
        "v,verbose",
        "T,no-target-directory",
        "t,target-directory=",
        "preserve?",
    )
    preserve: set[str] = set()
    if "a" in options:
        preserve = {"mode", "ownership", "timestamps", "links", "xattr"}
    if "p" in options or (options.given.get("preserve") or [""])[-1] is None:
        preserve |= {"mode", "ownership", "timestamps"}
    if "d" in options:
        preserve.add("links")
    for value in options.values("preserve"):
        for each in value.split(","):
            if each not in _PRESERVABLE:
                raise UserError(f"--preserve={each} is not supported", hint=", ".join(sorted(_PRESERVABLE)))
            preserve |= _PRESERVABLE if each == "all" else {each}
    recursive = "r" in options or "a" in options
    keep_links = "P" in options or "d" in options or "a" in options or (recursive and "L" not in options)
    words, destination, into = _targets(machine, options)
    work = _Copy(machine, recursive, not keep_links, "f" in options, "n" in options, preserve)
    for word in words:
        machine.existing(word, follow=not keep_links)
        # `DIR/.` stands for what is in DIR.
        inside = into and (word.rstrip("/").endswith(("/.", "/..")) or word in (".", ".."))
        target = destination if inside else target_of(word, destination, into)
        work.copy(machine.locate(word, follow=not keep_links), word, target)
    return b""


def mv(machine: Machine, arguments: list[str]) -> bytes:
    """Moves paths, over files and empty directories."""
    options = parse(arguments, "f,force", "n,no-clobber", "v,verbose", "T,no-target-directory", "t,target-directory=")
    words, destination, into = _targets(machine, options)
    tree = machine.tree
    for word in words:
        machine.existing(word, follow=False)
        source = place_of(machine, word)
        target = target_of(word, destination, into)
        path = place_of(machine, target)
        node, old = tree[source], tree.get(path)
        if old is not None:
            if "n" in options:
                continue
            if tree.number(path) == tree.number(source):
                raise UserError(f"{word!r} and {target!r} are the same file")
            if old.type is NodeType.DIRECTORY and node.type is not NodeType.DIRECTORY:
                raise UserError(f"{target!r} is a directory; {word!r} cannot take its place")
            if old.type is not NodeType.DIRECTORY and node.type is NodeType.DIRECTORY:
                raise UserError(f"{target!r} is a {kind(old)}; the directory {word!r} cannot take its place")
            if tree.children(path) if old.type is NodeType.DIRECTORY else False:
                raise UserError(f"{target!r} is a directory that is not empty; {word!r} cannot take its place")
            machine.remove(path)
        elif target.endswith("/") and node.type is not NodeType.DIRECTORY:
            raise UserError(f"{target!r} is no directory")
        if not tree.is_directory(parent(path)):
            raise UserError(f"{target!r} cannot be made: /{parent(path)} is no directory")
        if machine.cwd == source or machine.cwd.startswith(source + "/"):
            raise UserError(f"{word!r} holds the working directory", hint="go elsewhere first (cd /)")
        tree.rename(source, path)
    return b""


def install(machine: Machine, arguments: list[str]) -> bytes:
    """Copies files with mode and owner into new inodes, or makes directories (-d)."""
    options = parse(
        arguments,
        "d,directory",
        "D",
        "m,mode=",
        "o,owner=",
        "g,group=",
        "p,preserve-timestamps",
        "v,verbose",
        "c",
        "T,no-target-directory",
        "t,target-directory=",
    )
    # Five digits: a directory's set-ID bits go too.
    mode = options.value("m") or "00755"
    user, group = options.value("o"), options.value("g")
    uid = user_id(machine.root, user)[0] if user else None
    gid = group_id(machine.root, group) if group else None
    if "d" in options:
        if not options.operands:
            raise UserError("a directory is wanted")
        with _no_umask(machine):
            for word in options.operands:
                _install_directory(machine, word, mode, uid, gid)
        return b""
    if "D" in options:
        folder = options.value("t")
        name = f"{folder}/x" if folder else (options.operands or [""])[-1]
        if name:
            with _no_umask(machine):
                make_parents(machine, name, 0o755)
    words, destination, into = _targets(machine, options)
    for word in words:
        source = machine.node(word) if word != "/dev/null" else file(b"")
        if source is None or source.type is not NodeType.FILE:
            raise UserError(f"{word!r} {'does not exist' if source is None else 'is a ' + kind(source)}")
        target = target_of(word, destination, into)
        if target.endswith("/"):
            raise UserError(f"{target!r} is no directory")
        path = place_of(machine, target)
        old = machine.tree.get(path)
        if old is not None and old.type is NodeType.DIRECTORY:
            raise UserError(f"{target!r} is a directory; {word!r} cannot take its place")
        if old is not None and word != "/dev/null" and machine.locate(word) == path:
            raise UserError(f"{word!r} and {target!r} are the same file")
        if old is not None:
            machine.remove(path)
        machine.add(target, path, file(source.content or ExtentMap(0), modes.change(mode, 0, False, 0)))
        made = with_owner(machine.tree[path], uid, gid)
        bits = modes.change(mode, 0, False, 0)
        mtime = source.mtime if "p" in options else machine.mtime
        machine.tree.set(path, dataclasses.replace(made, mode=bits, mtime=mtime))
    return b""


@contextlib.contextmanager
def _no_umask(machine: Machine) -> Iterator[None]:
    """For the directories that install makes: they have the modes it was told."""
    umask, machine.umask = machine.umask, 0
    yield
    machine.umask = umask


def _install_directory(machine: Machine, word: str, mode: str, uid: int | None, gid: int | None) -> None:
    make_parents(machine, word, 0o755)
    path = machine.locate(word)
    if machine.tree.get(path) is None:
        path = machine.make_directory(word.rstrip("/"))
    elif not machine.tree.is_directory(path):
        raise UserError(f"{word!r} exists and is no directory")
    node = machine.tree[path]
    bits = modes.change(mode, node.mode & 0o6000, True, 0)
    machine.tree.set(path, dataclasses.replace(with_owner(node, uid, gid), mode=bits))


def ln(machine: Machine, arguments: list[str]) -> bytes:
    """Makes links, hard or (-s) symbolic."""
    options = parse(
        arguments,
        "s,symbolic",
        "f,force",
        "n,no-dereference",
        "r,relative",
        "v,verbose",
        "T,no-target-directory",
        "t,target-directory=",
        "P,physical",
        "L,logical",
    )
    if len(options.operands) == 1 and "t" not in options:
        options.operands.append(".")
    if "r" in options and "s" not in options:
        raise UserError("-r is for symbolic links", hint="ln -sr")
    if "n" in options and "t" not in options and len(options.operands) == 2:
        node = machine.node(options.operands[1], follow=False)
        if node is not None and node.type is NodeType.SYMLINK:
            options.given["T"] = [None]
    words, destination, into = _targets(machine, options)
    tree = machine.tree
    for word in words:
        name = target_of(word, destination, into)
        path = place_of(machine, name)
        old = tree.get(path)
        if "s" not in options:
            source = machine.existing(word, follow="L" in options)
            if tree[source].type is NodeType.DIRECTORY:
                raise UserError(f"{word!r} is a directory; it can have no hard link", hint="ln -s")
        if old is not None:
            if old.type is NodeType.DIRECTORY:
                raise UserError(f"{name!r} is a directory; a link cannot take its place")
            if "f" not in options:
                raise UserError(f"{name!r} exists already", hint="ln -f replaces it")
            if "s" not in options and path == source:
                raise UserError(f"{word!r} and {name!r} are the same file")
            machine.remove(path)
        if "s" in options:
            target = _relative(machine, word, path) if "r" in options else word
            if not target:
                raise UserError("the target of a link is empty")
            machine.make_symlink(name, path, target)
        else:
            if not tree.is_directory(parent(path)):
                raise UserError(f"{name!r} cannot be made: /{parent(path)} is no directory")
            tree.link(path, source)
    return b""


def _relative(machine: Machine, word: str, path: str) -> str:
    """The way from the directory of the link at `path` to what `word` leads to."""
    start = parent(path).split("/") if parent(path) else []
    end = machine.locate(word).split("/") if machine.locate(word) else []
    common = 0
    while common < min(len(start), len(end)) and start[common] == end[common]:
        common += 1
    return "/".join([".."] * (len(start) - common) + end[common:]) or "."


COMMANDS: Commands = {
    "cp": Command(cp, "cp [-adfLnpPrT] [-t DIRECTORY] [--preserve[=LIST]] SOURCE... DESTINATION"),
    "mv": Command(mv, "mv [-fnT] [-t DIRECTORY] SOURCE... DESTINATION"),
    "install": Command(
        install,
        "install [-DpT] [-m MODE] [-o USER] [-g GROUP] [-t DIRECTORY] FILE... DESTINATION, install -d DIRECTORY...",
    ),
    "ln": Command(ln, "ln [-sfnrTLP] [-t DIRECTORY] TARGET... NAME"),
}
