"""Packages into a tree: what `apt-get install` leaves behind, without running any of it.

Unpacks the packages, does what the scripts table says in place of their scripts, and
enters them in dpkg's database. The tree may have packages already.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sysimage import tree as t
from sysimage.deb import Deb
from sysimage.debian import database, scripts, sysusers
from sysimage.debian.accounts import Accounts, AccountsTable
from sysimage.debian.actions import VOCABULARY, Context, Phase
from sysimage.debian.control import format_paragraph, parse_paragraphs
from sysimage.debian.database import Database
from sysimage.debian.root import Root
from sysimage.debian.scripts import ScriptsTable, Step
from sysimage.debian.unpack import PathFilter, unpack
from sysimage.errors import UserError

EXTENDED_STATES = "var/lib/apt/extended_states"


@dataclass(frozen=True, slots=True)
class Options:
    """How packages are installed.

    exclude, include: dpkg's path-exclude and path-include, shell patterns with a leading slash;
    automatic: packages that are there only because others need them, as apt remembers them.
    """

    exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    automatic: Collection[str] = ()


def install(
    root: Root, debs: Sequence[Deb], table: ScriptsTable, accounts: AccountsTable, options: Options | None = None
) -> None:
    """Installs packages; one that is there in the same version is left as it is.

    Args:
        root: where; its sources must have the contents of the packages.
        debs: the packages. Their order decides nothing but the attributes of directories that several contain.
        table: what stands for the packages' scripts.
        accounts: the numbers of all accounts.
        options: see there.

    Raises:
        UserError: another version of a package is installed; a script that the table does not know; an
            account without an id; packages that contradict each other.
    """
    options = options or Options()
    data = database.load(root)
    for name, count in Counter(deb.name for deb in debs).items():
        if count > 1:
            raise UserError(f"package {name} is given {count} times")
    debs = [deb for deb in debs if not _is_installed(data, deb)]
    if not debs:
        return
    steps = scripts.require(debs, table) + scripts.awakened(database.remembered(data, root), debs, table)
    run = _Run(root, data, accounts)
    run.phase(steps, Phase.DIVERSIONS)
    lists = unpack(root, data, debs, PathFilter(options.exclude, options.include))
    for deb in debs:
        database.register(data, root, deb, lists[deb.name])
    run.accounts = Accounts.load(root)
    run.phase(steps, Phase.BASE_ACCOUNTS)
    run.phase(steps, Phase.ACCOUNTS)
    if run.accounts.passwd:
        sysusers.apply(root, run.accounts, accounts)
        run.accounts.save(root)
    run.phase(steps, Phase.FILES)
    run.phase(steps, Phase.TMPFILES)
    run.phase(steps, Phase.UNITS)
    run.phase(_once(steps), Phase.ONCE)
    _mark_automatic(root, [deb.name for deb in debs if deb.name in options.automatic], _architecture(data))
    database.save(data, root)


class _Run:
    def __init__(self, root: Root, data: Database, table: AccountsTable) -> None:
        self.root = root
        self.data = data
        self.table = table
        self.accounts = Accounts()

    def phase(self, steps: Sequence[Step], phase: Phase) -> None:
        """Runs the steps whose words act in a phase."""
        for step in steps:
            word = VOCABULARY[step.action.name]
            if word.phase is phase:
                script = t.decode(step.deb.scripts.get(step.script, b""))
                context = Context(self.root, self.data, self.table, self.accounts, step.deb, script)
                try:
                    word.run(context, step.action.arguments)
                except UserError as error:
                    where = f"package {step.deb.name}"
                    if where in error.message:
                        raise
                    raise UserError(f"{where} ({step.script}): {error.message}", error.hint) from error


def _once(steps: Sequence[Step]) -> list[Step]:
    """The first of the steps with one action each."""
    return list({step.action: step for step in reversed(steps)}.values())[::-1]


def _is_installed(data: Database, deb: Deb) -> bool:
    fields = data.packages.get(deb.name)
    if fields is None:
        return False
    if (fields["Version"], fields["Architecture"]) == (deb.version, deb.architecture):
        return True
    raise UserError(
        f"package {deb.name} {deb.version} cannot be installed: {fields['Version']} is there already",
        hint="the layers of an image must come from one lock",
    )


def _architecture(data: Database) -> str:
    """The architecture of the packages; dpkg itself has it."""
    for name in ("dpkg", *sorted(data.packages)):
        fields = data.packages.get(name)
        if fields is not None and fields["Architecture"] != "all":
            return fields["Architecture"]
    raise UserError("none of the packages has an architecture", hint="install more than 'all' packages")


def mark_manual(root: Root, names: Collection[str]) -> None:
    """In apt's words: packages that somebody asked for by name, so that it never removes them by itself."""
    marks = _marks(root)
    if not marks.keys().isdisjoint(names):
        _write_marks(root, {name: fields for name, fields in marks.items() if name not in names})


def _mark_automatic(root: Root, names: Sequence[str], architecture: str) -> None:
    """In apt's words: packages that it may remove once nothing needs them."""
    marks = _marks(root)
    for name in names:
        marks[name] = {"Package": name, "Architecture": architecture, "Auto-Installed": "1"}
    if marks:
        _write_marks(root, marks)


def _marks(root: Root) -> dict[str, dict[str, str]]:
    if not root.is_file(EXTENDED_STATES):
        return {}
    return {fields["Package"]: fields for fields in parse_paragraphs(root.text(EXTENDED_STATES))}


def _write_marks(root: Root, marks: Mapping[str, Mapping[str, str]]) -> None:
    root.write(EXTENDED_STATES, "".join(format_paragraph(marks[name]) + "\n" for name in sorted(marks)))
