"""A tree with everything that a file system may get wrong, the same every time.

For judges: e2fsck and debugfs here, and the kernel itself in tests/boot. Contents
come from one pattern file, so that they are slices as in a real build.
"""

import struct
from pathlib import Path

from sysimage import tree as trees
from sysimage.extents import Extent, ExtentMap, FileSlice
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, decode

PATTERN_KEY = "pattern"
PATTERN_SIZE = 4 << 20  # bytes
EPOCH = 1_700_000_000  # seconds
BIG_DIRECTORY_ENTRIES = 6000
DEPTH = 200  # directories inside each other
LINKS = 1000  # names of one file
XATTR_ROOM = 4096 - 32 - 4  # bytes that entries and values share in a block of 4096
_BLOCK = 4096
_GIB = 1 << 30
_CAPABILITY = struct.pack("<5I", 0x02000001, 0x2000, 0, 0, 0)  # VFS_CAP_REVISION_2, effective, cap_net_raw


def write_pattern(path: Path) -> None:
    """Writes the file behind PATTERN_KEY: no two blocks of it are equal, and none is zero."""
    words = (((index * 2654435761) ^ 0x5BD1E995) & 0xFFFFFFFF | 1 for index in range(PATTERN_SIZE // 4))
    path.write_bytes(b"".join(struct.pack("<I", word) for word in words))


def build() -> Tree:
    """The tree: regular contents are slices of the pattern."""
    tree = Tree(trees.directory(0o755, mtime=EPOCH * NANOSECONDS))
    for make in (_names, _deep, _symlinks, _contents, _attributes, _specials, _big_directory, _links, _times, _owners):
        name = make.__name__.lstrip("_")
        tree.add(name, trees.directory(mtime=EPOCH * NANOSECONDS + 1))
        make(tree, name)
    return tree


def _slice(size: int, start: int = 0) -> ExtentMap:
    return ExtentMap.of_slice(PATTERN_KEY, start, size)


def _sparse(size: int, *pieces: tuple[int, int]) -> ExtentMap:
    """A file of `size` bytes with content at (offset, length) only."""
    return ExtentMap(
        size,
        [Extent(at, length, FileSlice(PATTERN_KEY, at * 7 % (PATTERN_SIZE - length))) for at, length in pieces],
    )


def _names(tree: Tree, top: str) -> None:
    """Names of 1 to 255 bytes, of any bytes but NUL and the slash, and those that tools trip over."""
    names = [bytes((byte,)) for byte in range(1, 256) if byte not in b"./"]
    names += [b"\xff" * 255, b"n" * 255, "ü".encode() * 127, b"-rf", b" lead", b"trail ", b"new\nline", b"..."]
    names += [b".hidden", b"quote'\"", b"$(x)`y`", b"back\\slash", b"\xed\xa0\x80", b"\xc0\xaf"]
    names += ["e\u0301".encode(), "é".encode()]
    names += [b"a" * size for size in range(2, 20)]
    for index, name in enumerate(names):
        tree.add(f"{top}/{decode(name)}", trees.file(_slice(index), mtime=EPOCH * NANOSECONDS))


def _deep(tree: Tree, top: str) -> None:
    path = top
    for level in range(DEPTH):
        path += f"/d{level}"
        tree.add(path, trees.directory(0o700 + level % 64, mtime=level))
    tree.add(path + "/bottom", trees.file(_slice(10)))


def _symlinks(tree: Tree, top: str) -> None:
    """Targets around the sizes where they move out of the inode, up to the longest."""
    for size in (1, 2, 58, 59, 60, 61, 255, 1024, 4094, 4095):
        tree.add(f"{top}/to-{size}", trees.symlink(("t/" * size)[:size], uid=size, mtime=size))
    tree.add(f"{top}/bytes", trees.symlink(decode(b"\xff\xfe/ \n")))
    tree.add(f"{top}/dangling", trees.symlink("/nowhere"))
    tree.add(f"{top}/self", trees.symlink("self"))


def _contents(tree: Tree, top: str) -> None:
    """Sizes around block borders; holes at every place; many extents; more than 4 GiB."""
    for size in (0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 65536, 1 << 20, PATTERN_SIZE):
        tree.add(f"{top}/size-{size}", trees.file(_slice(size)))
    maps = {
        "only-hole": _sparse(100_000),
        "hole-first": _sparse(9 * _BLOCK, (8 * _BLOCK, _BLOCK)),
        "hole-last": _sparse(9 * _BLOCK + 5, (0, _BLOCK)),
        "hole-middle": _sparse(20 * _BLOCK, (0, 3), (15 * _BLOCK + 7, 5000)),
        "unaligned": _sparse(50_000, (1, 1), (4000, 200), (8191, 2), (12_289, 4094), (20_000, 30_000)),
        "five-extents": _sparse(10 * _BLOCK, *((at * 2 * _BLOCK, _BLOCK) for at in range(5))),
        "depth-1": _sparse(700 * _BLOCK, *((at * 2 * _BLOCK, 100) for at in range(341))),
        "depth-2": _sparse(4000 * _BLOCK, *((at * 2 * _BLOCK, 9) for at in range(1700))),
        "over-4-gib": _sparse(5 * _GIB + 123, (0, 4096), (4 * _GIB - 1, 2), (5 * _GIB + 100, 23)),
        "last-block": _sparse((1 << 44) - _BLOCK, ((1 << 44) - 2 * _BLOCK, _BLOCK)),
    }
    for name, content in maps.items():
        tree.add(f"{top}/{name}", trees.file(content))


def acl(*entries: tuple[int, int, int]) -> bytes:
    """A POSIX ACL of (tag, permissions, id), as getxattr returns it."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _attributes(tree: Tree, top: str) -> None:
    """Extended attributes in the inode, in a block, in both, shared, and as large as they can be."""
    none = 0xFFFFFFFF
    access = acl((1, 6, none), (2, 7, 70_000), (4, 4, none), (8, 5, 5), (0x10, 7, none), (0x20, 0, none))
    label = b"system_u:object_r:bin_t:s0\0"
    most = XATTR_ROOM - 16 - 4  # beside the entry and its name of four bytes
    sets: dict[str, dict[str, bytes]] = {
        "capability": {"security.capability": _CAPABILITY},
        "label": {"security.selinux": label},
        "label-and-capability": {"security.selinux": label, "security.capability": _CAPABILITY},
        "user": {"user.a": b"1", "user.empty": b"", "user.bin": bytes(range(32))},
        "trusted": {"trusted.overlay.opaque": b"y"},
        "block": {"user.long": b"v" * 200},
        "both": {"security.selinux": label, "user.long": b"w" * 3000, "user.\xfc": b"name not ASCII"},
        "largest": {"user.full": b"x" * most},
        "many": {f"user.{index:03d}": b"%d" % index for index in range(150)},
        "long-name": {"user." + "n" * 250: b"value"},
        "acl": {"system.posix_acl_access": access},
    }
    for name, xattrs in sets.items():
        mode = 0o670 if "acl" in name else 0o644
        tree.add(f"{top}/{name}", Node(NodeType.FILE, mode, xattrs=xattrs, content=_slice(5)))
    for index in range(1500):
        tree.add(f"{top}/shared-{index}", Node(NodeType.FILE, 0o600, xattrs=sets["block"], content=_slice(0)))
    folder = {"system.posix_acl_default": access, "security.selinux": label, "user.d": b"d" * 100}
    tree.add(f"{top}/directory", Node(NodeType.DIRECTORY, 0o750, xattrs=folder))
    tree.add(f"{top}/link", Node(NodeType.SYMLINK, 0o777, xattrs={"security.selinux": label}, target="label"))
    long_link = Node(NodeType.SYMLINK, 0o777, xattrs={"trusted.big": b"b" * 500}, target="t" * 100)
    tree.add(f"{top}/long-link", long_link)
    tree.add(f"{top}/short-link", Node(NodeType.SYMLINK, 0o777, xattrs={"trusted.big": b"c" * 500}, target="label"))
    tree.add(f"{top}/fifo", Node(NodeType.FIFO, 0o600, xattrs={"security.selinux": label}))


def _specials(tree: Tree, top: str) -> None:
    for major, minor in ((0, 0), (1, 3), (255, 255), (256, 0), (8, 256), (4095, 1_048_575), (0, 1), (1, 0)):
        tree.add(f"{top}/char-{major}-{minor}", Node(NodeType.CHARACTER, 0o666, device=(major, minor)))
        tree.add(f"{top}/block-{major}-{minor}", Node(NodeType.BLOCK, 0o660, gid=6, device=(major, minor)))
    tree.add(f"{top}/fifo", Node(NodeType.FIFO, 0o622))
    tree.add(f"{top}/socket", Node(NodeType.SOCKET, 0o755))


def _big_directory(tree: Tree, top: str) -> None:
    for index in range(BIG_DIRECTORY_ENTRIES):
        name = f"{top}/{index:x}-{'entry' * (index % 40)}"
        tree.add(name, trees.file(_slice(0), 0o600 + index % 8, index, index * 11))


def _links(tree: Tree, top: str) -> None:
    """One file under many names, in its directory and in others."""
    tree.add(f"{top}/00-first", trees.file(_slice(77), mtime=1))
    tree.add(f"{top}/below", trees.directory())
    for index in range(1, LINKS):
        tree.link(f"{top}/{'below/' if index % 2 else ''}name-{index}", f"{top}/00-first")
    tree.add(f"{top}/fifo", Node(NodeType.FIFO, 0o600))
    tree.link(f"{top}/fifo-too", f"{top}/fifo")
    tree.add(f"{top}/symlink", trees.symlink("00-first"))
    tree.link(f"{top}/symlink-too", f"{top}/symlink")


def _times(tree: Tree, top: str) -> None:
    """From 1901 to 2446, before and after each place where a field runs over, to the nanosecond."""
    seconds = [0, 1, -1, -(1 << 31), (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 3 << 31, (1 << 34) - (1 << 31) - 1]
    for second in seconds:
        for nanosecond in (0, 1, 999_999_999):
            path = f"{top}/{second}.{nanosecond:09d}"
            tree.add(path, trees.file(_slice(1), mtime=second * NANOSECONDS + nanosecond))


def _owners(tree: Tree, top: str) -> None:
    """Owners over 65535, and all the permission bits."""
    for number in (0, 1, 65_534, 65_535, 65_536, 100_000, (1 << 31) - 1, 1 << 31, (1 << 32) - 2):
        tree.add(f"{top}/uid-{number}", trees.file(_slice(2), 0o640, uid=number, gid=(1 << 32) - 2 - number))
    for mode in (0, 0o777, 0o1777, 0o2755, 0o4755, 0o7777):
        tree.add(f"{top}/file-{mode:o}", trees.file(_slice(3), mode))
        tree.add(f"{top}/directory-{mode:o}", trees.directory(mode))
