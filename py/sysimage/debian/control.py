"""Control files: paragraphs of fields, as packages, indices and dpkg's database have them.

Source: deb822(5).
"""

from collections.abc import Iterator, Mapping


def parse_paragraph(text: str) -> dict[str, str]:
    """The first paragraph. Continuation lines stay in the value, with their newline and indent.

    Raises:
        ValueError: a line is neither a field nor a continuation, or a field comes twice.
    """
    return next(parse_paragraphs(text), {})


def parse_paragraphs(text: str) -> Iterator[dict[str, str]]:
    """All paragraphs, in order. Errors: as `parse_paragraph`."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.split("\n"):
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if not name:
                raise ValueError(f"a control file begins with a continuation line: {line!r}")
            fields[name] += "\n" + line.rstrip()
        elif not line.startswith("#"):
            name, colon, value = line.partition(":")
            if not colon or not name or " " in name:
                raise ValueError(f"a control file has a line that is no field: {line!r}")
            if name in fields:
                raise ValueError(f"a control file has the field {name} twice")
            fields[name] = value.strip()
    if fields:
        yield fields


def format_paragraph(fields: Mapping[str, str]) -> str:
    """The fields as lines, with a newline at the end of each; values begin after one space."""
    return "".join(f"{name}:{'' if value.startswith(chr(10)) else ' '}{value}\n" for name, value in fields.items())
