"""Native programs that run straight out of locked packages, installed nowhere.

`select` finds the few files a program needs: itself, the libraries it is linked with
(as the loader would find them), data files by pattern. They are written into a folder
without any symbolic link, so that it can be a Bazel tree artifact and go through any
cache or remote worker:

    bin/PROGRAM    lib/SONAME    lib/ld-linux-x86-64.so.2    usr/share/...

`command` runs such a program through the packages' own loader, so nothing of the
host's C library comes in.
"""

import os
import posixpath
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from sysimage import elf, packages_tree
from sysimage.errors import UserError
from sysimage.extents import ImageReader, Sources
from sysimage.tree import NodeType, Tree, basename, join, parent

LOADER = "ld-linux-x86-64.so.2"
LIBRARY_FOLDERS = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib", "usr/lib64", "lib64")

# A clean environment: no locale, no paths of the host.
ENVIRONMENT: Mapping[str, str] = {"LC_ALL": "C.UTF-8", "PATH": "/nonexistent", "TZ": "UTC"}

_ORIGIN = "the packages of this tool"


def find_library(tree: Tree, name: str, runpath: Sequence[str] = ()) -> str | None:
    """Where the loader would find a library by its soname; None if no package has it.

    runpath: folders in which whoever needs it has it sought first, as paths in the tree.
    """
    for folder in (*runpath, *LIBRARY_FOLDERS):
        path = tree.resolve(join(folder, name))
        node = tree.get(path)
        if node is not None and node.type is NodeType.FILE:
            return path
    return None


def libraries(tree: Tree, sources: Sources, programs: Iterable[str], extra: Iterable[str] = ()) -> dict[str, str]:
    """All libraries that programs are linked with, and theirs in turn: soname to path in the tree.

    Args:
        tree: the packages.
        sources: where their contents are.
        programs: paths in the tree; a program that is static or a script adds nothing.
        extra: sonames of what is loaded at run time (dlopen), which no header mentions.

    Raises:
        UserError: a program is missing, or a library is in none of the packages.
    """
    found: dict[str, str] = {}
    pending: list[_Wanted] = [_Wanted(name, "the list of extra libraries") for name in extra]
    for program in programs:
        pending += _needed(tree, sources, program)
    while pending:
        name, wanted_by, runpath = pending.pop()
        if name in found:
            continue
        path = find_library(tree, name, runpath)
        if path is None:
            raise UserError(
                f"{wanted_by} needs {name}, which is in none of the packages given",
                hint="add the package that has it to the tool's package list and refresh the lock",
            )
        found[name] = path
        pending += _needed(tree, sources, path)
    return dict(sorted(found.items()))


class _Wanted(NamedTuple):
    name: str
    wanted_by: str
    runpath: tuple[str, ...] = ()


def _needed(tree: Tree, sources: Sources, path: str) -> list[_Wanted]:
    data = packages_tree.content(tree, path, sources, _ORIGIN)
    if not elf.is_elf(data):
        return []
    try:
        linking = elf.linking(data)
    except ValueError as error:
        raise UserError(f"/{path}: {error}") from error
    names = list(linking.needed)
    if linking.interpreter:
        names.append(basename(linking.interpreter))
    origin = "/" + parent(path)
    folders = [folder.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for folder in linking.runpath]
    runpath = tuple(posixpath.normpath(folder).lstrip("/") for folder in folders)
    return [_Wanted(name, f"/{path}", runpath) for name in names]


def matching(tree: Tree, pattern: str) -> list[str]:
    """Files (links to files too) that match a pattern; `*` matches within a path component, `**` at the end all below.

    Raises:
        UserError: nothing matches.
    """
    deep = pattern.endswith("/**")
    parts = (pattern[:-3] if deep else pattern).split("/")
    paths = [""]
    for part in parts:
        paths = [
            join(path, name)
            for path in paths
            if tree.is_directory(path)
            for name in tree.children(path)
            if fnmatchcase(name, part)
        ]
    found = [each for path in paths for each, _ in tree.walk(path)] if deep else paths
    files = [path for path in found if _is_file(tree, path)]
    if not files:
        raise UserError(f"{_ORIGIN} have no file that matches {pattern!r}")
    return files


def _is_file(tree: Tree, path: str) -> bool:
    node = tree.get(tree.resolve(path))
    return node is not None and node.type is NodeType.FILE


def select(
    tree: Tree,
    sources: Sources,
    programs: Sequence[str],
    files: Sequence[str] = (),
    extra_libraries: Sequence[str] = (),
) -> dict[str, str]:
    """What a tool's folder holds: path in the folder to path in the tree, both sorted.

    Args:
        tree: the packages.
        sources: where their contents are.
        programs: paths of programs, such as `usr/bin/kmod`.
        files: patterns of data files; they keep their paths.
        extra_libraries: sonames of what programs load at run time.

    Raises:
        UserError: something is missing, or two programs have one name.
    """
    chosen: dict[str, str] = {}
    for program in programs:
        name = f"bin/{basename(program)}"
        if name in chosen:
            raise UserError(f"two programs are called {basename(program)}: /{chosen[name]} and /{program}")
        chosen[name] = program
    for name, path in libraries(tree, sources, programs, extra_libraries).items():
        chosen[f"lib/{name}"] = path
    for pattern in files:
        for path in matching(tree, pattern):
            chosen[path] = path
    return dict(sorted(chosen.items()))


def write(tree: Tree, sources: Sources, chosen: Mapping[str, str], folder: Path | str) -> None:
    """Writes the chosen files into a folder that exists: plain files, 0755 or 0644, no links.

    Raises:
        UserError: a file is missing, or the folder cannot be written.
    """
    folder = Path(folder)
    for name, path in chosen.items():
        resolved = tree.resolve(path)
        node = tree.get(resolved)
        if node is None or node.content is None:
            raise UserError(f"{_ORIGIN} have no file /{path}")
        target = folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "wb") as out:
                reader = ImageReader(node.content, sources)
                for offset in range(0, node.size, 1 << 20):
                    out.write(reader.read(offset, 1 << 20))
                executable = node.mode & 0o111 or name.startswith("bin/") or name == f"lib/{LOADER}"
                os.fchmod(out.fileno(), 0o755 if executable else 0o644)
        except OSError as error:
            raise UserError(f"cannot write {target}: {error.strerror}") from error


def command(folder: Path | str, program: str, arguments: Sequence[str], argv0: str = "") -> list[str]:
    """The command line that runs a program of a tool's folder.

    Args:
        folder: what `write` made.
        program: its name under bin/.
        arguments: what follows.
        argv0: the name the program is to see itself called by; the default is `program`.

    Raises:
        UserError: the folder has no such program.
    """
    folder = Path(folder)
    path = folder / "bin" / program
    if not path.is_file():
        raise UserError(f"{folder} has no program {program!r}", hint="it must be named where the tool is unpacked")
    loader = folder / "lib" / LOADER
    if not loader.is_file():  # a static program
        return [str(path), *arguments]
    return [
        str(loader),
        *("--library-path", str(folder / "lib")),
        *("--argv0", argv0 or program),
        str(path),
        *arguments,
    ]


def run(
    folder: Path | str, program: str, arguments: Sequence[str], argv0: str = "", cwd: Path | str | None = None
) -> str:
    """Runs a program of a tool's folder to its end, and returns its standard output.

    Raises:
        UserError: it fails; with what it said.
    """
    done = subprocess.run(
        command(Path(folder).absolute(), program, arguments, argv0),
        env=dict(ENVIRONMENT),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise UserError(f"{argv0 or program} failed with exit status {done.returncode}: {said or 'it said nothing'}")
    return done.stdout.decode("utf-8", "replace")
