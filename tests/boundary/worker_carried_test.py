"""Each disk image carries the service worker that it should, whole."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from sysimage.vm import disks
from tests.vm.system import filesystem

ROOT = "var/www/html"
FILES = ["index.html", "install-worker.js", "service-worker.json", "sw.js"]
ORIGINS = {"dev": "source", "dev-sev": "source", "prod": "npm", "prod-sev": "npm"}


@pytest.mark.parametrize("variant", ORIGINS)
def test_the_worker_is_the_one_of_the_variant(variant: str, tmp_path: Path) -> None:
    archive = Path(os.environ["IMAGES"]) / variant / "disk-img.tar.zst"
    disk = disks.unpack(archive, tmp_path)
    tree, view = filesystem(disk, "A_root")
    with view.sources as sources:
        folder = tree.resolve(ROOT)
        assert folder == "opt/ic/share/www"
        assert tree.children(folder) == FILES
        content = {name: tree.read(f"{folder}/{name}", sources) for name in FILES}
    said = json.loads(content.pop("service-worker.json"))
    assert said["origin"] == ORIGINS[variant]
    assert said["sha256"] == {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    assert all({"name", "version", "integrity"} <= set(package) for package in said["packages"])
    disk.unlink()
