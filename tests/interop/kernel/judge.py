"""The kernel's own drivers as judges: a machine mounts images, and what it says about them is compared.

The machine has no firmware and no boot loader, only a kernel and an initrd with Python (`dump.py`), which tells
about each path what lstat, listxattr, readlink and SEEK_HOLE say. `vm_test`, or the environment of a
program, names KERNEL, INITRD and VM_TOOL.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sysimage.extents import ImageReader, Sources
from sysimage.tree import Node, NodeType, Tree
from sysimage.vm.qemu import Disk, Machine, Port, VirtualMachine
from sysimage.vm.testing import log, path, tool

SECONDS = 400.0
FAT_MOUNT = "vfat:utf8:tz=UTC"
Rows = Mapping[str, dict[str, Any]]


def look(disks: Mapping[str, tuple[Path, str]], scratch: Path, name: str) -> Mapping[str, Rows]:
    """What the kernel says: for each disk, path to row.

    Args:
        disks: by the kernel's name (vda, vdb, ... in this order): the image, and `TYPE:OPTION...` to mount it with.
        scratch: a folder for the machine's files.
        name: of the console's log.
    """
    wanted = [f"{disk}:{mount}" for disk, (_, mount) in disks.items()]
    (kernel,) = (path("KERNEL") / "boot").glob("vmlinuz-*")
    machine = Machine(
        disks=[Disk(image, read_only=True) for image, _ in disks.values()],
        kernel=kernel,
        initrd=path("INITRD"),
        command_line=f"console=ttyS0 quiet panic=-1 dump={','.join(wanted)}",
        ports=[Port("dump", scratch / "dump.json")],
    )
    with VirtualMachine(machine, tool(), scratch, log(name)) as running:
        running.console.expect("^DUMPED", SECONDS)
        running.wait(60)
    return parse((scratch / "dump.json").read_text(encoding="ascii"))


def parse(text: str) -> Mapping[str, Rows]:
    """What `dump.py` wrote: for each disk, path to row."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    expected = 0
    rows: dict[str, dict[str, Any]] = {}
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[-1] == {"end": True}
    for line in lines[:-1]:
        if "disk" in line:
            assert len(rows) == expected
            rows, expected = found.setdefault(line["disk"], {}), line["entries"]
        else:
            rows[line["path"]] = line
    assert len(rows) == expected
    return found


def data_pieces(node: Node, block_size: int) -> list[list[int]]:
    """Where a file's data lies, in whole blocks, as SEEK_DATA and SEEK_HOLE show it."""
    pieces: list[list[int]] = []
    for extent in node.data.extents:
        start = extent.offset // block_size * block_size
        end = min(-(-extent.end // block_size) * block_size, node.size)
        if pieces and start <= pieces[-1][1]:
            pieces[-1][1] = max(end, pieces[-1][1])
        else:
            pieces.append([start, end])
    return pieces


def digest(node: Node, pieces: list[list[int]], sources: Sources) -> str:
    """sha256 of the pieces of a file, as `dump.py` makes it."""
    reader = ImageReader(node.data, sources)
    found = hashlib.sha256()
    for start, end in pieces:
        found.update(reader.read(start, end - start))
    return found.hexdigest()


def expected_row(content: Tree, at: str, block_size: int, sources: Sources) -> dict[str, Any]:
    """What the kernel must say about a path of an ext4."""
    node = content[at]
    row: dict[str, Any] = {
        "path": at,
        "mode": node.type.format_bits | node.mode,
        "uid": node.uid,
        "gid": node.gid,
        "mtime": node.mtime,
        "links": len(content.links(at)),
        "xattrs": {name: value.hex() for name, value in node.xattrs.items()},
    }
    if node.type is NodeType.DIRECTORY:
        children = [f"{at}/{name}".lstrip("/") for name in content.children(at)]
        row["links"] = 2 + sum(content.is_directory(child) for child in children)
    if node.type in (NodeType.FILE, NodeType.SYMLINK):
        row["size"] = node.size
    if node.type is NodeType.SYMLINK:
        row["target"] = node.target
    if node.type in (NodeType.CHARACTER, NodeType.BLOCK):
        row["device"] = list(node.device)
    if node.type is NodeType.FILE:
        pieces = data_pieces(node, block_size)
        row |= {"data": pieces, "sha256": digest(node, pieces, sources)}
    return row


def differences(wanted: Mapping[str, dict[str, Any]], found: Rows) -> list[str]:
    """One line for each path or field that differs; fields that are not wanted do not count."""
    lines = [f"missing: {name!r}" for name in sorted(wanted.keys() - found.keys())]
    lines += [f"surplus: {name!r}" for name in sorted(found.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & found.keys()):
        for field, value in wanted[name].items():
            if found[name].get(field) != value:
                lines.append(f"{name!r}: {field} is {found[name].get(field)!r}, expected {value!r}")
    return lines


def report(lines: list[str]) -> str:
    """The differences as a text of bounded length."""
    return "\n".join([f"{len(lines)} differences", *lines[:50]])
