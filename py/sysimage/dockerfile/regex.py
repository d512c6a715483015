r"""POSIX regular expressions, as sed takes them, in terms of Python's.

They work on bytes, as sed does in the C locale of a build. Basic and extended
ones are understood with GNU's additions (`\+`, `\?`, `\|`, `\w`, `\W`, `\s`, `\S`, `\b`, `\B`, `\<`,
`\>`, `\n`, `\t`). POSIX takes the longest match of all, Python the first that fits;
they differ in alternatives of which one begins another, so those are put longest first, and
refused where they are not plain text. Source: POSIX.1-2017, 9.
"""

import itertools
import re
from dataclasses import dataclass

from sysimage.dockerfile.glob import CLASSES
from sysimage.errors import UserError

_SAME = {
    "w": r"[A-Za-z0-9_]",
    "W": r"[^A-Za-z0-9_]",
    "s": r"[ \t\n\r\f\v]",
    "S": r"[^ \t\n\r\f\v]",
    "b": r"\b",
    "B": r"\B",
}
_CONTROL = {"n": r"\n", "t": r"\t", "f": r"\f", "r": r"\r", "v": r"\v", "a": r"\a"}
DEPTH_MAX = 50  # groups inside each other
_WORD_START = r"\b(?=\w)"
_WORD_END = r"\b(?<=\w)"
_BRACKET_CLASS = re.compile(r"\[:([a-z]+):\]")


def compile_posix(text: str, extended: bool, ignore_case: bool = False) -> re.Pattern[bytes]:
    """A POSIX expression as a Python one; `text` holds bytes as Latin-1.

    Raises:
        UserError: not an expression, or one whose meaning would differ.
    """
    translated = _Translator(text, extended).alternatives(0)
    try:
        return re.compile(translated.encode("latin-1"), re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, ValueError) as error:
        raise UserError(f"bad regular expression {text!r}: {error}") from error


@dataclass(slots=True)
class _Translator:
    text: str
    extended: bool
    position: int = 0

    def fail(self, message: str) -> UserError:
        return UserError(f"bad regular expression {self.text!r}: {message}")

    def special(self, char: str) -> bool:
        """Whether the operator `char` is next: bare if extended, else behind a backslash."""
        wanted = char if self.extended else "\\" + char
        return self.text.startswith(wanted, self.position)

    def skip(self) -> None:
        self.position += 1 if self.extended else 2

    def alternatives(self, depth: int) -> str:
        """Alternatives up to the end, or the `)` of a group."""
        if depth > DEPTH_MAX:
            raise self.fail(f"more than {DEPTH_MAX} groups inside each other")
        start = self.position
        plain = True
        branches = [self.branch(depth)]
        while self.special("|"):
            self.skip()
            branches.append(self.branch(depth))
        if len(branches) > 1:
            plain = not set(self.text[start : self.position]) & set("*+?[{.^$")
            ordered = sorted(branches, key=len, reverse=True)
            # Sorted, what one begins with stands right before it.
            overlapping = any(two.startswith(one) for one, two in itertools.pairwise(sorted(set(branches))))
            if not plain:
                if any("*" in each or "+" in each or "?" in each or "{" in each for each in branches):
                    raise self.fail("alternatives that repeat something are not supported")
                if overlapping:
                    raise self.fail("alternatives of which one begins another are not supported")
            branches = ordered if plain else branches
        if self.position < len(self.text) and not depth:
            raise self.fail("a ) has no (")
        return "|".join(branches)

    def branch(self, depth: int) -> str:
        out = ""
        start = True
        while self.position < len(self.text):
            if self.special("|") or (self.special(")") and (depth or not self.extended)):
                break
            atom = self.atom(start, depth)
            start = atom == "^"
            out += atom if atom in ("^", "$") else atom + self.repeat()
        return out

    def atom(self, start: bool, depth: int) -> str:
        if self.special("("):
            self.skip()
            inner = self.alternatives(depth + 1)
            if not self.special(")"):
                raise self.fail("a ( is not closed")
            self.skip()
            return f"({inner})"
        char = self.text[self.position]
        self.position += 1
        match char:
            case "\\":
                return self.escaped()
            case "[":
                return self.bracket()
            case ".":
                return "[\\x00-\\xff]"
            case "^" if self.extended or start:
                return "^"
            case "$" if self.extended or self.at_end():
                return r"\Z"
            case "*" | "+" | "?" | "{" if self.extended:
                if start:
                    raise self.fail(f"{char} has nothing to repeat")
                return re.escape(char)
        return re.escape(char)

    def at_end(self) -> bool:
        return self.position == len(self.text) or self.text.startswith(("\\)", "\\|"), self.position)

    def escaped(self) -> str:
        if self.position == len(self.text):
            raise self.fail("it ends with a backslash")
        char = self.text[self.position]
        self.position += 1
        if char in _SAME:
            return _SAME[char]
        if char in _CONTROL:
            return _CONTROL[char]
        if char == "<":
            return _WORD_START
        if char == ">":
            return _WORD_END
        if char.isdigit() and char != "0":
            return f"(?:\\{char})"
        if char.isalnum():
            raise self.fail(f"\\{char} is not supported")
        return re.escape(char)

    def repeat(self) -> str:
        """The operators behind an atom."""
        out = ""
        while self.position < len(self.text):
            if self.text[self.position] == "*":
                self.position += 1
                operator = "*"
            elif self.special("+") or self.special("?"):
                operator = self.text[self.position + (0 if self.extended else 1)]
                self.skip()
            elif self.special("{"):
                self.skip()
                end = self.text.find("}" if self.extended else "\\}", self.position)
                operator = "{" + self.text[self.position : end] + "}"
                if end < 0 or not re.fullmatch(r"\{\d*(,\d*)?\}", operator):
                    raise self.fail("a { is not a count")
                self.position = end + (1 if self.extended else 2)
            else:
                break
            if out:
                raise self.fail("something is repeated twice")
            out = operator
        return out

    def bracket(self) -> str:
        position = self.position
        negated = self.text.startswith("^", position)
        position += negated
        items = ""
        first = True
        while first or not self.text.startswith("]", position):
            if position >= len(self.text):
                raise self.fail("a [ is not closed")
            match = _BRACKET_CLASS.match(self.text, position)
            if match:
                if match[1] not in CLASSES:
                    raise self.fail(f"unknown class [:{match[1]}:]")
                items += CLASSES[match[1]]
                position = match.end()
            elif self.text.startswith(("[.", "[="), position):
                raise self.fail("collating symbols are not supported")
            elif self.text[position] == "\\" and self.text[position + 1 : position + 2] in ("n", "t", "]"):
                # sed, unlike POSIX's brackets, knows \n and \t here.
                if self.text[position + 1] == "]":
                    items += "\\\\"
                    position += 1
                else:
                    items += self.text[position : position + 2]
                    position += 2
            else:
                char = self.text[position]
                ends = first or self.text.startswith("]", position + 1)
                items += "-" if char == "-" and not ends else re.escape(char)
                position += 1
            first = False
        self.position = position + 1
        return f"[{'^' if negated else ''}{items}]"
