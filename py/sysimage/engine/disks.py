"""What the disks of the engine's machine hold: its own root, and the work that it is given.

Sources: OCI image specification 1.1 (image-layout.md, manifest.md, config.md), containers-storage.conf(5),
containers-policy.json(5).
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sysimage import oci
from sysimage.dockerfile import glob
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, Sources
from sysimage.locked_tool import LOADER
from sysimage.tree import Tree, directory, file, symlink

GUEST = Path(__file__).with_name("guest.py")
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_FOLDERS = ("bin", "dev", "lib64", "proc", "root", "run", "sys", "tmp", "work", "var/lib", "var/tmp", _LIBRARIES)
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"

[storage.options.overlay]
# The base is mounted below it.
skip_mount_home = "true"
"""
_FILES = {
    "etc/containers/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
    "etc/containers/storage.conf": _STORAGE,
    "etc/group": "root:x:0:\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
}
# The engine looks for its network program when it starts. With the machine's own network it never runs it.
_NETWORK = "usr/lib/podman/netavark"


@dataclass(frozen=True, slots=True)
class Build:
    """One Dockerfile and what the engine is given with it.

    context: path in it to a file of the host; modes: path or pattern (Go's filepath.Match) and mode, the last that fits
    counts, what none fits is 0644; arguments: values of ARG.
    """

    name: str
    dockerfile: Path
    context: Mapping[str, Path] = field(default_factory=dict)
    modes: Sequence[tuple[str, int]] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)


def root(programs: Path, sources: Sources) -> Tree:
    """The machine's root.

    Args:
        programs: a tool's folder (`locked_tool`) with buildah, busybox, Python and tar.
        sources: gets the files of the folder.
    """
    tree = Tree()
    for folder in _FOLDERS:
        tree.make_directories(folder)
    for place, mode in (("bin", 0o755), ("lib", 0o755), ("usr", 0o644)):
        target = {"bin": "usr/bin", "lib": _LIBRARIES}.get(place, place)
        for path in sorted(programs.joinpath(place).rglob("*")):
            if path.is_file():
                _put(tree, f"{target}/{path.relative_to(programs / place)}", path, mode, sources)
    for name, text in _FILES.items():
        tree.put(name, file(text.encode()))
    tree.put(f"lib64/{LOADER}", symlink(f"/{_LIBRARIES}/{LOADER}"))
    tree.put("bin/sh", symlink("/usr/bin/busybox"))
    tree.put(_NETWORK, file(b"#!/usr/bin/busybox false\n", 0o755))
    tree.put("init", file(GUEST.read_bytes(), 0o755))
    return tree


def work(builds: Sequence[Build], config: Mapping[str, Any], sources: Sources) -> Tree:
    """What the machine is to build.

    Args:
        builds: the builds, in order; their names are those of images.
        config: the `config` object of the base image.
        sources: gets the files of the contexts.

    Raises:
        UserError: two builds of one name, a context file that cannot be read, a mode for nothing.
    """
    tree = Tree()
    order = []
    for build in builds:
        top = f"builds/{build.name}"
        if top in tree:
            raise UserError(f"two builds are called {build.name!r}")
        _put(tree, f"{top}/Dockerfile", build.dockerfile, 0o644, sources)
        tree.add(f"{top}/context", directory())
        for path, origin in sorted(build.context.items()):
            _put(tree, f"{top}/context/{path}", origin, _mode(build, path), sources)
        order.append([build.name, [f"--build-arg={name}={value}" for name, value in sorted(build.arguments.items())]])
    tree.put("order.json", file(json.dumps(order).encode()))
    _add_image(tree, config)
    return tree


def image_work(archive: Path, transports: Sequence[str], commands: Sequence[str], sources: Sources) -> Tree:
    """What the machine is to load.

    Args:
        archive: an image archive.
        transports: how the engine is to read it, one after the other: `docker-archive`, `oci-archive`.
        commands: what a shell in a container of it runs, one after the other.
        sources: gets the archive.

    Raises:
        UserError: the archive cannot be read.
    """
    tree = Tree()
    _put(tree, "image.tar", archive, 0o644, sources)
    tree.put("container.json", file(json.dumps([[*transports], [*commands]]).encode()))
    return tree


def _put(tree: Tree, place: str, origin: Path, mode: int, sources: Sources) -> None:
    try:
        size = origin.stat().st_size
    except OSError as error:
        raise UserError(f"cannot read {origin}: {error.strerror}") from error
    if str(origin) not in sources.paths:
        sources.add(str(origin), origin)
    tree.put(place, file(ExtentMap.of_slice(str(origin), 0, size) if size else b"", mode))


def _mode(build: Build, path: str) -> int:
    parts = path.split("/")
    found = 0o644
    for pattern, mode in build.modes:
        wanted = pattern.split("/")
        if len(wanted) == len(parts) and all(glob.matches(a, b, go=True) for a, b in zip(wanted, parts, strict=True)):
            found = mode
    return found


def _add_image(tree: Tree, config: Mapping[str, Any]) -> None:
    """An OCI layout at `image`: the configuration, and one layer, since an image without any has no files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        member = tarfile.TarInfo("etc")
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(member)

    def put(media_type: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        tree.put(f"image/blobs/sha256/{digest}", file(content))
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layer = put(oci.LAYER_TYPE, data.getvalue())
    image = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created_by": "base"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST_TYPE,
        "config": put(oci.CONFIG_TYPE, json.dumps(image).encode()),
        "layers": [layer],
    }
    index = {"schemaVersion": 2, "manifests": [put(oci.MANIFEST_TYPE, json.dumps(manifest).encode())]}
    tree.put("image/index.json", file(json.dumps(index).encode()))
    tree.put("image/oci-layout", file(json.dumps({"imageLayoutVersion": oci.LAYOUT_VERSION}).encode()))
