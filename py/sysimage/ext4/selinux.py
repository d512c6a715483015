"""SELinux labels by path, from a file_contexts file.

The syntax and the choice are libselinux's (selabel_file(5)): lines of a regular
expression that must match the whole path, an optional file type (`--`, `-d`,
`-l`, ...) and a context, or `<<none>>` for no label. Of the lines that match the
last one counts, but a line without any regular expression counts before all others.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from sysimage.errors import UserError
from sysimage.tree import NodeType, decode

XATTR_NAME = "security.selinux"
NO_LABEL = "<<none>>"
_TYPES = {
    "--": NodeType.FILE,
    "-d": NodeType.DIRECTORY,
    "-l": NodeType.SYMLINK,
    "-c": NodeType.CHARACTER,
    "-b": NodeType.BLOCK,
    "-p": NodeType.FIFO,
    "-s": NodeType.SOCKET,
}
_SPECIAL = frozenset(".^$?*+|[({")  # what libselinux takes for the start of a regular expression


@dataclass(slots=True)
class _Line:
    """One line: `rank` says which of two that match counts."""

    rank: tuple[bool, int]
    pattern: str
    type: NodeType | None
    context: bytes | None  # with its final NUL; None: no label
    where: str
    compiled: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        if self.compiled is None:
            try:
                self.compiled = re.compile(self.pattern, re.DOTALL)
            except re.error as error:
                raise UserError(f"{self.where}: bad regular expression {self.pattern!r}: {error}") from error
        return self.compiled.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class FileContexts:
    """A parsed file_contexts file."""

    _exact: dict[str, list[_Line]] = field(default_factory=dict)
    # Expressions by the directories that they begin with: a path only meets those of its own parents.
    _stems: dict[str, list[_Line]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, name: str) -> "FileContexts":
        """Reads the lines of a file.

        Raises:
            UserError: a line that is none; it names `name` and the line.
        """
        contexts = cls()
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if words and not words[0].startswith("#"):
                contexts._add(_parse(words, number, f"{name}:{number}"))
        for lines in (*contexts._exact.values(), *contexts._stems.values()):
            lines.reverse()
        return contexts

    @classmethod
    def load(cls, path: Path | str) -> "FileContexts":
        """Reads a file. Errors: as `parse`, and a file that cannot be read."""
        try:
            return cls.parse(decode(Path(path).read_bytes()), str(path))
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error

    def _add(self, line: _Line) -> None:
        if line.rank[0]:
            self._exact.setdefault(_unescaped(line.pattern), []).append(line)
        else:
            self._stems.setdefault(_stem(line.pattern), []).append(line)

    def label(self, path: str, node_type: NodeType) -> bytes | None:
        """The value of `security.selinux` for a path of a tree; None if it has none."""
        absolute = "/" + path
        for line in self._exact.get(absolute, ()):
            if line.type in (None, node_type):
                return line.context
        best: _Line | None = None
        stem = absolute
        while stem:
            stem = stem.rpartition("/")[0]
            for line in self._stems.get(stem, ()):
                if best is not None and line.rank < best.rank:
                    break
                if line.type in (None, node_type) and line.matches(absolute):
                    best = line
                    break
        return best.context if best is not None else None


def _parse(words: list[str], number: int, where: str) -> _Line:
    if len(words) not in (2, 3):
        raise UserError(f"{where}: {len(words)} words, expected: PATTERN [TYPE] CONTEXT")
    if len(words) == 3 and words[1] not in _TYPES:
        raise UserError(f"{where}: unknown file type {words[1]!r}", hint=f"one of {' '.join(_TYPES)}")
    context = words[-1]
    if context != NO_LABEL and context.count(":") < 2:
        raise UserError(f"{where}: {context!r} is not a context (user:role:type or user:role:type:level)")
    # The kernel keeps the context with its final NUL.
    value = None if context == NO_LABEL else context.encode("utf-8", "surrogateescape") + b"\0"
    pattern = words[0]
    return _Line((_is_exact(pattern), number), pattern, _TYPES[words[1]] if len(words) == 3 else None, value, where)


def _is_exact(pattern: str) -> bool:
    """Whether there is no special character that is not escaped."""
    return not _SPECIAL.intersection(re.sub(r"\\.", "", pattern))


def _unescaped(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern)


def _stem(pattern: str) -> str:
    """The directories that every path matched by the pattern begins with: `/usr/lib` for `/usr/lib/lib.*`."""
    text = re.split(r"[.^$?*+|\[({\\]", pattern, maxsplit=1)[0]
    if pattern[len(text) : len(text) + 1] in ("?", "*", "{"):
        text = text[:-1]  # the last character need not be there
    # An alternation outside of parentheses can start anywhere.
    if "|" in re.sub(r"\\.|\([^()]*\)|\[[^]]*\]", "", pattern):
        return ""
    return text.rpartition("/")[0]
