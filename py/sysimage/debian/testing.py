"""Small packages and trees for tests."""

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import zstandard

from sysimage import tree as t
from sysimage.deb import Deb, Spool, read_debs
from sysimage.debian.root import Root
from sysimage.extents import Sources
from sysimage.tree import Node, NodeType, Tree

EPOCH = 1_700_000_000
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}
_KINDS = {
    NodeType.FILE: tarfile.REGTYPE,
    NodeType.DIRECTORY: tarfile.DIRTYPE,
    NodeType.SYMLINK: tarfile.SYMTYPE,
    NodeType.CHARACTER: tarfile.CHRTYPE,
    NodeType.BLOCK: tarfile.BLKTYPE,
    NodeType.FIFO: tarfile.FIFOTYPE,
}
File = tuple[str, "Node | str"]


def tar(files: Iterable[File]) -> bytes:
    """A tar archive: each entry a path and an inode (with literal content), or the path that it is a hard link to."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, node in files:
            info = tarfile.TarInfo("./" + path)
            if isinstance(node, str):
                info.type, info.linkname = tarfile.LNKTYPE, "./" + node
                archive.addfile(info)
                continue
            info.type, info.mode = _KINDS[node.type], node.mode
            info.uid, info.gid, info.mtime = node.uid, node.gid, node.mtime // t.NANOSECONDS
            info.linkname = node.target
            info.devmajor, info.devminor = node.device
            info.pax_headers = {f"SCHILY.xattr.{key}": t.decode(value) for key, value in node.xattrs.items()}
            extents = node.data.extents
            data = b"".join(extent.source for extent in extents if isinstance(extent.source, bytes))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def ar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """An ar archive, as .debs are."""
    out = b"!<arch>\n"
    for name, data in members:
        out += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}".encode()
            + b"`\n"
            + data
            + b"\n" * (len(data) % 2)
        )
    return out


def deb_bytes(
    name: str,
    files: Iterable[File] = (),
    scripts: Mapping[str, str] | None = None,
    compression: str = ".xz",
    **fields: str,
) -> bytes:
    """A package. Fields are given with `_` for `-` (`Multi_Arch="same"`); what is missing is made up."""
    control = {"Package": name, "Version": "1", "Architecture": "amd64", "Maintainer": "Nobody <n@example.org>"}
    control |= {"Description": "a package for tests"} | {key.replace("_", "-"): value for key, value in fields.items()}
    members = {"control": "".join(f"{key}: {value}\n" for key, value in control.items())} | dict(scripts or {})
    control_tar = tar((key, t.file(value.encode())) for key, value in members.items())
    listed = list(files)
    folders: dict[str, None] = {}
    for path, _ in listed:
        while path:
            path = t.parent(path)
            folders[path] = None
    given = {path for path, _ in listed}
    missing = [(path, t.directory(mtime=EPOCH * t.NANOSECONDS)) for path in sorted(folders) if path not in given]
    compress = COMPRESSORS[compression]
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            ("control.tar" + compression, compress(control_tar)),
            ("data.tar" + compression, compress(tar([*missing, *listed]))),
        ]
    )


def read(folder: Path, spool: Spool, *packages: bytes) -> list[Deb]:
    """Packages, read as from files."""
    paths = []
    for number, data in enumerate(packages):
        paths.append(folder / f"{number}.deb")
        paths[-1].write_bytes(data)
    return read_debs(paths, spool)


def root_of(files: Mapping[str, "str | bytes | Node"] | None = None, sources: Sources | None = None) -> Root:
    """A tree with these files (a value of text or bytes is a file 0644) and the parents that they need."""
    tree = Tree()
    for path, value in (files or {}).items():
        tree.put(
            path, value if isinstance(value, Node) else t.file(t.encode(value) if isinstance(value, str) else value)
        )
    return Root(tree, sources or Sources({}), EPOCH * t.NANOSECONDS)


def listing(root: Root) -> dict[str, str]:
    """The tree without its directories: file contents as text, `-> target` of links."""
    result = {}
    for path, node in root.tree.walk():
        if node.type is NodeType.SYMLINK:
            result[path] = f"-> {node.target}"
        elif node.type is NodeType.FILE:
            result[path] = root.text(path)
    return result
