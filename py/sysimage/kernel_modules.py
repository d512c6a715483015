"""Kernel modules: their index (what depmod makes), and what must be loaded before what.

A kernel's modules lie in `usr/lib/modules/RELEASE/`, compressed. The index is made by the
depmod of locked packages. Source: depmod(8), modules.dep(5).
"""

import lzma
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard

from sysimage import locked_tool
from sysimage.errors import UserError
from sysimage.extents import ImageReader, Sources
from sysimage.tree import NodeType, Tree, basename, decode, join

FOLDER = "usr/lib/modules"
PROGRAM = "kmod"  # one program for depmod, modprobe, ...; it goes by the name it is called
_RELEASE = re.compile(r"[0-9][A-Za-z0-9.+_~-]*")
_MODULE = re.compile(r"\.ko(\.xz|\.zst)?\Z")
_LISTS = ("modules.order", "modules.builtin", "modules.builtin.modinfo")


def release(tree: Tree) -> str:
    """The kernel release of a tree, such as `6.12.90-amd64`: the one folder of modules.

    Raises:
        UserError: none, or more than one.
    """
    names = [name for name in (tree.children(FOLDER) if tree.is_directory(FOLDER) else []) if _RELEASE.fullmatch(name)]
    if len(names) != 1:
        raise UserError(
            f"/{FOLDER} must have the modules of one kernel; it has {', '.join(names) or 'none'}",
            hint="put exactly one kernel package into the package list",
        )
    return names[0]


def module_name(path: str) -> str:
    """The name of a module as the kernel has it: no folder, no suffix, `_` for `-`."""
    return _MODULE.sub("", basename(path)).replace("-", "_")


def depmod(tree: Tree, sources: Sources, tool: Path | str, scratch: Path | str) -> dict[str, bytes]:
    """Runs depmod over the modules of a tree.

    Args:
        tree: has the modules of one kernel.
        sources: where the contents are.
        tool: unpacked kmod (`locked_tool.write`).
        scratch: an empty folder; the modules are written there.

    Returns:
        Name of each index file (`modules.dep`, ...) to its content.

    Raises:
        UserError: no kernel, or depmod fails.
    """
    kernel = release(tree)
    top = join(FOLDER, kernel)
    # depmod looks under lib/modules of the folder it is given.
    root = Path(scratch) / "lib/modules" / kernel
    root.mkdir(parents=True)
    made = {""}
    for path, node in tree.walk(top):
        name = path[len(top) + 1 :]
        if node.type is NodeType.FILE and (_MODULE.search(name) or name in _LISTS):
            folder = name.rpartition("/")[0]
            if folder not in made:
                (root / folder).mkdir(parents=True, exist_ok=True)
                made.add(folder)
            (root / name).write_bytes(ImageReader(node.data, sources).read(0, node.size))
    locked_tool.run(tool, PROGRAM, ["-b", str(Path(scratch).absolute()), kernel], argv0="depmod")
    made_files = sorted(name for name in os.listdir(root) if name.startswith("modules.") and name not in _LISTS)
    return {name: (root / name).read_bytes() for name in made_files}


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What each module needs: name to (path below the kernel's folder, names of what it needs)."""

    modules: Mapping[str, tuple[str, tuple[str, ...]]]
    builtin: frozenset[str]

    def order(self, wanted: Iterable[str]) -> list[str]:
        """Paths of the wanted modules and all they need, each after what it needs.

        What is built into the kernel is left out.

        Raises:
            UserError: the kernel has no such module, or modules need each other.
        """
        done: dict[str, str] = {}
        for name in wanted:
            self._visit(module_name(name), done, f"{name!r}")
        return [path for path in done.values() if path]

    def _visit(self, wanted: str, done: dict[str, str], asked: str) -> None:
        """Puts a module and all it needs behind what is done already; not by recursion, however long the chain is."""
        pending = [(wanted, asked)]
        begun: set[str] = set()
        while pending:
            name, asked = pending[-1]
            if name in done:
                pending.pop()
                continue
            if name in self.builtin:
                done[name] = ""
                continue
            if name not in self.modules:
                raise UserError(
                    f"the kernel has no module {asked}", hint="see modules.dep and modules.builtin in its package"
                )
            path, needs = self.modules[name]
            missing = [need for need in needs if need not in done]
            if not missing:
                done[name] = path
            elif name in begun:
                raise UserError(f"modules.dep goes in a circle: {name!r} needs itself, by way of {missing[0]!r}")
            begun.add(name)
            pending += [(need, f"{need!r}, which {name!r} needs") for need in reversed(missing)]


def parse_dependencies(modules_dep: bytes, modules_builtin: bytes) -> Dependencies:
    """Reads `modules.dep` (`PATH: PATH PATH ...` a line) and `modules.builtin` (a path a line).

    Raises:
        UserError: a line that is of another form.
    """
    modules: dict[str, tuple[str, tuple[str, ...]]] = {}
    for line in decode(modules_dep).splitlines():
        path, separator, needs = line.partition(":")
        if not separator:
            raise UserError(f"modules.dep has a line without a colon: {line!r}")
        modules[module_name(path)] = (path, tuple(sorted(module_name(need) for need in needs.split())))
    builtin = frozenset(module_name(path) for path in decode(modules_builtin).split())
    return Dependencies(modules, builtin)


def decompress(path: str, data: bytes) -> bytes:
    """The module itself, by the suffix of its file.

    Raises:
        UserError: damaged.
    """
    try:
        if path.endswith(".xz"):
            return lzma.decompress(data)
        if path.endswith(".zst"):
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except (lzma.LZMAError, zstandard.ZstdError) as error:
        raise UserError(f"/{path} cannot be decompressed: {error}") from error
    return data
