"""FAT before fsck.fat, mtools and our own reader and verifier."""

from pathlib import Path
from random import Random

from sysimage import fat
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources, open_raw
from sysimage.fat import FatType, Options
from sysimage.fat.names import fold
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, directory, file, join
from tests.soak import draw, judges
from tests.soak.draw import EPOCH, PATTERN, PATTERN_SIZE
from tests.soak.scenario import Finding, Scenario

_MIB = 1 << 20
_FSCK_CLUSTERS = 1 << 27  # with twice as many fsck.fat crashes, also on what mkfs.fat made
_STEMS = (
    "readme",
    "README",
    "ReadMe",
    "file",
    "long file name of many parts",
    "\u00fc",
    "\u65e5\u672c",
    "a.b.c",
    ".dot",
    "x" * 200,
)
_TAILS = ("", ".txt", ".TXT", ".Text", ".tar.gz", "~1", " ", ".", "+,;=[]", "\U0001f600", "\xdf")
_REFUSED = ("FAT cannot hold the name", "differ only in case", "one name to FAT", "is a name that FAT")
_FULL = ("the root directory needs", "the content needs", "has too many", "is too large for FAT", "is too small for")


def name(random: Random) -> str:
    """A name that FAT can hold, or nearly: of any case, with signs that short names do not have."""
    number = str(random.randrange(30)) if random.random() < 0.7 else ""
    made = random.choice(_STEMS) + number + random.choice(_TAILS)
    return made if random.random() < 0.1 else made.rstrip(" .") or "x"


def draw_tree(random: Random) -> Tree:
    """Files and directories, wide and deep; names of one directory are one in no case, mostly."""
    tree = Tree(directory(mtime=EPOCH * NANOSECONDS))
    folders = [""]
    folded: set[str] = set()
    collides = random.random() < 0.15
    for _ in range(random.choice((0, 3, 40, 300))):
        path = join(folders[-1] if random.random() < 0.3 else random.choice(folders), name(random))
        if path in tree or (fold(path) in folded and not collides) or path.count("/") > 30:
            continue
        folded.add(fold(path))
        mtime = random.choice((EPOCH, 0, 1 << 33, random.randrange(315_532_800, 1 << 32))) * NANOSECONDS
        if random.random() < 0.3:
            tree.add(path, directory(mtime=mtime))
            folders.append(path)
        else:
            tree.add(path, file(_content(random), mtime=mtime))
    return tree


def _content(random: Random) -> ExtentMap:
    size = random.choice((0, 1, 511, 512, 513, 2048, 4096, 32768, 100_000, random.randrange(2 * _MIB)))
    if random.random() < 0.3 and size > 9000:
        at = random.randrange(size - 5000)
        return ExtentMap(size, [Extent(at, 5000, FileSlice(PATTERN, at % (PATTERN_SIZE - 5000)))])
    return ExtentMap.of_slice(PATTERN, 0, min(size, PATTERN_SIZE))


def options(random: Random) -> Options:
    """Any options; not all go with every tree."""
    kind = random.choice((None, FatType.FAT16, FatType.FAT32))
    size = random.choice((None, None, None, 16 * _MIB, 77_777 * 512, 100 * _MIB, 600 * _MIB, 1 << 35, 1 << 40))
    return Options(
        size=size if kind is not FatType.FAT16 or size is None or size < 1 << 31 else None,
        type=kind,
        cluster_size=random.choice((None, None, None, 512, 4096, 32768)),
        label=random.choice(("", "ESP", "A LABEL", "X" * 11)),
        volume_id=random.getrandbits(32),
        hidden_sectors=random.choice((0, 2048, (1 << 32) - 1)),
        reserve=random.choice((0, 0, _MIB)),
    )


def any_tree(random: Random, scratch: Path) -> None:
    """A tree of names that try FAT's rules, under any options."""
    tree, wanted = draw_tree(random), options(random)
    with draw.pattern(random, scratch) as sources:
        try:
            image = fat.plan(tree, wanted)
        except UserError as error:
            _may_refuse(tree, wanted, error)
            return
        path = scratch / "image"
        judges.materialise(random, image, sources, path)
        reader = open_raw(path)
        with reader.sources:
            if fat.FatReader(reader).boot.clusters < _FSCK_CLUSTERS:
                judges.fsck_fat(path)
            judges.nothing("verify", fat.verify(reader))
            found = fat.FatReader(reader).tree()
            judges.wrong("label", fat.FatReader(reader).label(), wanted.label)
            judges.nothing("read back", _differences(tree, found, sources, reader.sources))
        _mtools(random, tree, path, sources)


def _may_refuse(tree: Tree, wanted: Options, error: UserError) -> None:
    names = [path.rpartition("/")[2] for path, _ in tree.walk() if path]
    impossible = any(each.endswith((".", " ")) for each in names) or _collides(tree)
    constrained = wanted.size is not None or wanted.cluster_size is not None or wanted.type is FatType.FAT16
    if not impossible and not constrained:
        raise Finding(f"refused: {error}")


def _collides(tree: Tree) -> bool:
    for path, node in tree.walk():
        if node.type is NodeType.DIRECTORY:
            folded = [fold(child) for child in tree.children(path)]
            if len(set(folded)) < len(folded):
                return True
    return False


def _differences(wanted: Tree, found: Tree, sources: Sources, found_sources: Sources) -> list[str]:
    left, right = dict(wanted.walk()), dict(found.walk())
    lines = [f"/{path} is missing" for path in left.keys() - right.keys()]
    lines += [f"/{path} is too much" for path in right.keys() - left.keys()]
    for path in left.keys() & right.keys():
        one, other = left[path], right[path]
        if one.type is not other.type or one.size != other.size:
            lines.append(f"/{path}: {one} became {other}")
        elif not _same(one, other, sources, found_sources):
            lines.append(f"/{path}: other content")
    return sorted(lines)


def _same(one: Node, other: Node, sources: Sources, found_sources: Sources) -> bool:
    left = ImageReader(one.data, sources).read(0, one.size)
    return left == ImageReader(other.data, found_sources).read(0, other.size)


def _mtools_can(path: str) -> bool:
    """Whether mcopy takes a path as it stands: it has patterns of its own, and knows the first plane only."""
    return path.isprintable() and set(path).isdisjoint("[]*?\\") and max(path) < "\U00010000"


def _mtools(random: Random, tree: Tree, image: Path, sources: Sources) -> None:
    """Another reader finds the same contents."""
    files = [path for path, node in tree.walk() if node.type is NodeType.FILE and _mtools_can(path)]
    out = image.with_name("copied")
    for path in random.sample(files, min(4, len(files))):
        out.unlink(missing_ok=True)
        judges.run("mcopy", "-n", "-i", image, f"::{path}", out)
        if out.read_bytes() != tree.read(path, sources):
            raise Finding(f"mcopy reads another content of /{path!r}")
    judges.run("mdir", "-/", "-b", "-i", image, "::")


SCENARIOS = (Scenario("fat-tree", "fat", any_tree, 5),)
