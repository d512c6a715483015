"""Archives before GNU tar, bsdtar, cpio and Python's tarfile."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from random import Random

from sysimage import cpio, layer, materialise, oci, sparse_tar, tar_reader, tree
from sysimage.dockerfile.config import History, ImageConfig
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources, open_raw
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, decode
from tests.soak import draw, judges
from tests.soak.draw import PATTERN, PATTERN_SIZE, Limits
from tests.soak.parsers_archives import TAR_KINDS
from tests.soak.scenario import Finding, Scenario

_LAYER = Limits(TAR_KINDS, nodes=150, sparse=1 << 22, owner_max=(1 << 32) - 1, acls=False)
_CPIO = Limits(TAR_KINDS, 150, time_min=0, time_max=(1 << 32) - 1, fractions=False, xattrs=False, sparse=1 << 16)
_KINDS = {
    NodeType.FILE: (tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE),
    NodeType.DIRECTORY: (tarfile.DIRTYPE,),
    NodeType.SYMLINK: (tarfile.SYMTYPE,),
    NodeType.CHARACTER: (tarfile.CHRTYPE,),
    NodeType.BLOCK: (tarfile.BLKTYPE,),
    NodeType.FIFO: (tarfile.FIFOTYPE,),
}


def compare(archive: tarfile.TarFile, wanted: Tree, sources: Sources, xattrs: bool) -> None:
    """What Python's tarfile reads, against a tree: every inode, every link, every content.

    Raises:
        Finding: something differs.
    """
    names: dict[str, str] = {}
    for info in archive:
        path = os.fsencode(info.name).removeprefix(b"./").decode("utf-8", "surrogateescape")
        path = "" if path == "." else path
        node = wanted.get(path)
        if node is None:
            raise Finding(f"tarfile finds /{path!r}, which was not written")
        if info.islnk():
            first = os.fsencode(info.linkname).removeprefix(b"./").decode("utf-8", "surrogateescape")
            if first not in wanted.links(path) or first not in names:
                raise Finding(f"/{path!r} is a hard link to {first!r}")
            names[path] = first
            continue
        names[path] = path
        found = _look(info)
        expected = (node.mode, node.uid, node.gid, node.target, node.device)
        if info.type not in _KINDS[node.type] or found != expected:
            raise Finding(f"/{path!r}: type {info.type!r}, {found}; expected {node.type}, {expected}")
        if abs(info.mtime - node.mtime / NANOSECONDS) > 1e-3:
            raise Finding(f"/{path!r}: time {info.mtime}, expected {node.mtime / NANOSECONDS}")
        if xattrs:
            prefix = "SCHILY.xattr."
            said = {
                key[len(prefix) :]: os.fsencode(value)
                for key, value in info.pax_headers.items()
                if key.startswith(prefix)
            }
            judges.wrong(f"attributes of /{path!r}", said, dict(node.xattrs))
        # Where bsdtar made the tar out of a cpio archive, the content of a linked file is not with its first name.
        if node.content is not None and (xattrs or len(wanted.links(path)) == 1):
            file = archive.extractfile(info)
            if file is None or file.read() != ImageReader(node.content, sources).read(0, node.size):
                raise Finding(f"/{path!r}: other content")
    missing = [path for path, _ in wanted.walk() if path and path not in names]
    if missing:
        raise Finding(f"tarfile does not find {missing[:5]!r}")


def _look(info: tarfile.TarInfo) -> tuple[int, int, int, str, tuple[int, int]]:
    device = (info.devmajor, info.devminor) if info.isdev() and not info.isfifo() else (0, 0)
    target = decode(os.fsencode(info.linkname)) if info.issym() else ""
    return info.mode, info.uid, info.gid, target, device


def any_layer(random: Random, scratch: Path) -> None:
    """A layer of a tree, then one of what changed from it to another."""
    first = draw.tree(random, _LAYER)
    path = scratch / "layer.tar"
    with draw.pattern(random, scratch) as sources:
        written = layer.write(first, path, "layer", sources)
        with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as archive:
            compare(archive, first, sources, xattrs=True)
        count = len(
            judges.run(
                "tar", "--list", "--quoting-style=escape", "--warning=no-unknown-keyword", "--file", path
            ).splitlines()
        )
        bsd = len([each for each in judges.run("bsdtar", "-t", "-f", path).splitlines() if each])
        judges.wrong("entries as GNU tar counts them", count in (len(first), len(first) - 1), True)
        judges.wrong("entries as bsdtar counts them", bsd >= len(first) - 1, True)
        second = first.copy()
        _change(random, second)
        layer.write(second, scratch / "second.tar", "second", sources, base=first)
        data = (scratch / "second.tar").read_bytes()
        sources.add("layer", path)
        members = tar_reader.members(memoryview(data), None, "second")
        applied = layer.apply(written, members, "second")
        judges.nothing("layers", _differences(second, applied, sources))


def _change(random: Random, changed: Tree) -> None:
    for path in [path for path, _ in changed.walk() if path]:
        if path not in changed:
            continue
        pick = random.random()
        if pick < 0.1:
            changed.remove(path)
        elif pick < 0.2 and changed[path].type is not NodeType.SYMLINK:
            changed.change(path, mode=0o640, mtime=5 * NANOSECONDS)
        elif pick < 0.25 and changed.is_directory(path):
            changed.put(f"{path}/new", tree.file(b"new"))
        elif pick < 0.28 and changed[path].type is NodeType.FILE:
            changed.change(path, content=ExtentMap.of_bytes(b"other"))


def _differences(wanted: Tree, found: Tree, sources: Sources) -> list[str]:
    left, right = dict(wanted.walk()), dict(found.walk())
    lines = [f"/{path!r} is missing" for path in left.keys() - right.keys()]
    lines += [f"/{path!r} is too much" for path in right.keys() - left.keys()]
    for path in left.keys() & right.keys():
        one, other = left[path], right[path]
        if _fields(one) != _fields(other):
            lines.append(f"/{path!r}: {_fields(one)} became {_fields(other)}")
        elif ImageReader(one.data, sources).read(0, one.size) != ImageReader(other.data, sources).read(0, one.size):
            lines.append(f"/{path!r}: other content")
    return sorted(lines)


def _fields(node: Node) -> tuple[object, ...]:
    return (
        node.type,
        node.mode,
        node.uid,
        node.gid,
        node.mtime,
        dict(node.xattrs),
        node.size,
        node.target,
        node.device,
    )


def any_cpio(random: Random, scratch: Path) -> None:
    """A cpio archive: bsdtar turns it into a tar that tarfile reads, cpio lists as many entries."""
    made = draw.tree(random, _CPIO)
    with draw.pattern(random, scratch) as sources:
        data = cpio.make(made, sources)
        back = cpio.read(data)
        # The root itself is not in the archive.
        back.set("", made[""])
        judges.nothing("read back", _differences(made, back, sources))
        (scratch / "archive").write_bytes(data)
        said = judges.run("cpio", "--list", "--quiet", "--file", scratch / "archive", statuses=(0,))
        judges.wrong("entries as cpio lists them", said.count(b"\n") >= len(made) - 1, True)
        if all(_is_utf8(path) and _is_utf8(node.target) for path, node in made.walk()):
            converted = judges.run("bsdtar", "-c", "-f", "-", "--format=pax", f"@{scratch / 'archive'}")
            with tarfile.open(fileobj=io.BytesIO(converted), encoding="utf-8", errors="surrogateescape") as archive:
                compare(archive, made, sources, xattrs=False)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def any_sparse_tar(random: Random, scratch: Path) -> None:
    """Sparse members up to terabytes: GNU tar and bsdtar recreate bytes and holes."""
    size = random.choice((0, 1, 513, 1 << 30, 42 << 30, 1 << 42, random.randrange(1 << 36)))
    extents = []
    position = 0
    for _ in range(random.choice((0, 1, 4, 5, 25, 26, 2000))):
        position += random.choice((0, 1, 512, 4096, random.randrange(1 << 28)))
        length = random.choice((1, 512, 513, 8192))
        if position + length > size:
            break
        extents.append(Extent(position, length, FileSlice(PATTERN, random.randrange(PATTERN_SIZE - length))))
        position += length
    content = ExtentMap(size, extents)
    members = [sparse_tar.Member("disk.img", content), sparse_tar.Member("VERSION.TXT", ExtentMap.of_bytes(b"1\n"))]
    path = scratch / "x.tar"
    compress = random.random() < 0.5
    with draw.pattern(random, scratch) as sources:
        with materialise.open_output(path, compress) as sink:
            sparse_tar.write(members, sources, sink)
        if compress:
            judges.run("zstd", "--test", "--quiet", path)
        else:
            with path.open("rb") as file:
                judges.nothing("verify", sparse_tar.verify(file))
        for tool in (["tar", *(["--zstd"] if compress else [])], ["bsdtar"]):
            target = scratch / tool[0]
            target.mkdir()
            judges.run(*tool, "-x", "-f", path, "-C", target)
            found = open_raw(target / "disk.img")
            judges.wrong("size", found.size, size)
            wanted = ImageReader(content, sources)
            with found.sources:
                for extent in random.sample(extents, min(len(extents), 100)):
                    start = max(extent.offset - 600, 0)
                    if found.read(start, 10_000) != wanted.read(start, 10_000):
                        raise Finding(f"{tool[0]} extracts other bytes near {extent.offset}")
                for extent in found.map.extents[:2000]:
                    if found.read(extent.offset, 4096) != wanted.read(extent.offset, 4096):
                        raise Finding(f"{tool[0]} extracts other bytes at {extent.offset}")


def any_oci(random: Random, scratch: Path) -> None:
    """A container image: every blob has the digest that names it."""
    made = draw.tree(random, _LAYER)
    with draw.pattern(random, scratch) as sources:
        layer.write(made, scratch / "layer.tar", "layer", sources)
    config = ImageConfig({"PATH": "/bin"}, ["sh"], history=[History("RUN x", False)])
    oci.write(scratch / "image.tar", [scratch / "layer.tar"], config, "soak/x:1", draw.EPOCH)
    image = oci.inspect(scratch / "image.tar")
    judges.wrong("layer", image.layers, (f"sha256:{hashlib.sha256((scratch / 'layer.tar').read_bytes()).hexdigest()}",))
    with tarfile.open(scratch / "image.tar") as archive:
        blobs = {info.name: archive.extractfile(info) for info in archive if info.isfile()}
        contents = {each: file.read() for each, file in blobs.items() if file is not None}
    for each, data in contents.items():
        if each.startswith("blobs/sha256/"):
            judges.wrong("digest", hashlib.sha256(data).hexdigest(), each.rpartition("/")[2])
    (manifest,) = json.loads(contents["index.json"])["manifests"]
    judges.wrong("manifest", f"blobs/sha256/{manifest['digest'].removeprefix('sha256:')}" in contents, True)


SCENARIOS = (
    Scenario("tar-layer", "archives", any_layer, 4),
    Scenario("cpio-tree", "archives", any_cpio, 2),
    Scenario("sparse-tar", "archives", any_sparse_tar, 3),
    Scenario("oci-image", "archives", any_oci, 0.5),
)
