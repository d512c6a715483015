"""The programs that plan and write images, run as the rules run them: one after the other, and with bad input."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import fat, gpt, lvm, verity, zstd
from sysimage import tree as trees
from sysimage.extents import ExtentMap, ImageReader, open_raw
from sysimage.tree import Tree, directory, file

MIB = 1 << 20
SALT = "00ff" * 16
IDENTITY = "1736291d-aceb-42d7-b044-43ee31d86cd4"
LAYOUT = {
    "disk_guid": str(UUID(int=1)),
    "partitions": [
        {"name": "esp", "start": 2048, "size": 8192, "type": str(UUID(int=2)), "guid": str(UUID(int=3))},
        {"name": "root", "start": 10240, "size": 2048, "type": str(UUID(int=2)), "guid": str(UUID(int=4))},
        {"name": "var", "start": 12288, "size": 1 << 20, "type": str(UUID(int=2)), "guid": str(UUID(int=5))},
    ],
}

VOLUMES = {
    "vg": "group",
    "vg_uuid": "000000-0000-0000-0000-0000-0000-000001",
    "pv_uuid": "000000-0000-0000-0000-0000-0000-000002",
    "size": 65536,
    "pe_start": 2048,
    "extent_size": 8192,
    "creation_time": 1754697600,
    "volumes": [
        {"name": "root", "uuid": "000000-0000-0000-0000-0000-0000-000003", "start": 2, "extents": 1},
        {"name": "var", "uuid": "000000-0000-0000-0000-0000-0000-000004", "start": 0, "extents": 2},
    ],
}


def run(folder: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # What this process can import, the program can import.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", f"tools.{tool}", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def done(folder: Path, tool: str, *arguments: str) -> None:
    result = run(folder, tool, *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def outputs(name: str) -> list[str]:
    return [f"--map_out={name}.map", f"--literals_out={name}.literals", f"--literals_key=key/{name}.literals"]


SOURCES = [f"--source=key/{name}.literals={name}.literals" for name in ("esp", "root", "disk")]
SOURCES.append("--source=key/data=data")


def prepare(folder: Path) -> None:
    """The inputs: a tree and a map, both with slices of one file of data."""
    (folder / "data").write_bytes(b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(6000)))
    tree = Tree()
    tree.add("EFI", directory())
    tree.add("EFI/file.efi", file(ExtentMap.of_slice("key/data", 100, 50_000)))
    trees.save(tree, folder / "esp.tree")
    (folder / "plain.map").write_text(
        '{"format":"extent-map/1","size":200000,"sources":["key/data"],"extents":[[0,150000,0,1000]]}'
    )
    (folder / "layout.json").write_text(json.dumps(LAYOUT))
    (folder / "volumes.json").write_text(json.dumps(VOLUMES))
    (folder / "version").write_text("1.2.3\n")


def build(folder: Path) -> None:
    """All of a disk image: FAT, verity, partition table, raw file and archive."""
    prepare(folder)
    done(
        folder, "fat_plan", "--tree=esp.tree", "--size=4194304", "--label=ESP", "--volume_id=1c0f-fee1", *outputs("esp")
    )
    parameters = [f"--salt={SALT}", f"--uuid={IDENTITY}", "--root_hash_out=root.hash", "--parameters_out=root.json"]
    done(folder, "verity_plan", "--map=plain.map", *SOURCES, *parameters, *outputs("root"))
    partitions = ["--partition=esp=esp.map", "--partition=root=root.map", "--empty=var"]
    done(folder, "gpt_plan", "--layout=layout.json", *partitions, *outputs("disk"))
    done(folder, "materialise", "--map=disk.map", *SOURCES, "--raw_out=disk.img")
    archive = ["--tar_out=disk.tar.zst", "--zstd", "--sha256_out=disk.sha256", "--file_member=VERSION.TXT=version"]
    done(folder, "materialise", "--member=disk.img=disk.map", *SOURCES, *archive)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(folder)
    return folder


def test_the_disk_is_right(built: Path) -> None:
    disk = open_raw(built / "disk.img")
    assert gpt.verify(disk) == []
    table = gpt.read(disk)
    esp, root = (
        ImageReader(disk.map.slice(table[name].offset, table[name].length), disk.sources) for name in ("esp", "root")
    )
    assert fat.verify(esp) == []
    data = (built / "data").read_bytes()
    assert fat.FatReader(esp).tree().read("EFI/file.efi", esp.sources) == data[100:50_100]
    parameters = json.loads((built / "root.json").read_text())
    root_hash = (built / "root.hash").read_text()
    assert root_hash == parameters["root_hash"] + "\n"
    superblock = verity.read_superblock(root, parameters["hash_offset"])
    assert verity.verify(root, superblock, bytes.fromhex(root_hash)) == []
    assert root.read(0, 200_000) == data[1000:151_000] + bytes(50_000)
    assert (built / "disk.img").stat().st_blocks * 512 < 2 * MIB


def test_the_archive_has_the_disk(built: Path) -> None:
    packed = (built / "disk.tar.zst").read_bytes()
    assert (built / "disk.sha256").read_text() == f"{hashlib.sha256(packed).hexdigest()}  disk.tar.zst\n"
    with tarfile.open(fileobj=io.BytesIO(b"".join(zstd.decompressed(memoryview(packed), "disk")))) as archive:
        disk, version = archive.getmembers()
        archive.extract(disk, built / "extracted", filter="data")
        assert (disk.name, disk.size, disk.issparse()) == ("disk.img", 518 * MIB + MIB, True)
        content = archive.extractfile(version)
        assert content is not None
        assert (version.name, content.read()) == ("VERSION.TXT", b"1.2.3\n")
    extracted, raw = open_raw(built / "extracted/disk.img"), open_raw(built / "disk.img")
    assert extracted.size == raw.size
    for offset in range(0, 8 * MIB, MIB):
        assert extracted.read(offset, MIB) == raw.read(offset, MIB)


def test_the_same_bytes_elsewhere(built: Path, tmp_path: Path) -> None:
    build(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (built / path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", ["disk.img", "disk.tar.zst", "disk.map"])
def test_inspection_finds_what_was_built(built: Path, name: str) -> None:
    where = ["--map=disk.map", *SOURCES] if name == "disk.map" else [f"--image={name}"]
    result = run(built, "inspect_image", *where, "--json", "--show=esp:EFI/file.efi", "--largest_files=1")
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert [(volume["name"], volume["content"]) for volume in found["volumes"]] == [
        ("esp", "FAT16"),
        ("root", "unknown"),
        ("var", "empty"),
    ]
    assert found["volumes"][0]["largest_files"] == [{"path": "/EFI/file.efi", "size": 50_000}]
    result = run(built, "inspect_image", *where)
    assert result.stdout.startswith(f"{name}: 519.0 MiB, ")
    result = run(built, "inspect_image", "verify", *where)
    assert (result.returncode, result.stdout) == (0, f"{name}: nothing is wrong\n")


def test_damage_is_exit_status_1(built: Path, tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes((built / "disk.img").read_bytes()[:-1024] + bytes(1024))
    result = run(tmp_path, "inspect_image", "verify", "--image=disk.img")
    assert (result.returncode, result.stdout) == (1, "backup header: no signature\n")
    (tmp_path / "disk.tar").write_bytes(
        b"".join(zstd.decompressed(memoryview((built / "disk.tar.zst").read_bytes()), "disk")) + b"x"
    )
    result = run(tmp_path, "inspect_image", "verify", "--image=disk.tar")
    assert result.returncode == 1
    assert result.stdout.startswith("the archive has ")


def test_streams(built: Path) -> None:
    done(built, "materialise", "--map=plain.map", *SOURCES, "--stream_out=plain.img", "--sha256_out=plain.sha256")
    data = (built / "plain.img").read_bytes()
    assert data == (built / "data").read_bytes()[1000:151_000] + bytes(50_000)
    assert (built / "plain.sha256").read_text() == f"{hashlib.sha256(data).hexdigest()}  plain.img\n"


def test_volumes_in_a_partition(built: Path) -> None:
    done(built, "lvm_plan", "--layout=volumes.json", "--volume=root=plain.map", "--empty=var", *outputs("volumes"))
    partitions = ["--partition=esp=esp.map", "--partition=root=root.map", "--partition=var=volumes.map"]
    done(built, "gpt_plan", "--layout=layout.json", *partitions, *outputs("group"))
    sources = [*SOURCES, *(f"--source=key/{name}.literals={name}.literals" for name in ("volumes", "group"))]
    done(built, "materialise", "--map=group.map", *sources, "--raw_out=group.img")
    group = gpt.open_partition(open_raw(built / "group.img"), "var")
    assert lvm.verify(group) == []
    content = lvm.open_volume(group, "root")
    assert content.read(0, 200_000) == (built / "data").read_bytes()[1000:151_000] + bytes(50_000)


def test_an_expanded_disk(built: Path) -> None:
    partitions = ["--partition=esp=esp.map", "--partition=root=root.map", "--empty=var"]
    done(built, "gpt_plan", "--layout=layout.json", "--size=53687091200", *partitions, *outputs("large"))
    result = run(
        built, "inspect_image", "verify", "--map=large.map", *SOURCES, "--source=key/large.literals=large.literals"
    )
    assert (result.returncode, result.stdout) == (0, "large.map: nothing is wrong\n")


def test_dense_members_can_be_piped(built: Path) -> None:
    members = ["--member=plain.img=plain.map", "--dense_member=plain.img"]
    done(built, "materialise", *members, *SOURCES, "--tar_out=plain.tar")
    with tarfile.open(built / "plain.tar") as archive:
        assert not archive.getmember("plain.img").issparse()


@pytest.mark.parametrize("output", [["--raw_out=x"], ["--stream_out=x"], ["--stream_out=x", "--zstd"]])
def test_a_source_that_ends_early(tmp_path: Path, output: list[str]) -> None:
    """The error comes in the middle of the work, with files open and a frame begun."""
    prepare(tmp_path)
    (tmp_path / "two.map").write_text(
        '{"format":"extent-map/1","size":2000,"sources":["key/data","b"],"extents":[[0,1000,0,0],[1000,1000,1,0]]}'
    )
    result = run(tmp_path, "materialise", "--map=two.map", *SOURCES, "--source=b=version", *output)
    assert (result.returncode, result.stderr) == (
        2,
        "error: source 'b' has 6 bytes, but byte 1000 of it is wanted "
        "(hint: it was changed or cut after the map was made; build it again)\n",
    )
    assert not list(tmp_path.glob("x*"))


def test_an_empty_fat(tmp_path: Path) -> None:
    done(tmp_path, "fat_plan", "--size=67108864", "--fat_bits=32", "--volume_id=00000001", *outputs("x"))
    done(tmp_path, "materialise", "--map=x.map", "--source=key/x.literals=x.literals", "--raw_out=x.img")
    assert fat.inspect(open_raw(tmp_path / "x.img"))["type"] == "FAT32"


VERITY_OUT = ["--root_hash_out=h", *outputs("x")]


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("materialise", [], "give exactly one of --raw_out, --stream_out and --tar_out"),
        ("materialise", ["--raw_out=a", "--tar_out=b"], "give exactly one of --raw_out, --stream_out and --tar_out"),
        ("materialise", ["--raw_out=a"], "--raw_out needs --map"),
        ("materialise", ["--stream_out=a"], "--stream_out needs --map"),
        ("materialise", ["--tar_out=a"], "--tar_out without members (hint: add --member NAME=MAP)"),
        (
            "materialise",
            ["--raw_out=a", "--map=plain.map", "--zstd"],
            "--zstd and --sha256_out go with --stream_out and --tar_out only",
        ),
        ("materialise", ["--tar_out=a", "--member=x"], "--member 'x' is not of the form NAME=FILE"),
        (
            "materialise",
            ["--tar_out=a", "--member=x=plain.map", "--dense_member=y"],
            "--dense_member 'y' is not among the --member names",
        ),
        ("materialise", ["--tar_out=a", "--file_member=x=none"], "--file_member 'x': there is no file none"),
        ("materialise", ["--raw_out=a", "--source=x"], "--source 'x' is not of the form KEY=FILE"),
        ("materialise", ["--raw_out=a", "x"], "unexpected argument 'x'"),
        (
            "materialise",
            ["--raw_out=a", "--map=plain.map"],
            "no file is given for source 'key/data' (hint: add --source key/data=FILE)",
        ),
        ("materialise", ["--raw_out=a", "--map=none"], "cannot read none: No such file or directory"),
        ("gpt_plan", ["--layout=none", *outputs("x")], "cannot read layout none: No such file or directory"),
        (
            "gpt_plan",
            ["--layout=layout.json", "--size=1000", *outputs("x")],
            "a disk of 1000 bytes is not possible: it is no multiple of 512",
        ),
        (
            "gpt_plan",
            ["--layout=layout.json", "--partition=esp", *outputs("x")],
            "--partition 'esp' is not of the form NAME=MAP",
        ),
        (
            "gpt_plan",
            ["--layout=layout.json", "--partition=esp=plain.map", "--partition=esp=plain.map", *outputs("x")],
            "partition 'esp' is given content twice",
        ),
        (
            "gpt_plan",
            ["--layout=layout.json", "--partition=esp=plain.map", "--empty=esp", *outputs("x")],
            "partition 'esp' is declared empty but also given content, or declared twice",
        ),
        (
            "gpt_plan",
            ["--layout=layout.json", "--partition=esp=plain.map", "--empty=var", *outputs("x")],
            "partition 'root' has no content (hint: give it an image, or declare it empty)",
        ),
        ("lvm_plan", ["--layout=none", *outputs("x")], "cannot read layout none: No such file or directory"),
        (
            "lvm_plan",
            ["--layout=volumes.json", "--volume==plain.map", *outputs("x")],
            "--volume '=plain.map' is not of the form NAME=MAP",
        ),
        (
            "lvm_plan",
            ["--layout=volumes.json", "--volume=root=plain.map", "--volume=root=plain.map", *outputs("x")],
            "volume 'root' is given content twice",
        ),
        (
            "lvm_plan",
            ["--layout=volumes.json", "--empty=root", "--empty=root", *outputs("x")],
            "volume 'root' is declared empty but also given content, or declared twice",
        ),
        (
            "lvm_plan",
            ["--layout=volumes.json", "--empty=boot", *outputs("x")],
            "content is given for volume 'boot', which the layout does not have",
        ),
        (
            "lvm_plan",
            ["--layout=layout.json", *outputs("x")],
            "layout.json: the layout has an unknown field 'disk_guid' (hint: fields are vg, vg_uuid, pv_uuid, size, "
            "pe_start, extent_size, creation_time, volumes, creation_host)",
        ),
        (
            "verity_plan",
            ["--map=plain.map", "--salt=xyz", f"--uuid={IDENTITY}", *VERITY_OUT],
            "the verity salt must be 0 to 256 bytes of hex; got 'xyz'",
        ),
        (
            "verity_plan",
            ["--map=plain.map", "--salt=", "--uuid=x", *VERITY_OUT],
            "the verity UUID is 'x', which is not a UUID",
        ),
        ("inspect_image", [], "give one of --image and --map"),
        ("inspect_image", ["draw", "--image=x"], "unexpected argument 'draw' (hint: verbs are inspect and verify)"),
        ("inspect_image", ["--image=none"], "cannot read none: No such file or directory"),
        ("inspect_image", ["--image=version", "--show=x"], "'x' is not of the form VOLUME:PATH"),
        (
            "inspect_image",
            ["--image=version", "--root_hash=x=12"],
            "--root_hash 'x=12' is not of the form VOLUME=64 hex digits",
        ),
        ("fat_plan", ["--volume_id=12", *outputs("x")], "FAT volume id '12' is not eight hex digits"),
        (
            "fat_plan",
            ["--volume_id=00000000", "--tree=none", *outputs("x")],
            "cannot read none: No such file or directory",
        ),
    ],
)
def test_bad_input(tmp_path: Path, tool: str, arguments: list[str], message: str) -> None:
    prepare(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = run(tmp_path, tool, *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"error: {message}\n")
    assert sorted(tmp_path.iterdir()) == before
