"""Carries out a RUN line: expands its words and calls the commands one by one.

The result of a command is a changed tree and what it writes; a command that
cannot do its work raises, which stops the build with the file, the line and the word.
"""

import re
from collections.abc import Callable, Mapping

from sysimage.dockerfile import glob
from sysimage.dockerfile.machine import Machine
from sysimage.dockerfile.parser import Instruction
from sysimage.dockerfile.shell import Command, Pipeline, Redirection, Script, Substitution, Text, Variable, Word, parse
from sysimage.dockerfile.vocabulary import COMMANDS
from sysimage.errors import UserError
from sysimage.tree import decode

_SET = re.compile(r"-[eux]+$")
_SUBSTITUTED = ("cat", "echo", "printf", "sed")

Field = list[Text]


def run(machine: Machine, instruction: Instruction) -> None:
    """Carries out a RUN instruction in its shell or JSON form.

    Raises:
        UserError: `FILE:LINE: RUN: WORD: what is wrong`.
    """
    words = instruction.json_words()
    runner = _Runner(machine, instruction)
    if words is not None:
        if not words:
            raise instruction.error("there is no command")
        runner.call(0, words[0], words[1:], None)
    else:
        runner.script(parse(instruction))


class _Runner:
    def __init__(self, machine: Machine, instruction: Instruction) -> None:
        self.machine = machine
        self.instruction = instruction

    def script(self, script: Script) -> bytes:
        return b"".join(self.pipeline(each) for each in script)

    def pipeline(self, pipeline: Pipeline) -> bytes:
        data: bytes | None = None
        for command in pipeline:
            data = self.command(command, data)
        return data or b""

    def command(self, command: Command, stdin: bytes | None) -> bytes:
        words = [word for each in command.words for word in self.fields(each, command.offset)]
        outer = dict(self.machine.environment)
        for name, word in command.assignments:
            self.machine.environment[name] = self.value(word, command.offset)
        stdin, finish = self.redirect(command, stdin)
        if words:
            output = finish(self.call(command.offset, words[0], words[1:], stdin))
            if command.assignments:
                self.machine.environment = outer
            return output
        return finish(b"")

    def call(self, offset: int, name: str, arguments: list[str], stdin: bytes | None) -> bytes:
        """One command by its name, wherever it would be installed."""
        word = re.sub(r"^(/usr)?(/local)?/s?bin/", "", name)
        if word == "exec" and arguments:
            word, *arguments = arguments
        try:
            if word in STATEFUL:
                STATEFUL[word](self, arguments)
                return b""
            if word not in COMMANDS:
                known = " ".join(sorted([*COMMANDS, *STATEFUL]))
                raise UserError(f"{name!r} is not in the vocabulary", hint=f"it has {known}")
            command = COMMANDS[word]
            if stdin is not None and not command.reads_input:
                raise UserError("it does not read its input", hint="use && instead of |")
            self.machine.stdin = stdin
            return command.run(self.machine, arguments)
        except UserError as error:
            if word not in COMMANDS and word not in STATEFUL:
                raise self.instruction.error(error.message, error.hint, offset) from error
            raise self.instruction.error(f"{word}: {error.message}", error.hint, offset) from error

    def redirect(self, command: Command, stdin: bytes | None) -> tuple[bytes | None, Callable[[bytes], bytes]]:
        """Input for the command, and what to do with its output. Nothing is ever written to descriptor 2."""
        targets: list[tuple[Redirection, str]] = []
        for each in command.redirections:
            name = self.value(each.target, command.offset)
            if each.copy:
                if (each.descriptor, name) not in ((2, "1"), (1, "2")):
                    raise self.instruction.error(f"'{each.descriptor}>&{name}' is not supported", "", command.offset)
                if each.descriptor == 1:
                    targets.append((each, "/dev/null"))
                continue
            try:
                if each.operator == "<":
                    stdin = self.machine.read(name)
                elif each.descriptor == 2:
                    if name != "/dev/null":
                        self.machine.write(name, b"", append=each.operator == ">>")
                elif each.descriptor == 1:
                    # Each file is made, or cut, before the command runs, as the shell does it.
                    self.machine.write(name, b"", append=each.operator == ">>")
                    targets.append((each, name))
                else:
                    raise UserError(f"descriptor {each.descriptor} is not supported")
            except UserError as error:
                raise self.instruction.error(error.message, error.hint, command.offset) from error

        def finish(output: bytes) -> bytes:
            if not targets:
                return output
            redirection, name = targets[-1]
            self.machine.write(name, output, append=redirection.operator == ">>")
            return b""

        return stdin, finish

    def cd(self, arguments: list[str]) -> None:
        if len(arguments) != 1:
            raise UserError("one directory is wanted")
        path = self.machine.existing(arguments[0])
        if not self.machine.tree.is_directory(path):
            raise UserError(f"{arguments[0]!r} is no directory")
        self.machine.cwd = path

    def export(self, arguments: list[str]) -> None:
        for each in arguments:
            name, equals, value = each.partition("=")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise UserError(f"{name!r} is no variable's name")
            if equals:
                self.machine.environment[name] = value

    def set(self, arguments: list[str]) -> None:
        """-e and -u hold always; -x shows what is never seen."""
        words = list(arguments)
        while words:
            word = words.pop(0)
            if re.fullmatch(r"-[eux]*o", word) and words[:1] in (["pipefail"], ["errexit"], ["nounset"], ["xtrace"]):
                words.pop(0)
            elif not _SET.match(word):
                raise UserError(f"{word!r} is not supported", hint="-e, -u, -x and -o pipefail are")

    def umask(self, arguments: list[str]) -> None:
        if len(arguments) != 1 or not re.fullmatch("0?[0-7]{1,3}", arguments[0]):
            raise UserError("one octal number is wanted", hint="umask 022")
        self.machine.umask = int(arguments[0], 8)

    def value(self, word: Word, offset: int) -> str:
        """A word as one string: neither split nor taken for a pattern."""
        return "".join(piece.text for piece in self.pieces(word, offset))

    def fields(self, word: Word, offset: int) -> list[str]:
        """The words that a word becomes: unquoted values split at blanks, patterns replaced by what matches."""
        split: list[Field] = [[]]
        begun = False
        for piece, source in zip(self.pieces(word, offset), word, strict=True):
            if piece.quoted or isinstance(source, Text):
                split[-1].append(piece)
                begun = True
                continue
            parts = re.split(r"[ \t\n]+", piece.text)
            for index, part in enumerate(parts):
                if index:
                    split.append([])
                if part:
                    split[-1].append(Text(part, False))
        found = [each for each in split if each]
        if not found and begun:
            found = [[]]
        return [name for each in found for name in self.globbed(each)]

    def globbed(self, field: Field) -> list[str]:
        text = "".join(piece.text for piece in field)
        pattern = "".join(re.sub(r"([\\*?\[\]!^-])", r"\\\1", p.text) if p.quoted else p.text for p in field)
        if not glob.is_pattern(pattern):
            return [text]
        return glob.expand(self.machine.tree, pattern, self.machine.cwd) or [text]

    def pieces(self, word: Word, offset: int) -> list[Text]:
        return [self.piece(each, offset) for each in word]

    def piece(self, piece: Text | Variable | Substitution, offset: int) -> Text:
        if isinstance(piece, Text):
            return piece
        if isinstance(piece, Variable):
            return Text(self.variable(piece, offset), piece.quoted)
        for pipeline in piece.script:
            for command in pipeline:
                name = self.value(command.words[0], offset) if command.words else ""
                if name not in _SUBSTITUTED:
                    hint = f"$(...) is for what others wrote: {', '.join(_SUBSTITUTED)}"
                    raise self.instruction.error(f"{name!r} in $(...) is not supported", hint, offset)
        return Text(decode(self.script(piece.script)).rstrip("\n"), piece.quoted)

    def variable(self, variable: Variable, offset: int) -> str:
        value = self.machine.environment.get(variable.name)
        is_set = value is not None and (value != "" or not variable.operator.startswith(":"))
        word = self.value(variable.word, offset)
        match variable.operator.lstrip(":"):
            case "-" if not is_set:
                return word
            case "+":
                return word if is_set else ""
            case "?" if not is_set:
                raise self.instruction.error(f"variable {variable.name} is not set: {word}", "", offset)
        if value is None:
            hint = f"declare it with ARG or ENV, or write ${{{variable.name}:-}} for nothing"
            raise self.instruction.error(f"variable {variable.name} is not set", hint, offset)
        return value


# The words that change where and how the others of a RUN line work.
STATEFUL: Mapping[str, Callable[[_Runner, list[str]], None]] = {
    "cd": _Runner.cd,
    "export": _Runner.export,
    "set": _Runner.set,
    "umask": _Runner.umask,
}
