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
_MAX_PREFIXES = 64  # of one expression
_MAX_GROUPS = 100  # of one pattern
_ELEMENT = re.compile(  # the start of an expression as far as it is plain: characters and words that may be missing
    r"(?:\((?:\?:)?(?P<words>[^][()\\.^$*+?{}]+)\)|\\(?P<escaped>[^a-zA-Z0-9|])|(?P<plain>[^][()\\.^$*+?{}|]))"
    r"(?:(?P<optional>\?)|(?![*+{]))"
)
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
            except (re.error, OverflowError, ValueError) as error:
                raise UserError(f"{self.where}: bad regular expression {self.pattern!r}: {error}") from error
        return self.compiled.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class FileContexts:
    """A parsed file_contexts file."""

    _exact: dict[str, list[_Line]] = field(default_factory=dict)
    # Expressions by the plain text that they begin with: a policy has thousands, a path meets a handful.
    _by_prefix: dict[str, list[_Line]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, name: str) -> "FileContexts":
        """Reads the lines of a file.

        Raises:
            UserError: a line that is none; it names `name` and the line.
        """
        contexts = cls()
        for number, line in enumerate(text.split("\n"), 1):
            words = line.split()
            if words and not words[0].startswith("#"):
                contexts._add(_parse(words, number, f"{name}:{number}"))
        for lines in (*contexts._exact.values(), *contexts._by_prefix.values()):
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
            for prefix in _prefixes(line.pattern):
                self._by_prefix.setdefault(prefix, []).append(line)

    def label(self, path: str, node_type: NodeType) -> bytes | None:
        """The value of `security.selinux` for a path of a tree; None if it has none."""
        absolute = "/" + path
        for line in self._exact.get(absolute, ()):
            if line.type in (None, node_type):
                return line.context
        best: _Line | None = None
        for length in range(len(absolute) + 1):
            for line in self._by_prefix.get(absolute[:length], ()):
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
    if pattern.count("(") > _MAX_GROUPS:
        raise UserError(f"{where}: the pattern has more than {_MAX_GROUPS} groups")
    return _Line((_is_exact(pattern), number), pattern, _TYPES[words[1]] if len(words) == 3 else None, value, where)


def _is_exact(pattern: str) -> bool:
    """Whether there is no special character that is not escaped."""
    return not _SPECIAL.intersection(re.sub(r"\\.", "", pattern))


def _unescaped(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern)


def _prefixes(pattern: str) -> list[str]:
    """Texts of which every matching path begins with one: `/usr/bin/x`, `/usr/sbin/x` for `/usr/s?bin/x.*`."""
    if "|" in re.sub(r"\\.|\([^()]*\)|\[[^]]*\]", "", pattern):
        return [""]  # an alternation that is not in plain parentheses can begin anywhere
    prefixes = [""]
    position = 0
    while element := _ELEMENT.match(pattern, position):
        words = (element["words"] or element["escaped"] or element["plain"] or "").split("|")
        longer = [prefix + word for prefix in prefixes for word in ([*words, ""] if element["optional"] else words)]
        if len(longer) > _MAX_PREFIXES:
            break
        prefixes = longer
        position = element.end()
    return list(dict.fromkeys(prefixes))
