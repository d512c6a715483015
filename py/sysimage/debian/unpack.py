"""What `dpkg --unpack` makes of packages: their files in one tree, each with its owner.

A directory that is there keeps its attributes, and one that is reached through a symbolic
link (merged /usr: /bin, /lib) stays a link. A file of two packages is an error
unless one of them Replaces the other or diverts the path. Source: dpkg(1), deb-control(5).
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence

from sysimage import tree as t
from sysimage.deb import Deb
from sysimage.debian.database import Database
from sysimage.debian.relations import parse_relations, satisfied
from sysimage.debian.root import Root
from sysimage.errors import UserError
from sysimage.tar_reader import Member
from sysimage.tree import Node, NodeType


class PathFilter:
    """dpkg's path-exclude and path-include: shell patterns on paths with a leading slash; `*` matches slashes too."""

    def __init__(self, exclude: Sequence[str] = (), include: Sequence[str] = ()) -> None:
        self._exclude = _any_of(exclude)
        self._include = _any_of(include)

    def excludes(self, path: str) -> bool:
        """Whether the path stays out."""
        if self._exclude is None or not self._exclude.match(path):
            return False
        return self._include is None or not self._include.match(path)


def _any_of(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(fnmatch.translate, patterns))) if patterns else None


def unpack(root: Root, database: Database, debs: Sequence[Deb], paths: PathFilter) -> dict[str, list[str]]:
    """Puts the files of packages into the tree.

    Returns:
        For each package the paths it installed (with leading slashes, in the order of its archive):
        what dpkg's file lists say. What `paths` excludes is among them, as with dpkg.

    Raises:
        UserError: two packages with one path, a file where a directory is (or the other way round),
            a hard link to nothing.
    """
    unpacker = _Unpacker(root, database, debs, paths)
    # Who has links in the root directory comes first: with merged /usr they decide where /bin/x and /lib/y go.
    for deb in sorted(debs, key=lambda deb: not _has_root_link(deb)):
        for member in deb.entries:
            unpacker.place(deb, member)
    lists: dict[str, list[str]] = {}
    for deb in debs:
        listed = ("/" + member.path if member.path else "/." for member in deb.entries)
        lists[deb.name] = [path for path in listed if (deb.name, path) not in unpacker.lost]
    return lists


class _Unpacker:
    def __init__(self, root: Root, database: Database, debs: Sequence[Deb], paths: PathFilter) -> None:
        self.root = root
        self.tree = root.tree
        self.paths = paths
        self.database = database
        self.fields: dict[str, Mapping[str, str]] = dict(database.packages)
        self.fields.update((deb.name, deb.fields) for deb in debs)
        self.conffiles = {
            deb.name: {line.split()[-1] for line in deb.scripts.get("conffiles", b"").decode().splitlines() if line}
            for deb in debs
        }
        self.has_root = bool(database.packages)
        self.owners: dict[str, str] = {}  # of everything that is no directory, by tree path
        self.shipped: dict[tuple[str, str], str] = {}  # path in the archive by (package, tree path)
        self.lost: set[tuple[str, str]] = set()  # (package, path) that another package replaced
        self.left_out: dict[str, Node] = {}  # inodes that the filter keeps out
        self.folders: dict[str, str] = {"": ""}  # directories as shipped -> tree paths
        for package, listed in database.lists.items():
            for path in listed:
                self.owners[self.where(path[1:], package)] = package

    def where(self, path: str, package: str) -> str:
        """The tree path of a shipped path: diversions and links in its directory applied."""
        diversion = self.database.diversions.get("/" + path)
        if diversion is not None and diversion.package != package:
            path = diversion.to[1:]
        folder, _, name = path.rpartition("/")
        place = self.folders.get(folder)
        if place is None:
            place = self.tree.resolve(folder)
            if self.tree.is_directory(place):
                self.folders[folder] = place
        return f"{place}/{name}" if place else name

    def place(self, deb: Deb, member: Member) -> None:
        node = member.node
        if not member.path:
            if node is not None and node.type is NodeType.DIRECTORY and not self.has_root:
                self.tree.set("", node)
                self.has_root = True
            return
        if self.paths.excludes("/" + member.path):
            if node is not None:
                self.left_out[member.path] = node
            return
        place = self.where(member.path, deb.name)
        old = self.tree.get(place)
        if node is not None and node.type is NodeType.DIRECTORY:
            self.directory(deb, place, node, old)
            return
        if old is not None and old.type is NodeType.DIRECTORY:
            raise UserError(f"package {deb.name}: /{place} is a directory already; a file cannot take its place")
        if old is not None and not self.may_replace(deb, member.path, place):
            return
        self.parents(place)
        if node is not None:
            self.tree.put(place, node)
        else:
            self.link(deb, member, place)
        self.owners[place] = deb.name
        self.shipped[deb.name, place] = "/" + member.path

    def directory(self, deb: Deb, place: str, node: Node, old: Node | None) -> None:
        if old is None:
            self.parents(place)
            self.tree.add(place, node)
        elif old.type is not NodeType.DIRECTORY and not self.root.is_directory(place):
            owner = self.owners.get(place)
            raise UserError(
                f"package {deb.name}: /{place} is a {old.type.value} already"
                f"{f' (of package {owner})' if owner else ''}; a directory cannot take its place"
            )

    def parents(self, place: str) -> None:
        """Makes missing parents; those that only the filter keeps out get the attributes that they ship with."""
        missing = []
        folder = t.parent(place)
        while folder not in self.tree:
            missing.append(folder)
            folder = t.parent(folder)
        for each in reversed(missing):
            self.tree.add(each, self.left_out.get(each) or t.directory(mtime=self.root.mtime))

    def link(self, deb: Deb, member: Member, place: str) -> None:
        target = self.where(member.link, deb.name)
        if target in self.tree:
            if place in self.tree:
                self.tree.remove(place)
            self.tree.link(place, target)
        elif member.link in self.left_out:
            self.tree.put(place, self.left_out[member.link])
        else:
            raise UserError(
                f"package {deb.name}: /{member.path} is a hard link to /{member.link}, which it does not contain"
            )

    def may_replace(self, deb: Deb, path: str, place: str) -> bool:
        """Whether the package's file takes the place of the one that is there."""
        owner = self.owners.get(place)
        if owner is None:
            # Made by an earlier step of the image: dpkg keeps a conffile that is there, and replaces all else.
            return "/" + path not in self.conffiles[deb.name]
        if owner == deb.name:
            return True
        if self.replaces(deb.name, owner):
            self.lost.add((owner, self.shipped.get((owner, place), "/" + place)))
            listed = self.database.lists.get(owner)
            if listed is not None and "/" + path in listed:
                listed.remove("/" + path)
            return True
        if self.replaces(owner, deb.name):
            self.lost.add((deb.name, "/" + path))
            return False
        raise UserError(
            f"packages {owner} and {deb.name} both contain /{place}, and neither Replaces the other nor diverts it",
            hint="leave one of them out",
        )

    def replaces(self, one: str, other: str) -> bool:
        fields = self.fields[other]
        names = {other, *_provided(fields.get("Provides", ""))}
        return any(
            (name == other and satisfied(fields["Version"], operator, version)) or (name in names and not operator)
            for name, operator, version in parse_relations(self.fields[one].get("Replaces", ""))
        )


def _has_root_link(deb: Deb) -> bool:
    links = (member for member in deb.entries if member.node is not None and member.node.type is NodeType.SYMLINK)
    return any("/" not in member.path for member in links)


def _provided(value: str) -> Iterable[str]:
    return (name for name, _, _ in parse_relations(value))
