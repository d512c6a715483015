"""Every instruction stands in some case, and every word with each of its options.

What there is to cover comes from the interpreter's own tables, and from what its commands look for while the cases run
through it: so an instruction, word or option that is added without a case fails here.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sysimage import tree as trees
from sysimage.debian.accounts import load_accounts
from sysimage.dockerfile import accounts, build, copying, options, parser, paths, run, sed, sed_script, system, text
from sysimage.dockerfile.build import Inputs
from sysimage.dockerfile.copy_instruction import Context
from sysimage.dockerfile.machine import Command, Machine
from sysimage.dockerfile.options import Options
from sysimage.dockerfile.testing import FakePackages
from sysimage.dockerfile.vocabulary import COMMANDS
from sysimage.extents import ExtentMap, Sources

SUBJECT = json.loads(Path(os.environ["SUBJECT"]).read_text())
MODULES = (accounts, copying, paths, sed, system, text)
KEYWORDS = sorted(set(parser.KEYWORDS) - set(build.REFUSED))
# Options of instructions, and the second forms that some have: a JSON list, or words of the old kind.
FLAGS = [("COPY", "chown"), ("COPY", "chmod"), ("FROM", "platform")]
JSON_FORMS = ["CMD", "COPY", "ENTRYPOINT", "RUN", "VOLUME"]
TESTS = ["!", "-e", "-f", "-d", "-s", "-x", "-L", "-h", "-n", "-z", "=", "!="]


@dataclass(slots=True)
class Seen:
    """What the cases use: instructions; arguments of each word's calls; the options that it knows, and those given."""

    instructions: list[parser.Instruction] = field(default_factory=list)
    calls: dict[str, list[list[str]]] = field(default_factory=lambda: defaultdict(list))
    known: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    given: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    sed: set[str] = field(default_factory=set)

    def arguments(self, word: str) -> set[str]:
        return {argument for call in self.calls[word] for argument in call}


def watched(seen: Seen, patch: pytest.MonkeyPatch) -> None:
    """Puts what takes notes around the commands, their option parser, the words with a state, and sed's scripts."""
    word = ""

    def recorded(name: str, command: Command) -> Command:
        def take_note(machine: Machine, arguments: list[str]) -> bytes:
            nonlocal word
            word = name
            seen.calls[name].append(list(arguments))
            return command.run(machine, arguments)

        return replace(command, run=take_note)

    def parse(arguments: Sequence[str], *specs: str) -> Options:
        found = options.parse(arguments, *specs)
        seen.known[word] |= {spec.rstrip("=?").split(",")[0] for spec in specs}
        seen.given[word] |= set(found.given)
        return found

    def parse_script(script: str, extended: bool) -> list[sed_script.Instruction]:
        found = sed_script.parse_script(script, extended)
        for each in found:
            seen.sed |= {each.name, *(inner.name for inner in each.group)}
        return found

    for name, command in COMMANDS.items():
        patch.setitem(COMMANDS, name, recorded(name, command))
    for name, method in run.STATEFUL.items():
        patch.setitem(run.STATEFUL, name, noting(seen, name, method))
    for module in MODULES:
        if hasattr(module, "parse"):
            patch.setattr(module, "parse", parse)
    patch.setattr(sed, "parse_script", parse_script)


def noting(seen: Seen, name: str, method: Callable[..., None]) -> Callable[..., None]:
    def take_note(runner: Any, arguments: list[str]) -> None:
        seen.calls[name].append(list(arguments))
        method(runner, arguments)

    return take_note


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """All cases run through the interpreter."""
    found = Seen()
    base = trees.load(SUBJECT["base"])
    table = load_accounts("tests/interop/dockerfile/accounts.conf")
    with pytest.MonkeyPatch.context() as patch, Sources(SUBJECT["sources"]) as sources:
        watched(found, patch)
        for layer in SUBJECT["layers"]:
            source = Path(layer["dockerfile"]).read_text()
            found.instructions += parser.parse(source, layer["dockerfile"])
            inputs = Inputs(base, sources, context(layer), FakePackages("openssl", "sed"), table, SUBJECT["epoch"])
            build.build(source, layer["dockerfile"], replace(inputs, arguments=layer["build_args"]))
        yield found


def context(layer: Mapping[str, Any]) -> Context:
    files = {path: ExtentMap.of_bytes(Path(file).read_bytes()) for path, file in layer["context"].items()}
    return Context(files)


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_every_instruction_has_a_case(keyword: str, seen: Seen) -> None:
    assert keyword in {each.keyword for each in seen.instructions}


@pytest.mark.parametrize(("keyword", "flag"), FLAGS)
def test_every_flag_has_a_case(keyword: str, flag: str, seen: Seen) -> None:
    assert any(flag in each.flags for each in seen.instructions if each.keyword == keyword)


@pytest.mark.parametrize("keyword", JSON_FORMS)
def test_both_forms_have_a_case(keyword: str, seen: Seen) -> None:
    forms = {each.json_words() is not None for each in seen.instructions if each.keyword == keyword}
    assert forms == {True, False}


@pytest.mark.parametrize("word", [*COMMANDS, *run.STATEFUL])
def test_every_word_has_a_case(word: str, seen: Seen) -> None:
    assert seen.calls[word]


@pytest.mark.parametrize("word", COMMANDS)
def test_every_option_that_a_word_knows_has_a_case(word: str, seen: Seen) -> None:
    assert seen.known[word] - seen.given[word] == set()


def test_the_options_come_from_the_commands(seen: Seen) -> None:
    """What is known is not empty by mistake: an option that a word had more would be wanted."""
    assert seen.known["chmod"] == {"R", "v", "c"}
    with_options = {word for word, command in COMMANDS.items() if documented(command.usage)}
    assert with_options - {word for word in COMMANDS if seen.known[word]} <= {"echo", "setcap", "test"}


@pytest.mark.parametrize("word", COMMANDS)
def test_every_option_and_verb_of_the_documentation_has_a_case(word: str, seen: Seen) -> None:
    usage = re.sub(r"\(.*?\)", "", COMMANDS[word].usage)
    arguments = seen.arguments(word)
    lacking = [name for name in documented(usage) if not any(stands_in(name, each) for each in arguments)]
    assert lacking == []


def documented(usage: str) -> list[str]:
    """Options and verbs (`a|b`, or what follows the word in lower case) of a usage line."""
    found = []
    for form in usage.split(", "):
        for token in re.findall(r"(?<![\w|-])--?[A-Za-z][A-Za-z-]*|(?<=\|)-[a-zA-Z]", form):
            found += [token] if token.startswith("--") else [f"-{letter}" for letter in token[1:]]
        verb = re.match(r"[a-z-]+ (?:\[[^]]*\] )*([a-z-]+(?:\|[a-z-]+)*)(?: |$)", form)
        found += verb[1].split("|") if verb and not verb[1].startswith("-") else []
    return found


def stands_in(name: str, argument: str) -> bool:
    if name.startswith("--"):
        return argument.partition("=")[0] == name
    if name.startswith("-"):
        return re.match(rf"-[A-Za-z]*{name[1]}", argument) is not None
    return argument == name


@pytest.mark.parametrize("name", sed_script.SUPPORTED.removeprefix("it knows ").replace(" and {", " {").split())
def test_every_command_of_sed_has_a_case(name: str, seen: Seen) -> None:
    assert name in seen.sed | {"}"}


@pytest.mark.parametrize("operator", TESTS)
def test_every_test_has_a_case(operator: str, seen: Seen) -> None:
    assert operator in seen.arguments("test")


def test_what_is_documented() -> None:
    assert documented("w [-rf] [-m MODE] X, w --long a|b Y, w verb|other Z, w -l|-u U, w [--g] on|off V") == [
        "-r", "-f", "-m", "--long", "verb", "other", "-l", "-u", "--g", "on", "off",
    ]  # fmt: skip
    assert stands_in("-f", "-rf") and stands_in("--a", "--a=1") and not stands_in("-f", "--file")
