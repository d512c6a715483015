"""Alternatives: links such as /usr/bin/editor that lead to one of several programs.

A link group has a master and slaves. LINK leads to /etc/alternatives/NAME, and that to
the chosen path; all groups here are in automatic mode, so the choice with the highest
priority is taken, and of equals the one that came first. What is registered stands in
/var/lib/dpkg/alternatives/NAME. Source: update-alternatives(1), "FILES".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sysimage.debian.root import Root
from sysimage.errors import UserError

ADMIN = "var/lib/dpkg/alternatives"
LINKS = "etc/alternatives"


@dataclass(frozen=True, slots=True)
class Choice:
    """One path that a group can lead to; slaves: the path that goes with it, by slave name."""

    path: str
    priority: int
    slaves: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slave:
    """A further link of a group."""

    link: str
    name: str
    path: str


@dataclass(slots=True)
class _Group:
    name: str
    link: str
    slaves: dict[str, str] = field(default_factory=dict)  # links by name
    choices: dict[str, Choice] = field(default_factory=dict)

    def best(self) -> Choice:
        return max(self.choices.values(), key=lambda choice: choice.priority)


def install(root: Root, link: str, name: str, path: str, priority: int, slaves: Sequence[Slave] = ()) -> None:
    """`update-alternatives --install LINK NAME PATH PRIORITY [--slave LINK NAME PATH]...`.

    A slave whose path does not exist gets no link, as with the real one.

    Raises:
        UserError: the path does not exist, or a file is in the way of a link.
    """
    if root.get(path) is None:
        raise UserError(f"alternative {name}: {path} does not exist")
    group = _load(root, name) or _Group(name, link)
    group.link = link
    for slave in slaves:
        group.slaves[slave.name] = slave.link
    group.choices[path] = Choice(path, priority, {slave.name: slave.path for slave in slaves})
    _save(root, group)
    best = group.best()
    _link(root, name, group.link, best.path)
    for slave_name, slave_link in group.slaves.items():
        target = best.slaves.get(slave_name, "")
        if target and root.get(target) is not None:
            _link(root, slave_name, slave_link, target)
        else:
            for place in (f"{LINKS}/{slave_name}", slave_link):
                if root.link_target(place) is not None:
                    root.remove(place)


def _link(root: Root, name: str, link: str, path: str) -> None:
    if root.get(link.rpartition("/")[0]) is None:
        # Not where it would lead, as with manual pages that the image leaves out.
        return
    through = f"/{LINKS}/{name}"
    place = root.place(link)
    if place in root.tree and root.link_target(link) is None:
        raise UserError(f"alternative {name}: {link} exists and is no symbolic link")
    root.symlink(through, path)
    root.symlink(link, through)


def _load(root: Root, name: str) -> _Group | None:
    """Reads an administrative file.

    Raises:
        UserError: it is damaged.
    """
    place = f"{ADMIN}/{name}"
    if not root.is_file(place):
        return None
    try:
        return _parse(name, root.text(place).split("\n"))
    except (IndexError, ValueError) as error:
        raise UserError(f"/{place} is damaged: it is cut short, or a priority is no number") from error


def _parse(name: str, lines: Sequence[str]) -> _Group:
    """Mode, link, pairs of slave name and link, an empty line, then a block a choice, an empty line."""
    group = _Group(name, lines[1])
    at = 2
    while lines[at]:
        group.slaves[lines[at]] = lines[at + 1]
        at += 2
    at += 1
    while lines[at]:
        slaves = lines[at + 2 : at + 2 + len(group.slaves)]
        choice = Choice(lines[at], int(lines[at + 1]), dict(zip(group.slaves, slaves, strict=True)))
        group.choices[choice.path] = choice
        at += 2 + len(slaves)
    return group


def _save(root: Root, group: _Group) -> None:
    names = sorted(group.slaves)
    lines = ["auto", group.link]
    for name in names:
        lines += [name, group.slaves[name]]
    lines.append("")
    for path in sorted(group.choices):
        choice = group.choices[path]
        lines += [path, str(choice.priority), *(choice.slaves.get(name, "") for name in names)]
    root.write(f"{ADMIN}/{group.name}", "\n".join([*lines, "", ""]))
