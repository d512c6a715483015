"""Options of commands, parsed as GNU getopt_long does it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sysimage.errors import UserError


@dataclass(frozen=True, slots=True)
class Options:
    """What was given: values by the option's first name (None for one without a value), and the operands.

    An option that was given twice keeps all its values, in order.
    """

    given: dict[str, list[str | None]] = field(default_factory=dict)
    operands: list[str] = field(default_factory=list)

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def value(self, name: str) -> str | None:
        """The last value given, or None."""
        return self.given[name][-1] if name in self.given else None

    def values(self, name: str) -> list[str]:
        """All values given."""
        return [value for value in self.given.get(name, []) if value is not None]

    def operand(self, what: str) -> str:
        """The only operand.

        Raises:
            UserError: there is none, or more than one.
        """
        if len(self.operands) != 1:
            count = "none is" if not self.operands else f"{len(self.operands)} are"
            raise UserError(f"one {what} is wanted, {count} given")
        return self.operands[0]


def parse(arguments: Sequence[str], *specs: str) -> Options:
    """Options and operands, in any order; `--` ends the options; long ones may be shortened.

    Args:
        arguments: the words behind the command.
        specs: one an option: its names with commas between, one-letter names first, a `=` at
            the end if it takes a value (`m,mode=`), a `?` if it may take one (`preserve?`).

    Raises:
        UserError: an option that is not known, ambiguous, or lacks its value.
    """
    table: dict[str, tuple[str, str]] = {}
    for spec in specs:
        kind = spec[-1] if spec[-1] in "=?" else ""
        names = spec.rstrip("=?").split(",")
        table |= dict.fromkeys(names, (names[0], kind))
    options = Options()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            options.operands.extend(rest)
            break
        if word.startswith("--"):
            _long(word, rest, table, options, specs)
        elif word.startswith("-") and word != "-":
            _short(word, rest, table, options, specs)
        else:
            options.operands.append(word)
    return options


def _long(
    word: str, rest: list[str], table: dict[str, tuple[str, str]], options: Options, specs: Sequence[str]
) -> None:
    name, equals, value = word[2:].partition("=")
    fitting = sorted(known for known in table if len(known) > 1 and known.startswith(name))
    if name not in table or len(name) == 1:
        if len({table[each][0] for each in fitting}) != 1:
            what = f"option {word.partition('=')[0]} is {'ambiguous' if fitting else 'not supported'}"
            raise UserError(what, hint=_known(specs))
        name = fitting[0]
    first, kind = table[name]
    if equals and not kind:
        raise UserError(f"option --{name} takes no value")
    if kind == "=" and not equals:
        if not rest:
            raise UserError(f"option --{name} wants a value")
        options.given.setdefault(first, []).append(rest.pop(0))
    else:
        options.given.setdefault(first, []).append(value if equals else None)


def _short(
    word: str, rest: list[str], table: dict[str, tuple[str, str]], options: Options, specs: Sequence[str]
) -> None:
    position = 1
    while position < len(word):
        letter = word[position]
        position += 1
        if letter not in table:
            raise UserError(f"option -{letter} is not supported", hint=_known(specs))
        first, kind = table[letter]
        if kind != "=":
            options.given.setdefault(first, []).append(None)
            continue
        if position < len(word):
            value = word[position:]
        elif rest:
            value = rest.pop(0)
        else:
            raise UserError(f"option -{letter} wants a value")
        options.given.setdefault(first, []).append(value)
        return


def _known(specs: Sequence[str]) -> str:
    if not specs:
        return "it takes no options here"
    names = []
    for spec in specs:
        parts = spec.rstrip("=?").split(",")
        names.append("/".join(("-" if len(part) == 1 else "--") + part for part in parts))
    return "supported are " + " ".join(names)
