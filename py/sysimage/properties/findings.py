r"""What is wrong with an image, and the reviewed list of what is right all the same.

    # Programs that must act for others.
    setuid   /usr/bin/sudo      administrators have no other way to root
    login    /usr/sbin/agetty   ...

One row a line: the check that finds it, a path pattern, the reason in words; blanks between them. Lines that begin
with `#` are comments. Patterns are those of `difference.reviewed`: `*` and `?` within one component, `**` for any
number of them, `\040` for a blank. A path on another volume than the root filesystem begins with the volume's name and
a colon (`esp:/EFI/BOOT/BOOTX64.EFI`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sysimage.difference.reviewed import check_pattern, compile_pattern
from sysimage.errors import UserError
from sysimage.text import read_text
from sysimage.tree import encode


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that an image should not have, or lacks.

    check is the word that a reviewed row names it by, place the path that the row's pattern must match (with the
    volume's name before it where it is not the root filesystem), message what is wrong and what to do.
    """

    check: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.check} {self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a reviewed list; origin says where it stands."""

    check: str
    pattern: str
    reason: str
    origin: str

    def excuses(self, finding: Finding) -> bool:
        """Whether this row is about that finding."""
        volume, _, pattern = self.pattern.rpartition(":/")
        found, _, path = finding.place.rpartition(":/")
        if self.check != finding.check or volume != found:
            return False
        return compile_pattern("/" + pattern.lstrip("/")).fullmatch(encode("/" + path.lstrip("/"))) is not None


def load_rows(paths: Iterable[Path | str], checks: Iterable[str]) -> list[Row]:
    """The rows of reviewed lists.

    Args:
        paths: the files.
        checks: the words that a row may begin with.

    Raises:
        UserError: a file cannot be read; a row has no three columns, an unknown check or a bad pattern, or stands
            there twice.
    """
    known = sorted(checks)
    rows: list[Row] = []
    seen: dict[tuple[str, str], str] = {}
    for path in paths:
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            row = _row(line, f"{path}:{number}", known)
            first = seen.setdefault((row.check, row.pattern), row.origin)
            if first != row.origin:
                raise UserError(f"{row.origin}: {row.check} {row.pattern} stands in {first} already", "remove one")
            rows.append(row)
    return rows


def _row(line: str, origin: str, known: Sequence[str]) -> Row:
    columns = line.split(None, 2)
    if len(columns) < 3:
        raise UserError(
            f"{origin}: a row has a check, a path pattern and a reason; this is {line.strip()!r}",
            "a blank in a path is written \\040",
        )
    check, pattern, reason = columns
    if check not in known:
        raise UserError(f"{origin}: unknown check {check!r}", f"one of {', '.join(known)}")
    volume, colon, path = pattern.rpartition(":/")
    check_pattern("/" + path if colon and volume else pattern, origin)
    return Row(check, pattern, reason.strip(), origin)


def unexcused(findings: Iterable[Finding], rows: Iterable[Row], checks: Iterable[str]) -> list[str]:
    """What is left to say: findings that no row excuses, then rows of these checks that excuse nothing."""
    found = sorted(set(findings))
    mine = [row for row in rows if row.check in set(checks)]
    left = [str(finding) for finding in found if not any(row.excuses(finding) for row in mine)]
    idle = [
        f"{row.origin}: {row.check} {row.pattern} excuses nothing; remove the row"
        for row in mine
        if not any(row.excuses(finding) for finding in found)
    ]
    return left + idle
