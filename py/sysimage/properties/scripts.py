"""Shell scripts of the image's own: the commands that they run and the paths that they name must exist."""

import re
from collections.abc import Iterator

from sysimage.properties import shell_words
from sysimage.properties.findings import Finding
from sysimage.properties.missing import missing
from sysimage.properties.system import System
from sysimage.tree import NodeType

# Where a command is looked for: the path of systemd's services.
_PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
_SHELL = re.compile(rb"#! *(?:/usr)?/bin/(?:ba|da)?sh(?: |\n|$)")
_BUILTINS = frozenset(
    [
        ".",
        ":",
        "[",
        "alias",
        "bg",
        "break",
        "cd",
        "continue",
        "echo",
        "eval",
        "exit",
        "export",
        "false",
        "fg",
        "getopts",
        "hash",
        "jobs",
        "kill",
        "local",
        "printf",
        "pwd",
        "read",
        "readonly",
        "return",
        "set",
        "shift",
        "test",
        "times",
        "trap",
        "true",
        "type",
        "ulimit",
        "umask",
        "unalias",
        "unset",
        "wait",
    ]
)
_PATH_WORD = re.compile(r"(?:^|[=:])(/[A-Za-z0-9_.@%+,/-]+)$")


def is_shell(data: bytes) -> bool:
    """Whether a file is a script for a POSIX shell."""
    return _SHELL.match(data) is not None


def find_command(system: System, name: str) -> bool:
    """Whether a command of that name is on the path."""
    return any(
        (node := system.find(f"{folder}/{name}")) is not None and node.type is NodeType.FILE and bool(node.mode & 0o111)
        for folder in _PATH
    )


def mentioned(system: System, path: str) -> Iterator[Finding]:
    """Commands and paths of a script that do not exist."""
    script = shell_words.read(system.text(path))
    for line, name in script.commands:
        known = name in _BUILTINS or name in script.functions or "/" in name
        if not known and not find_command(system, name):
            yield Finding("missing-command", f"/{path}", f"line {line} runs {name!r}, which is on no path")
    tops = set(system.tree.children(""))
    for line, word in script.words:
        found = _PATH_WORD.search(word)
        # What begins with a folder of the root is a path; other words with a slash are patterns, or parts of one.
        if shell_words.UNKNOWN in word or not found or found[1].split("/")[1] not in tops:
            continue
        yield from missing(system, found[1].rstrip("/"), f"/{path}:{line}")
