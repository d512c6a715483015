"""Parses a RUN line: the part of the POSIX shell's language that says what, not whether.

Commands follow each other by `&&`, `;` or `|`, with quotes, variables, `$(...)`,
redirections and assignments. Every command must succeed, so `;` is as good as
`&&`, and there is no `||`, `if`, loop or background command: what an image is may not
depend on what fails. Source: POSIX.1-2017, Shell Command Language, 2.2-2.9.
"""

import re
from dataclasses import dataclass, field

from sysimage.dockerfile.parser import Instruction

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
DEPTH_MAX = 20  # `$(` inside each other
_BLANK = " \t"
_ENDS_WORD = " \t\n;&|<>()"
_RESERVED = ("if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}", "!")
_REDIRECTION = re.compile(r"([0-9]?)(<<|<>|<&|>>|>&|>\||<|>)")
_BRACED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+?])?")
_LANGUAGE = "a RUN line has commands joined by && ; or |, quotes, variables, $(cat ...), $(sed ...), > >> and <"


@dataclass(frozen=True, slots=True)
class Text:
    """Characters as they stand; quoted ones are no patterns."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name` or `${name<operator>word}`; operator is one of `-`, `+`, `?`, with or without a colon, or empty."""

    name: str
    operator: str
    word: "Word"
    quoted: bool


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(...)`: what the commands write."""

    script: "Script"
    quoted: bool


Word = tuple[Text | Variable | Substitution, ...]


@dataclass(frozen=True, slots=True)
class Redirection:
    """`<`, `>` or `>>` of a file descriptor: to or from the file `target`, or (`copy`) to another descriptor."""

    descriptor: int
    operator: str
    target: Word
    copy: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command; offset is where it begins in the instruction's text."""

    offset: int
    assignments: list[tuple[str, Word]] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    redirections: list[Redirection] = field(default_factory=list)


Pipeline = list[Command]
Script = tuple[Pipeline, ...]


def parse(instruction: Instruction) -> Script:
    """The commands of a RUN line in its shell form.

    Raises:
        UserError: something outside the language above; it names the line and the word.
    """
    parser = _Parser(instruction)
    script = parser.script("")
    if not script:
        raise instruction.error("there is no command")
    return script


class _Parser:
    def __init__(self, instruction: Instruction) -> None:
        self.instruction = instruction
        self.text = instruction.text
        self.position = 0
        self.depth = 0

    def fail(self, message: str, hint: str = _LANGUAGE, offset: int | None = None) -> Exception:
        return self.instruction.error(message, hint, self.position if offset is None else offset)

    def peek(self, count: int = 1) -> str:
        return self.text[self.position : self.position + count]

    def blanks(self) -> None:
        while self.peek() and self.peek() in _BLANK:
            self.position += 1
        if self.peek() == "#":  # a comment, since a word would begin here
            end = self.text.find("\n", self.position)
            self.position = len(self.text) if end < 0 else end

    def script(self, end: str) -> Script:
        """Pipelines up to `end` (`)` in a substitution, or the end of the text)."""
        pipelines: list[Pipeline] = []
        joint = ""  # the && or | that waits for its right side
        while True:
            self.blanks()
            char = self.peek()
            if not char or char == end:
                if joint:
                    raise self.fail(f"a command is missing after {joint!r}")
                if not char and end:
                    raise self.fail("'$(' is not closed", "")
                return tuple(pipelines)
            if char == "\n" or (char == ";" and not joint and pipelines):
                self.position += 1
                continue
            command = self.command()
            if not (command.words or command.assignments or command.redirections):
                raise self.fail(f"a command is missing before {self.peek(2).strip() or char!r}")
            if joint == "|":
                pipelines[-1].append(command)
            else:
                pipelines.append([command])
            joint = self.joint()

    def joint(self) -> str:
        """Takes what stands between two commands; `;` and newlines are left to the caller."""
        for joint in ("&&", "||", "|"):
            if self.peek(len(joint)) == joint:
                if joint == "||":
                    raise self.fail("'||' is not supported")
                self.position += len(joint)
                return joint
        return ""

    def command(self) -> Command:
        command = Command(self.position)
        while True:
            self.blanks()
            char = self.peek()
            if not char or char in ";\n|)" or self.peek(2) == "&&":
                return command
            if char in "&(":
                what = "a command in the background (&)" if char == "&" else "a subshell or function (...)"
                raise self.fail(f"{what} is not supported")
            if self.redirection(command):
                continue
            match = _ASSIGNMENT.match(self.text, self.position)
            if match and not command.words:
                self.position = match.end()
                command.assignments.append((match[1], self.word()))
                continue
            start = self.position
            word = self.word()
            if not command.words and word and isinstance(word[0], Text):
                first = word[0]
                if len(word) == 1 and first.text in _RESERVED and not first.quoted:
                    raise self.fail(f"{first.text!r} is not supported", offset=start)
            command.words.append(word)

    def redirection(self, command: Command) -> bool:
        match = _REDIRECTION.match(self.text, self.position)
        if not match:
            return False
        operator = match[2]
        if operator not in ("<", ">", ">>", ">&"):
            raise self.fail(f"{operator!r} is not supported")
        self.position = match.end()
        self.blanks()
        descriptor = int(match[1]) if match[1] else (0 if operator == "<" else 1)
        target = self.word()
        if not target:
            raise self.fail(f"a file name is missing after {operator!r}")
        copy = operator == ">&"
        command.redirections.append(Redirection(descriptor, operator.rstrip("&"), target, copy))
        return True

    def word(self) -> Word:
        pieces: list[Text | Variable | Substitution] = []
        while (char := self.peek()) and char not in _ENDS_WORD:
            if char == "\\":
                pieces.append(Text(self.text[self.position + 1 : self.position + 2], True))
                self.position += 2
            elif char == "'":
                end = self.text.find("'", self.position + 1)
                if end < 0:
                    raise self.fail("a ' is not closed", "")
                pieces.append(Text(self.text[self.position + 1 : end], True))
                self.position = end + 1
            elif char == '"':
                pieces.extend(self.double_quoted())
            elif char in "$`":
                pieces.append(self.dollar(False))
            elif char == "~" and not pieces:
                raise self.fail("'~' is not supported", "write the folder's name, or quote the ~")
            else:
                start = self.position
                while self.peek() and self.peek() not in _ENDS_WORD + "\\'\"$`":
                    self.position += 1
                pieces.append(Text(self.text[start : self.position], False))
        return tuple(pieces)

    def double_quoted(self) -> Word:
        start = self.position
        self.position += 1
        pieces: list[Text | Variable | Substitution] = [Text("", True)]
        literal = ""
        while (char := self.peek()) != '"':
            if not char:
                raise self.fail('a " is not closed', "", start)
            if char in "$`":
                pieces += [Text(literal, True), self.dollar(True)]
                literal = ""
                continue
            if char == "\\" and self.peek(2)[1:] in ("$", "`", '"', "\\"):
                self.position += 1
                char = self.peek()
            literal += char
            self.position += 1
        self.position += 1
        return (*pieces, Text(literal, True)) if literal else tuple(pieces)

    def dollar(self, quoted: bool) -> Text | Variable | Substitution:
        start = self.position
        if self.peek() == "`" or self.peek(3) == "$((":
            raise self.fail(f"{self.peek(3) if self.peek() == '$' else '`'!r} is not supported")
        if self.peek(2) == "$(":
            self.position += 2
            self.depth += 1
            if self.depth > DEPTH_MAX:
                raise self.fail(f"more than {DEPTH_MAX} '$(' inside each other", "", start)
            script = self.script(")")
            self.depth -= 1
            self.position += 1
            return Substitution(script, quoted)
        if self.peek(2) == "${":
            return self.braced(quoted)
        match = _NAME.match(self.text, self.position + 1)
        if match:
            self.position = match.end()
            return Variable(match[0], "", (), quoted)
        following = self.peek(2)[1:]
        if following and following in "0123456789@*#?-$!":
            raise self.fail(f"'${following}' is not supported", offset=start)
        self.position += 1
        return Text("$", True)

    def braced(self, quoted: bool) -> Variable:
        match = _BRACED.match(self.text, self.position)
        end = self.text.find("}", match.end() if match else self.position)
        if not match or end < 0 or (not match[2] and end != match.end()):
            raise self.fail("bad substitution", "write ${NAME}, ${NAME:-word} or ${NAME:+word}")
        inner = self.text[match.end() : end]
        if set(inner) & set("'\"\\`$"):
            raise self.fail(f"'{inner}' in ${{...}} is not supported", "write a plain word there")
        self.position = end + 1
        return Variable(match[1], match[2] or "", (Text(inner, quoted),) if inner else (), quoted)
