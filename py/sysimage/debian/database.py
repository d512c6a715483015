"""dpkg's database: what is installed, and which file belongs to which package.

Under /var/lib/dpkg: `status` (one paragraph a package), `info/PACKAGE.*` (file list,
checksums, scripts), `diversions`, `statoverride`, `triggers/`. A package of
`Multi-Arch: same` has its architecture in the names of its info files.
Sources: dpkg(1), dpkg-query(1), deb-triggers(5), and dpkg's doc/ and lib/dpkg/parse.c
for the order of the fields.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sysimage.deb import Deb
from sysimage.debian.control import format_paragraph, parse_paragraphs
from sysimage.debian.root import Root
from sysimage.errors import UserError

ADMIN = "var/lib/dpkg"
INSTALLED = "install ok installed"

_ORDER = [
    *("Package", "Essential", "Protected", "Status", "Priority", "Section", "Installed-Size", "Origin", "Maintainer"),
    *("Bugs", "Architecture", "Multi-Arch", "Source", "Version", "Config-Version", "Replaces", "Provides", "Depends"),
    *("Pre-Depends", "Recommends", "Suggests", "Breaks", "Conflicts", "Enhances", "Conffiles", "Description"),
]


@dataclass(frozen=True, slots=True)
class Diversion:
    """Files that go to another path unless they are of the named package (`:`: local, of nobody)."""

    path: str
    to: str
    package: str


@dataclass(slots=True)
class Database:
    """The database in memory; all paths in it have a leading slash, as dpkg writes them.

    packages: paragraphs of the status file by package name; lists: paths by package name;
    diversions by diverted path; overrides: (owner, group, mode) by path.
    """

    packages: dict[str, dict[str, str]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    diversions: dict[str, Diversion] = field(default_factory=dict)
    overrides: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def divert(self, diversion: Diversion) -> None:
        """Adds a diversion.

        Raises:
            UserError: another package diverts the path already, or elsewhere.
        """
        old = self.diversions.setdefault(diversion.path, diversion)
        if old != diversion:
            raise UserError(
                f"{diversion.path} is diverted to {old.to} by {old.package}; "
                f"{diversion.package} wants it at {diversion.to}"
            )


def load(root: Root) -> Database:
    """The database of a tree; an empty one where there is none yet.

    Raises:
        UserError: a part of it cannot be understood.
    """
    database = Database()
    if not root.is_file(f"{ADMIN}/status"):
        return database
    try:
        for paragraph in parse_paragraphs(root.text(f"{ADMIN}/status")):
            database.packages[paragraph["Package"]] = paragraph
            info_name(paragraph)
    except (ValueError, KeyError) as error:
        raise UserError(f"/{ADMIN}/status is damaged: {error}") from error
    for name, paragraph in database.packages.items():
        database.lists[name] = root.text(f"{ADMIN}/info/{info_name(paragraph)}.list").splitlines()
    if root.is_file(f"{ADMIN}/diversions"):
        lines = root.text(f"{ADMIN}/diversions").splitlines()
        for path, to, package in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
            database.diversions[path] = Diversion(path, to, package)
    if root.is_file(f"{ADMIN}/statoverride"):
        for line in root.text(f"{ADMIN}/statoverride").splitlines():
            fields = line.split(" ", 3)
            if len(fields) != 4:
                raise UserError(f"/{ADMIN}/statoverride has a line that is not OWNER GROUP MODE PATH: {line!r}")
            owner, group, mode, path = fields
            database.overrides[path] = (owner, group, mode)
    return database


def info_name(fields: Mapping[str, str]) -> str:
    """What the package's files under info/ are called, without their endings."""
    if fields.get("Multi-Arch") == "same":
        return f"{fields['Package']}:{fields['Architecture']}"
    return fields["Package"]


def register(database: Database, root: Root, deb: Deb, paths: Iterable[str]) -> None:
    """Enters an unpacked package as installed, and writes its files under info/.

    Args:
        database: what to enter it in.
        root: has the package's conffiles in their places; gets the info files.
        deb: the package.
        paths: what it installed, in the order of its archive, with leading slashes.
    """
    fields = {key: value for key, value in deb.fields.items() if key in _ORDER}
    fields["Status"] = INSTALLED
    conffiles = _conffiles(root, deb)
    if conffiles:
        fields["Conffiles"] = conffiles
    ordered = {key: fields[key] for key in _ORDER if key in fields}
    database.packages[deb.name] = ordered | {key: value for key, value in deb.fields.items() if key not in _ORDER}
    database.lists[deb.name] = list(paths)
    name = info_name(deb.fields)
    for member, content in sorted(deb.scripts.items()):
        script = member in ("preinst", "postinst", "prerm", "postrm", "config")
        root.write(f"{ADMIN}/info/{name}.{member}", content, 0o755 if script else 0o644)


def _conffiles(root: Root, deb: Deb) -> str:
    """The field: a line a conffile, with the MD5 of what the package ships."""
    lines = ""
    own = {"/" + member.path: member.node for member in deb.entries if member.node is not None}
    for line in deb.scripts.get("conffiles", b"").decode().splitlines():
        *flags, path = line.split()
        node = own.get(path)
        if "remove-on-upgrade" in flags:
            lines += f"\n {path} newconffile remove-on-upgrade"
        elif node is None or node.content is None:
            raise UserError(f"package {deb.name} names the conffile {path}, but does not contain it")
        else:
            digest = hashlib.md5(usedforsecurity=False)
            for extent in node.content.extents:
                digest.update(root.sources.view(extent))
            lines += f"\n {path} {digest.hexdigest()}"
    return lines


def remembered(database: Database, root: Root) -> list[Deb]:
    """The installed packages as far as a tree remembers them: fields and control files, but not what they contain."""
    debs = []
    for fields in database.packages.values():
        name = info_name(fields)
        scripts = {
            member: root.read(f"{ADMIN}/info/{name}.{member}")
            for member in ("postinst", "triggers")
            if root.is_file(f"{ADMIN}/info/{name}.{member}")
        }
        debs.append(Deb(fields, scripts, (), f"/{ADMIN}/info/{name}"))
    return debs


def save(database: Database, root: Root) -> None:
    """Writes the database into the tree: status, file lists, diversions, overrides, triggers."""
    for folder in ("info", "updates", "parts", "triggers", "alternatives"):
        root.directory(f"{ADMIN}/{folder}")
    paragraphs = [format_paragraph(database.packages[name]) for name in sorted(database.packages)]
    root.write(f"{ADMIN}/status", "".join(paragraph + "\n" for paragraph in paragraphs))
    for name, paths in database.lists.items():
        listing = "".join(path + "\n" for path in paths)
        root.write(f"{ADMIN}/info/{info_name(database.packages[name])}.list", listing)
    root.write(f"{ADMIN}/info/format", "1\n")
    diversions = [database.diversions[path] for path in sorted(database.diversions)]
    if diversions:
        root.write(f"{ADMIN}/diversions", "".join(f"{each.path}\n{each.to}\n{each.package}\n" for each in diversions))
    overrides = [f"{' '.join(database.overrides[path])} {path}\n" for path in sorted(database.overrides)]
    if overrides:  # without any dpkg has no such file
        root.write(f"{ADMIN}/statoverride", "".join(overrides))
    _save_triggers(database, root)
    for name in ("lock", "lock-frontend"):
        root.write(f"{ADMIN}/{name}", b"", 0o640)


def _save_triggers(database: Database, root: Root) -> None:
    """`File` holds interest in paths; interest in a name has a file of that name. A line a package."""
    files = ""
    named: dict[str, str] = {}
    for package in sorted(database.packages):
        info = info_name(database.packages[package])
        place = f"{ADMIN}/info/{info}.triggers"
        for line in root.text(place).splitlines() if root.is_file(place) else ():
            directive, *rest = line.partition("#")[0].split() or [""]
            if directive.startswith("interest") and rest:
                who = info + ("/noawait" if directive.endswith("-noawait") else "")
                if rest[0].startswith("/"):
                    files += f"{rest[0]} {who}\n"
                else:
                    named[rest[0]] = named.get(rest[0], "") + who + "\n"
    root.write(f"{ADMIN}/triggers/File", files)
    root.write(f"{ADMIN}/triggers/Unincorp", "")
    root.write(f"{ADMIN}/triggers/Lock", "", 0o600)
    for name, text in named.items():
        root.write(f"{ADMIN}/triggers/{name}", text)
