"""Parses sed scripts: addresses and commands. What `sed` supports stands there.

Source: GNU sed manual.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sysimage.dockerfile.regex import compile_posix
from sysimage.errors import UserError

DEPTH_MAX = 50  # `{` inside each other
SUPPORTED = "it knows s d p a i c y = q and { }"


def parse_script(script: str, extended: bool) -> list["Instruction"]:
    """The commands of a script; Latin-1 text, one character a byte.

    Raises:
        UserError: something that is not understood or not supported.
    """
    return _Parser(script, extended).commands()


@dataclass(frozen=True, slots=True)
class Address:
    """A line number (0 to mean before the first), `$` (last), an expression, or first~step."""

    line: int | None = None
    last: bool = False
    expression: re.Pattern[bytes] | None = None
    step: int | None = None
    offset: int | None = None  # of a second address: +N

    def matches(self, number: int, last: bool, text: bytes) -> bool:
        """Whether the address is the line `number`, which holds `text`."""
        if self.last:
            return last
        if self.expression is not None:
            return self.expression.search(text) is not None
        assert self.line is not None
        if self.step is not None:
            return (
                number == self.line if self.step == 0 else number >= self.line and not (number - self.line) % self.step
            )
        return number == self.line


@dataclass(slots=True)
class Instruction:
    """One command of a script; the range's state is kept while it runs."""

    name: str
    first: Address | None = None
    second: Address | None = None
    negated: bool = False
    text: bytes = b""
    expression: re.Pattern[bytes] | None = None
    replacement: Sequence[bytes | int] = ()
    every: bool = False
    nth: int = 1
    printed: bool = False
    table: bytes = b""
    group: list["Instruction"] = field(default_factory=list)
    active: bool = False
    until: int = 0

    def selects(self, number: int, last: bool, text: bytes) -> bool:
        """Whether the command is for the line `number`, which holds `text`."""
        return self._in_range(number, last, text) is not self.negated

    def _in_range(self, number: int, last: bool, text: bytes) -> bool:
        if self.first is None:
            return True
        if self.second is None:
            return self.first.matches(number, last, text)
        if not self.active:
            from_zero = self.first.line == 0 and number == 1 and self.first.step is None
            if not from_zero and not self.first.matches(number, last, text):
                return False
            self.active = True
            if self.second.offset is not None:
                self.until = number + self.second.offset
            if not from_zero:
                ended = self.second.line is not None and self.second.line <= number
                if ended or (self.second.offset == 0) or (self.second.last and last):
                    self.active = False
                return True
        if self.second.offset is not None:
            self.active = number < self.until
        elif self.second.line is not None and number > self.second.line:
            self.active = False
            return False
        else:
            self.active = not self.second.matches(number, last, text)
        return True


class _Parser:
    """Reads a script. Text is Latin-1, one character a byte."""

    def __init__(self, script: str, extended: bool) -> None:
        self.script = script
        self.extended = extended
        self.position = 0

    def fail(self, message: str, hint: str = "") -> UserError:
        return UserError(f"in {self.script.encode('latin-1').decode(errors='replace')!r}: {message}", hint)

    def peek(self) -> str:
        return self.script[self.position : self.position + 1]

    def skip(self, chars: str) -> None:
        while self.peek() and self.peek() in chars:
            self.position += 1

    def commands(self, depth: int = 0) -> list[Instruction]:
        if depth > DEPTH_MAX:
            raise self.fail(f"more than {DEPTH_MAX} {{ inside each other")
        found: list[Instruction] = []
        while True:
            self.skip(" \t\n;")
            if not self.peek() or self.peek() == "#":
                end = self.script.find("\n", self.position)
                if self.peek() and end >= 0:
                    self.position = end
                    continue
                if depth:
                    raise self.fail("a { is not closed")
                return found
            if self.peek() == "}":
                if not depth:
                    raise self.fail("a } has no {")
                self.position += 1
                return found
            found.append(self.command(depth))

    def command(self, depth: int) -> Instruction:
        first = self.address()
        second = None
        if first is not None:
            self.skip(" \t")
            if self.peek() == ",":
                self.position += 1
                self.skip(" \t")
                second = self.address(second=True)
                if second is None:
                    raise self.fail("the second address of a range is missing")
        if first is not None and first.line == 0 and (second is None or second.expression is None):
            raise self.fail("line 0 is only for 0,/expression/")
        self.skip(" \t")
        negated = self.peek() == "!"
        if negated:
            self.position += 1
            self.skip(" \t!")
        name = self.peek()
        self.position += 1
        made = Instruction(name, first, second, negated)
        match name:
            case "s":
                self.substitution(made)
            case "y":
                self.transliteration(made)
            case "a" | "i" | "c":
                made.text = self.text()
            case "{":
                made.group = self.commands(depth + 1)
                return made
            case "d" | "p" | "=" | "q":
                pass
            case _:
                raise self.fail(f"command {name!r} is not supported" if name else "a command is missing", SUPPORTED)
        self.skip(" \t")
        if name not in "aic" and self.peek() and self.peek() not in ";\n}#":
            raise self.fail(f"{self.script[self.position :]!r} after the command {name!r} is not understood")
        return made

    def address(self, second: bool = False) -> Address | None:
        char = self.peek()
        if char == "$":
            self.position += 1
            return Address(last=True)
        if char == "+" and second:
            self.position += 1
            return Address(offset=self.number())
        if char.isdigit():
            line = self.number()
            if self.peek() == "~":
                self.position += 1
                return Address(line=line, step=self.number())
            return Address(line=line)
        if char in ("/", "\\") and char:
            self.position += 1
            delimiter = char
            if char == "\\":
                delimiter = self.peek()
                self.position += 1
            text = self.until(delimiter)
            ignore = self.peek() == "I"
            if ignore:
                self.position += 1
            if not text:
                raise self.fail("an empty expression (the last one again) is not supported")
            return Address(expression=compile_posix(text, self.extended, ignore))
        return None

    def number(self) -> int:
        match = re.compile("[0-9]{1,18}").match(self.script, self.position)
        if not match:
            raise self.fail("a number is missing")
        self.position = match.end()
        return int(match[0])

    def until(self, delimiter: str, replacement: bool = False) -> str:
        """Text up to the delimiter, which a backslash (or, in an expression, brackets) can hide."""
        out = ""
        while True:
            char = self.peek()
            if not char or (char == "\n" and not replacement):
                raise self.fail(f"a {delimiter} is missing")
            self.position += 1
            if char == delimiter:
                return out
            if char == "\\":
                following = self.peek()
                self.position += 1
                out += following if following == delimiter and delimiter not in "&\\123456789" else char + following
            elif char == "[" and not replacement:
                match = re.compile(r"\^?\]?(?:\[:[a-z]+:\]|[^]])*\]").match(self.script, self.position)
                end = match.end() if match else self.position
                out += char + self.script[self.position : end]
                self.position = end
            else:
                out += char

    def substitution(self, made: Instruction) -> None:
        delimiter = self.peek()
        self.position += 1
        if not delimiter or delimiter in "\\\n":
            raise self.fail("s needs a delimiter")
        pattern = self.until(delimiter)
        replacement = self.until(delimiter, replacement=True)
        ignore = False
        while self.peek() and self.peek() not in " \t;\n}#":
            flag = self.peek()
            if flag.isdigit():
                made.nth = self.number()
                if not made.nth:
                    raise self.fail("s///0 is not possible")
                continue
            self.position += 1
            match flag:
                case "g":
                    made.every = True
                case "p":
                    made.printed = True
                case "i" | "I":
                    ignore = True
                case _:
                    raise self.fail(f"flag {flag!r} of s is not supported", "it knows g, p, i and a number")
        if not pattern:
            raise self.fail("an empty expression (the last one again) is not supported")
        made.expression = compile_posix(pattern, self.extended, ignore)
        made.replacement = self.replacement(replacement, made.expression.groups)

    def replacement(self, text: str, groups: int) -> Sequence[bytes | int]:
        parts: list[bytes | int] = []
        position = 0
        while position < len(text):
            char = text[position]
            position += 1
            if char == "&":
                parts.append(0)
                continue
            if char == "\\":
                char = text[position : position + 1]
                position += 1
                if char.isdigit():
                    if int(char) > groups:
                        raise self.fail(f"\\{char} has no group")
                    parts.append(int(char))
                    continue
                if char in ("n", "t"):
                    char = {"n": "\n", "t": "\t"}[char]
                elif char.isalpha():
                    raise self.fail(f"\\{char} in a replacement is not supported")
            parts.append(char.encode("latin-1"))
        return parts

    def transliteration(self, made: Instruction) -> None:
        delimiter = self.peek()
        self.position += 1
        sides = []
        for _ in range(2):
            text = self.until(delimiter, replacement=True)
            sides.append(re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text))
        if len(sides[0]) != len(sides[1]):
            raise self.fail("the two sides of y have different lengths")
        made.table = bytes.maketrans(sides[0].encode("latin-1"), sides[1].encode("latin-1"))

    def text(self) -> bytes:
        """The text of a, i and c: the rest of the line, or GNU's and POSIX's form with a backslash first."""
        self.skip(" \t")
        if self.peek() == "\\":
            self.position += 1
            start = self.position
            self.skip(" \t")
            if self.peek() == "\n":
                self.position += 1
            else:
                self.position = start
        out = ""
        while self.peek() and self.peek() != "\n":
            if self.peek() == "\\":
                self.position += 1
                if not self.peek():
                    break
                out += {"t": "\t", "n": "\n"}.get(self.peek(), self.peek())
            else:
                out += self.peek()
            self.position += 1
        if not out:
            raise self.fail("the text of a, i or c is missing")
        return out.encode("latin-1") + b"\n"
