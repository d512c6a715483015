"""echo, printf, cat, tee, and the words that only say yes or no: true, test."""

import re

from sysimage.dockerfile.machine import Command, Commands, Machine
from sysimage.dockerfile.options import parse
from sysimage.errors import UserError
from sysimage.tree import NodeType, encode

_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"\\": b"\\",
    b'"': b'"',
    b"'": b"'",
}
_ECHO_ESCAPE = re.compile(rb"\\(?:0([0-7]{0,3})|(.))", re.DOTALL)
_PRINTF_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
FIELD_MAX = 4095  # characters of one conversion: what every printf can make (C99, 7.19.6.1)
_DIRECTIVE = re.compile(rb"%(%|([-+ 0#]*)([0-9]*)(?:\.([0-9]*))?([sbdioxXuc]))")


def echo(_machine: Machine, arguments: list[str]) -> bytes:
    """As dash, Debian's /bin/sh, has it: -n is the one option, and escapes count."""
    newline = b"\n"
    if arguments[:1] == ["-n"]:
        arguments, newline = arguments[1:], b""
    elif arguments[:1] in (["-e"], ["-E"]):
        raise UserError(f"{arguments[0]} is no option of /bin/sh's echo, which prints it", hint="use printf")
    text, stopped = _unescape(encode(" ".join(arguments)), _ECHO_ESCAPE)
    return text if stopped else text + newline


def _unescape(text: bytes, pattern: re.Pattern[bytes], quotes: bool = False) -> tuple[bytes, bool]:
    """Escapes replaced, and whether an escaped c ended the output."""
    out = b""
    position = 0
    for match in pattern.finditer(text):
        out += text[position : match.start()]
        position = match.end()
        if match[1] is not None:
            out += bytes([int(match[1] or b"0", 8) & 0xFF])
        elif match[2] == b"c":
            return out, True
        elif match[2] in _ESCAPES and (quotes or match[2] not in (b'"', b"'")):
            out += _ESCAPES[match[2]]
        else:
            out += match[0]
    return out + text[position:], False


def printf(_machine: Machine, arguments: list[str]) -> bytes:
    """Writes its words in a format, which is used again while words are left."""
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    if not arguments:
        raise UserError("a format is wanted")
    values = [encode(word) for word in arguments[1:]]
    out = b""
    while True:
        before = len(values)
        text, stopped = _format(encode(arguments[0]), values)
        out += text
        if stopped or not values or len(values) == before:
            return out


def _format(template: bytes, values: list[bytes]) -> tuple[bytes, bool]:
    """One pass over the format; takes its values off the list."""
    out = b""
    position = 0
    while position < len(template):
        directive = _DIRECTIVE.match(template, position)
        if directive:
            position = directive.end()
            text, stopped = _convert(directive, values)
            out += text
            if stopped:
                return out, True
            continue
        if template[position : position + 1] == b"%":
            word = template[position : position + 2].decode(errors="replace")
            raise UserError(f"{word!r} is not supported", hint="it knows %s %b %c %d %i %u %o %x %X and %%")
        escape = _PRINTF_ESCAPE.match(template, position)
        if escape:
            text, stopped = _unescape(escape[0], _PRINTF_ESCAPE, quotes=True)
            if stopped:
                return out, True
            out += text
            position = escape.end()
        else:
            out += template[position : position + 1]
            position += 1
    return out, False


def _convert(directive: re.Match[bytes], values: list[bytes]) -> tuple[bytes, bool]:
    if directive[1] == b"%":
        return b"%", False
    kind = directive[5]
    value = values.pop(0) if values else b""
    stopped = False
    flags, width = directive[2], directive[3]
    precision = b"" if directive[4] is None else b"." + directive[4]
    for digits in (width, directive[4] or b""):
        if len(digits.lstrip(b"0")) > len(str(FIELD_MAX)) or int(digits or b"0") > FIELD_MAX:
            raise UserError(
                f"{directive[0].decode()[:20]!r} makes a field that is too long",
                hint=f"{FIELD_MAX} characters are the most",
            )
    specification = b"%" + flags + width + precision
    if kind == b"b":
        value, stopped = _unescape(value, _ECHO_ESCAPE)
    if kind in (b"s", b"b"):
        return (specification + b"s") % value, stopped
    if kind == b"c":
        return (b"%" + flags + width + b"s") % value[:1], False
    try:
        number = int(value or b"0", 0) if not re.fullmatch(rb"[-+]?0[0-7]+", value) else int(value, 8)
    except ValueError:
        raise UserError(f"{value.decode(errors='replace')!r} is no number") from None
    if number < 0 and kind != b"d" and kind != b"i":
        number += 1 << 64
    return (specification + kind.replace(b"i", b"d").replace(b"u", b"d")) % number, False


def cat(machine: Machine, arguments: list[str]) -> bytes:
    """Writes files one behind the other."""
    options = parse(arguments)
    return b"".join(given(machine) if word == "-" else machine.read(word) for word in options.operands or ["-"])


def given(machine: Machine) -> bytes:
    """Standard input.

    Raises:
        UserError: there is none.
    """
    if machine.stdin is None:
        raise UserError("there is no input to read", hint="name a file, or give it input with | or <")
    return machine.stdin


def tee(machine: Machine, arguments: list[str]) -> bytes:
    """Writes its input to files, and out again."""
    options = parse(arguments, "a,append")
    data = given(machine)
    for word in options.operands:
        machine.write(word, data, append="a" in options)
    return data


def true(_machine: Machine, _arguments: list[str]) -> bytes:
    """Does nothing."""
    return b""


def test(machine: Machine, arguments: list[str]) -> bytes:
    """As an assertion: a test that is false stops the build, as any command that fails."""
    words = list(arguments)
    wanted = True
    while words[:1] == ["!"]:
        words.pop(0)
        wanted = not wanted
    if _holds(machine, words) is not wanted:
        raise UserError(f"{' '.join(arguments)!r} does not hold")
    return b""


def bracket(machine: Machine, arguments: list[str]) -> bytes:
    """`[ ... ]`: as test."""
    if arguments[-1:] != ["]"]:
        raise UserError("a ] is missing")
    return test(machine, arguments[:-1])


def _holds(machine: Machine, words: list[str]) -> bool:
    match words:
        case [text]:
            return bool(text)
        case ["-n", text]:
            return bool(text)
        case ["-z", text]:
            return not text
        case [left, ("=" | "!=") as operator, right]:
            return (left == right) is (operator == "=")
        case [("-e" | "-f" | "-d" | "-s" | "-x" | "-L" | "-h") as operator, word]:
            node = machine.node(word, follow=operator not in ("-L", "-h")) if word else None
            if node is None:
                return False
            match operator:
                case "-f":
                    return node.type is NodeType.FILE
                case "-d":
                    return node.type is NodeType.DIRECTORY
                case "-s":
                    return node.type is not NodeType.FILE or node.size > 0
                case "-x":
                    return bool(node.mode & 0o111)
                case "-L" | "-h":
                    return node.type is NodeType.SYMLINK
            return True
    raise UserError(f"{' '.join(words)!r} is not supported", hint="it knows ! -e -f -d -s -x -L -n -z = and !=")


COMMANDS: Commands = {
    "echo": Command(echo, "echo [-n] WORD..."),
    "printf": Command(printf, "printf FORMAT WORD..."),
    "cat": Command(cat, "cat [FILE...]", reads_input=True),
    "tee": Command(tee, "tee [-a] FILE...", reads_input=True),
    "true": Command(true, "true"),
    ":": Command(true, ":"),
    "test": Command(test, "test [!] -e|-f|-d|-s|-x|-L FILE, test A = B (as an assertion)"),
    "[": Command(bracket, "[ ... ] (as test)"),
}
