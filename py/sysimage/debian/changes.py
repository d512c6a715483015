"""What a refresh changes, as a person wants to read it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sysimage.debian.lock import Lock, LockedPackage


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference of two locks: packages that came, went, or have another file now (old, new)."""

    old: Lock | None
    new: Lock
    added: tuple[LockedPackage, ...]
    removed: tuple[LockedPackage, ...]
    changed: tuple[tuple[LockedPackage, LockedPackage], ...]

    @property
    def any(self) -> bool:
        """True when the lock's text differs at all."""
        return self.old is None or self.old.to_text() != self.new.to_text()


def compare(old: Lock | None, new: Lock) -> Changes:
    """Compares two locks; None stands for no lock."""
    before = {package.name: package for package in old.packages} if old else {}
    after = {package.name: package for package in new.packages}
    return Changes(
        old=old,
        new=new,
        added=tuple(package for name, package in after.items() if name not in before),
        removed=tuple(package for name, package in before.items() if name not in after),
        changed=tuple(
            (before[name], package)
            for name, package in after.items()
            if name in before and before[name].sha256 != package.sha256
        ),
    )


def format_bytes(count: int, sign: bool = False) -> str:
    """Bytes in decimal units, as Debian's tools say them: 950 B, 1.2 kB, 34.7 MB."""
    prefix = "-" if count < 0 else "+" if sign and count else ""
    value = float(abs(count))
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{prefix}{value:.0f} {unit}" if unit == "B" else f"{prefix}{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def _total(packages: Sequence[LockedPackage]) -> int:
    return sum(package.size for package in packages)


def _set_lines(changes: Changes) -> list[str]:
    """Sets that came or went, and how the requests of the others changed; nothing for a first lock."""
    if changes.old is None:
        return []
    before = {entry.name: entry for entry in changes.old.sets}
    after = {entry.name: entry for entry in changes.new.sets}
    lines = []
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            lines.append(f"  set {name}: dropped")
        elif name not in before:
            lines.append(f"  set {name}: new")
        elif before[name].requests != after[name].requests:
            old, new = set(before[name].requests), set(after[name].requests)
            words = [f"+{request}" for request in sorted(new - old)] + [f"-{request}" for request in sorted(old - new)]
            lines.append(f"  set {name}: asks {' '.join(words)}")
    return lines


def format_changes(changes: Changes) -> str:
    """The report: a line of totals, the indexes' dates, then a table with one package a line.

    Example:
        1 added, 0 removed, 1 changed; 187 packages, 100.5 MB (+1.3 MB)
          + strace  6.13+ds-1                                 +1.3 MB  dev
          * tzdata  2026e-0+deb13u1 -> 2026f-0+deb13u1        +2.0 kB  essential
    """
    size = _total(changes.new.packages)
    before = _total(changes.old.packages) if changes.old else 0
    counts = f"{len(changes.added)} added, {len(changes.removed)} removed, {len(changes.changed)} changed"
    totals = f"{len(changes.new.packages)} packages, {format_bytes(size)} ({format_bytes(size - before, sign=True)})"
    lines = [f"{counts}; {totals}"]
    old_dates = {(i.archive, i.suite): i.date for i in changes.old.indexes} if changes.old else {}
    for index in changes.new.indexes:
        was = old_dates.get((index.archive, index.suite))
        arrow = f"{was} -> " if was and was != index.date else ""
        lines.append(f"  index {index.archive} {index.suite}: {arrow}{index.date}")
    lines += _set_lines(changes)
    rows = [("+", new.name, new.version, new.size, new.sets) for new in changes.added]
    rows += [("-", old.name, old.version, -old.size, old.sets) for old in changes.removed]
    rows += [
        ("*", new.name, f"{old.version} -> {new.version}", new.size - old.size, new.sets)
        for old, new in changes.changed
    ]
    if rows:
        name_width = max(len(row[1]) for row in rows)
        version_width = max(len(row[2]) for row in rows)
        for mark, name, version, delta, sets in sorted(rows, key=lambda row: row[1]):
            amount = format_bytes(delta, sign=True)
            lines.append(f"  {mark} {name:{name_width}}  {version:{version_width}}  {amount:>9}  {', '.join(sets)}")
    return "\n".join(lines) + "\n"
