"""Container images: layers and their configuration as one archive.

The archive is an OCI image layout in a tar, with the `manifest.json` of Docker's own
format beside it, so that `docker load` (from version 23), `podman load`, buildah and skopeo all take it.
Layers are taken as they are: those under zstd stay so. Sources: OCI image specification 1.1
(image-layout.md, manifest.md, config.md); Docker image specification 1.2 for manifest.json.
"""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysimage import framed, tar, zstd
from sysimage.dockerfile.config import ImageConfig
from sysimage.errors import UserError
from sysimage.extents import COMPRESSED, Extent, ExtentMap, FileSlice, Sources
from sysimage.files import atomic_output
from sysimage.tar_reader import read
from sysimage.text import parse_json
from sysimage.tree import NANOSECONDS, Tree, file

LAYOUT_VERSION = "1.0.0"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
ZSTD_LAYER_TYPE = LAYER_TYPE + "+zstd"
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"

_BLOBS = "blobs/sha256"
_CHUNK = 4 << 20


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob by its content: sha256 in hex, size in bytes."""

    media_type: str
    sha256: str
    size: int

    @property
    def path(self) -> str:
        """Where the blob lies in the layout."""
        return f"{_BLOBS}/{self.sha256}"

    def to_json(self) -> dict[str, Any]:
        """As manifests and indexes have it."""
        return {"mediaType": self.media_type, "digest": f"sha256:{self.sha256}", "size": self.size}


def write(
    path: Path | str,
    layers: Sequence[Path | str],
    config: ImageConfig,
    name: str,
    epoch: int,
    architecture: str = "amd64",
) -> Descriptor:
    """Writes an image archive, and returns its manifest's descriptor (its digest names the image).

    Args:
        path: where the archive goes; it appears whole or not at all.
        layers: tars, the lowest first, or such under zstd (`.zst`, see `framed`).
        config: what the image runs; its history has one entry that is not empty for each layer.
        name: `repository:tag` under which engines load it.
        epoch: time of everything, in seconds since 1970.
        architecture: as Go names it.

    Raises:
        UserError: no layers, a name without a tag, a history that does not fit, an unreadable layer.
    """
    repository, colon, tag = name.rpartition(":")
    if not colon or not repository or not tag or "/" in tag:
        raise UserError(f"image name {name!r} is not of the form NAME:TAG")
    made = sum(not each.empty_layer for each in config.history)
    if not layers or made != len(layers):
        raise UserError(f"the image has {len(layers)} layers, but a history of {made}", hint="give every layer's")
    tree = Tree()
    tree.make_directories(_BLOBS, mtime=epoch * NANOSECONDS)

    def put(where: str, content: bytes | ExtentMap) -> None:
        tree.put(where, file(content, mtime=epoch * NANOSECONDS))

    def put_json(media_type: str, data: Mapping[str, Any]) -> Descriptor:
        content = _json(data)
        descriptor = Descriptor(media_type, hashlib.sha256(content).hexdigest(), len(content))
        put(descriptor.path, content)
        return descriptor

    with Sources({str(each): each for each in layers}) as sources:
        keys = [str(each) for each in layers]
        blobs = [_layer(key, sources) for key in keys]
        for key, blob in zip(keys, blobs, strict=True):
            put(blob.path, ExtentMap.of_slice(key, 0, blob.size))
        contents = [_content_digest(key, blob, sources) for key, blob in zip(keys, blobs, strict=True)]
        image = put_json(CONFIG_TYPE, _configuration(config, contents, epoch, architecture))
        manifest = put_json(
            MANIFEST_TYPE,
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": image.to_json(),
                "layers": [blob.to_json() for blob in blobs],
            },
        )
        entry = {**manifest.to_json(), "annotations": {CONTAINERD_NAME: name, REF_NAME: tag}}
        put("index.json", _json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}))
        put("oci-layout", _json({"imageLayoutVersion": LAYOUT_VERSION}))
        docker = {"Config": image.path, "RepoTags": [name], "Layers": [blob.path for blob in blobs]}
        put("manifest.json", json.dumps([docker], separators=(",", ":")).encode())
        with atomic_output(path) as out:
            writer = tar.Writer(out, "image")
            for where, node in tree.walk():
                if where:
                    writer.add(where, node, sources)
            writer.close()
    return manifest


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _layer(key: str, sources: Sources) -> Descriptor:
    size = sources.size(key)
    media_type = ZSTD_LAYER_TYPE if Path(key).suffix == framed.SUFFIX else LAYER_TYPE
    return Descriptor(media_type, _digest(ExtentMap.of_slice(key, 0, size), sources), size)


def _content_digest(key: str, layer: Descriptor, sources: Sources) -> str:
    """The layer's `diff_id`: sha256 of the tar without compression."""
    if layer.media_type == LAYER_TYPE:
        return layer.sha256
    return _digest(ExtentMap.of_slice(COMPRESSED + key, 0, sources.size(COMPRESSED + key)), sources)


def _digest(content: ExtentMap, sources: Sources) -> str:
    digest = hashlib.sha256()
    for extent in content.extents:
        for start in range(extent.offset, extent.end, _CHUNK):
            digest.update(sources.view(extent.cut(start, min(start + _CHUNK, extent.end))))
    return digest.hexdigest()


def _configuration(config: ImageConfig, contents: Sequence[str], epoch: int, architecture: str) -> dict[str, Any]:
    created = datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    history = []
    for each in config.history:
        entry: dict[str, Any] = {"created": created, "created_by": each.created_by}
        history.append({**entry, "empty_layer": True} if each.empty_layer else entry)
    return {
        "created": created,
        "architecture": architecture,
        "os": "linux",
        "config": config.to_oci(),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{each}" for each in contents]},
        "history": history,
    }


@dataclass(frozen=True, slots=True)
class Image:
    """What an archive holds: names, digests of manifest and layers, and the configuration object."""

    name: str
    manifest: str
    layers: tuple[str, ...]
    layer_sizes: tuple[int, ...]
    config: Mapping[str, Any]


def inspect(path: Path | str) -> Image:
    """Reads an archive, and checks on the way that every blob is what its digest says.

    Raises:
        UserError: not an image archive, or one whose parts contradict each other.
    """
    tree = read(path, "image")
    with Sources({"image": path}) as sources:
        try:
            return _inspect(tree, sources)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise UserError(f"{path}: not an image archive: {error!r}") from error
        except UserError as error:
            raise UserError(f"{path}: {error.message}", error.hint) from error


def _inspect(tree: Tree, sources: Sources) -> Image:
    def blob(descriptor: Mapping[str, Any]) -> ExtentMap:
        algorithm, _, digest = descriptor["digest"].partition(":")
        node = tree.get(f"{_BLOBS}/{digest}")
        if algorithm != "sha256" or node is None or node.content is None:
            raise UserError(f"blob {descriptor['digest']} is missing")
        if node.size != descriptor["size"]:
            raise UserError(f"blob {descriptor['digest']} has {node.size} bytes, not {descriptor['size']}")
        if _digest(node.content, sources) != digest:
            raise UserError(f"blob {descriptor['digest']} is damaged: its content has another digest")
        return node.content

    def parsed(descriptor: Mapping[str, Any]) -> Any:
        content = blob(descriptor)
        view = sources.view(Extent(0, content.size, _slice(content)))
        return parse_json(bytes(view))

    layout = parse_json(tree.read("oci-layout", sources))
    if layout["imageLayoutVersion"] != LAYOUT_VERSION:
        raise UserError(f"its layout is version {layout['imageLayoutVersion']}, not {LAYOUT_VERSION}")
    entry = parse_json(tree.read("index.json", sources))["manifests"][0]
    manifest = parsed(entry)
    config = parsed(manifest["config"])
    digests = tuple(layer["digest"] for layer in manifest["layers"])
    contents = [_inspected(layer, blob(layer), sources) for layer in manifest["layers"]]
    if contents != config["rootfs"]["diff_ids"]:
        raise UserError("the layers of manifest and configuration differ")
    docker = parse_json(tree.read("manifest.json", sources))[0]
    if [f"sha256:{Path(layer).name}" for layer in docker["Layers"]] != list(digests):
        raise UserError("the layers of index.json and manifest.json differ")
    sizes = tuple(layer["size"] for layer in manifest["layers"])
    return Image(docker["RepoTags"][0], entry["digest"], digests, sizes, config)


def _inspected(layer: Mapping[str, Any], content: ExtentMap, sources: Sources) -> str:
    """The digest of the tar in a layer."""
    if layer["mediaType"] == LAYER_TYPE:
        return str(layer["digest"])
    digest = hashlib.sha256()
    view = sources.view(Extent(0, content.size, _slice(content)))
    for piece in zstd.decompressed(view, f"layer {layer['digest']}"):
        digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def _slice(content: ExtentMap) -> FileSlice:
    source = content.extents[0].source
    assert isinstance(source, FileSlice)
    return source
