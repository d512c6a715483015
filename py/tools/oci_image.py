"""Makes a container image archive of layers and their configuration, or looks into one.

oci_image --layer base.tar --layer config.tar --config config.json --name system:dev --epoch 0 --out image.tar
oci_image --layer base.tar.zst --layers_tree base.tree --tree system.tree --source KEY=FILE ... --out image.tar ...
oci_image --inspect image.tar

With --tree the image is that tree: what it has and the layers have not is one more layer.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage import layer, oci, tree
from sysimage.dockerfile.config import History, load_config
from sysimage.errors import UserError
from sysimage.files import atomic_output
from tools.main import parse_sources, run

_LAYER = flags.DEFINE_multi_string("layer", [], "a layer, the lowest first")
_TREE = flags.DEFINE_string("tree", None, "what the image is, where that is not what the layers make")
_LAYERS_TREE = flags.DEFINE_string("layers_tree", None, "with --tree: what the layers make")
_SOURCE = flags.DEFINE_multi_string("source", [], "KEY=FILE: a file that contents of the trees lie in")
_CONFIG = flags.DEFINE_string("config", None, "image configuration (rootfs_layer --config_out)")
_NAME = flags.DEFINE_string("name", None, "NAME:TAG under which engines load the image")
_EPOCH = flags.DEFINE_integer("epoch", 0, "time of everything, seconds since 1970")
_ARCHITECTURE = flags.DEFINE_string("architecture", "amd64", "architecture, as Go names it")
_OUT = flags.DEFINE_string("out", None, "where the archive goes")
_DIGEST_OUT = flags.DEFINE_string("digest_out", None, "where the digest of the manifest goes, one line")
_INSPECT = flags.DEFINE_string("inspect", None, "archive to check and describe as JSON, instead of making one")


def main(argv: Sequence[str]) -> None:
    """Reads the flags."""
    if len(argv) > 1:
        raise UserError(f"what is {argv[1]!r}?", hint="everything is a flag")
    if _INSPECT.value:
        image = oci.inspect(_INSPECT.value)
        rows = [{"digest": digest, "size": size} for digest, size in zip(image.layers, image.layer_sizes, strict=True)]
        data = {"name": image.name, "digest": image.manifest, "layers": rows, "config": image.config}
        print(json.dumps(data, indent=2))
        return
    config = load_config(_required(_CONFIG))
    name, out = _required(_NAME), _required(_OUT)
    if bool(_TREE.value) != bool(_LAYERS_TREE.value):
        raise UserError("--tree and --layers_tree go together")
    with tempfile.TemporaryDirectory(dir=Path(out).parent) as scratch:
        layers = list(_LAYER.value)
        if _TREE.value and _LAYERS_TREE.value:
            late = Path(scratch) / "late.tar.zst"
            with parse_sources(_SOURCE.value) as sources:
                layer.write(tree.load(_TREE.value), late, "late", sources, tree.load(_LAYERS_TREE.value))
            layers.append(str(late))
            config.history.append(History("late files", empty_layer=False))
        manifest = oci.write(out, layers, config, name, _EPOCH.value, _ARCHITECTURE.value)
    if _DIGEST_OUT.value:
        with atomic_output(_DIGEST_OUT.value) as file:
            file.write(f"sha256:{manifest.sha256}\n".encode())


def _required(flag: flags.FlagHolder[str | None]) -> str:
    if not flag.value:
        raise UserError(f"--{flag.name} is missing")
    return flag.value


if __name__ == "__main__":
    run(main)
