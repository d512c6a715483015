"""Reads protocol buffers in text form, as far as Bazel's `starlark_doc_extract` writes them.

Source: "Text Format Language Specification", protobuf.dev. No schema is needed: a field is a list of its values,
because without one nobody can tell a field that comes once from one that may be repeated.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# Of a string, bytes: `\n`, `\"`, `\\`, ...; octal `\303`; everything else stands for itself.
_SIMPLE = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "'": 39, "\\": 92, "?": 63}
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))")
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[\w.+-]+)|(?P<sign>[{}:]))"""
)


@dataclass(slots=True)
class Message:
    """A message: its scalar fields as text, its message fields as messages, each in order of appearance."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    messages: dict[str, list["Message"]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The value of a scalar field that comes at most once; "" where it is not set."""
        return self.texts.get(name, [""])[0]

    def all(self, name: str) -> list["Message"]:
        """The values of a message field."""
        return self.messages.get(name, [])

    def flag(self, name: str) -> bool:
        """The value of a field of type bool."""
        return self.text(name) == "true"


def unquote(literal: str) -> str:
    """The text that a string literal stands for; its bytes are UTF-8."""
    data = bytearray()
    position = 1
    end = len(literal) - 1
    for escape in _ESCAPE.finditer(literal, 1, end):
        data += literal[position : escape.start()].encode()
        octal, hexadecimal, character = escape.groups()
        if octal is not None:
            data.append(int(octal, 8))
        elif hexadecimal is not None:
            data.append(int(hexadecimal, 16))
        elif character in _SIMPLE:
            data.append(_SIMPLE[character])
        else:
            raise ValueError(f"unknown escape {escape[0]!r} in {literal}")
        position = escape.end()
    return (data + literal[position:end].encode()).decode()


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise ValueError(f"not a token at byte {position}: {text[position : position + 20]!r}")
        yield found.lastgroup, found[found.lastgroup]
        position = found.end()


def parse(text: str) -> Message:
    """Reads one message.

    Raises:
        ValueError: the text is not of this form.
    """
    top = Message()
    stack = [top]
    name = ""
    separated = False
    for kind, token in _tokens(text):
        if token == "{" and name:
            inner = Message()
            stack[-1].messages.setdefault(name, []).append(inner)
            stack.append(inner)
            name, separated = "", False
        elif token == "}" and not name and len(stack) > 1:
            stack.pop()
        elif token == ":" and name and not separated:
            separated = True
        elif kind != "sign" and separated:
            stack[-1].texts.setdefault(name, []).append(unquote(token) if kind == "string" else token)
            name, separated = "", False
        elif kind == "word" and not name:
            name = token
        else:
            raise ValueError(f"{token!r} is not expected here{f', after {name}' if name else ''}")
    if len(stack) != 1 or name:
        raise ValueError("the text ends in the middle of a message")
    return top
