"""The grammar of LVM's texts: what it means, what breaks it, and that nothing takes long."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.errors import UserError
from sysimage.lvm import metadata


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"", {}),
        (b"# nothing\n\t \r\n", {}),
        (b"a = 1", {"a": 1}),
        (b"a=-1 b=+2\nc=18446744073709551615", {"a": -1, "b": 2, "c": 18446744073709551615}),
        (b"a = 1.5", {"a": 1.5}),
        (b'a = "x" # "y"\nb = 2', {"a": "x", "b": 2}),
        (b'a = "# no { comment"', {"a": "# no { comment"}),
        (b'a = "say \\"x\\" and \\\\"', {"a": 'say "x" and \\'}),
        (b"a = 'plain \\ \"'", {"a": 'plain \\ "'}),
        (b'a = "two\nlines"', {"a": "two\nlines"}),
        (b'a = "\xc3\xbc \xff"', {"a": "ü \udcff"}),
        (b"a = []", {"a": []}),
        (b'a = ["x", 1,\n 2.5]', {"a": ["x", 1, 2.5]}),
        (b"a = [1, 2,]", {"a": [1, 2]}),
        (b"a { }", {"a": {}}),
        (b"a {b{c=1}d=2}e=3", {"a": {"b": {"c": 1}, "d": 2}, "e": 3}),
        (b"1-a.b_c+d { x = 1 }", {"1-a.b_c+d": {"x": 1}}),
        (b'"quoted name" { "}" = "{" }', {"quoted name": {"}": "{"}}),
        (b"a = 1\0 } garbage", {"a": 1}),
    ],
)
def test_texts(text: bytes, value: object) -> None:
    assert metadata.parse(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"}", "line 1: there is a } without a {"),
        (b"a = 1\n}\n", "line 2: there is a } without a {"),
        (b"a {\nb = 1\n", "line 3: the section 'a' has no end"),
        (b"a", "line 1: behind 'a' neither = nor { follows"),
        (b"a b = 1", "line 1: behind 'a' neither = nor { follows"),
        (b"a =", "line 1: there is 'the end', a value is wanted"),
        (b"a = }", "line 1: there is '}', a value is wanted"),
        (b"a = b", "line 1: 'b' is neither a number nor a string in quotes"),
        (b"a = 0x10", "line 1: '0x10' is neither a number nor a string in quotes"),
        (b"a = 123456789012345678901", "line 1: '123456789012345678901' is neither a number nor a string in quotes"),
        (b"a = 1\nb = 2\n\na = 3", "line 4: 'a' comes twice"),
        (b"a { }\na { }", "line 2: 'a' comes twice"),
        (b"= 1", "line 1: there is '=', a name is wanted"),
        (b"[1]", "line 1: there is '[', a name is wanted"),
        (b"a = [1 2]", "line 1: a list has neither , nor ] where one is wanted"),
        (b"a = [1", "line 1: a list has neither , nor ] where one is wanted"),
        (b"a = [", "line 1: there is 'the end', a value is wanted"),
        (b"a = [,]", "line 1: there is ',', a value is wanted"),
        (b"a = [[1]]", "line 1: there is '[', a value is wanted"),
        (b'a = "x', "line 1: '\"' begins nothing that is known"),
        (b"a = 'x", 'line 1: "\'" begins nothing that is known'),
        (b"a = 1\n\xff = 2", "line 2: 'ÿ' begins nothing that is known"),
        (b"a{" * 17, "line 1: more than 16 sections are in each other"),
    ],
)
def test_broken_texts(text: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        metadata.parse(text)
    assert str(caught.value) == f"LVM metadata, {message}"


@pytest.mark.parametrize(
    "text",
    [
        b"a" * 1_000_000,
        b'a = "' + b"x" * 1_000_000,
        b'a = "' + b"\\x" * 500_000,
        b'a = "' + b"\\x" * 500_000 + b'"',
        b"a = [" + b"1," * 250_000,
        b"{" * 1_000_000,
        b"a{" * 500_000,
        b"#" * 1_000_000,
        b" " * 1_000_000,
        b"\n" * 1_000_000 + b"}",
        b"".join(b"k%d=1\n" % n for n in range(50_000)) + b"}",
    ],
    ids=range(11),
)
def test_large_texts_take_no_longer_than_their_size(text: bytes) -> None:
    begin = time.process_time()
    with contextlib.suppress(UserError):
        metadata.parse(text)
    assert time.process_time() - begin < 20  # of a busy machine; a quadratic parser would need hours


@given(st.one_of(st.binary(max_size=300), st.text("a1 {}[]=,\"'\\#\n.-", max_size=60).map(str.encode)))
def test_any_text_is_answered(text: bytes) -> None:
    with contextlib.suppress(UserError):
        metadata.parse(text)


_NAMES = st.text("abcXYZ019_+-.", min_size=1, max_size=10)
_SCALARS = st.one_of(
    st.integers(-(10**19), 10**19),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10),
)
_VALUES = st.one_of(_SCALARS, st.lists(_SCALARS, max_size=4))
_SECTIONS = st.recursive(
    st.dictionaries(_NAMES, _VALUES, max_size=4),
    lambda inner: st.dictionaries(_NAMES, st.one_of(_VALUES, inner), max_size=4),
    max_leaves=10,
)


def write(section: metadata.Section) -> str:
    """A section's lines, as LVM writes them."""

    def scalar(value: metadata.Scalar) -> str:
        if not isinstance(value, str):
            return str(value)
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = []
    for name, value in section.items():
        if isinstance(value, dict):
            lines.append(f"{name} {{ # section\n{write(value)}}}")
        elif isinstance(value, list):
            lines.append(f"{name} = [" + ", ".join(map(scalar, value)) + "]")
        else:
            lines.append(f"{name} = {scalar(value)}\t# value")
    return "".join(line + "\n" for line in lines)


@given(_SECTIONS)
def test_what_is_written_comes_back(section: metadata.Section) -> None:
    assert metadata.parse(write(section).encode()) == section
