"""Image archives: what is in them, what is wrong with them."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from sysimage import framed, layer, oci
from sysimage.dockerfile.config import History, ImageConfig
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import Tree, file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tree = Tree()
    tree.add("a", file(b"a"))
    base = layer.write(tree, tmp_path / "1.tar", "1", Sources({}))
    tree = base.copy()
    tree.add("b", file(b"b"))
    layer.write(tree, tmp_path / "2.tar", "2", Sources({"1": tmp_path / "1.tar"}), base)
    return tmp_path


def config() -> ImageConfig:
    history = [History("COPY a /", False), History("ENV A=1"), History("COPY b /", False)]
    return ImageConfig({"A": "1"}, ["/init"], labels={"x": "y"}, history=history)


def make(folder: Path, name: str = "x.tar", tag: str = "test:1") -> Path:
    oci.write(folder / name, [folder / "1.tar", folder / "2.tar"], config(), tag, 1_000_000_000)
    return folder / name


def compress(folder: Path) -> list[Path]:
    for name in ("1.tar", "2.tar"):
        with (folder / f"{name}.zst").open("wb") as out:
            frames = framed.Writer(out)
            frames.write_all([(folder / name).read_bytes()])
            frames.close()
    return [folder / "1.tar.zst", folder / "2.tar.zst"]


def test_compressed_layers_stay_so(folder: Path) -> None:
    plain = oci.inspect(make(folder))
    layers = compress(folder)
    oci.write(folder / "y.tar", layers, config(), "test:1", 1_000_000_000)
    image = oci.inspect(folder / "y.tar")
    assert image.config == plain.config  # with the digests of what the layers decompress to
    digests = ["sha256:" + hashlib.sha256(each.read_bytes()).hexdigest() for each in layers]
    assert image.layers == tuple(digests)
    with tarfile.open(folder / "y.tar") as archive:
        blobs = {member.name: member for member in archive}
        manifest = archive.extractfile(blobs["blobs/" + image.manifest.replace(":", "/")])
        assert manifest is not None
        types = [each["mediaType"] for each in json.load(manifest)["layers"]]
    assert types == ["application/vnd.oci.image.layer.v1.tar+zstd"] * 2


def test_a_layer_that_is_not_what_the_configuration_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = compress(folder)
    monkeypatch.setattr(oci, "_content_digest", lambda _key, blob, _sources: blob.sha256)
    oci.write(folder / "bad.tar", layers, config(), "test:1", 0)
    with pytest.raises(UserError) as caught:
        oci.inspect(folder / "bad.tar")
    assert str(caught.value) == f"{folder}/bad.tar: the layers of manifest and configuration differ"


def test_what_is_in_it(folder: Path) -> None:
    path = make(folder)
    with tarfile.open(path) as archive:
        content = {}
        for member in archive:
            data = archive.extractfile(member)
            assert (member.mtime, member.uid, member.gid) == (1_000_000_000, 0, 0)
            if data is not None:
                content[member.name] = data.read()
    for name, blob in content.items():
        if name.startswith("blobs/"):
            assert name == "blobs/sha256/" + hashlib.sha256(blob).hexdigest()
    (entry,) = json.loads(content["index.json"])["manifests"]
    manifest = json.loads(content["blobs/" + entry["digest"].replace(":", "/")])
    assert [each["mediaType"] for each in manifest["layers"]] == [oci.LAYER_TYPE] * 2
    digests = ["sha256:" + hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("1.tar", "2.tar")]
    assert [each["digest"] for each in manifest["layers"]] == digests
    assert json.loads(content["blobs/" + manifest["config"]["digest"].replace(":", "/")]) == {
        "created": "2001-09-09T01:46:40Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["A=1"], "Cmd": ["/init"], "Labels": {"x": "y"}},
        "rootfs": {"type": "layers", "diff_ids": digests},
        "history": [
            {"created": "2001-09-09T01:46:40Z", "created_by": "COPY a /"},
            {"created": "2001-09-09T01:46:40Z", "created_by": "ENV A=1", "empty_layer": True},
            {"created": "2001-09-09T01:46:40Z", "created_by": "COPY b /"},
        ],
    }
    assert json.loads(content["manifest.json"])[0]["RepoTags"] == ["test:1"]


def test_same_twice(folder: Path) -> None:
    assert make(folder, "x.tar").read_bytes() == make(folder, "y.tar").read_bytes()


def test_inspect(folder: Path) -> None:
    image = oci.inspect(make(folder))
    assert (image.name, len(image.layers)) == ("test:1", 2)
    assert image.layer_sizes == tuple((folder / name).stat().st_size for name in ("1.tar", "2.tar"))


def test_every_damaged_blob_is_noticed(folder: Path) -> None:
    data = make(folder).read_bytes()
    with tarfile.open(folder / "x.tar") as archive:
        blobs = [member for member in archive if member.name.startswith("blobs/") and member.isfile()]
    assert len(blobs) == 4
    for member in blobs:
        bad = bytearray(data)
        bad[member.offset_data + member.size // 2] ^= 1
        (folder / "bad.tar").write_bytes(bad)
        with pytest.raises(UserError, match="is damaged: its content has another digest"):
            oci.inspect(folder / "bad.tar")


@pytest.mark.parametrize("name", ["test", ":1", "test:", "host:5000/test"])
def test_bad_name(folder: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        make(folder, tag=name)
    assert str(caught.value) == f"image name {name!r} is not of the form NAME:TAG"


def test_history_must_fit(folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        oci.write(folder / "x.tar", [folder / "1.tar"], config(), "a:b", 0)
    assert str(caught.value) == "the image has 1 layers, but a history of 2 (hint: give every layer's)"


def test_missing_layer(folder: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read source '.*gone.tar': No such file or directory"):
        oci.write(folder / "x.tar", [folder / "1.tar", folder / "gone.tar"], config(), "a:b", 0)


def test_not_an_archive(folder: Path) -> None:
    with pytest.raises(UserError, match="/oci-layout is missing; a file is wanted"):
        oci.inspect(folder / "1.tar")
