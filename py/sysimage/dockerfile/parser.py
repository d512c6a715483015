"""Splits a Dockerfile into instructions.

Understood: comments, the parser directives `syntax` and `escape`, continuation
lines (with comments and empty lines between them, as BuildKit has it), flags
(`--name=value`) and the JSON form of arguments. Here-documents are refused: in a
RUN one, a command that fails does not stop the build, and what a COPY one writes
is better kept in a file of the context. Source: Docker's Dockerfile reference.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sysimage.errors import UserError
from sysimage.text import parse_json

KEYWORDS = (
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
)
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$")
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(\S*))?(?:\s+|$)")
_HEREDOC = re.compile(r"""<<-?\s*["']?[A-Za-z_]""")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    text is everything behind the keyword and the flags, continuation lines joined; starts are
    the offsets in it at which the lines `numbers` (from 1) of the file begin.
    """

    file: str
    keyword: str
    flags: Mapping[str, str]
    text: str
    starts: Sequence[int]
    numbers: Sequence[int]
    escape: str = "\\"

    @property
    def line(self) -> int:
        """The line that the instruction begins on."""
        return self.numbers[0]

    def line_at(self, offset: int) -> int:
        """The line of the file that holds `text[offset]`."""
        return self.numbers[max(bisect_right(self.starts, offset) - 1, 0)]

    def error(self, message: str, hint: str = "", offset: int = 0) -> UserError:
        """An error at a place of this instruction."""
        return UserError(f"{self.file}:{self.line_at(offset)}: {self.keyword}: {message}", hint)

    def json_words(self) -> list[str] | None:
        """The words of the JSON form (`["a", "b"]`); None if the arguments are not of that form."""
        if not self.text.startswith("["):
            return None
        try:
            words = parse_json(self.text)
        except ValueError:
            return None  # as Docker: what is no JSON is the shell form
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return None
        return words


def parse(text: str, file: str) -> list[Instruction]:
    """The instructions of a Dockerfile.

    Args:
        text: its content.
        file: its name for errors.

    Raises:
        UserError: an unknown instruction or directive, a here-document, or no instruction at all.
    """
    lines = text.splitlines()
    escape, number = _directives(lines, file)
    continued = re.compile(re.escape(escape) + r"[ \t]*$")
    instructions = []
    while number < len(lines):
        line = lines[number].lstrip()
        number += 1
        if not line or line.startswith("#"):
            continue
        joined, starts, numbers = "", [0], [number]
        while True:
            match = continued.search(line)
            joined += line[: match.start()] if match else line
            if not match:
                break
            while number < len(lines) and (not lines[number].strip() or lines[number].lstrip().startswith("#")):
                number += 1
            if number == len(lines):
                break
            line = lines[number]
            number += 1
            starts.append(len(joined))
            numbers.append(number)
        if joined.strip():
            instructions.append(_instruction(joined, starts, numbers, file, escape))
    if not instructions:
        raise UserError(f"{file}: has no instruction", hint="begin it with FROM")
    return instructions


def _directives(lines: Sequence[str], file: str) -> tuple[str, int]:
    """The escape character, and the number of lines that are directives."""
    escape = "\\"
    for number, line in enumerate(lines):
        match = _DIRECTIVE.match(line)
        if not match:
            return escape, number
        name, value = match[1].lower(), match[2]
        if name == "escape":
            if value not in ("\\", "`"):
                raise UserError(f"{file}:{number + 1}: escape is {value!r}", hint="it can be \\ or `")
            escape = value
        elif name not in ("syntax", "check"):
            return escape, number  # an ordinary comment
    return escape, len(lines)


def _instruction(joined: str, starts: list[int], numbers: list[int], file: str, escape: str) -> Instruction:
    keyword = joined.split(maxsplit=1)[0]
    position = len(joined) - len(joined[len(keyword) :].lstrip())
    where = f"{file}:{numbers[0]}"
    if keyword.upper() not in KEYWORDS:
        raise UserError(f"{where}: unknown instruction {keyword!r}", hint=f"instructions are {', '.join(KEYWORDS)}")
    flags: dict[str, str] = {}
    while match := _FLAG.match(joined, position):
        if match[1] in flags:
            raise UserError(f"{where}: {keyword.upper()}: --{match[1]} is given twice")
        flags[match[1]] = match[2] if match[2] is not None else "true"
        position = match.end()
    if _HEREDOC.search(joined, position) and keyword.upper() in ("RUN", "COPY", "ADD"):
        raise UserError(
            f"{where}: {keyword.upper()}: here-documents are not supported",
            hint="join commands with && (a here-document goes on after a failure); keep file contents in the context",
        )
    shifted = [max(start - position, 0) for start in starts]
    return Instruction(file, keyword.upper(), flags, joined[position:].rstrip(), shifted, numbers, escape)


def expand(instruction: Instruction, text: str, variables: Mapping[str, str]) -> str:
    """Replaces variables as Docker does it outside RUN: `$A`, `${A}`, `${A:-word}`, `${A:+word}`, not in '...'.

    Quotes and escapes stay.

    Raises:
        UserError: a variable that is not set (Docker would put nothing there), or a bad `${`.
    """
    out = ""
    position = 0
    single = double = False
    while position < len(text):
        char = text[position]
        if char == instruction.escape and not single:
            out += text[position : position + 2]
            position += 2
            continue
        if char == "'" and not double:
            single = not single
        elif char == '"' and not single:
            double = not double
        elif char == "$" and not single:
            value, position = _variable(instruction, text, position, variables)
            out += value
            continue
        out += char
        position += 1
    return out


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])([^{}]*))?\}")


def _variable(instruction: Instruction, text: str, position: int, variables: Mapping[str, str]) -> tuple[str, int]:
    if text[position + 1 : position + 2] != "{":
        match = _NAME.match(text, position + 1)
        if not match:
            return "$", position + 1
        return _value(instruction, match[0], variables), match.end()
    match = _BRACED.match(text, position + 2)
    if not match:
        raise instruction.error(
            f"bad substitution {text[position:].split()[0]!r}", hint="write ${NAME}, ${NAME:-word} or ${NAME:+word}"
        )
    name, operator, word = match[1], match[2] or "", match[3] or ""
    return substitute(name, operator, expand(instruction, word, variables), variables, instruction), match.end()


def substitute(name: str, operator: str, word: str, variables: Mapping[str, str], instruction: Instruction) -> str:
    """The value of `${name<operator>word}`; an empty operator means `${name}`."""
    is_set = name in variables and (bool(variables[name]) or not operator.startswith(":"))
    match operator.lstrip(":"):
        case "-":
            return variables[name] if is_set else word
        case "+":
            return word if is_set else ""
        case "?" if not is_set:
            raise instruction.error(f"variable {name} is not set: {word}")
    return _value(instruction, name, variables)


def _value(instruction: Instruction, name: str, variables: Mapping[str, str]) -> str:
    if name not in variables:
        raise instruction.error(
            f"variable {name} is not set", hint=f"declare it with ARG or ENV, or write ${{{name}:-}} for nothing"
        )
    return variables[name]


def split_words(instruction: Instruction, text: str, variables: Mapping[str, str], whole: bool = False) -> list[str]:
    """Words between blanks, with variables replaced, quotes and escapes removed; if `whole`, all of it as one word.

    A value is not split, as in COPY, ENV, LABEL and the like of Docker. Errors: as `expand`.
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == instruction.escape and quote != "'" and position < len(text):
            following = text[position]
            position += 1
            kept = quote == '"' and following not in ('"', "$", instruction.escape)
            word = (word or "") + (char if kept else "") + following
        elif char == "$" and quote != "'":
            value, position = _variable(instruction, text, position - 1, variables)
            word = (word or "") + value
        elif quote:
            if char == quote:
                quote = ""
            else:
                word = (word or "") + char
        elif char in "'\"":
            quote = char
            word = word or ""
        elif char in " \t" and not whole:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + char
    if quote:
        raise instruction.error(f"a {quote} is not closed")
    return words if word is None else [*words, word]
