"""systemd's unit files as lists of settings. Source: systemd.syntax(7)."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """`key=value` in a section; line is the number of its first line, text all of it as it stands there."""

    line: int
    section: str
    key: str
    value: str
    text: str


def settings(text: str) -> Iterator[Setting]:
    """The settings of a unit file or drop-in, in their order: continued lines are joined, comments left out."""
    section, pending, start = "", "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(("#", ";")):
            continue
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        line, pending = (pending + line).strip(), ""
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif "=" in line:
            key, _, value = line.partition("=")
            yield Setting(start, section, key.strip(), value.strip(), line)
