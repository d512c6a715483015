"""The scripts table: what stands for each maintainer script, so that none is ignored in silence.

Of every package the scripts that run on a first installation are read: config, preinst and
postinst. Blocks that debhelper generated are understood (see `blocks`). If anything else is left, the
script must stand in the table by its SHA-256, with the actions done instead and why that
is enough. A new or changed script is an error that says where to add it. `prerm` and `postrm` run
when a package is upgraded or removed; nothing is when an image is composed, so they never run, and
inside the image they are there for dpkg. Triggers that packages are interested in stand in the table too; what
stands there is done when the package is installed, and again when one that comes later activates the trigger.

The table is TOML: `[[script]]` with package (a shell pattern), script, sha256 (one or several), why, do (actions),
blocks ("skipped": what debhelper generated is not read: the script ends before it, or do stands for it as well);
`[[trigger]]` with name, why, do. An action is a word of the vocabulary in `actions` with its arguments.
"""

import fnmatch
import hashlib
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysimage import tree as t
from sysimage.deb import Deb
from sysimage.debian import blocks
from sysimage.debian.actions import check
from sysimage.debian.blocks import Action
from sysimage.errors import UserError
from sysimage.text import read_text

INSTALLING = ("config", "preinst", "postinst")
_SKIPPED = "skipped"
_BOILERPLATE = re.compile(
    r"#.*|set [-+]e?u?|exit 0|(?:\. /usr/share/debconf/confmodule)|db_version 2\.0|db_stop|true|:"
)


@dataclass(frozen=True, slots=True)
class KnownScript:
    """An entry of the table: for these versions of a script the actions are done; skipped: for its blocks, too."""

    package: str
    script: str
    sha256: frozenset[str]
    why: str
    actions: tuple[Action, ...]
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class KnownTrigger:
    """An entry of the table: what is done, once, where a package is interested in this trigger."""

    name: str
    why: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class ScriptsTable:
    """The table, from one or several files; `origin` names it in errors."""

    scripts: tuple[KnownScript, ...]
    triggers: Mapping[str, KnownTrigger]
    origin: str = "the scripts table"


@dataclass(frozen=True, slots=True)
class Finding:
    """A script (or trigger) that the table does not know.

    text: what of it is not understood, its comments left out; known: the hashes that the table has for
    other versions of it.
    """

    package: str
    script: str
    sha256: str
    text: str
    known: tuple[str, ...] = ()

    def message(self) -> str:
        """One line that says what is wrong."""
        if self.script == "triggers":
            return f"package {self.package} waits for the trigger {self.text!r}, which is not in the scripts table"
        what = "has changed since it was reviewed" if self.known else "is not in the scripts table"
        return f"the {self.script} of package {self.package} {what} (sha256 {self.sha256})"


def load_scripts(paths: Path | str | Sequence[Path | str]) -> ScriptsTable:
    """Reads the table from its files.

    Raises:
        UserError: a file cannot be read, is no table, or uses a word that is no action.
    """
    files = [paths] if isinstance(paths, (str, Path)) else list(paths)
    scripts: list[KnownScript] = []
    triggers: dict[str, KnownTrigger] = {}
    for path in files:
        table = parse_scripts(read_text(path), str(path))
        scripts += table.scripts
        triggers |= table.triggers
    return ScriptsTable(tuple(scripts), triggers, ", ".join(map(str, files)))


def parse_scripts(text: str, origin: str) -> ScriptsTable:
    """The table in a text. Errors: as `load_scripts`."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{origin}: {error}") from error
    unknown = set(data) - {"script", "trigger"}
    if unknown:
        raise UserError(f"{origin}: unknown key {sorted(unknown)[0]!r} (known: script, trigger)")
    scripts = tuple(_script(row, origin) for row in _rows(data, "script", origin))
    triggers: dict[str, KnownTrigger] = {}
    for row in _rows(data, "trigger", origin):
        _keys(row, {"name", "why"}, {"do"}, f"{origin}: trigger {row.get('name', '?')}")
        actions = _actions(row.get("do", []), f"{origin}: trigger {row['name']}")
        triggers[row["name"]] = KnownTrigger(row["name"], row["why"], actions)
    return ScriptsTable(scripts, triggers, origin)


def _rows(data: dict[str, Any], key: str, origin: str) -> list[dict[str, Any]]:
    """The tables of a name, each with texts, and lists of texts, alone."""
    rows: list[dict[str, Any]] = data.get(key, [])
    for row in rows if isinstance(rows, list) else [rows]:
        values = [*row.values()] if isinstance(row, dict) and isinstance(rows, list) else [None]
        lists = [each if isinstance(each, list) else [each] for each in values]
        if any(not isinstance(each, str) for one in lists for each in one):
            raise UserError(f"{origin}: {key!r} must be tables [[{key}]] of texts and lists of texts; found {row!r}")
        if isinstance(row.get("do"), str):
            raise UserError(f"{origin}: 'do' of a {key} must be a list; found {row['do']!r}")
        for name in ("package", "script", "why", "name", "blocks"):
            if isinstance(row.get(name), list):
                raise UserError(f"{origin}: {name!r} of a {key} must be a text; found {row[name]!r}")
    return rows


def _script(row: dict[str, Any], origin: str) -> KnownScript:
    where = f"{origin}: {row.get('package', '?')} {row.get('script', '?')}"
    _keys(row, {"package", "script", "sha256", "why"}, {"do", "blocks"}, where)
    if row["script"] not in INSTALLING:
        raise UserError(f"{where}: script must be one of {', '.join(INSTALLING)}")
    hashes = [row["sha256"]] if isinstance(row["sha256"], str) else row["sha256"]
    for each in hashes:
        if not re.fullmatch("[0-9a-f]{64}", each):
            raise UserError(f"{where}: {each!r} is not a SHA-256 in hexadecimal")
    if row.get("blocks", _SKIPPED) != _SKIPPED:
        raise UserError(f"{where}: blocks can only be {_SKIPPED!r}; found {row['blocks']!r}")
    actions = _actions(row.get("do", []), where)
    return KnownScript(row["package"], row["script"], frozenset(hashes), row["why"], actions, "blocks" in row)


def _keys(row: dict[str, Any], needed: set[str], optional: set[str], where: str) -> None:
    for key in sorted(needed - set(row)):
        raise UserError(f"{where}: {key!r} is missing")
    for key in sorted(set(row) - needed - optional):
        raise UserError(f"{where}: unknown key {key!r}")


def _actions(lines: Iterable[str], where: str) -> tuple[Action, ...]:
    actions = []
    for line in lines:
        try:
            name, *arguments = shlex.split(line)
        except ValueError as error:
            raise UserError(f"{where}: {line!r}: {error}") from error
        action = Action(name, tuple(arguments))
        check(action, where)
        actions.append(action)
    return tuple(actions)


def remainder(script: str) -> str:
    """What is left of a script without generated blocks, comments, blank lines and boilerplate."""
    _, rest = blocks.split(script)
    lines = (line.rstrip() for line in rest.splitlines())
    return "\n".join(line for line in lines if line and not _BOILERPLATE.fullmatch(line.strip()))


@dataclass(frozen=True, slots=True)
class Step:
    """An action, and the script of the package that it stands for."""

    deb: Deb
    script: str
    action: Action


def plan(debs: Sequence[Deb], table: ScriptsTable) -> tuple[list[Step], list[Finding]]:
    """What is done in place of the packages' scripts, in their order; and what the table does not know."""
    steps: list[Step] = []
    findings: list[Finding] = []
    for deb in debs:
        for script in INSTALLING:
            if script in deb.scripts:
                _read(deb, script, table, steps, findings)
        for name in _interests(deb):
            if name in table.triggers:
                steps += [Step(deb, "triggers", action) for action in table.triggers[name].actions]
            else:
                findings.append(Finding(deb.name, "triggers", _sha256(deb.scripts["triggers"]), name))
    return steps, findings


def awakened(there: Iterable[Deb], debs: Sequence[Deb], table: ScriptsTable) -> list[Step]:
    """What packages that are there already do because new ones activate triggers that they are interested in.

    Source: deb-triggers(5): a name is activated by `activate` directives, a path by any file at or below it.
    """
    names: set[str] = set()
    paths: set[str] = set()
    for deb in debs:
        names.update(words[1] for words in _directives(deb) if words[0].startswith("activate"))
        for member in deb.entries:
            parts = member.path.split("/")
            paths.update("/" + "/".join(parts[:end]) for end in range(1, len(parts) + 1))
    return [
        Step(deb, "triggers", action)
        for deb in there
        for name in _interests(deb)
        if name in table.triggers and name in (paths if name.startswith("/") else names)
        for action in table.triggers[name].actions
    ]


def _read(deb: Deb, script: str, table: ScriptsTable, steps: list[Step], findings: list[Finding]) -> None:
    data = deb.scripts[script]
    text = t.decode(data)
    digest = _sha256(data)
    named = (each for each in table.scripts if fnmatch.fnmatchcase(deb.name, each.package))
    candidates = [each for each in named if each.script == script]
    known = [each for each in candidates if digest in each.sha256]
    others = tuple(sorted(value for each in candidates for value in each.sha256))
    generated, _ = ([], "") if known and known[0].skipped else blocks.split(text)
    try:
        for tool, body in generated:
            steps += [Step(deb, script, action) for action in blocks.read(tool, body)]
    except blocks.UnknownBlockError as error:
        if not known:
            findings.append(Finding(deb.name, script, digest, str(error), others))
            return
    if known:
        steps += [Step(deb, script, action) for action in known[0].actions]
    elif remainder(text):
        findings.append(Finding(deb.name, script, digest, remainder(text), others))


def _interests(deb: Deb) -> list[str]:
    """Names (or paths) of the triggers that a package is interested in. Source: deb-triggers(5)."""
    return [words[1] for words in _directives(deb) if words[0].startswith("interest")]


def _directives(deb: Deb) -> list[list[str]]:
    """The lines of a package's triggers file, each a directive and a trigger."""
    lines = t.decode(deb.scripts.get("triggers", b"")).splitlines()
    return [words for words in (line.partition("#")[0].split() for line in lines) if len(words) == 2]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def review(debs: Sequence[Deb], table: ScriptsTable) -> list[Finding]:
    """What the table does not know of these packages; nothing: all is well."""
    return plan(debs, table)[1]


def require(debs: Sequence[Deb], table: ScriptsTable) -> list[Step]:
    """The steps of `plan`.

    Raises:
        UserError: the table does not know a script; says package, script, hash, and where to add it.
    """
    steps, findings = plan(debs, table)
    if findings:
        more = f"; and {len(findings) - 1} more" if len(findings) > 1 else ""
        raise UserError(
            findings[0].message() + more,
            hint=f"read it, and add an entry that says what stands for it to {table.origin}",
        )
    return steps
