"""sed: the part of it that edits lines.

Commands: s (with g, p, i and a number), d, p, a, i, c, y, =, q and groups; addresses: a line
number, $, /expression/, first~step, 0,/expression/, ranges, and `!`. What keeps text
from line to line (hold space, N, branches) or touches other files (r, w, e) is refused.
Source: GNU sed manual.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sysimage.dockerfile.machine import Command, Commands, Machine, kind, place_of
from sysimage.dockerfile.options import parse
from sysimage.dockerfile.sed_script import SUPPORTED, Instruction, parse_script
from sysimage.dockerfile.text import given
from sysimage.errors import UserError
from sysimage.extents import ExtentMap
from sysimage.tree import NodeType, encode


def edit(instructions: Sequence[Instruction], data: bytes, quiet: bool = False) -> bytes:
    """Runs a script over the lines of one file."""
    lines = data.split(b"\n")
    complete = lines[-1] == b""
    if complete:
        lines.pop()
    out: list[bytes] = []
    for index, line in enumerate(lines):
        last = index == len(lines) - 1
        newline = b"" if last and not complete else b"\n"
        cycle = _Cycle(line, index + 1, last, out, newline)
        for each in instructions:
            cycle.run(each)
            if cycle.ended:
                break
        if not cycle.deleted and not quiet:
            cycle.emit(cycle.text)
        for text in cycle.after:
            cycle.whole()
            out.append(text)
        if cycle.quit:
            break
    return b"".join(out)


@dataclass(slots=True)
class _Cycle:
    text: bytes
    number: int
    last: bool
    out: list[bytes]
    newline: bytes
    after: list[bytes] = field(default_factory=list)
    deleted: bool = False
    ended: bool = False
    quit: bool = False

    def whole(self) -> None:
        """Ends a line without newline that more output follows."""
        if self.out and not self.out[-1].endswith(b"\n"):
            self.out.append(b"\n")

    def emit(self, text: bytes) -> None:
        self.whole()
        self.out.append(text + self.newline)

    def run(self, each: Instruction) -> None:
        if not each.selects(self.number, self.last, self.text):
            return
        match each.name:
            case "s":
                self.substitute(each)
            case "y":
                self.text = self.text.translate(each.table)
            case "d":
                self.deleted = self.ended = True
            case "p":
                self.emit(self.text)
            case "=":
                self.whole()
                self.out.append(b"%d\n" % self.number)
            case "i":
                self.whole()
                self.out.append(each.text)
            case "a":
                self.after.append(each.text)
            case "c":
                # In a range the text comes once, at its end; with `!` for every line.
                if each.second is None or not each.active or each.negated:
                    self.whole()
                    self.out.append(each.text)
                self.deleted = self.ended = True
            case "q":
                self.ended = self.quit = True
            case "{":
                for inner in each.group:
                    self.run(inner)
                    if self.ended:
                        return

    def substitute(self, each: Instruction) -> None:
        assert each.expression is not None
        count = 0
        out: list[bytes] = []
        position = 0
        end_of_last = -1
        for match in each.expression.finditer(self.text):
            if match.start() == match.end() == end_of_last:
                continue  # an empty match right behind another one does not count
            end_of_last = match.end()
            count += 1
            if count < each.nth:
                continue
            out.append(self.text[position : match.start()])
            out.extend(part if isinstance(part, bytes) else match[part] or b"" for part in each.replacement)
            position = match.end()
            if not each.every:
                break
        if position or out:
            self.text = b"".join(out) + self.text[position:]
            if each.printed:
                self.emit(self.text)


def sed(machine: Machine, arguments: list[str]) -> bytes:
    """Edits lines, in place with -i."""
    # -i takes its suffix only in the same word, so it is no option with a value.
    rest = []
    in_place = False
    for word in arguments:
        if word == "-i" or word == "--in-place":
            in_place = True
        elif re.match(r"(-[nErsu]*i.|--in-place=)", word):
            raise UserError(f"{word!r} would leave a backup", hint="write -i alone, and -E, -n apart from it")
        elif re.match(r"-[nErsu]+i$", word):
            in_place = True
            rest.append(word[:-1])
        else:
            rest.append(word)
    options = parse(
        rest, "n,quiet,silent", "E,r,regexp-extended", "e,expression=", "s,separate", "u,unbuffered", "posix"
    )
    scripts = options.values("e")
    words = list(options.operands)
    if not scripts:
        if not words:
            raise UserError("a script is wanted")
        scripts = [words.pop(0)]
    text = encode("\n".join(scripts)).decode("latin-1")

    def fresh() -> list[Instruction]:
        return parse_script(text, "E" in options)

    fresh()
    quiet = "n" in options
    if not in_place:
        inputs = [given(machine) if word == "-" else machine.read(word) for word in words or ["-"]]
        if "s" not in options:
            inputs = [b"".join([*map(_ended, inputs[:-1]), inputs[-1]])]
        outputs = [edit(fresh(), data, quiet) for data in inputs]
        return b"".join([*map(_ended, outputs[:-1]), outputs[-1]])
    if not words:
        raise UserError("-i wants a file")
    for word in words:
        _edit_file(machine, word, lambda data: edit(fresh(), data, quiet))
    return b""


def _ended(data: bytes) -> bytes:
    return data if not data or data.endswith(b"\n") else data + b"\n"


def _edit_file(machine: Machine, word: str, change: Callable[[bytes], bytes]) -> None:
    """A new file takes the place of the old one, so other hard links keep the old content."""
    data = machine.read(word)
    node = machine.tree[machine.locate(word)]
    if node.type is not NodeType.FILE:
        raise UserError(f"{word!r} is a {kind(node)}; a file is wanted")
    path = place_of(machine, word)
    machine.remove(path)
    machine.tree.add(path, replace(node, content=ExtentMap.of_bytes(change(data)), mtime=machine.mtime, xattrs={}))


COMMANDS: Commands = {
    "sed": Command(sed, f"sed [-nE] [-i] [-e] SCRIPT [FILE...] ({SUPPORTED})", reads_input=True),
}
