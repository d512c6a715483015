"""Readers of archives: tar, cpio, ar and packages, sparse tars, container images, zstd."""

import gzip
import io
from pathlib import Path
from random import Random

import zstandard

from sysimage import cpio, difference, framed, initrd, layer, oci, sparse_tar, tar, tar_reader, tree, zstd
from sysimage.deb import Spool, read_control, read_debs
from sysimage.debian.testing import File, ar, deb_bytes
from sysimage.debian.testing import tar as make_tar
from sysimage.dockerfile.config import History, ImageConfig
from sysimage.explanation import explain
from sysimage.extents import COMPRESSED, Extent, ExtentMap, FileSlice, ImageReader, Sources
from sysimage.inspection import look, open_image
from sysimage.tree import NodeType, Tree
from tests.soak.draw import Limits, pattern
from tests.soak.draw import tree as draw_tree
from tests.soak.mutate import repair_tar
from tests.soak.parser import Parser

TAR_KINDS = tuple(kind for kind in NodeType if kind is not NodeType.SOCKET)
_TAR = Limits(TAR_KINDS, nodes=30, sparse=1 << 20, target_max=300, acls=False)
_CPIO = Limits(TAR_KINDS, 20, time_min=0, time_max=(1 << 32) - 1, fractions=False, xattrs=False, sparse=1 << 16)
_FILES: list[File] = [
    ("usr/bin/tool", tree.file(b"program", 0o4755)),
    ("usr/bin/other", "usr/bin/tool"),
    ("usr/share/" + "long" * 40, tree.file(b"x" * 3000)),
    ("etc/link", tree.symlink("../usr/bin/tool")),
]


def _layer(random: Random, folder: Path) -> bytes:
    with pattern(random, folder) as sources:
        layer.write(draw_tree(random, _TAR), folder / "layer", "layer", sources)
    return (folder / "layer").read_bytes()


def _call_tar(path: Path) -> object:
    found = tar_reader.read(path, "tar")
    with Sources({"tar": path}) as sources, path.with_name("again").open("wb") as out:
        # What was read can be written: no offset or length in it is out of bounds.
        writer = tar.Writer(out, "again")
        for name, node in found.walk():
            if node.size < 1 << 26:
                writer.add(name, node, sources)
        writer.close()
    return len(found)


def _call_layer(path: Path) -> object:
    base = Tree()
    base.put("usr/bin/x", tree.file(b"x"))
    with Sources({"layer": path}) as sources:
        data = path.read_bytes()
        return layer.apply(base, tar_reader.members(memoryview(data), None, str(path)), str(path)), sources


def _old_sparse(random: Random, _folder: Path) -> bytes:
    pieces = [Extent(at << 20, 600, random.randbytes(600)) for at in range(random.choice((0, 1, 4, 5, 40)))]
    members = [
        sparse_tar.Member("disk.img", ExtentMap(1 << 33, pieces)),
        sparse_tar.Member("VERSION.TXT", ExtentMap.of_bytes(b"1.2.3\n")),
    ]
    out = io.BytesIO()
    sparse_tar.write(members, Sources({}), out)
    return out.getvalue()


def _call_sparse_tar(path: Path) -> object:
    with path.open("rb") as file:
        findings = sparse_tar.verify(file)
        members = list(sparse_tar.read(file, "input"))
        with Sources({"tar": path}) as sources:
            for member in members:
                reader = ImageReader(member.content("tar"), sources)
                for extent in reader.map.extents[:20]:
                    reader.read(extent.offset, min(extent.length, 4096))
        return findings, sparse_tar.inspect(file, "input")


def _call_opening(path: Path) -> object:
    findings: list[str] = []
    with open_image(path, "", findings) as reader:
        return look(reader, verify=True).all_findings()


def _cpio(random: Random, folder: Path) -> bytes:
    with pattern(random, folder) as sources:
        return cpio.make(draw_tree(random, _CPIO), sources)


def _call_initrd(path: Path) -> object:
    return len(initrd.unpack(path.read_bytes()))


def _deb(random: Random, _folder: Path) -> bytes:
    scripts = {"postinst": "#!/bin/sh\nset -e\n", "triggers": "interest-noawait /usr/lib\n", "conffiles": "/etc/x\n"}
    compression = random.choice(("", ".xz", ".gz", ".zst"))
    return deb_bytes("tool", _FILES, scripts, compression, Depends="libc6 (>= 2), a | b", Provides="x (= 1)")


def _wrap_control(data: bytes) -> bytes:
    return ar([("debian-binary", b"2.0\n"), ("control.tar.gz", gzip.compress(data, 1)), ("data.tar", make_tar(_FILES))])


def _wrap_data(data: bytes) -> bytes:
    control = make_tar([("control", tree.file(b"Package: p\nVersion: 1\nArchitecture: all\n"))])
    return ar([("debian-binary", b"2.0\n"), ("control.tar", control), ("data.tar.gz", gzip.compress(data, 1))])


def _call_deb(path: Path) -> object:
    control = read_control(path)
    scratch = path.with_name("spool")
    scratch.mkdir(exist_ok=True)
    with Spool(scratch) as spool:
        (deb,) = read_debs([path], spool)
        for entry in deb.entries:
            if entry.node is not None and entry.node.content is not None:
                ImageReader(entry.node.content, spool.sources).read(0, 4096)
        return control.name, deb.version, deb.architecture


def _oci(random: Random, folder: Path) -> bytes:
    with pattern(random, folder) as sources:
        layer.write(draw_tree(random, _TAR), folder / "one.tar", "layer", sources)
    config = ImageConfig({"PATH": "/bin"}, ["sh"], labels={"a": "b"}, history=[History("RUN x", False)])
    oci.write(folder / "image.tar", [folder / "one.tar"], config, "name:tag", 0)
    return (folder / "image.tar").read_bytes()


def _call_zstd(path: Path) -> object:
    with path.open("rb") as file, path.with_name("unpacked").open("wb") as out:
        zstd.decompress(file, out, "input")
    return out


def _compressed(random: Random, _folder: Path) -> bytes:
    out = io.BytesIO()
    data = random.randbytes(1000) * random.choice((1, 50, 2000))
    sink = zstd.Frames(out)
    sink.write(data)
    sink.close()
    return out.getvalue()


def _framed(random: Random, folder: Path) -> bytes:
    with (folder / "framed").open("wb") as out:
        writer = framed.Writer(out)
        writer.write_all([random.randbytes(1000) * random.choice((0, 1, 1500, 4000))])
        writer.close()
    return (folder / "framed").read_bytes()


def _call_framed(path: Path) -> object:
    key = COMPRESSED + "input"
    with Sources({"input": path}) as sources:
        size = sources.size(key)
        for offset in range(0, min(size, 1 << 26), framed.FRAME // 3):
            sources.view(Extent(0, min(framed.FRAME, size - offset), FileSlice(key, offset)))
    return size


def _compared(random: Random, folder: Path) -> bytes:
    """An archive with a copy beside it, which the changed one is compared with."""
    data = _old_sparse(random, folder)
    (folder / "ours").write_bytes(data)
    return data


def _call_explain(path: Path) -> object:
    return explain(path.with_name("ours"), path)


def _reviewed(random: Random, _folder: Path) -> bytes:
    rows = [(difference.quote(f"etc/{random.randbytes(3).hex()} *"), each.value, "why") for each in difference.Kind]
    return "\n".join(["# reviewed", *difference.format_rows(rows), ""]).encode()


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(data)


PARSERS = (
    Parser("tar", _layer, _call_tar, repair_tar, tries=150),
    Parser("layer", _layer, _call_layer, repair_tar),
    Parser("sparse-tar", _old_sparse, _call_sparse_tar, repair_tar, tries=150),
    Parser("opening", _old_sparse, _call_opening, repair_tar, tries=20),
    Parser("opening-zstd", _old_sparse, _call_opening, repair_tar, tries=20, wrap=_zstd),
    Parser("cpio", _cpio, lambda path: len(cpio.read(path.read_bytes()))),
    Parser("cpio-text", _cpio, lambda path: len(cpio.read(path.read_bytes())), text=True),
    Parser("initrd", _cpio, _call_initrd, wrap=_zstd, tries=20),
    Parser("initrd-zstd", lambda random, folder: _zstd(_cpio(random, folder)), _call_initrd),
    Parser("deb", _deb, _call_deb),
    Parser("deb-text", _deb, _call_deb, text=True),
    Parser(
        "deb-control",
        lambda _random, _folder: make_tar([("control", tree.file(b"Package: p\nVersion: 1\nArchitecture: all\n"))]),
        _call_deb,
        repair_tar,
        text=True,
        wrap=_wrap_control,
    ),
    Parser("deb-data", _layer, _call_deb, repair_tar, wrap=_wrap_data),
    Parser("oci", _oci, oci.inspect, repair_tar, tries=30),
    Parser("oci-text", _oci, oci.inspect, repair_tar, text=True, tries=30),
    Parser("zstd", _compressed, _call_zstd),
    Parser("framed", _framed, _call_framed),
    Parser("explain", _compared, _call_explain, repair_tar, tries=30),
    Parser("explain-zstd", _compared, _call_explain, repair_tar, tries=20, wrap=_zstd),
    Parser("reviewed", _reviewed, difference.load, text=True),
)
