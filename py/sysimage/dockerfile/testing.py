"""What the tests of this package share: a small tree, in memory and on disk, and RUN lines on either."""

import os
import stat
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

from sysimage.debian.accounts import AccountsTable
from sysimage.debian.root import Root
from sysimage.dockerfile import parser, run
from sysimage.dockerfile.machine import Machine
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import NodeType, Tree, decode, directory, file, symlink

EPOCH = 1_000_000_000
ACCOUNTS = AccountsTable({"staff": 50, "ic": 800, "ops": 801}, {"ic": (800, 800), "sys1": (900, 801)}, "accounts.conf")


class FakePackages:
    """Remembers what was asked for."""

    def __init__(self, *known: str) -> None:
        self.known = known
        self.asked: list[str] = []

    def install(self, _root: Root, names: Sequence[str]) -> None:
        """Takes the names it knows."""
        for name in names:
            if name not in self.known:
                raise UserError(f"package {name!r} is not in the lock")
        self.asked += names

    def installed(self, _root: Root) -> Collection[str]:
        """What was asked for."""
        return self.asked


def small_tree() -> Tree:
    """A little of everything that files can be."""
    tree = Tree()
    tree.add("a", file(b"one\ntwo\nthree\n"))
    tree.add("x", file(b"#!/bin/sh\n", 0o755))
    tree.add("s", file(b"setuid\n", 0o4755))
    tree.add("r", file(b"readonly\n", 0o444))
    tree.add(".hidden", file(b"hidden\n"))
    tree.add("sp ace", file(b"space\n"))
    tree.add("noeol", file(b"first\nlast"))
    tree.add("h1", file(b"hard\n"))
    tree.link("h2", "h1")
    tree.add("link", symlink("a"))
    tree.add("dang", symlink("missing"))
    tree.add("d", directory())
    tree.add("d/f", file(b"in d\n", 0o600))
    tree.add("d/sub", directory(0o700))
    tree.add("d/sub/g", file(b"deep\n"))
    tree.add("d/up", symlink("../a"))
    tree.add("dlink", symlink("d"))
    tree.add("e", directory())
    tree.add("t", directory(0o1777))
    tree.add("g", directory(0o2775))
    return tree


def machine(tree: Tree, packages: FakePackages | None = None) -> Machine:
    """A machine on a tree, as root, at the top."""
    return Machine(Root(tree, Sources({}), EPOCH), packages or FakePackages(), ACCOUNTS)


def run_line(on: Machine, line: str) -> None:
    """Carries out one RUN line."""
    (instruction,) = parser.parse("RUN " + line, "Dockerfile")
    run.run(on, instruction)


Entry = tuple[str, str, int, str, bytes, tuple[str, ...]]


def snapshot(tree: Tree) -> list[Entry]:
    """What a tree has: path, kind, mode, target, content, all links."""
    on = machine(tree)
    return [
        (path, node.type.value, node.mode, node.target, on.content(node), tuple(tree.links(path)))
        for path, node in tree.walk()
        if path
    ]


def write_tree(tree: Tree, top: Path) -> None:
    """The same tree on disk."""
    on = machine(tree)
    for path, node in tree.walk():
        place = top / path
        if not path:
            continue
        first = tree.links(path)[0]
        if first != path:
            os.link(top / first, place, follow_symlinks=False)
        elif node.type is NodeType.DIRECTORY:
            place.mkdir()
        elif node.type is NodeType.SYMLINK:
            place.symlink_to(node.target)
        else:
            place.write_bytes(on.content(node))
        if node.type is not NodeType.SYMLINK:
            place.chmod(node.mode)


def read_tree(top: Path) -> list[Entry]:
    """As `snapshot`, of a directory on disk."""
    found: list[tuple[str, str, int, str, bytes, int]] = []

    def visit(folder: Path, prefix: str) -> None:
        for name in sorted(os.listdir(os.fsencode(folder))):
            place = folder / os.fsdecode(name)
            path = prefix + decode(name)
            info = place.lstat()
            mode = stat.S_IMODE(info.st_mode)
            if stat.S_ISLNK(info.st_mode):
                found.append((path, "link", mode, os.readlink(place), b"", info.st_ino))
            elif stat.S_ISDIR(info.st_mode):
                place.chmod(mode | 0o700)
                found.append((path, "dir", mode, "", b"", info.st_ino))
                visit(place, path + "/")
            else:
                place.chmod(mode | 0o400)  # whoever runs the test may not be root
                found.append((path, "file", mode, "", place.read_bytes(), info.st_ino))

    visit(top, "")
    links: dict[int, list[str]] = {}
    for path, *_, number in found:
        links.setdefault(number, []).append(path)
    return [
        (path, kind, mode, target, content, tuple(sorted(links[number], key=os.fsencode)))
        for path, kind, mode, target, content, number in found
    ]


def run_for_real(top: Path, line: str) -> int:
    """The line in /bin/sh, with the real programs; its exit status."""
    command = ["/bin/sh", "-c", "umask 022\n" + line]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}
    done = subprocess.run(command, cwd=top, env=environment, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode
