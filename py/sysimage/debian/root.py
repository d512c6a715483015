"""A tree that can be read and written like a mounted system, links followed."""

from dataclasses import dataclass

from sysimage import tree as t
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import Node, NodeType, Tree


@dataclass(frozen=True, slots=True)
class Root:
    """A tree, the sources of its contents, and the time of everything made here.

    mtime: nanoseconds since 1970. Paths may begin with a slash; links on the way are followed
    inside the tree, as in a chroot.
    """

    tree: Tree
    sources: Sources
    mtime: int

    @property
    def day(self) -> int:
        """Days since 1970, as /etc/shadow counts them."""
        return self.mtime // t.NANOSECONDS // 86400

    def resolve(self, path: str) -> str:
        """The tree path that `path` leads to; it need not exist."""
        return self.tree.resolve(path)

    def place(self, path: str) -> str:
        """The tree path of `path` itself: links are followed on the way, but not at its end."""
        return self.tree.resolve(path, follow_last=False)

    def get(self, path: str) -> Node | None:
        """The inode that a path leads to, or None."""
        return self.tree.get(self.tree.resolve(path))

    def link_target(self, path: str) -> str | None:
        """The target of the symbolic link at the path itself; None if there is none."""
        node = self.tree.get(self.place(path))
        return node.target if node is not None and node.type is NodeType.SYMLINK else None

    def is_file(self, path: str) -> bool:
        """Whether the path leads to a regular file."""
        node = self.get(path)
        return node is not None and node.type is NodeType.FILE

    def is_directory(self, path: str) -> bool:
        """Whether the path leads to a directory."""
        return self.tree.is_directory(self.tree.resolve(path))

    def names(self, path: str) -> list[str]:
        """Names in the directory that the path leads to, sorted; none if there is no directory."""
        path = self.tree.resolve(path)
        return self.tree.children(path) if self.tree.is_directory(path) else []

    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            UserError: there is no file at the path.
        """
        return self.tree.read(path.strip("/"), self.sources)

    def text(self, path: str) -> str:
        """The content of a text file; bytes that are not UTF-8 become surrogates. Errors: as `read`."""
        return t.decode(self.read(path))

    def write(
        self,
        path: str,
        data: bytes | str,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
    ) -> None:
        """Writes a file; one that is there keeps the attributes that are not given, a new one has 0644 0:0.

        Raises:
            UserError: a directory is in the way.
        """
        content = t.encode(data) if isinstance(data, str) else data
        place = self.tree.resolve(path)
        old = self.tree.get(place)
        if old is None or old.type is not NodeType.FILE:
            self.directory(t.parent(place))
            old = t.file(b"")
        node = t.file(
            content,
            old.mode if mode is None else mode,
            old.uid if uid is None else uid,
            old.gid if gid is None else gid,
            self.mtime,
        )
        self.tree.put(place, node)

    def directory(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        """Makes a directory that is missing, and its parents (0755, 0:0). One that is there stays as it is.

        Raises:
            UserError: something else is in the way.
        """
        place = self.tree.resolve(path)
        if place in self.tree:
            if not self.tree.is_directory(place):
                raise UserError(f"/{place} is a {self.tree[place].type.value}; a directory is wanted")
            return
        self.directory(t.parent(place))
        self.tree.add(place, t.directory(mode, uid, gid, self.mtime))

    def symlink(self, path: str, target: str) -> None:
        """Makes a symbolic link; it takes the place of a link or file.

        Raises:
            UserError: a directory is in the way.
        """
        place = self.place(path)
        self.directory(t.parent(place))
        self.tree.put(place, t.symlink(target, mtime=self.mtime))

    def remove(self, path: str) -> None:
        """Removes what is at the path itself, if anything is."""
        place = self.place(path)
        if place in self.tree:
            self.tree.remove(place)

    def copy(
        self, source: str, path: str, mode: int | None = None, uid: int | None = None, gid: int | None = None
    ) -> None:
        """`cp -p` of one file to the path, over a file that is there; no bytes are copied.

        Raises:
            UserError: there is no file at `source`, or a directory is in the way.
        """
        node = self.get(source)
        if node is None or node.type is not NodeType.FILE:
            raise UserError(f"/{source.strip('/')} is missing or not a file; it cannot be copied to /{path.strip('/')}")
        place = self.tree.resolve(path)
        self.directory(t.parent(place))
        self.tree.put(
            place,
            Node(
                NodeType.FILE,
                node.mode if mode is None else mode,
                node.uid if uid is None else uid,
                node.gid if gid is None else gid,
                node.mtime,
                dict(node.xattrs),
                node.content,
            ),
        )

    def attributes(self, path: str, mode: int | None = None, uid: int | None = None, gid: int | None = None) -> None:
        """Sets owner and mode of what the path leads to.

        Raises:
            UserError: there is nothing at the path.
        """
        place = self.tree.resolve(path)
        node = self.tree.get(place)
        if node is None:
            raise UserError(f"/{place} is missing; its owner and mode cannot be set")
        self.tree.change(
            place,
            mode=node.mode if mode is None else mode,
            uid=node.uid if uid is None else uid,
            gid=node.gid if gid is None else gid,
        )
