"""Makes a container image archive of layers and their configuration, or looks into one.

oci_image --layer base.tar --layer config.tar --config config.json --name system:dev --epoch 0 --out image.tar
oci_image --inspect image.tar
"""

import json
from collections.abc import Sequence

from absl import flags

from sysimage import oci
from sysimage.dockerfile.config import load_config
from sysimage.errors import UserError
from sysimage.files import atomic_output
from tools.main import run

_LAYER = flags.DEFINE_multi_string("layer", [], "a layer, the lowest first")
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
    manifest = oci.write(out, _LAYER.value, config, name, _EPOCH.value, _ARCHITECTURE.value)
    if _DIGEST_OUT.value:
        with atomic_output(_DIGEST_OUT.value) as file:
            file.write(f"sha256:{manifest.sha256}\n".encode())


def _required(flag: flags.FlagHolder[str | None]) -> str:
    if not flag.value:
        raise UserError(f"--{flag.name} is missing")
    return flag.value


if __name__ == "__main__":
    run(main)
