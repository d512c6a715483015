"""What the commands of a RUN line work on: a tree, and who and where they are in it.

Paths go through symbolic links as the kernel does it in a chroot. What is made
belongs to the user of USER, takes the group of a set-group-ID directory, and has the
epoch as its time. Permissions are not checked: what a container engine would refuse to an
unprivileged user is done here.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sysimage.debian.accounts import AccountsTable
from sysimage.debian.root import Root
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.tree import Node, NodeType, Tree, basename, directory, file, parent, symlink

S_ISGID = 0o2000
PATH_MAX = 4096  # as the kernel's: bytes of a path with its NUL


_KINDS = {
    NodeType.FILE: "file",
    NodeType.DIRECTORY: "directory",
    NodeType.SYMLINK: "symbolic link",
    NodeType.CHARACTER: "character device",
    NodeType.BLOCK: "block device",
    NodeType.FIFO: "FIFO",
    NodeType.SOCKET: "socket",
}


def kind(node: Node) -> str:
    """What an inode is, in words."""
    return _KINDS[node.type]


class Packages(Protocol):
    """The locked packages that `apt-get install` may take."""

    def install(self, root: Root, names: Sequence[str]) -> None:
        """Installs packages with all that they depend on.

        Raises:
            UserError: a package that is not in the lock.
        """

    def installed(self, root: Root) -> Collection[str]:
        """Names of what is installed."""


@dataclass(slots=True)
class Machine:
    """The state between the commands of one RUN line; the tree outlives it.

    cwd is a tree path, umask and the ids are numbers, mtime is in nanoseconds; stdin is the
    input of the command that runs.
    """

    root: Root
    packages: Packages
    accounts: AccountsTable
    environment: dict[str, str] = field(default_factory=dict)
    cwd: str = ""
    uid: int = 0
    gid: int = 0
    umask: int = 0o022
    stdin: bytes | None = None

    @property
    def tree(self) -> Tree:
        """The tree."""
        return self.root.tree

    @property
    def sources(self) -> Sources:
        """Where contents of the tree come from."""
        return self.root.sources

    @property
    def mtime(self) -> int:
        """The time of what is made."""
        return self.root.mtime

    def locate(self, word: str, follow: bool = True) -> str:
        """The tree path that a word means; it need not exist. A slash at its end follows links in any case.

        Raises:
            UserError: an empty name, one that is too long for the kernel, or links in a circle.
        """
        if not word:
            raise UserError("a file name is empty")
        if len(word) >= PATH_MAX:
            raise UserError(
                f"a file name has {len(word)} characters, {word[:20]!r}...: at most {PATH_MAX - 1} are possible"
            )
        start = "" if word.startswith("/") else self.cwd + "/"
        return self.tree.resolve(start + word, follow or word.endswith("/"))

    def node(self, word: str, follow: bool = True) -> Node | None:
        """What is at a word's path, or None."""
        node = self.tree.get(self.locate(word, follow))
        if word.endswith("/") and node is not None and node.type is not NodeType.DIRECTORY:
            return None
        return node

    def existing(self, word: str, follow: bool = True) -> str:
        """The tree path of something that is there.

        Raises:
            UserError: nothing is there.
        """
        path = self.locate(word, follow)
        if self.node(word, follow) is None:
            node = self.tree.get(path)
            if node is not None:
                raise UserError(f"{word!r} is a {kind(node)}, not a directory")
            raise UserError(f"{word!r} does not exist")
        return path

    def is_directory(self, word: str, follow: bool = True) -> bool:
        """Whether a word leads to a directory."""
        return self.tree.is_directory(self.locate(word, follow))

    def read(self, word: str) -> bytes:
        """The content of a file.

        Raises:
            UserError: it is missing, or not a file.
        """
        if word == "/dev/null":
            return b""
        node = self.tree[self.existing(word)]
        if node.type is not NodeType.FILE:
            raise UserError(f"{word!r} is a {kind(node)}; a file is wanted")
        return self.content(node)

    def content(self, node: Node) -> bytes:
        """The bytes of a file."""
        return ImageReader(node.data, self.sources).read(0, node.size)

    def write(self, word: str, data: bytes | ExtentMap, mode: int = 0o666, append: bool = False) -> None:
        """Writes a file as `>` or `>>` does: one that is there keeps its inode, a new one takes mode and umask.

        Raises:
            UserError: a directory or device is in the way, or there is no directory to hold it.
        """
        if word == "/dev/null":
            return
        path = self.locate(word)
        old = self.tree.get(path)
        if old is None:
            if word.endswith("/"):
                raise UserError(f"{word!r} is no directory")
            self.add(word, path, file(data, mode & ~self.umask))
            return
        if old.type is not NodeType.FILE:
            raise UserError(f"{word!r} is a {kind(old)}; it cannot be written")
        if append and isinstance(data, bytes):
            data = self.content(old) + data
        content = ExtentMap.of_bytes(data) if isinstance(data, bytes) else data
        self.tree.change(path, content=content, mtime=self.mtime)

    def add(self, word: str, path: str, node: Node, owned: bool = False) -> None:
        """Places a new inode at a free path; its owner is set here unless `owned`.

        Raises:
            UserError: the directory to hold it is missing, or the path is taken.
        """
        folder = self.tree.get(parent(path))
        if folder is None or folder.type is not NodeType.DIRECTORY:
            what = "does not exist" if folder is None else f"is a {kind(folder)}"
            raise UserError(f"{word!r} cannot be made: /{parent(path)} {what}", hint="make the directory first")
        if path in self.tree:
            raise UserError(f"{word!r} exists already")
        if not owned:
            node = self.owned(node, folder)
        self.tree.add(path, node)

    def owned(self, node: Node, folder: Node) -> Node:
        """A new inode with the owner and time of everything that is made in `folder`."""
        gid, mode = self.gid, node.mode
        if folder.mode & S_ISGID:
            gid = folder.gid
            mode |= S_ISGID if node.type is NodeType.DIRECTORY else 0
        return dataclasses.replace(node, uid=self.uid, gid=gid, mode=mode, mtime=self.mtime)

    def make_directory(self, word: str, mode: int = 0o777) -> str:
        """`mkdir` without -p. Errors: as `add`."""
        path = self.locate(word, follow=False)
        self.add(word, path, directory(mode & ~self.umask))
        return path

    def make_symlink(self, word: str, path: str, target: str) -> None:
        """Makes a symbolic link at a free path. Errors: as `add`."""
        self.add(word, path, symlink(target))

    def remove(self, path: str) -> None:
        """Removes a path and what is below.

        Raises:
            UserError: it is the root, or the working directory lies in it.
        """
        if not path:
            raise UserError("the root directory cannot be removed")
        if self.cwd == path or self.cwd.startswith(path + "/"):
            raise UserError(f"/{path} is the working directory", hint="go elsewhere first (cd /)")
        self.tree.remove(path)


def target_of(source: str, destination: str, into: bool) -> str:
    """Where cp, mv, ln and install put a source: in the directory `destination` if `into`, else there itself."""
    if not into:
        return destination
    name = basename(source.rstrip("/")) or "/"
    return destination.rstrip("/") + "/" + name if destination.strip("/") else "/" + name


def place_of(machine: Machine, word: str) -> str:
    """A tree path of the word itself: links on the way followed, not at the end."""
    return machine.locate(word.rstrip("/") or "/", follow=False)


Run = Callable[[Machine, list[str]], bytes]


@dataclass(frozen=True, slots=True)
class Command:
    """One word of the vocabulary: what it does, and what of it is supported in a line."""

    run: Run
    usage: str
    reads_input: bool = False


Commands = Mapping[str, Command]
