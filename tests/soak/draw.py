"""Random trees, contents and maps: what writers are given."""

import struct
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sysimage.extents import Extent, ExtentMap, FileSlice, Sources
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, decode, directory, encode, join

PATTERN = "pattern"
PATTERN_SIZE = 1 << 20
EPOCH = 1_700_000_000
TIME_USUAL = 1 << 33  # seconds: e2fsck takes some times after 2310 for faults of old kernels
_NASTY = (
    *(
        b"new\nline",
        b"tab\there",
        b"-rf",
        b" lead",
        b"trail ",
        b"...",
        b"..x",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
    ),
    *(
        "e\u0301".encode(),
        "\u00e9".encode(),
        "\u202egnp".encode(),
        b"back\\slash",
        b"quote'\"",
        b"$(x)`y`",
        b"%s%n",
        b"a=b",
    ),
    *(
        b"n" * 255,
        b"\xff" * 255,
        "\u00fc".encode() * 127,
        b"\x01\x02\x7f",
        b"CON",
        b"~",
        b"@file",
        b"*?[x]",
        b"#",
        b"x:y",
    ),
)
_ACL_ENTRY = struct.Struct("<HHI")
_MODES = (0o644, 0o755, 0, 0o777, 0o4755, 0o2755, 0o1777, 0o7777, 0o600)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a format can hold; a tree is drawn within."""

    kinds: tuple[NodeType, ...] = tuple(NodeType)
    nodes: int = 200
    depth: int = 60
    time_min: int = -(1 << 31)  # seconds
    time_max: int = (1 << 34) - (1 << 31) - 1
    fractions: bool = True  # of seconds
    owner_max: int = (1 << 32) - 2
    xattrs: bool = True
    acls: bool = True
    links_to_all: bool = True  # hard links to other things than files
    sparse: int = 1 << 36  # bytes of a file, holes and all, at most
    target_max: int = 4095
    path_max: int = 4000  # bytes; a tree goes no deeper


def pattern(random: Random, folder: Path) -> Sources:
    """The file that contents are slices of, written below a folder."""
    path = folder / PATTERN
    path.write_bytes(random.randbytes(PATTERN_SIZE))
    return Sources({PATTERN: path})


def name(random: Random) -> bytes:
    """A name of 1 to 255 bytes, of any bytes but NUL and the slash."""
    pick = random.random()
    if pick < 0.25:
        return random.choice(_NASTY)
    if pick < 0.6:
        return b"%s%d" % (random.choice((b"file", b"Name", b"NAME", b".hidden", b"lib.so.")), random.randrange(1000))
    size = random.choice((1, 2, 3, 4, 5, 8, 30, 100, 251, 252, 253, 254, 255))
    alphabet = bytes(set(range(1, 256)) - {0x2F}) if pick < 0.8 else b"ab\xc3\xa9\n"
    found = bytes(random.choices(alphabet, k=size))
    return b"dots" if found in (b".", b"..") else found


def content(random: Random, limits: Limits, literals: bool = True) -> ExtentMap:
    """A file: small and dense, or pieces with holes between them, many or few, to `limits.sparse`."""
    if random.random() < 0.5:
        size = random.choice((0, 1, 59, 60, 61, 511, 512, 513, 1023, 1024, 4095, 4096, 4097, 8192, 20_000))
        return ExtentMap.of_slice(PATTERN, random.randrange(1000), size)
    extents: list[Extent] = []
    position = 0
    for _ in range(random.choice((1, 2, 3, 4, 5, 8, 60))):
        gap = random.choice((0, 0, 1, 4095, 4096, 100_000, random.randrange(1 << 30), random.randrange(limits.sparse)))
        length = random.choice((1, 10, 511, 1024, 4096, 5000, 30_000))
        if position + gap + length > limits.sparse:
            continue
        position += gap
        start = random.randrange(PATTERN_SIZE - length)
        source = random.randbytes(length) if literals and random.random() < 0.3 else FileSlice(PATTERN, start)
        extents.append(Extent(position, length, source))
        position += length
    tail = random.choice((0, 0, 1, 5000, 1 << 20))
    return ExtentMap(min(position + tail, limits.sparse), extents)


def acl(random: Random) -> bytes:
    """A POSIX ACL as getxattr returns it: owner, some named users, group, mask, others."""
    users = sorted(random.sample(range(1, 60_000), random.choice((0, 1, 3, 20))))
    rows = [(0x01, 7, 0xFFFFFFFF), *((0x02, random.randrange(8), user) for user in users), (0x04, 5, 0xFFFFFFFF)]
    rows += [(0x10, 7, 0xFFFFFFFF), (0x20, random.randrange(8), 0xFFFFFFFF)]
    return struct.pack("<I", 2) + b"".join(_ACL_ENTRY.pack(*row) for row in rows)


def xattrs(random: Random, limits: Limits, kind: NodeType) -> dict[str, bytes]:
    """Extended attributes: mostly none, labels, ACLs, user's own; small enough together for 1024 bytes."""
    if not limits.xattrs or random.random() < 0.6:
        return {}
    found: dict[str, bytes] = {}
    if random.random() < 0.6:
        found["security.selinux"] = b"system_u:object_r:%s_t:s0\0" % random.choice((b"bin", b"etc", b"var_log"))
    if random.random() < 0.2:
        found["security.capability"] = struct.pack("<5I", 0x02000001, 0x2000, 0, 0, 0)
    if limits.acls and random.random() < 0.2:
        found["system.posix_acl_access"] = acl(random)
    if limits.acls and kind is NodeType.DIRECTORY and random.random() < 0.2:
        found["system.posix_acl_default"] = acl(random)
    for _ in range(random.choice((0, 0, 1, 2))):
        # The kernel gives no user.* of anything but files and directories.
        classes = ("user.", "trusted.") if kind in (NodeType.FILE, NodeType.DIRECTORY) else ("trusted.",)
        key = random.choice(classes) + random.choice(("a", "comment", "\u00fc", "long" * 20, "dots.in.it"))
        found[key] = random.randbytes(random.choice((0, 1, 4, 31, 100)))
    return found


def node(random: Random, limits: Limits, kind: NodeType | None = None) -> Node:
    """An inode."""
    kind = kind or random.choice((*limits.kinds, NodeType.FILE, NodeType.FILE, NodeType.DIRECTORY))
    seconds = random.choice(
        (EPOCH, 0, limits.time_min, limits.time_max, random.randint(limits.time_min, min(limits.time_max, TIME_USUAL)))
    )
    mtime = seconds * NANOSECONDS + (random.choice((0, 1, 999_999_999)) if limits.fractions else 0)
    uid, gid = (random.choice((0, 0, 1000, 65_535, 65_536, limits.owner_max)) for _ in range(2))
    mode = 0o777 if kind is NodeType.SYMLINK else random.choice(_MODES)
    attributes = xattrs(random, limits, kind) if kind is not NodeType.SYMLINK else {}
    target = ""
    if kind is NodeType.SYMLINK:
        size = min(random.choice((1, 20, 59, 60, 61, 100, 255, 1000, limits.target_max)), limits.target_max)
        target = decode(bytes(random.choices(b"ab/.\xc3\xa9\n", k=size)))
    device = (0, 0)
    if kind in (NodeType.CHARACTER, NodeType.BLOCK):
        device = random.choice(((0, 0), (1, 3), (8, 256), (255, 255), (256, 0), (4095, 1_048_575)))
    data = content(random, limits) if kind is NodeType.FILE else None
    return Node(kind, mode, uid, gid, mtime, attributes, data, target, device)


def tree(random: Random, limits: Limits) -> Tree:
    """A tree of up to `limits.nodes` paths: some deep, some wide, with hard links."""
    made = Tree(directory(0o755, mtime=EPOCH * NANOSECONDS))
    folders = [""]
    linkable: list[str] = []
    for _ in range(random.choice((0, 1, 5, 30, limits.nodes, limits.nodes))):
        folder = folders[-1] if random.random() < 0.4 else random.choice(folders)
        path = join(folder, decode(name(random)))
        if path in made or path == "lost+found" or len(encode(path)) > limits.path_max:
            continue
        if linkable and random.random() < 0.1:
            made.link(path, random.choice(linkable))
            continue
        kind = None if path.count("/") < limits.depth else NodeType.FILE
        new = node(random, limits, kind)
        made.add(path, new)
        if new.type is NodeType.DIRECTORY:
            folders.append(path)
        elif limits.links_to_all or new.type is NodeType.FILE:
            linkable.append(path)
    return made
