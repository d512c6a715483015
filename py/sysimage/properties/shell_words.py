"""The words of a shell script: which of them are commands, as far as that is written down and not computed.

A reader of what people write, not a shell: quotes, comments, here-documents, substitutions, `case` and functions are
understood; words that the shell would make of variables are left out. Source: POSIX.1-2024, "Shell Command Language".
"""

import re
from dataclasses import dataclass, field

_RESERVED = frozenset(["if", "then", "else", "elif", "do", "while", "until", "{", "!", "time"])
_CLOSING = frozenset(["fi", "done", "}"])
_TRANSPARENT = frozenset(["exec", "command", "builtin", "nohup"])  # the next word is a command as well
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_HEREDOC = re.compile(r"<<(-?)\s*(['\"\\]?)([A-Za-z_0-9]+)")
# Stands in a word for what only the shell knows.
UNKNOWN = "\0"


@dataclass(slots=True)
class Script:
    """What a script says: its commands with their lines, all its words with theirs, the functions it defines."""

    commands: list[tuple[int, str]] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)


def read(text: str) -> Script:
    """Reads a script. What is not understood is passed over, never refused."""
    return _Reader(text).run()


@dataclass(slots=True)
class _Context:
    """Where a substitution was opened: what it interrupted."""

    word: str
    quoted: bool
    at_command: bool
    redirect: bool
    backquoted: bool


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.script = Script()
        self.word = ""
        self.started = False  # a word has begun, be it empty
        self.at_command = True
        self.redirect = False  # the next word is a file
        self.pattern = False  # between `in` or `;;` and `)` of a case
        self.cases: list[bool] = []  # open cases; whether their `in` has come
        self.open: list[_Context | None] = []  # substitutions (a context) and subshells (None)
        self.quoted = False
        self.heredocs: list[tuple[str, bool]] = []

    def run(self) -> Script:
        while self.at < len(self.text):
            if self.quoted:
                self._inside_quotes()
            else:
                self._outside()
        self._flush()
        return self.script

    def _take(self, count: int = 1) -> str:
        taken = self.text[self.at : self.at + count]
        self.line += taken.count("\n")
        self.at += count
        return taken

    def _inside_quotes(self) -> None:
        if self.text[self.at] == '"':
            self._take()
            self.quoted = False
        elif not self._expansion():
            self.word += self._take(2)[1:] if self.text[self.at] == "\\" else self._take()

    def _outside(self) -> None:
        character = self.text[self.at]
        if character == "\n":
            self._end_command()
            self._take()
            self._skip_heredocs()
        elif character.isspace():
            self._flush()
            self._take()
        elif character == "#" and not self.started:
            end = self.text.find("\n", self.at)
            self._take((end if end >= 0 else len(self.text)) - self.at)
        elif character == "\\":
            escaped = self._take(2)[1:]
            if escaped != "\n":
                self._add(escaped)
        elif character == "'":
            end = self.text.find("'", self.at + 1)
            self._add(self._take((end if end >= 0 else len(self.text)) - self.at + 1)[1:-1])
        elif character == '"':
            self.started = True
            self.quoted = True
            self._take()
        elif character in "<>":
            self._redirection()
        elif character in ";&|()":
            self._operator(character)
        elif not self._expansion():
            self._add(self._take())

    def _add(self, text: str) -> None:
        self.word += text
        self.started = True

    def _expansion(self) -> bool:
        """Steps over `$...` and backquotes; commands in them are read."""
        if self.text.startswith("$((", self.at):
            end = self.text.find("))", self.at)
            self._take((end if end >= 0 else len(self.text)) + 2 - self.at)
            self._add(UNKNOWN)
        elif self.text[self.at] == "`" and self.open and self.open[-1] is not None and self.open[-1].backquoted:
            self._flush()
            self._take()
            self._close()
        elif self.text.startswith("$(", self.at) or self.text[self.at] == "`":
            backquoted = self._take() == "`"
            if not backquoted:
                self._take()
            self.open.append(_Context(self.word, self.quoted, self.at_command, self.redirect, backquoted))
            self.word, self.started, self.quoted, self.at_command, self.redirect = "", False, False, True, False
        elif self.text.startswith("${", self.at):
            self._take(2)
            depth = 1
            while self.at < len(self.text) and depth:
                depth += {"{": 1, "}": -1}.get(self.text[self.at], 0)
                self._take()
            self._add(UNKNOWN)
        elif self.text[self.at] == "$":
            self._take()
            if name := re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?!$-]").match(self.text, self.at):
                self._take(len(name[0]))
                self._add(UNKNOWN)
            else:
                self._add("$")
        else:
            return False
        return True

    def _redirection(self) -> None:
        found = _HEREDOC.match(self.text, self.at)
        if self.word.isdigit():
            self.word, self.started = "", False  # the number of a descriptor
        self._flush()
        if found:
            self.heredocs.append((found[3], found[1] == "-"))
            self._take(len(found[0]))
            if found[2] in ("'", '"'):
                self._take()
            return
        while self.at < len(self.text) and self.text[self.at] in "<>|&":
            self._take()
        self.redirect = True

    def _skip_heredocs(self) -> None:
        for end, indented in self.heredocs:
            while self.at < len(self.text):
                stop = self.text.find("\n", self.at)
                line = self._take((stop + 1 if stop >= 0 else len(self.text)) - self.at).rstrip("\n")
                if (line.lstrip("\t") if indented else line) == end:
                    break
        self.heredocs = []

    def _operator(self, character: str) -> None:
        if self.text.startswith("()", self.at) and self.word:
            self.script.functions.add(self.word)
            self.word, self.started, self.at_command = "", False, True
            self._take(2)
            return
        if character == ")":
            self._flush()
            self._take()
            if self.pattern:
                self.pattern, self.at_command = False, True
            elif self.open:
                self._close()
            return
        self._end_command()
        if character == "(" and not self.pattern:
            self.open.append(None)
        if self.text.startswith(";;", self.at):
            self.pattern = bool(self.cases)
            self._take()
        self._take()

    def _close(self) -> None:
        """Goes on behind a substitution or subshell."""
        context = self.open.pop()
        if context is None:
            self.at_command = False
            return
        self.word, self.started, self.quoted = context.word + UNKNOWN, True, context.quoted
        self.at_command, self.redirect = context.at_command, context.redirect

    def _end_command(self) -> None:
        self._flush()
        self.at_command, self.redirect = True, False

    def _flush(self) -> None:
        word, started = self.word, self.started
        self.word, self.started = "", False
        if not started:
            return
        if word == "in" and self.cases and not self.cases[-1]:
            self.cases[-1], self.pattern = True, True
            return
        if word == "esac" and self.cases and (self.pattern or self.at_command):
            self.cases.pop()
            self.pattern, self.at_command = False, False
            return
        if self.pattern:
            return
        self.script.words.append((self.line, word))
        if self.redirect:
            self.redirect = False
        elif self.at_command and not _ASSIGNMENT.match(word) and word not in _RESERVED:
            self._command(word)

    def _command(self, word: str) -> None:
        if word == "case":
            self.cases.append(False)
        elif word in _TRANSPARENT:
            return
        elif word not in _CLOSING and word != "for" and UNKNOWN not in word and not word.startswith("-"):
            self.script.commands.append((self.line, word))
        self.at_command = False
