"""Composes a tree of a base, parts of other trees, whole trees and single files.

Nothing is copied: contents stay slices of the files they come from.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from absl import flags

from sysimage import tree as trees
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, Sources
from sysimage.tree import NANOSECONDS, NodeType, Tree
from tools.main import parse_sources, refuse_arguments, run

_BASE = flags.DEFINE_string("base", None, "Tree to start from; none: an empty one.")
_REMOVE = flags.DEFINE_multi_string("remove", [], "Pattern of paths of the base to leave out.")
_PICK = flags.DEFINE_multi_string("pick", [], "DEST:PATTERN=TREE: the one path in TREE that matches goes to DEST.")
_OVERLAY = flags.DEFINE_multi_string("overlay", [], "Tree to lay over what is there.")
_DIRECTORY = flags.DEFINE_multi_string("directory", [], "PATH[:MODE] of a directory to make.")
_FILE = flags.DEFINE_multi_string("file", [], "PATH=MODE=KEY: a source as a file.")
_SOURCE = flags.DEFINE_multi_string("source", [], "KEY=FILE: the file behind a key.")
_EPOCH = flags.DEFINE_integer("epoch", 0, "Modification time of what is added, in seconds since 1970.")
_TREE_OUT = flags.DEFINE_string("tree_out", None, "Where the tree goes.", required=True)


def matches(tree: Tree, pattern: str) -> list[str]:
    """Paths that a pattern names, component by component; `*`, `?` and `[...]` do not match a `/`."""
    found = [""]
    for part in trees.normalize(pattern).split("/"):
        found = [
            trees.join(path, name)
            for path in found
            if tree.is_directory(path)
            for name in tree.children(path)
            if fnmatchcase(name, part)
        ]
    return found


def parse_mode(text: str, path: str) -> int:
    """An octal mode, as on the command line.

    Raises:
        UserError: it is not octal, or over 7777.
    """
    if not text or set(text) - set("01234567") or int(text, 8) > 0o7777:
        raise UserError(f"mode {text!r} of /{path} is not octal, 0 to 7777")
    return int(text, 8)


def graft(tree: Tree, other: Tree, top: str, at: str) -> None:
    """Puts `top` of another tree, with all below it, at a path; hard links within it stay links.

    A directory that is there already keeps its attributes: what is laid over brings files, not policy.

    Raises:
        UserError: a directory would take the place of something else, or something else of a directory.
    """
    placed: dict[int, str] = {}
    for path, node in other.walk(top):
        target = trees.join(at, path[len(top) :].strip("/"))
        number = other.number(path)
        if node.type is NodeType.DIRECTORY and tree.is_directory(target):
            continue
        if number not in placed:
            tree.put(target, node)
            placed[number] = target
        else:
            if target in tree:
                tree.remove(target)
            tree.link(target, placed[number])


def pick(tree: Tree, word: str) -> None:
    """Carries out one `--pick`.

    Raises:
        UserError: the word is malformed, or its pattern does not match exactly one path.
    """
    what, _, file = word.partition("=")
    destination, separator, pattern = what.partition(":")
    if not separator or not file:
        raise UserError(f"--pick {word!r} is not of the form DEST:PATTERN=TREE")
    other = trees.load(file)
    found = matches(other, pattern)
    if len(found) != 1:
        listing = ", ".join("/" + path for path in found) or "nothing"
        raise UserError(f"pattern {pattern!r} must match one path; it matches {listing}")
    resolved = other.resolve(found[0])
    if resolved not in other:
        raise UserError(f"/{found[0]} leads to /{resolved}, which does not exist")
    graft(tree, other, resolved, trees.normalize(destination))


def add_file(tree: Tree, word: str, sources: Sources, mtime: int) -> None:
    """Carries out one `--file`.

    Raises:
        UserError: the word is malformed, the mode is not octal, or the source has no file.
    """
    path, _, rest = word.partition("=")
    mode, _, key = rest.partition("=")
    if not key:
        raise UserError(f"--file {word!r} is not of the form PATH=MODE=KEY")
    if key not in sources.paths:
        raise UserError(f"no file is given for source {key!r}", hint=f"add --source {key}=FILE")
    try:
        size = sources.paths[key].stat().st_size
    except OSError as error:
        raise UserError(f"cannot read source {key!r}: {error.strerror}") from error
    content = ExtentMap.of_slice(key, 0, size)
    tree.put(trees.normalize(path), trees.file(content, parse_mode(mode, path), mtime=mtime))


def compose(sources: Sources) -> Tree:
    """The tree that the flags describe. Errors: as its parts."""
    tree = trees.load(_BASE.value) if _BASE.value else Tree()
    mtime = _EPOCH.value * NANOSECONDS
    if not _BASE.value:
        tree.change("", mtime=mtime)
    for pattern in _REMOVE.value:
        found = matches(tree, pattern)
        if not found:
            raise UserError(f"nothing matches {pattern!r}, which is to be removed")
        for path in found:
            tree.remove(path)
    for word in _PICK.value:
        pick(tree, word)
    for file in _OVERLAY.value:
        graft(tree, trees.load(file), "", "")
    for word in _DIRECTORY.value:
        path, _, mode = word.partition(":")
        tree.put(trees.normalize(path), trees.directory(parse_mode(mode or "755", path), mtime=mtime))
    for word in _FILE.value:
        add_file(tree, word, sources, mtime)
    return tree


def main(argv: Sequence[str]) -> None:
    """Writes the tree that the flags describe."""
    refuse_arguments(argv)
    tree = compose(parse_sources(_SOURCE.value))
    trees.save(tree, Path(_TREE_OUT.value))


if __name__ == "__main__":
    run(main)
