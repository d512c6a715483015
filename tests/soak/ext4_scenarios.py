"""ext4 before e2fsck, dumpe2fs, debugfs and our own reader and verifier."""

import re
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

from sysimage import ext4
from sysimage import tree as trees
from sysimage.errors import UserError
from sysimage.ext4 import Ext4Options
from sysimage.ext4.read import names
from sysimage.ext4.testing import differences
from sysimage.ext4.volume import Volume
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources, open_raw
from sysimage.tree import Node, NodeType, Tree, decode, encode, join
from tests.soak import draw, judges
from tests.soak.draw import EPOCH, PATTERN, PATTERN_SIZE, Limits
from tests.soak.scenario import Finding, Scenario

_REFUSALS = ("extended attributes are", "is too large for ext4", "is too long for ext4")
_ROOT = 2
_SAMPLED = 8  # files and directories that debugfs is asked about
_PRINTED_INODE = re.compile(rb"^/(\d+)/([0-7]+)/(-?\d+)/(-?\d+)/", re.MULTILINE)


def options(random: Random, **changes: object) -> Ext4Options:
    """Any options that go together with any tree."""
    fields: dict[str, object] = {
        "uuid": UUID(int=random.getrandbits(128)),
        "hash_seed": random.choice((UUID(int=0), UUID(int=random.getrandbits(128)))),
        "epoch": random.choice((EPOCH, EPOCH, 0, 1)),
        "label": random.choice(("", "root", "\u00fcber", "x" * 16)),
        "block_size": random.choice((1024, 2048, 4096, 4096)),
        "inode_size": random.choice((256, 256, 512, 1024)),
        "journal": random.random() < 0.25,
        "read_only": random.random() < 0.1,
        "reserve": random.choice((0, 0, 0, 100_000, 50 << 20)),
    }
    return Ext4Options(**(fields | changes))  # type: ignore[arg-type]


def plan(tree: Tree, wanted: Ext4Options) -> ExtentMap | None:
    """The map; None if the tree has what such a file system has no room for."""
    try:
        return ext4.plan(tree, wanted)
    except UserError as error:
        if any(text in error.message for text in _REFUSALS):
            return None
        raise Finding(f"refused: {error}") from error


def judge(random: Random, tree: Tree, wanted: Ext4Options, image: ExtentMap, sources: Sources, path: Path) -> None:
    """Everybody looks at an image."""
    judges.materialise(random, image, sources, path)
    judges.e2fsck(path)
    reader = open_raw(path)
    with reader.sources:
        judges.nothing("verify", ext4.verify(reader))
        judges.nothing("read back", _differences(tree, wanted, reader, sources))
        _dumpe2fs(path, wanted, reader)
        _debugfs(random, tree, path, reader, sources)


def _differences(tree: Tree, wanted: Ext4Options, reader: ImageReader, sources: Sources) -> list[str]:
    if "lost+found" not in tree:
        tree = tree.copy()
        tree.add("lost+found", trees.directory(0o700, mtime=wanted.epoch * trees.NANOSECONDS))
    # A time that an inode cannot hold is kept in the superblock alone.
    found = ext4.read(reader)
    found.change("lost+found", mtime=tree["lost+found"].mtime)
    return differences(tree, found, sources, reader.sources)


def _dumpe2fs(path: Path, wanted: Ext4Options, reader: ImageReader) -> None:
    output = judges.run("dumpe2fs", "-h", path).decode("utf-8", "backslashreplace")
    said = dict(re.split(r":\s+", line, maxsplit=1) for line in output.splitlines() if ": " in line)
    info = ext4.inspect(reader)
    judges.wrong("UUID", said["Filesystem UUID"], str(wanted.uuid))
    judges.wrong("block size", said["Block size"], str(wanted.block_size))
    judges.wrong("inode size", said["Inode size"], str(wanted.inode_size))
    judges.wrong("state", said["Filesystem state"], "clean")
    judges.wrong("blocks", int(said["Block count"]), info.blocks)
    judges.wrong("free blocks", int(said["Free blocks"]), info.free_blocks)
    judges.wrong("free inodes", int(said["Free inodes"]), info.free_inodes)
    if info.free_blocks * wanted.block_size < wanted.reserve:
        raise Finding(f"{info.free_blocks} blocks are free, {wanted.reserve} bytes were to be")


def inode_number(volume: Volume, path: str) -> int:
    """The number of the inode at a path."""
    number = _ROOT
    for part in encode(path).split(b"/") if path else []:
        number = dict(names(volume, volume.inode(number, "a directory")))[part]
    return number


def _debugfs(random: Random, tree: Tree, path: Path, reader: ImageReader, sources: Sources) -> None:
    """Another reader than ours finds the same contents, and in directories the same modes and owners."""
    volume = Volume(reader)
    files = [name for name, node in tree.walk() if node.type is NodeType.FILE and node.size <= 1 << 26]
    folders = [name for name, node in tree.walk() if node.type is NodeType.DIRECTORY]
    chosen = random.sample(files, min(_SAMPLED, len(files)))
    out = path.with_name("dumped")
    commands = [f"dump <{inode_number(volume, name)}> {out}.{place}" for place, name in enumerate(chosen)]
    judges.run("debugfs", "-f", "-", path, stdin="\n".join(commands).encode() + b"\n")
    for place, name in enumerate(chosen):
        content = tree[name].data
        dumped = Path(f"{out}.{place}")
        if dumped.read_bytes() != ImageReader(content, sources).read(0, content.size):
            raise Finding(f"debugfs reads another content of /{name!r}")
        dumped.unlink()
    for folder in random.sample(folders, min(_SAMPLED, len(folders))):
        number = inode_number(volume, folder)
        listed = judges.run("debugfs", "-R", f"ls -p <{number}>", path)
        # Owners come as signed numbers of 32 bits.
        said = {
            (int(found[1]), int(found[2], 8), int(found[3]) % (1 << 32), int(found[4]) % (1 << 32))
            for found in _PRINTED_INODE.finditer(listed)
        }
        rows = set()
        for entry, child in names(volume, volume.inode(number, "a directory")):
            if entry not in (b".", b"..", b"lost+found"):
                node = tree[join(folder, decode(entry))]
                rows.add((child, node.type.format_bits | node.mode, node.uid, node.gid))
        if rows - said:
            raise Finding(f"debugfs lists /{folder!r} without {sorted(rows - said)[:5]}: {sorted(said)[:20]}")


def any_tree(random: Random, scratch: Path) -> None:
    """A hostile tree under any options."""
    wanted = options(random)
    sparse = min(1 << 43, 0xFFFFFFF0 * wanted.block_size)
    tree = draw.tree(random, Limits(nodes=random.choice((30, 150, 400)), depth=random.choice((5, 100)), sparse=sparse))
    with draw.pattern(random, scratch) as sources:
        image = plan(tree, wanted)
        if image is None:
            return
        if random.random() < 0.3:
            # A given size: just what is needed, some more, or very much more.
            size = image.size + random.choice((0, 1 << 20, 1 << 30, 1 << 40))
            wanted = replace(wanted, size=size, reserve=0)
            image = plan(tree, wanted)
            if image is None:
                return
            judges.wrong("size", image.size, size // wanted.block_size * wanted.block_size)
        judge(random, tree, wanted, image, sources, scratch / "image")


def link_farm(random: Random, scratch: Path) -> None:
    """Names of one file by the ten thousands: 65,000 are possible, one more is refused."""
    count = random.choice((2, 999, random.randrange(20_000), 64_999, 65_000, 65_001))
    tree = Tree()
    folders = random.choice((1, 7, 100))
    for number in range(folders):
        tree.add(f"d{number}", trees.directory())
    tree.add("d0/first", random.choice((trees.file(b"content"), Node(NodeType.FIFO, 0o600), trees.symlink("x" * 60))))
    for number in range(1, count):
        tree.link(f"d{number % folders}/name {number}", "d0/first")
    wanted = options(random, reserve=0)
    try:
        image = ext4.plan(tree, wanted)
    except UserError as error:
        if count > 65_000 and "hard links" in str(error):
            return
        raise Finding(f"{count} links: {error}") from error
    if count > 65_000:
        raise Finding(f"{count} links to one file were planned")
    judge(random, tree, wanted, image, Sources({}), scratch / "image")


def large_directory(random: Random, scratch: Path) -> None:
    """One directory of many entries, up to 100,000 and more."""
    count = random.choice((1, 500, random.randrange(3000), random.randrange(30_000), 100_000, 120_000))
    length = random.choice((1, 8, 60, 200))
    tree = Tree()
    tree.add("d", trees.directory())
    for number in range(count):
        name = f"{number:x}-" + "".join(random.choices("abc\u00e9", k=random.randint(0, length // 2)))
        tree.add(f"d/{name}", Node(NodeType.FIFO, 0o600))
    wanted = options(random, reserve=0)
    try:
        image = ext4.plan(tree, wanted)
    except UserError as error:
        if "too large for a two-level index" in error.message and wanted.block_size == 1024:
            return
        raise Finding(f"{count} entries: {error}") from error
    judge(random, tree, wanted, image, Sources({}), scratch / "image")


def sparse_giants(random: Random, scratch: Path) -> None:
    """Files of terabytes, of thousands of pieces, up to the last block that a file can have."""
    wanted = options(random, reserve=0)
    limit = 0xFFFFFFFF * wanted.block_size
    tree = Tree()
    with draw.pattern(random, scratch) as sources:
        for number in range(random.choice((1, 3))):
            size = random.choice((limit, limit - random.randrange(10_000), random.randrange(1 << 41)))
            places = sorted(random.sample(range(size - 5000), random.choice((1, 5, 400, 3000))))
            extents = []
            position = 0
            for place in places:
                if place >= position:
                    length = random.choice((1, 100, 5000))
                    extents.append(Extent(place, length, FileSlice(PATTERN, place % (PATTERN_SIZE - 5000))))
                    position = place + length
            if random.random() < 0.5 and position < size:
                extents.append(Extent(size - 1, 1, b"!"))
            tree.add(f"giant {number}", trees.file(ExtentMap(size, extents)))
        image = ext4.plan(tree, wanted)
        judge(random, tree, wanted, image, sources, scratch / "image")
        tree.add("larger", trees.file(ExtentMap(limit + 1)))
        if plan(tree, wanted) is not None:
            raise Finding(f"a file of {limit + 1} bytes was planned with blocks of {wanted.block_size}")


def attribute_limits(random: Random, scratch: Path) -> None:
    """Extended attributes as large as there is room for, and one byte larger."""
    wanted = options(random, reserve=0)
    # What is behind the inode's fields (extra size 32) less magic and terminator; a block less header and terminator.
    inline = wanted.inode_size - 128 - 32 - 4 - 4
    block = wanted.block_size - 32 - 4
    tree = Tree()
    name = "n" * random.choice((1, 2, 3, 4, 60, 255))
    entry = 16 + -(-len(name) // 4) * 4
    sizes = {room - entry + step for room in (inline, block) for step in (-4, -1, 0) if room - entry + step >= 0}
    for size in sizes:
        node = replace(trees.file(b""), xattrs={f"user.{name}": random.randbytes(size)})
        tree.add(f"single {size}", node)
    shared = {"trusted.both": b"b" * 50, f"user.{name}": random.randbytes(block - entry)} if block > entry else {}
    label = {"security.selinux": b"u:r:t:s0\0", "system.posix_acl_access": draw.acl(random)}
    tree.add("full", replace(trees.directory(), xattrs=label))
    for number in range(3):
        tree.add(f"shared {number}", replace(trees.file(b""), xattrs=shared if inline >= 16 + 4 + 52 else {}))
    image = plan(tree, wanted)
    if image is None:
        raise Finding(
            f"attributes of {sorted(sizes)} bytes are refused, inode {wanted.inode_size}, block {wanted.block_size}"
        )
    judge(random, tree, wanted, image, Sources({}), scratch / "image")
    largest = max(inline, block) - entry
    tree.add("over", replace(trees.file(b""), xattrs={f"user.{name}": bytes(max(largest + 1, 0))}))
    if largest >= 0 and plan(tree, wanted) is not None:
        raise Finding(f"an attribute of {largest + 1} bytes was planned, {largest} are possible")


SCENARIOS = (
    Scenario("ext4-tree", "ext4", any_tree, 10),
    Scenario("ext4-links", "ext4", link_farm, 2),
    Scenario("ext4-directory", "ext4", large_directory, 3),
    Scenario("ext4-sparse", "ext4", sparse_giants, 3),
    Scenario("ext4-xattrs", "ext4", attribute_limits, 2),
)
