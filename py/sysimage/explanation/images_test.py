"""Differences planted in container images, whose parts are called by their digests."""

from pathlib import Path

import pytest

from sysimage import oci, tar
from sysimage.dockerfile.config import History, ImageConfig
from sysimage.explanation import explain
from sysimage.explanation.testing import NONE, OTHER_TIME, Change, change, patched, root
from sysimage.files import atomic_output
from sysimage.tree import Tree, file


def image(
    folder: Path, name: str, *plants: Change, command: str = "/init", tag: str = "x:1", epoch: int = 10**9
) -> Path:
    """An image of two layers: the sample root, and a file."""
    layers: list[Path] = []
    second = Tree()
    second.add("second", file(b"2"))
    for tree in (root(*plants), second):
        path = folder / f"{name}-{len(layers)}.tar"
        with atomic_output(path) as out:
            writer = tar.Writer(out, "layer")
            for where, node in tree.walk():
                if where:
                    writer.add(where, node, NONE)
            writer.close()
        layers.append(path)
    config = ImageConfig({"A": "1"}, [command], history=[History("one", False), History("two", False)])
    oci.write(folder / name, layers, config, tag, epoch)
    return folder / name


def test_equal(tmp_path: Path) -> None:
    assert explain(image(tmp_path, "a"), image(tmp_path, "b")) == []


def test_layers(tmp_path: Path) -> None:
    theirs = image(tmp_path, "b", change("etc/hostname", mtime=OTHER_TIME))
    assert explain(image(tmp_path, "a"), theirs) == [
        "layer 1 etc/hostname: mtime 2025-08-09T00:00:00Z against 2001-01-01T00:00:00Z"
    ]


@pytest.mark.parametrize(
    ("options", "sentences"),
    [
        ({"command": "/bin/sh"}, ['configuration: config.Cmd[0] "/init" against "/bin/sh"']),
        (
            {"tag": "x:2"},
            [
                'configuration: annotations.io.containerd.image.name "x:1" against "x:2"',
                'configuration: annotations.org.opencontainers.image.ref.name "1" against "2"',
            ],
        ),
        (
            {"epoch": 10**9 + 1},
            [
                'configuration: created "2001-09-09T01:46:40Z" against "2001-09-09T01:46:41Z"',
                'configuration: history[0].created "2001-09-09T01:46:40Z" against "2001-09-09T01:46:41Z"',
                'configuration: history[1].created "2001-09-09T01:46:40Z" against "2001-09-09T01:46:41Z"',
            ],
        ),
    ],
)
def test_configurations(tmp_path: Path, options: dict[str, str], sentences: list[str]) -> None:
    assert explain(image(tmp_path, "a"), image(tmp_path, "b", **options)) == sentences  # type: ignore[arg-type]


def test_an_image_without_its_manifest(tmp_path: Path) -> None:
    """What cannot be followed by its descriptors is compared by its members."""
    ours = image(tmp_path, "a")
    data = ours.read_bytes()
    at = data.rindex(b'"digest":"sha256:') + 17
    theirs = tmp_path / "b"
    theirs.write_bytes(patched(data, (at, b"0" * 64)))
    digest = data[at : at + 64].decode()
    zeros = "0" * 64
    assert explain(ours, theirs) == [f'index.json: manifests[0].digest "sha256:{digest}" against "sha256:{zeros}"']
