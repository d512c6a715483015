"""File name patterns: the shell's, and those of COPY (Go's filepath.Match).

Both match one component at a time. They differ in what a leading dot and `[!x]`
mean: the shell hides dot files from `*`, `?` and `[`, and negates with `!`; Go does not hide, and
negates with `^`. Sources: POSIX.1-2017, 2.13; Go's path/filepath documentation.
"""

import re
from functools import lru_cache

from sysimage.errors import UserError
from sysimage.tree import NodeType, Tree, join

PATTERN_MAX = 4096  # characters: the kernel's PATH_MAX
_SPECIAL = re.compile(r"[*?\[]")
_CLASS = re.compile(r"\[:([a-z]+):\]")
CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t\\n\\r\\f\\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


def is_pattern(text: str) -> bool:
    """Whether a name (with quoted characters escaped by a backslash) has `*`, `?` or `[`."""
    return bool(_SPECIAL.search(re.sub(r"\\.", "", text, flags=re.DOTALL)))


def unescape(text: str) -> str:
    """A name with its backslashes removed."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


@lru_cache(maxsize=1024)
def compile_component(pattern: str, go: bool = False) -> re.Pattern[str]:
    """A pattern of one component as a regular expression.

    Raises:
        UserError: it is longer than any path, has a range that ends before it begins, or Go's form has a `[` that is
            not closed (the shell takes it as it stands).
    """
    if len(pattern) > PATTERN_MAX:
        raise UserError(f"a pattern of {len(pattern)} characters, {pattern[:20]!r}...: at most {PATTERN_MAX} can match")
    # What follows a star is taken where it comes first, and not looked for anew: time stays flat with many stars.
    groups: list[str] = []
    out = ""
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            groups.append(out)
            out = ""
        elif char == "?":
            out += "[^/]"
        elif char == "\\" and position < len(pattern):
            out += re.escape(pattern[position])
            position += 1
        elif char == "[":
            bracket, end = _bracket(pattern, position, go)
            if bracket is None:
                if go:
                    raise UserError(f"bad pattern {pattern!r}: a [ is not closed", hint="write \\[ for the character")
                out += "\\["
            else:
                out += bracket
                position = end
        else:
            out += re.escape(char)
    if groups:
        head, *middle = groups
        out = head + "".join(f"(?>[^/]*?{each})" for each in middle if each) + "[^/]*" + out
    try:
        return re.compile(out, re.DOTALL)
    except re.error as error:
        raise UserError(f"bad pattern {pattern!r}: {error}") from error


def _bracket(pattern: str, start: int, go: bool) -> tuple[str | None, int]:
    position = start
    negated = pattern[position : position + 1] in (("^",) if go else ("!", "^"))
    position += negated
    items = ""
    first = True
    while position < len(pattern) and (pattern[position] != "]" or first):
        match = None if go else _CLASS.match(pattern, position)
        if match and match[1] in CLASSES:
            items += CLASSES[match[1]]
            position = match.end()
        else:
            if pattern[position] == "\\" and position + 1 < len(pattern):
                position += 1
                items += re.escape(pattern[position])
            else:
                items += "-" if pattern[position] == "-" and not first else re.escape(pattern[position])
            position += 1
        first = False
    if position >= len(pattern) or (go and first):
        return None, start
    return f"[{'^' if negated else ''}{items}]", position + 1


def matches(pattern: str, name: str, go: bool = False) -> bool:
    """Whether a whole name of one component matches."""
    if not go and name.startswith(".") and not pattern.startswith((".", "\\.")):
        return False
    return compile_component(pattern, go).fullmatch(name) is not None


def expand(tree: Tree, pattern: str, cwd: str) -> list[str]:
    """Paths that match, sorted by bytes, written as the pattern is (relative, or from the root).

    Args:
        tree: where to look; links in folders are followed, as the kernel does.
        pattern: with quoted characters escaped by a backslash.
        cwd: tree path that a relative pattern starts from.
    """
    components = pattern.split("/")
    found = [""]
    if pattern.startswith("/"):
        found, components = ["/"], [*components[1:]]
    for index, component in enumerate(components):
        last = index == len(components) - 1
        following: list[str] = []
        for prefix in found:
            if not component:
                following += [prefix + ("" if prefix.endswith("/") else "/")] if last else [prefix]
                continue
            if not is_pattern(component):
                names = [unescape(component)]
            else:
                folder = tree.resolve(join(cwd, prefix) if not prefix.startswith("/") else prefix)
                names = tree.children(folder) if tree.is_directory(folder) else []
                names = [name for name in names if matches(component, name)]
            for name in names:
                path = prefix + name
                if _exists(tree, join(cwd, path) if not path.startswith("/") else path, last):
                    following.append(path if last else path + "/")
        found = following
    return [path for path in found if path]


def _exists(tree: Tree, path: str, last: bool) -> bool:
    resolved = tree.resolve(path, follow_last=not last)
    node = tree.get(resolved)
    return node is not None and (last or node.type is NodeType.DIRECTORY)
