"""The reader of text protocol buffers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchains.docs.textproto import parse, unquote


def test_message() -> None:
    message = parse('a { name: "x" kind: NAME ok: true }\na: { name: "y" }\nn: -1.5\n')
    assert [each.text("name") for each in message.all("a")] == ["x", "y"]
    assert message.all("a")[0].flag("ok")
    assert not message.all("a")[1].flag("ok")
    assert message.all("a")[0].text("kind") == "NAME"
    assert message.texts == {"n": ["-1.5"]}
    assert message.text("b") == ""
    assert message.all("b") == []


def test_nothing() -> None:
    assert parse(" \n").texts == {}


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        (r'"a\nb\"c\'d\\"', "a\nb\"c'd\\"),
        (r'"\303\251t\xc3\xa9"', "été"),
        (r'"\\n"', "\\n"),
        (r'"\\\n"', "\\\n"),
        ('"é"', "é"),
        ("'\"'", '"'),
        ('""', ""),
    ],
)
def test_strings(literal: str, expected: str) -> None:
    assert unquote(literal) == expected


def quote(text: str) -> str:
    """As protobuf's C++ and Java writers do."""
    plain = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n"}
    return '"' + "".join(plain.get(b, chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in text.encode()) + '"'


@given(st.text(), st.text())
def test_strings_come_back(first: str, second: str) -> None:
    message = parse(f"m {{ s: {quote(first)} s: {quote(second)} }}")
    assert message.all("m")[0].texts == {"s": [first, second]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {", "the text ends in the middle of a message"),
        ("a:", "the text ends in the middle of a message"),
        ("}", "'}' is not expected here"),
        ("a b", "'b' is not expected here, after a"),
        ("a: }", "'}' is not expected here, after a"),
        (': "x"', "':' is not expected here"),
        ('a: "x', "not a token at byte 2: ' \"x'"),
        (r'a: "\q"', "unknown escape '\\\\q' in \"\\q\""),
    ],
)
def test_what_is_not_of_this_form(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(text)
    assert str(error.value) == message
