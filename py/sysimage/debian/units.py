"""systemd units: enabled, disabled and masked, as `systemctl --root` and deb-systemd-helper do.

A unit is enabled by symbolic links under /etc/systemd/{system,user}: for each name in its
[Install] section's WantedBy, RequiredBy and UpheldBy one in TARGET.wants (.requires, .upholds),
for each Alias one of that name; units named in Also follow. Sources: systemctl(1),
systemd.unit(5) "[Install] Section Options", systemd.preset(5), deb-systemd-helper(1p).
"""

import fnmatch
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from sysimage import unit_file
from sysimage.debian.root import Root
from sysimage.errors import UserError

TYPES = ("service", "socket", "target", "timer", "mount", "automount", "path", "swap", "slice", "scope", "device")
_FOLDERS = {"WantedBy": "wants", "RequiredBy": "requires", "UpheldBy": "upholds"}
_MASK = "/dev/null"


@dataclass(frozen=True, slots=True)
class Install:
    """The [Install] section of a unit: lists of unit names."""

    wants: dict[str, list[str]] = field(default_factory=dict)  # by folder suffix
    aliases: list[str] = field(default_factory=list)
    also: list[str] = field(default_factory=list)
    default_instance: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One symbolic link of an enabled unit: its path, and the unit file that it leads to."""

    path: str
    target: str


def unit_name(name: str) -> str:
    """The full name: `.service` is understood where no unit type is given."""
    return name if name.rpartition(".")[2] in TYPES else name + ".service"


def find(root: Root, name: str, manager: str = "system") -> str | None:
    """The path of a unit's file (of its template's, for an instance), with a leading slash; None if there is none."""
    prefix, at, _ = name.partition("@")
    candidates = [name, f"{prefix}@{name[name.rindex('.') :]}"] if at else [name]
    for candidate in candidates:
        for folder in (f"/etc/systemd/{manager}", f"/usr/local/lib/systemd/{manager}", f"/usr/lib/systemd/{manager}"):
            path = f"{folder}/{candidate}"
            if root.link_target(path) == _MASK:
                continue
            if root.is_file(path):
                # An alias stands for what it leads to.
                return "/" + root.resolve(path)
    return None


def existing(root: Root, name: str, manager: str = "system") -> str:
    """As `find`.

    Raises:
        UserError: there is no such unit.
    """
    path = find(root, name, manager)
    if path is None:
        raise UserError(
            f"unit {name!r} does not exist",
            hint=f"its file must be in /etc/systemd/{manager} or /usr/lib/systemd/{manager}",
        )
    return path


def read_install(root: Root, path: str) -> Install:
    """The [Install] section of a unit file, drop-ins not looked at.

    Raises:
        UserError: quotes that do not close.
    """
    result = Install()
    default = ""
    for setting in unit_file.settings(root.text(path)):
        if setting.section != "Install":
            continue
        try:
            words = shlex.split(setting.value)
        except ValueError as error:
            raise UserError(f"{path}: {setting.text!r}: {error}") from error
        match setting.key:
            case "WantedBy" | "RequiredBy" | "UpheldBy" as kind:
                result.wants.setdefault(_FOLDERS[kind], []).extend(words)
            case "Alias":
                result.aliases.extend(words)
            case "Also":
                result.also.extend(words)
            case "DefaultInstance":
                default = setting.value
    return Install(result.wants, result.aliases, result.also, default)


def links(root: Root, name: str, manager: str = "system") -> list[Link]:
    """The links that make a unit enabled, those of units named in Also among them.

    Raises:
        UserError: the unit, or one that it names in Also, does not exist.
    """
    return list(_links(root, name, manager, set()))


def _links(root: Root, name: str, manager: str, seen: set[str]) -> Iterator[Link]:
    path = existing(root, name, manager)
    seen.add(name)
    install = read_install(root, path)
    own = path.rpartition("/")[2]
    wanted = name
    if own.partition("@")[2].startswith(".") and name == own:
        instance = install.default_instance
        wanted = own.replace("@.", f"@{instance}.") if instance else ""
    elif "@" not in name:
        wanted = own
    base = f"/etc/systemd/{manager}"
    for alias in install.aliases:
        if alias != own:
            yield Link(f"{base}/{_instance(alias, name)}", path)
    if wanted:
        for folder, targets in install.wants.items():
            for target in targets:
                yield Link(f"{base}/{_instance(target, wanted)}.{folder}/{wanted}", path)
    for other in install.also:
        if other not in seen:
            yield from _links(root, other, manager, seen)


def _instance(text: str, name: str) -> str:
    """The specifiers that [Install] sections use: %i, %j and friends of `name`."""
    if "%" not in text:
        return text
    prefix, _, rest = name.partition("@")
    instance = rest.rpartition(".")[0]
    for specifier, value in (("%i", instance), ("%p", prefix), ("%n", name), ("%%", "%")):
        text = text.replace(specifier, value)
    return text


def enable(root: Root, name: str, manager: str = "system") -> None:
    """`systemctl enable`.

    Raises:
        UserError: the unit does not exist, is masked, or has no [Install] section.
    """
    name = unit_name(name)
    if root.link_target(f"/etc/systemd/{manager}/{name}") == _MASK:
        raise UserError(f"unit {name!r} is masked; it cannot be enabled", hint="unmask it first")
    found = links(root, name, manager)
    if not found:
        raise UserError(
            f"unit {name!r} has no [Install] section; it cannot be enabled",
            hint="it is started by other units, or needs WantedBy=",
        )
    _make(root, found)


def _make(root: Root, found: list[Link]) -> None:
    for link in found:
        if link.path != link.target and root.link_target(link.path) != link.target:
            root.symlink(link.path, link.target)


def disable(root: Root, name: str, manager: str = "system") -> None:
    """`systemctl disable`: removes every link to the unit under /etc/systemd. Errors: as `existing`."""
    name = unit_name(name)
    path = existing(root, name, manager)
    names = {name, path.rpartition("/")[2]}
    top = root.resolve(f"etc/systemd/{manager}")
    for place, node in list(root.tree.walk(top)) if top in root.tree else ():
        if node.target == _MASK or not node.target:
            continue
        last = place.rpartition("/")[2]
        template = last.partition("@")[0] + "@" + last[last.rindex(".") :] if "@" in last and "." in last else last
        if node.target.rpartition("/")[2] in names and ("@" not in name or name in (last, template)):
            root.tree.remove(place)
            # A folder of links goes with its last one.
            folder = place.rpartition("/")[0]
            if folder != top and not root.tree.children(folder):
                root.tree.remove(folder)


def mask(root: Root, name: str, manager: str = "system") -> None:
    """`systemctl mask`: the unit can no longer be started by anything.

    Raises:
        UserError: the unit does not exist, or its file stands in /etc/systemd, where the mask would go.
    """
    name = unit_name(name)
    place = f"/etc/systemd/{manager}/{name}"
    if root.link_target(place) == _MASK:
        return
    existing(root, name, manager)
    if root.get(place) is not None and root.link_target(place) is None:
        raise UserError(f"unit {name!r} cannot be masked: {place} is a file", hint="remove the file instead")
    root.symlink(place, _MASK)


def unmask(root: Root, name: str, manager: str = "system") -> None:
    """`systemctl unmask`.

    Raises:
        UserError: there is neither a mask nor such a unit.
    """
    name = unit_name(name)
    place = f"/etc/systemd/{manager}/{name}"
    if root.link_target(place) == _MASK:
        root.remove(place)
    else:
        existing(root, name, manager)


def set_default(root: Root, target: str) -> None:
    """`systemctl set-default`: the target that is booted to. Errors: as `existing`."""
    name = target if target.endswith(".target") else target + ".target"
    path = existing(root, name)
    root.symlink("/etc/systemd/system/default.target", path)


def wanted_by_presets(root: Root, name: str, manager: str = "system") -> bool:
    """Whether the preset files enable the unit: the first matching line decides, and without one it is enabled."""
    files: dict[str, str] = {}
    for folder in (f"usr/lib/systemd/{manager}-preset", f"etc/systemd/{manager}-preset"):
        for each in root.names(folder):
            if each.endswith(".preset"):
                files[each] = f"{folder}/{each}"
    for each in sorted(files):
        for line in root.text(files[each]).splitlines():
            words = line.split()
            if len(words) >= 2 and words[0] in ("enable", "disable") and fnmatch.fnmatchcase(name, words[1]):
                return words[0] == "enable"
    return True


def preset(root: Root, name: str, manager: str = "system") -> None:
    """`systemctl preset`: enables or disables the unit as the preset files say. Errors: as `existing`."""
    name = unit_name(name)
    if wanted_by_presets(root, name, manager):
        _make(root, links(root, name, manager))
    else:
        disable(root, name, manager)


def helper_enable(root: Root, name: str, manager: str = "system") -> None:
    """`deb-systemd-helper enable` on a first installation: presets (enabling only), and its state files.

    Where no systemctl is installed yet the helper makes all links itself, to the path at which it finds the
    unit first: /lib, which leads to /usr/lib.

    Raises:
        UserError: as `existing`.
    """
    state = _state_folder(manager)
    closure = _helper_links(root, name, manager, [])
    if not root.is_file("usr/bin/systemctl"):
        _make(root, [Link(link.path, _helper_path(root, link.target)) for link in closure])
    elif wanted_by_presets(root, name, manager):
        _make(root, links(root, name, manager))
    _record(root, name, manager, [link.path for link in closure], keep=True)
    for link in closure:
        place = state + link.path.removeprefix(f"/etc/systemd/{manager}")
        if not root.is_file(place):
            root.write(place, b"")


def helper_update_state(root: Root, name: str, manager: str = "system") -> None:
    """`deb-systemd-helper update-state`: records the links that the unit would have. Errors: as `existing`."""
    _record(root, name, manager, [link.path for link in _helper_links(root, name, manager, [])], keep=False)


def _helper_path(root: Root, path: str) -> str:
    """A unit's path as deb-systemd-helper finds it."""
    short = path.removeprefix("/usr")
    return short if root.is_file(short) else path


def _state_folder(manager: str) -> str:
    return f"/var/lib/systemd/deb-systemd-{'user-' if manager == 'user' else ''}helper-enabled"


def _record(root: Root, name: str, manager: str, paths: list[str], keep: bool) -> None:
    place = f"{_state_folder(manager)}/{name}.dsh-also"
    lines = root.text(place).splitlines() if keep and root.is_file(place) else []
    for path in paths:
        if path not in lines or not keep:
            lines.append(path)
    if lines or not keep:
        root.write(place, "".join(line + "\n" for line in lines))


def _helper_links(root: Root, name: str, manager: str, visited: list[str]) -> list[Link]:
    """The helper's own idea of a unit's links: Also first, then Alias, then WantedBy and RequiredBy."""
    path = existing(root, name, manager)
    install = read_install(root, path)
    own = path.rpartition("/")[2]
    result: list[Link] = []
    for other in install.also:
        if other != own and other not in visited:
            visited.append(other)
            result += _helper_links(root, other, manager, visited)
    result += [Link(f"/etc/systemd/{manager}/{alias}", path) for alias in install.aliases if alias != own]
    wanted = own
    if install.default_instance:
        wanted = own.replace("@.", f"@{install.default_instance}.")
    for folder in ("wants", "requires"):
        for target in install.wants.get(folder, ()):
            result.append(Link(f"/etc/systemd/{manager}/{target}.{folder}/{wanted}", path))
    return result
