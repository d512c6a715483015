"""A root filesystem as the system that it will be: its files as text, its accounts, what its packages own."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from sysimage.debian.control import parse_paragraphs
from sysimage.errors import UserError
from sysimage.extents import ImageReader, Sources
from sysimage.inspection import Image
from sysimage.tree import Node, NodeType, Tree, basename, encode, join, parent

DPKG = "var/lib/dpkg"


@dataclass(frozen=True)
class System:
    """A tree with a system in it; name is that of the volume it was found on."""

    name: str
    tree: Tree
    sources: Sources = field(default_factory=lambda: Sources({}))

    def data(self, node: Node) -> bytes:
        """All of a file's content."""
        return ImageReader(node.data, self.sources).read(0, node.size)

    def head(self, node: Node, length: int) -> bytes:
        """The first bytes of a file's content."""
        return ImageReader(node.data, self.sources).read(0, length)

    def find(self, path: str) -> Node | None:
        """The inode that a path leads to, symbolic links followed; None where it leads nowhere."""
        try:
            return self.tree.get(self.tree.resolve(path))
        except UserError:  # links that go round in a circle
            return None

    def text(self, path: str) -> str:
        """A file as text, links followed; a file that is not there is empty."""
        node = self.find(path)
        if node is None or node.content is None:
            return ""
        return self.data(node).decode("utf-8", "surrogateescape")

    def lines(self, path: str) -> Iterator[tuple[int, str]]:
        """Number and text of each line that says something: blank lines and `#` comments are left out."""
        for number, line in enumerate(self.text(path).splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield number, line.strip()

    def rows(self, path: str, fields: int) -> list[list[str]]:
        """The rows of a file such as /etc/passwd, sorted.

        Raises:
            UserError: a row has fewer fields.
        """
        rows = [line.split(":") for line in self.text(path).splitlines()]
        for number, row in enumerate(rows, 1):
            if len(row) < fields:
                raise UserError(f"/{path} of {self.name}: line {number} has {len(row)} fields, {fields} are expected")
        return sorted(rows)

    def files(self, *folders: str, suffix: str = "") -> list[str]:
        """Paths of the entries right in some folders, directories left out, the first folder's first."""
        return [
            path
            for folder in folders
            if self.tree.is_directory(folder)
            for path in (join(folder, name) for name in self.tree.children(folder))
            if path.endswith(suffix) and not self.tree.is_directory(path)
        ]

    @cached_property
    def users(self) -> dict[str, int]:
        """Users' names and numbers."""
        return {row[0]: int(row[2]) for row in self.rows("etc/passwd", 7)}

    @cached_property
    def groups(self) -> dict[str, int]:
        """Groups' names and numbers."""
        return {row[0]: int(row[2]) for row in self.rows("etc/group", 4)}

    @cached_property
    def owners(self) -> dict[str, str]:
        """Which package a path is of; what several packages have (directories) is of the first by name.

        A package may name its files by links of the merged /usr (/lib/x); the result has the paths as they are.
        """
        found: dict[str, str] = {}
        info = join(DPKG, "info")
        for path in self.files(info, suffix=".list"):
            package = basename(path).removesuffix(".list").partition(":")[0]
            for line in self.text(path).splitlines():
                found.setdefault(self._real(line.strip("/")), package)
        packages = set(found.values())
        for path in self.files(info):
            package = basename(path).rpartition(".")[0].partition(":")[0]
            if package in packages:
                found.setdefault(path, package)
        found.pop("", None)
        return found

    @cached_property
    def pinned(self) -> dict[str, str]:
        """MD5 of the contents that dpkg's database states: package files and configuration files."""
        found: dict[str, str] = {}
        for path in self.files(join(DPKG, "info"), suffix=".md5sums"):
            for line in self.text(path).splitlines():
                digest, _, name = line.partition("  ")
                found[self._real(name)] = digest
        status = self.text(join(DPKG, "status"))
        try:
            for fields in parse_paragraphs(status):
                for line in fields.get("Conffiles", "").split("\n"):
                    words = line.split()
                    if len(words) == 2:
                        found[self._real(words[0].strip("/"))] = words[1]
        except ValueError as error:
            raise UserError(f"/{DPKG}/status of {self.name} is not a package database: {error}") from error
        return found

    def _real(self, path: str) -> str:
        folder = parent(path)
        if folder not in self._folders:
            self._folders[folder] = self.tree.resolve(folder)
        return join(self._folders[folder], basename(path))

    @cached_property
    def _folders(self) -> dict[str, str]:
        return {}

    def is_as_packaged(self, path: str) -> bool:
        """Whether a file's content is the one that its package has."""
        node = self.tree[path]
        expected = self.pinned.get(path)
        # MD5 is what dpkg has; nobody is defended against here.
        return expected is not None and hashlib.md5(self.data(node), usedforsecurity=False).hexdigest() == expected

    @cached_property
    def foreign(self) -> frozenset[str]:
        """Files whose contents no package determines."""
        return frozenset(
            path
            for path, node in self.tree.walk()
            if node.type is NodeType.FILE
            and not (self.owners.get(path) and path.startswith(join(DPKG, "info")))
            and not self.is_as_packaged(path)
        )


def root_system(image: Image) -> System:
    """The one system on an image.

    Raises:
        UserError: there is none, or more than one.
    """
    found = [
        System(volume.name, volume.tree, image.reader.sources)
        for volume in image.volumes
        if volume.tree is not None and "etc/passwd" in volume.tree
    ]
    if len(found) != 1:
        names = ", ".join(system.name for system in found) or "none"
        raise UserError(f"one volume of the image must hold a root filesystem (with /etc/passwd); there is {names}")
    return found[0]


def place(volume: str, path: str) -> str:
    """How findings name a path of a volume other than the root."""
    return f"{volume}:/{path}"


def shown(path: str) -> str:
    """A path that may have any bytes, for messages."""
    return encode(path).decode("utf-8", "backslashreplace")
