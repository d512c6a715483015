"""Dockerfiles that nobody writes: what the soak found to end in a traceback, or never."""

from pathlib import Path

import pytest

from sysimage.dockerfile import glob, parser, regex, sed_script, shell
from sysimage.dockerfile.config import load_config
from sysimage.dockerfile.testing import machine, run_line, small_tree
from sysimage.errors import UserError


def refused(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return str(caught.value)


def test_substitutions_inside_each_other() -> None:
    (instruction,) = parser.parse("RUN echo " + "$(cat " * 5000, "Dockerfile")
    assert refused(shell.parse, instruction) == "Dockerfile:1: RUN: more than 20 '$(' inside each other"


def test_sed_blocks_inside_each_other() -> None:
    assert refused(sed_script.parse_script, "{" * 5000, False).endswith("': more than 50 { inside each other")


@pytest.mark.parametrize(
    ("text", "why"),
    [("(" * 5000, "more than 50 groups"), ("a{99999999999}", "too large"), ("a{" + "1" * 5000 + "}", "bad regular")],
)
def test_expressions(text: str, why: str) -> None:
    assert why in refused(regex.compile_posix, text, True)


def test_alternatives_by_the_thousands() -> None:
    expression = regex.compile_posix("|".join(f"w{number}." for number in range(5000)), True)
    assert expression.fullmatch(b"w4999x")
    assert "one begins another" in refused(regex.compile_posix, "b.|ab|a", True)


def test_patterns() -> None:
    assert refused(glob.compile_component, "[" * 5000).startswith(
        "a pattern of 5000 characters, '[[[[[[[[[[[[[[[[[[[['...:"
    )
    assert refused(glob.compile_component, "[b-a]").startswith("bad pattern '[b-a]': bad character range")
    # Looked at anew after every star, this would take longer than the universe has.
    assert not glob.matches("*a" * 100 + "b", "a" * 250)
    assert glob.matches("*a*?b**c", "xxaab/c".replace("/", "-"))
    assert glob.matches("*", "")
    assert not glob.matches("a*b", "ab/b")


def test_json_inside_itself(tmp_path: Path) -> None:
    (instruction,) = parser.parse("CMD " + "[" * 100_000, "Dockerfile")
    assert instruction.json_words() is None
    (tmp_path / "config").write_text("[" * 100_000)
    message = f"{tmp_path}/config: not an image configuration: it is nested too deeply"
    assert refused(load_config, tmp_path / "config") == message


def test_long_names() -> None:
    message = refused(run_line, machine(small_tree()), "mkdir -p " + "/" * 5000)
    assert message.endswith("a file name has 5000 characters, '////////////////////'...: at most 4095 are possible")


def test_lines_by_number() -> None:
    assert "is not supported" in refused(sed_script.parse_script, "1" * 5000 + "p", False)
