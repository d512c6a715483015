"""The initrd: a small first root in memory that opens the real one.

It holds a static busybox, dmsetup with its libraries, the kernel modules it is told to
load (in order, not compressed: the whole is), and an init script. Nothing else: no
module loader with its index, no udev, no shell for anybody.
"""

from collections.abc import Sequence

import zstandard

from sysimage import cpio, kernel_modules, locked_tool, packages_tree
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, basename, directory, file, join, symlink

BUSYBOX = "usr/bin/busybox"
MODULES = "modules"
ORDER = "modules/order"
LIBRARIES = "usr/lib/x86_64-linux-gnu"  # the loader's own default folder
LOADER = f"lib64/{locked_tool.LOADER}"  # as programs name it
FOLDERS = ("bin", "dev", "lib64", "mnt", "proc", "run", "sbin", "sys", "sysroot", MODULES, LIBRARIES)

# Fixed, with the number of threads. Level 19 takes twenty times as long for a tenth less (2.6 MB instead of 2.9 MB).
COMPRESSION_LEVEL = 9

_ORIGIN = "the packages of the initrd"
_CONSOLE = (5, 1)
_NULL = (1, 3)


def compose(
    programs: Tree,
    program_paths: Sequence[str],
    applets: Sequence[str],
    kernel: Tree,
    modules: Sequence[str],
    sources: Sources,
    init: bytes,
    epoch: int,
    files: Sequence[str] = (),
) -> Tree:
    """The tree of an initrd.

    Args:
        programs: packages with busybox and what else is wanted.
        program_paths: paths in them of the programs that go to /sbin, such as `usr/sbin/dmsetup`.
        applets: names of busybox's commands that `init` uses; they go to /bin.
        kernel: has one kernel's modules and their index (`modules.dep`).
        modules: names of modules to load; what they need comes with them.
        sources: where the contents of all trees are.
        init: the script, or program, that the kernel starts.
        epoch: modification time of everything, in seconds since 1970.
        files: patterns of other files in `programs`; they keep their paths.

    Raises:
        UserError: a program, library or module is in none of the packages.
    """
    mtime = epoch * NANOSECONDS
    tree = Tree(directory(mtime=mtime))
    for folder in FOLDERS:
        tree.make_directories(folder, mtime=mtime)
    # The kernel gives init its standard streams from /dev/console, before anything is mounted there.
    tree.add("dev/console", Node(NodeType.CHARACTER, 0o600, mtime=mtime, device=_CONSOLE))
    tree.add("dev/null", Node(NodeType.CHARACTER, 0o666, mtime=mtime, device=_NULL))
    tree.add("init", file(init, 0o755, mtime=mtime))
    _add_programs(tree, programs, [BUSYBOX, *program_paths], sources, mtime)
    for applet in applets:
        tree.add(join("bin", applet), symlink("busybox", mtime=mtime))
    for pattern in files:
        for path in locked_tool.matching(programs, pattern):
            data = packages_tree.content(programs, path, sources, _ORIGIN)
            tree.put(path, file(data, programs[programs.resolve(path)].mode & 0o755, mtime=mtime))
    _add_modules(tree, kernel, modules, sources, mtime)
    return tree


def _add_programs(tree: Tree, programs: Tree, paths: Sequence[str], sources: Sources, mtime: int) -> None:
    for path in paths:
        data = packages_tree.content(programs, path, sources, _ORIGIN)
        folder = "bin" if path == BUSYBOX else "sbin"
        tree.add(join(folder, basename(path)), file(data, 0o755, mtime=mtime))
    for name, path in locked_tool.libraries(programs, sources, paths).items():
        data = packages_tree.content(programs, path, sources, _ORIGIN)
        place = LOADER if name == locked_tool.LOADER else join(LIBRARIES, name)
        tree.add(place, file(data, 0o755, mtime=mtime))


def _add_modules(tree: Tree, kernel: Tree, modules: Sequence[str], sources: Sources, mtime: int) -> None:
    top = join(kernel_modules.FOLDER, kernel_modules.release(kernel))
    if join(top, "modules.dep") not in kernel:
        raise UserError(
            f"/{top} has no modules.dep", hint="give the module index (depmod's output) as one of the kernel's trees"
        )
    dependencies = kernel_modules.parse_dependencies(
        kernel.read(join(top, "modules.dep"), sources), kernel.read(join(top, "modules.builtin"), sources)
    )
    names = []
    for path in dependencies.order(modules):
        names.append(f"{kernel_modules.module_name(path)}.ko")
        data = kernel_modules.decompress(path, kernel.read(join(top, path), sources))
        tree.add(join(MODULES, names[-1]), file(data, mtime=mtime))
    tree.add(ORDER, file("".join(f"{name}\n" for name in names).encode(), mtime=mtime))


def pack(tree: Tree, sources: Sources) -> bytes:
    """The initrd as the kernel takes it: cpio, zstd-compressed. Errors: as `cpio.make`."""
    compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, threads=0, write_checksum=True)
    return compressor.compress(cpio.make(tree, sources))


def unpack(data: bytes) -> Tree:
    """The tree of an initrd, contents as literals.

    Raises:
        UserError: not zstd, or not a cpio archive.
    """
    try:
        archive = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except zstandard.ZstdError as error:
        raise UserError(f"the initrd is not a zstd stream: {error}") from error
    return cpio.read(archive)
