"""COPY: files of the context into the tree.

Modes and owners are data. A file is 0644 and a directory 0755, whatever the work tree
says: the bits of a checkout depend on the umask that made it, and the executable bit of a
build's input differs between local and remote execution. `--chmod` says otherwise for one COPY,
the list of modes (path or pattern, octal mode) for what is executable anywhere. Owners are 0:0 unless
`--chown` names others. The time is the epoch. Where container engines differ, COPY refuses.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sysimage.dockerfile import glob, modes
from sysimage.dockerfile.machine import Machine
from sysimage.dockerfile.parser import Instruction, expand, split_words
from sysimage.dockerfile.paths import group_id, user_id
from sysimage.errors import UserError
from sysimage.extents import ExtentMap
from sysimage.tree import Node, NodeType, Tree, basename, directory, file, join, normalize, parent

IGNORE_FILE = ".dockerignore"


class Context:
    """The files that COPY may take, by their path in the context.

    Args:
        files: path and content; directories are where files lie.
        file_modes: path or pattern (Go's filepath.Match), and mode; the last that fits counts.

    Raises:
        UserError: a path twice, a file where another one lies in, a `.dockerignore`, a pattern that fits nothing.
    """

    def __init__(self, files: Mapping[str, ExtentMap], file_modes: Sequence[tuple[str, int]] = ()) -> None:
        self.tree = Tree()
        for path, content in sorted(files.items()):
            self.tree.put(normalize(path), file(content))
        if IGNORE_FILE in self.tree:
            raise UserError(f"{IGNORE_FILE} is in the context, but is not read", hint="list only what COPY is to see")
        for pattern, mode in file_modes:
            found = [path for path in match(self.tree, pattern) if not self.tree.is_directory(path)]
            if not found:
                raise UserError(f"mode {mode:04o} for {pattern!r}: no such file in the context")
            for path in found:
                self.tree.change(path, mode=mode)


def match(tree: Tree, pattern: str) -> list[str]:
    """Paths of the context that a source of COPY means, sorted.

    Raises:
        UserError: it leads out of the context.
    """
    found = [""]
    for component in [part for part in pattern.split("/") if part not in ("", ".")]:
        if component == "..":
            raise UserError(f"{pattern!r} leads out of the context")
        names: Iterable[str]
        following = []
        for prefix in found:
            if not tree.is_directory(prefix):
                continue
            if glob.is_pattern(component):
                names = [name for name in tree.children(prefix) if glob.matches(component, name, go=True)]
            else:
                names = [glob.unescape(component)]
            following += [join(prefix, name) for name in names if join(prefix, name) in tree]
        found = following
    return found


@dataclass(frozen=True, slots=True)
class _Copy:
    machine: Machine
    context: Tree
    uid: int
    gid: int
    mode: int | None

    def node(self, source: Node) -> Node:
        mode = source.mode if self.mode is None else self.mode
        content = source.content
        if content is None:
            return directory(mode, self.uid, self.gid, self.machine.mtime)
        return file(content, mode, self.uid, self.gid, self.machine.mtime)

    def make_directory(self, path: str) -> None:
        """The destination and what is above it, where missing."""
        self.machine.tree.make_directories(path, 0o755, self.uid, self.gid, self.machine.mtime)

    def content(self, source: str, target: str) -> None:
        """What is in a directory of the context; the directory `target` itself stays as it is."""
        tree = self.machine.tree
        for path, node in self.context.walk(source):
            if path == source:
                continue
            place = join(target, path[len(source) :].lstrip("/"))
            old = tree.get(place)
            if old is not None and node.type is NodeType.DIRECTORY and old.type is NodeType.SYMLINK:
                raise UserError(
                    f"{path}/ would go to /{place}, a link to {old.target}",
                    hint="give the directory the name that the link leads to: container engines differ here",
                )
            tree.put(place, self.node(node))


def copy(instruction: Instruction, machine: Machine, context: Context, variables: Mapping[str, str]) -> None:
    """Carries out a COPY.

    Raises:
        UserError: a missing source, an unknown owner, a flag that is not supported, a file over a directory.
    """
    for flag in instruction.flags:
        if flag not in ("chown", "chmod"):
            hint = "build in one stage" if flag == "from" else "--chown and --chmod are"
            raise instruction.error(f"--{flag} is not supported", hint)
    words = instruction.json_words()
    if words is None:
        words = split_words(instruction, instruction.text, variables)
    else:
        words = [expand(instruction, word, variables) for word in words]
    if len(words) < 2:
        raise instruction.error("a source and a destination are wanted")
    try:
        _copy(instruction, machine, context.tree, words[:-1], words[-1], variables)
    except UserError as error:
        raise instruction.error(error.message, error.hint) from error


def _copy(
    instruction: Instruction,
    machine: Machine,
    context: Tree,
    patterns: Sequence[str],
    destination: str,
    variables: Mapping[str, str],
) -> None:
    chown = instruction.flags.get("chown")
    uid, gid = owner_of(machine, expand(instruction, chown, variables)) if chown else (0, 0)
    chmod = instruction.flags.get("chmod")
    mode = modes.parse_octal(expand(instruction, chmod, variables)) if chmod else None
    work = _Copy(machine, context, uid, gid, mode)
    sources = []
    for pattern in patterns:
        found = match(context, pattern)
        if not found:
            raise UserError(f"source {pattern!r} is not in the context", hint="the rule's `context` must list it")
        sources += found
    tree = machine.tree
    place = machine.locate(destination, follow=False)
    resolved = machine.locate(destination)
    ends_in_directory = destination.endswith(("/", "/.")) or destination == "."
    if (len(sources) > 1 or len(patterns) > 1) and not ends_in_directory:
        raise UserError(f"there are several sources, so {destination!r} must end with a slash")
    if not ends_in_directory and place != resolved and not tree.is_directory(resolved):
        raise UserError(
            f"{destination!r} is a link to {tree[place].target}",
            hint="name what it leads to: container engines differ here",
        )
    for source in sources:
        if context.is_directory(source):
            work.make_directory(resolved)
            work.content(source, resolved)
        elif ends_in_directory or tree.is_directory(resolved):
            work.make_directory(resolved)
            tree.put(join(resolved, basename(source)), work.node(context[source]))
        else:
            work.make_directory(parent(resolved))
            tree.put(resolved, work.node(context[source]))


def owner_of(machine: Machine, text: str) -> tuple[int, int]:
    """`USER:GROUP` as numbers, names looked up in the tree.

    Raises:
        UserError: an unknown name; a user alone whose group engines would choose differently.
    """
    user, colon, group = text.partition(":")
    uid, own = user_id(machine.root, user)
    if colon and group:
        return uid, group_id(machine.root, group)
    if own != uid:
        raise UserError(f"--chown={text} leaves the group open", hint=f"write {user}:GROUP: container engines differ")
    return uid, uid
