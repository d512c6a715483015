"""The locked packages as `apt-get install` sees them: names, and what each depends on."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from sysimage.deb import Deb, Spool, read_control, read_debs
from sysimage.debian import database
from sysimage.debian.accounts import AccountsTable
from sysimage.debian.install import Options, install, mark_manual
from sysimage.debian.relations import satisfied
from sysimage.debian.root import Root
from sysimage.debian.scripts import ScriptsTable
from sysimage.errors import UserError


class NoPackages:
    """Where no lock is given: whatever is asked for is an error."""

    def install(self, _root: Root, names: Sequence[str]) -> None:
        """Refuses.

        Raises:
            UserError: always.
        """
        raise UserError(f"package {names[0]!r} is not in the lock: no packages are given", hint="set `packages`")

    def installed(self, _root: Root) -> Collection[str]:
        """Names of what is installed: nobody installed any."""
        return ()


class LockedPackages:
    """A set of .deb files that is complete: apt chose it when the lock was made.

    Args:
        paths: the files.
        spool: where their contents are unpacked to.
        scripts: what stands for their maintainer scripts.
        accounts: the numbers of the accounts they make.
    """

    def __init__(
        self, paths: Iterable[Path | str], spool: Spool, scripts: ScriptsTable, accounts: AccountsTable
    ) -> None:
        self._debs: dict[str, Deb] = {}
        self._providers: dict[str, list[tuple[str, str]]] = {}
        self._spool = spool
        self._scripts = scripts
        self._accounts = accounts
        for path in paths:
            deb = read_control(path)
            if deb.name in self._debs:
                raise UserError(f"package {deb.name!r} is given twice: {self._debs[deb.name].origin} and {path}")
            self._debs[deb.name] = deb
        for name in sorted(self._debs):
            for relation in _groups(self._debs[name].fields.get("Provides", "")):
                for provided, _, version in relation:
                    self._providers.setdefault(provided, []).append((name, version))

    def install(self, root: Root, names: Sequence[str]) -> None:
        """Installs packages with all that they depend on; what is installed already stays, and counts as asked for.

        Raises:
            UserError: a package that is not in the lock, or whatever installing it raises.
        """
        there = set(self.installed(root))
        for name in names:
            if name not in self._debs and name not in there:
                raise UserError(
                    f"package {name!r} is not in the lock", hint="add it to the package list and refresh the lock"
                )
        mark_manual(root, there.intersection(names))
        wanted = self.closure([name for name in names if name not in there], there)
        if not wanted:
            return
        debs = read_debs([self._debs[name].origin for name in wanted], self._spool)
        for key, path in self._spool.sources.paths.items():
            root.sources.add(key, path)
        options = Options(automatic=set(wanted) - set(names))
        install(root, debs, self._scripts, self._accounts, options)

    def installed(self, root: Root) -> Collection[str]:
        """Names of what is installed."""
        return database.load(root).packages.keys()

    def closure(self, names: Iterable[str], there: Collection[str]) -> list[str]:
        """The packages and all that they need and `there` has not, sorted.

        Raises:
            UserError: something needed is neither in the lock nor installed.
        """
        found: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name in found:
                continue
            found.add(name)
            fields = self._debs[name].fields
            for field in ("Pre-Depends", "Depends"):
                for group in _groups(fields.get(field, "")):
                    choice = self._choose(group, found | set(pending), there)
                    if choice is None:
                        wanted = " | ".join(each for each, _, _ in group)
                        raise UserError(
                            f"package {name!r} needs {wanted}, which is not in the lock", hint="refresh the lock"
                        )
                    if choice not in there:
                        pending.append(choice)
        return sorted(found)

    def _choose(
        self, group: Sequence[tuple[str, str, str]], found: Collection[str], there: Collection[str]
    ) -> str | None:
        """The package that meets one of the alternatives: one that is chosen already, else the first."""
        candidates = [each for relation in group for each in self._meeting(*relation)]
        for chosen in (there, found):
            for name in candidates:
                if name in chosen:
                    return name
        if any(name in there for name, _, _ in group):
            return next(name for name, _, _ in group if name in there)
        return candidates[0] if candidates else None

    def _meeting(self, name: str, operator: str, version: str) -> list[str]:
        found = []
        if name in self._debs and (not operator or satisfied(self._debs[name].version, operator, version)):
            found.append(name)
        for provider, provided in self._providers.get(name, ()):
            if not operator or (provided and satisfied(provided, operator, version)):
                found.append(provider)
        return found


def _groups(value: str) -> list[list[tuple[str, str, str]]]:
    """A relation field: for each comma a list of alternatives (name, operator, version)."""
    groups = []
    for part in value.replace("\n", " ").split(","):
        group = []
        for alternative in part.split("|"):
            name, _, rest = alternative.strip().partition("(")
            name = name.split("[")[0].strip().partition(":")[0]
            operator, _, version = rest.partition(")")[0].strip().partition(" ")
            if name:
                group.append((name, operator, version.strip()))
        if group:
            groups.append(group)
    return groups
