r"""The reviewed list: differences that are meant, each with its reason.

    # What a real install leaves behind that no image should have.
    /etc/ssh/ssh_host_*   missing   each machine's own

One row a line: a path pattern, a kind of difference (`compare.Kind`), the reason in words; blanks between them.
Lines that begin with `#` are comments. In a pattern `*` and `?` match within one component, and a component `**`
matches any number of components, none too. A blank, a backslash, a wildcard that is meant as such, and whatever
cannot be printed are written as their bytes, `\040` for a blank (octal, as in fstab(5)).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sysimage.difference.compare import Kind
from sysimage.errors import UserError
from sysimage.tree import encode

_SPECIAL = "\\*?"
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")
_FIXED_BEFORE_DEEP = 2  # components without wildcards that must stand before `**`


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a pattern, a kind, a reason, and the line it stands in."""

    pattern: str
    kind: Kind
    reason: str
    line: int = 0

    def matches(self, path: str) -> bool:
        """Whether a tree path is meant."""
        return compile_pattern(self.pattern).fullmatch(b"/" + encode(path)) is not None


def quote(path: str) -> str:
    """A tree path as a pattern that matches it alone."""
    return "/" + "".join(
        each
        if each.isprintable() and not each.isspace() and each not in _SPECIAL
        else "".join(f"\\{byte:03o}" for byte in encode(each))
        for each in path
    )


def format_rows(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    """Lines of pattern, kind and reason, in columns."""
    table = [*rows]
    widths = [max((len(row[column]) for row in table), default=0) for column in (0, 1)]
    return [f"{pattern:{widths[0]}}  {kind:{widths[1]}}  {reason}".rstrip() for pattern, kind, reason in table]


def load(path: Path | str) -> list[Row]:
    """The rows of a file.

    Raises:
        UserError: it cannot be read, or as `parse`.
    """
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8") from error
    return parse(text, str(path))


def parse(text: str, origin: str) -> list[Row]:
    """The rows of a text.

    Args:
        text: the list.
        origin: what to call it in errors.

    Raises:
        UserError: a row that is not three columns, an unknown kind, a pattern that is malformed or so broad that
            it would excuse what nobody looked at, or a row that stands there twice.
    """
    rows: list[Row] = []
    seen: dict[tuple[str, Kind], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{origin}:{number}"
        row = _row(line, number, where)
        first = seen.setdefault((row.pattern, row.kind), number)
        if first != number:
            raise UserError(f"{where}: {row.pattern} {row.kind.value} stands in line {first} already", "remove one")
        rows.append(row)
    return rows


def _row(line: str, number: int, where: str) -> Row:
    columns = line.split(None, 2)
    if len(columns) < 2:
        raise UserError(
            f"{where}: a row has a path pattern, a kind and a reason; this is {line.strip()!r}",
            "a blank in a path is written \\040",
        )
    pattern, word = columns[:2]
    kinds = {kind.value: kind for kind in Kind}
    if word not in kinds:
        raise UserError(f"{where}: unknown kind of difference {word!r}", f"one of {', '.join(kinds)}")
    if len(columns) < 3:
        raise UserError(
            f"{where}: {pattern} {word} has no reason", "say why the difference is right; a reader must believe it"
        )
    check_pattern(pattern, where)
    return Row(pattern, kinds[word], columns[2].strip(), number)


def check_pattern(pattern: str, where: str) -> None:
    """Refuses a path pattern that is malformed or too broad; `where` says in errors where it stands.

    Raises:
        UserError: it is.
    """
    if not pattern.startswith("/"):
        raise UserError(f"{where}: path pattern {pattern!r} does not begin with '/'", f"write {'/' + pattern!r}")
    parts = pattern[1:].split("/")
    if pattern != "/" and any(part in ("", ".", "..") for part in parts):
        raise UserError(f"{where}: path pattern {pattern!r} has an empty component, '.' or '..'", "leave it out")
    if b"\\" in _ESCAPE.sub(b"", encode(pattern)):
        raise UserError(
            f"{where}: path pattern {pattern!r} has a backslash without three octal digits",
            "a backslash itself is written \\134",
        )
    for part in parts:
        if "**" in part and part != "**":
            raise UserError(f"{where}: path pattern {pattern!r} has '**' beside other characters", "use '*'")
    fixed = next((index for index, part in enumerate(parts) if "*" in part or "?" in part), len(parts))
    deep = parts.index("**") if "**" in parts else None
    if fixed == 0 or (deep is not None and fixed < _FIXED_BEFORE_DEEP):
        raise UserError(
            f"{where}: path pattern {pattern!r} is too broad",
            "begin with a component without wildcards, and have two of them before '**'",
        )


def compile_pattern(pattern: str) -> re.Pattern[bytes]:
    """A path pattern as a regular expression for the bytes of a path that begins with a slash."""
    expression = b""
    parts = pattern[1:].split("/")
    for part in parts:
        expression += b"(?:/[^/]+)*" if part == "**" else b"/" + _component(part)
    return re.compile(expression, re.DOTALL)


def _component(part: str) -> bytes:
    """One component as a regular expression."""
    expression = b""
    data = encode(part)
    position = 0
    while position < len(data):
        escape = _ESCAPE.match(data, position)
        if escape is not None:
            expression += re.escape(bytes([int(escape[1], 8)]))
            position = escape.end()
            continue
        each = data[position : position + 1]
        expression += {b"*": b"[^/]*", b"?": b"[^/]"}.get(each) or re.escape(each)
        position += 1
    return expression
