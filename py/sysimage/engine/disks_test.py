"""What the engine's machine is given: modes of contexts, an image that an engine can import."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sysimage.engine import disks
from sysimage.engine.disks import Build
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import Tree


@pytest.fixture
def sources() -> Iterator[Sources]:
    with Sources({}) as found:
        yield found


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (tmp_path / "Dockerfile").write_text("FROM base\n")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "empty").touch()
    context = {"bin/tool": tmp_path / "tool", "bin/other": tmp_path / "empty", "deep/bin/tool": tmp_path / "tool"}
    return Build(
        "one", tmp_path / "Dockerfile", context, [("bin/*", 0o755), ("bin/other", 0o600)], {"B": "2", "A": "1 x"}
    )


def test_work(build: Build, sources: Sources) -> None:
    tree = disks.work([build], {"Env": ["A=1"]}, sources)
    modes = {path: node.mode for path, node in tree.walk("builds/one/context")}
    top = "builds/one/context"
    assert modes == {
        top: 0o755,
        f"{top}/bin": 0o755,
        f"{top}/bin/other": 0o600,
        f"{top}/bin/tool": 0o755,
        f"{top}/deep": 0o755,
        f"{top}/deep/bin": 0o755,
        f"{top}/deep/bin/tool": 0o644,
    }
    assert json.loads(tree.read("order.json", sources)) == [["one", ["--build-arg=A=1 x", "--build-arg=B=2"]]]
    assert tree.read("builds/one/Dockerfile", sources) == b"FROM base\n"


def test_the_image_is_whole(sources: Sources) -> None:
    tree = disks.work([], {"Env": ["A=1"]}, sources)

    def blob(descriptor: dict[str, Any]) -> bytes:
        data = tree.read(f"image/blobs/{descriptor['digest'].replace(':', '/')}", sources)
        assert hashlib.sha256(data).hexdigest() == descriptor["digest"].removeprefix("sha256:")
        assert len(data) == descriptor["size"]
        return data

    (entry,) = json.loads(tree.read("image/index.json", sources))["manifests"]
    manifest = json.loads(blob(entry))
    image = json.loads(blob(manifest["config"]))
    assert image["config"] == {"Env": ["A=1"]}
    assert [f"sha256:{hashlib.sha256(blob(each)).hexdigest()}" for each in manifest["layers"]] == image["rootfs"][
        "diff_ids"
    ]


def test_two_builds_of_one_name_are_refused(build: Build, sources: Sources) -> None:
    with pytest.raises(UserError) as caught:
        disks.work([build, build], {}, sources)
    assert str(caught.value) == "two builds are called 'one'"


def test_a_missing_file_is_refused(tmp_path: Path, sources: Sources) -> None:
    with pytest.raises(UserError) as caught:
        disks.work([Build("one", tmp_path / "none")], {}, sources)
    assert str(caught.value) == f"cannot read {tmp_path}/none: No such file or directory"


def test_root(tmp_path: Path, sources: Sources) -> None:
    for name in ("bin/buildah", "lib/libc.so.6", "usr/lib/python3.13/os.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    tree: Tree = disks.root(tmp_path, sources)
    assert tree["usr/bin/buildah"].mode == 0o755
    assert tree["usr/lib/x86_64-linux-gnu/libc.so.6"].mode == 0o755
    assert tree["usr/lib/python3.13/os.py"].mode == 0o644
    assert tree.read("init", sources).startswith(b"#!/usr/bin/python3.13\n")
