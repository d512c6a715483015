"""Looking into images: however they are packed, whatever lies on them, whole or damaged."""

import contextlib
import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysimage import ext4, fat, gpt, materialise, sparse_tar, verity
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources
from sysimage.inspection import Image, Volume, format_image, look, open_image, to_json
from sysimage.inspection.report import size_text, strip
from sysimage.places import Content
from sysimage.sparse_tar import Member
from sysimage.tree import Tree, directory, file

NONE = Sources({})
MIB = 1 << 20
KIND = UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
STATUS = """Package: small
Status: install ok installed
Version: 1.0
Installed-Size: 500
Description: a small one
 with two lines

Package: removed
Status: deinstall ok config-files
Version: 1.0
Installed-Size: 9000

Package: large
Status: install ok installed
Version: 2:2.0-1
Installed-Size: 1536
"""


def ext4_of(tree: Tree, label: str) -> ExtentMap:
    return ext4.plan(tree, ext4.Ext4Options(uuid=UUID(int=1), hash_seed=UUID(int=2), epoch=1754697600, label=label))


def root_volume() -> verity.VerityImage:
    tree = Tree()
    tree.add("big", file(b"0123456789abcdef" * 100_000))
    tree.add("etc", directory())
    tree.add("etc/hostname", file(b"machine\n"))
    tree.make_directories("var/lib/dpkg")
    tree.add("var/lib/dpkg/status", file(STATUS.encode()))
    return verity.plan(ext4_of(tree, "root"), NONE, b"\1" * 32, UUID(int=3))


ROOT = root_volume()
ARGUMENTS = f"root=/dev/mapper/root root_hash={ROOT.root_hash.hex()} quiet\n"


def disk() -> ExtentMap:
    boot = Tree()
    boot.add("arguments", file(ARGUMENTS.encode()))
    names = ["esp", "boot", "root", "var", "luks", "noise"]
    partitions = tuple(gpt.Partition(n, name, n * 16384, 16384, KIND, UUID(int=n)) for n, name in enumerate(names, 1))
    contents: dict[str, Content] = {
        "esp": fat.plan(boot, fat.Options(8 * MIB, label="ESP", volume_id=1)),
        "boot": ext4_of(boot, "boot"),
        "root": ROOT.map,
        "var": gpt.EMPTY,
        "luks": ExtentMap.of_bytes(b"LUKS\xba\xbe and so on"),
        "noise": ExtentMap.of_bytes(b"noise"),
    }
    return gpt.plan(gpt.Layout(UUID(int=9), 8 * 16384, partitions), contents)


DISK = disk()


def reader(*changes: tuple[str, int, bytes]) -> ImageReader:
    """The sample disk, with bytes of partitions changed."""
    if not changes:
        return ImageReader(DISK, NONE)
    data = bytearray(ImageReader(DISK, NONE).read(0, DISK.size))
    for name, at, new in changes:
        start = at if name == "disk" else gpt.read(reader())[name].offset + at
        data[start : start + len(new)] = new
    return ImageReader(ExtentMap.of_bytes(bytes(data)), NONE)


def test_volumes() -> None:
    image = look(reader(), verify=True)
    assert [(volume.name, volume.content, volume.label) for volume in image.volumes] == [
        ("esp", "FAT16", "ESP"),
        ("boot", "ext4", "boot"),
        ("root", "ext4", "root"),
        ("var", "empty", ""),
        ("luks", "LUKS", ""),
        ("noise", "unknown", ""),
    ]
    assert image.all_findings() == []
    assert image["root"].verity is not None
    assert image["root"].verity["root_hash"] == ROOT.root_hash.hex()
    assert image["boot"].verity is None
    assert image.read("root:/etc/hostname") == b"machine\n"
    assert image.read("esp:arguments") == image.read("boot:arguments") == ARGUMENTS.encode()


def test_report() -> None:
    text = format_image(look(reader()), "disk.img", ["boot:arguments"], files=1, packages=5)
    lines = text.splitlines()
    assert lines[0].startswith("disk.img: 64.0 MiB, 1.")
    assert lines[1] == f"GUID partition table {str(UUID(int=9)).upper()} (primary copy)"
    assert [cell.strip() for cell in lines[4].strip("|").split("|")] == ["esp", "boot", "root", "var", "luks", "noise"]
    assert lines[7].split() == ["name", "at", "size", "stored", "content", "fill"]
    row = next(line for line in lines if line.startswith("root "))
    assert row.split()[:5] == ["root", "24.0", "MiB", "8.0", "MiB"]
    assert 'ext4 "root" + verity' in row
    assert "100.0 % of 1." in row
    assert f"  root hash  {ROOT.root_hash.hex()} (named in boot:arguments)" in lines
    assert lines[lines.index("boot:arguments:") + 1] == "  " + ARGUMENTS.strip()
    assert lines[lines.index("root: largest files") + 1] == "  1.5 MiB  /big"
    packages = lines.index("root: largest packages")
    assert lines[packages + 1 :] == ["    1.5 MiB  large  2:2.0-1", "  500.0 KiB  small  1.0"]


def test_json() -> None:
    data = json.loads(json.dumps(to_json(look(reader()), ["boot:arguments"], files=1, packages=1)))
    assert (data["size"], data["findings"], data["files"]) == (64 * MIB, [], {"boot:arguments": ARGUMENTS})
    root = data["volumes"][2]
    assert (root["name"], root["content"], root["offset"]) == ("root", "ext4", 24 * MIB)
    assert root["largest_files"] == [{"path": "/big", "size": 1_600_000}]
    assert root["largest_packages"] == [{"name": "large", "version": "2:2.0-1", "size": 1536 << 10}]
    assert root["verity"]["root_hash"] == ROOT.root_hash.hex()
    assert data["table"]["partitions"][0]["name"] == "esp"


@pytest.mark.parametrize("packing", ["raw", "tar", "tar.zst", "zst", "second member"])
def test_packings(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "image"
    members = [Member("disk.img", DISK), Member("other.img", DISK.slice(0, MIB))]
    if packing == "raw":
        materialise.write_raw(DISK, NONE, path)
    elif packing == "zst":
        with materialise.open_output(path, compress=True) as sink:
            materialise.write_stream(DISK, NONE, sink)
    else:
        with materialise.open_output(path, compress=packing == "tar.zst") as sink:
            sparse_tar.write(members[:: -1 if packing == "second member" else 1], NONE, sink)
    findings: list[str] = []
    with open_image(path, "disk.img" if packing == "second member" else "", findings) as opened:
        assert findings == []
        assert opened.size == DISK.size
        assert look(opened, verify=True).all_findings() == []


def test_images_without_a_table() -> None:
    image = look(ImageReader(ROOT.map, NONE), verify=True)
    assert [(volume.name, volume.content) for volume in image.volumes] == [("image", "ext4")]
    assert image.all_findings() == []
    assert image.read("image:etc/hostname") == b"machine\n"
    assert [volume.content for volume in look(ImageReader(ExtentMap(1 << 50), NONE), verify=True).volumes] == ["empty"]


def test_root_hashes_that_are_known() -> None:
    assert look(reader(), {"root": ROOT.root_hash}, verify=True).all_findings() == []
    for verify in (False, True):
        (finding,) = look(reader(), {"root": bytes(32)}, verify).all_findings()
        assert finding.startswith("root: ")
        assert finding.endswith(f"{ROOT.root_hash.hex()}, expected {bytes(32).hex()}")
    with pytest.raises(UserError, match=r"^a root hash is given for volume 'boot', which has no verity hash tree$"):
        look(reader(), {"boot": bytes(32)})


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (("disk", 510, b"\0"), "protective MBR: no signature 55 AA"),
        (("disk", 1024 + 60, b"x"), "primary entries: wrong checksum"),
        (("esp", 4096 + 40, b"x"), "esp: tables: the copies differ at byte 40"),
        (("root", 1024 + 64, b"x"), "root: "),
        (("root", ROOT.hash_start * 4096 + 5, b"x"), "root: hash tree, level 0: block 0"),
    ],
)
def test_damage_is_found(change: tuple[str, int, bytes], finding: str) -> None:
    image = look(reader(change), verify=True)
    assert image.all_findings()[0].startswith(finding)
    assert "\nFindings:\n  " in format_image(image, "x")


def test_a_table_that_is_gone() -> None:
    image = look(reader(("disk", 512 + 60, b"x"), ("disk", 64 * MIB - 512 + 60, b"x")))
    assert image.volumes == ()
    assert image.all_findings() == [
        "no GUID partition table: the primary header (sector 1) has a wrong checksum; "
        "the backup header (sector 131071) has a wrong checksum"
    ]
    assert format_image(image, "x").startswith("x: 64.0 MiB, ")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("boot", "'boot' is not of the form VOLUME:PATH"),
        ("none:x", "there is no volume 'none' (hint: there are esp, boot, root, var, luks, noise)"),
        ("luks:x", "'luks:x': volume 'luks' has no file system that can be read (LUKS)"),
        ("boot:none", "/none is missing; a file is wanted"),
        ("root:etc", "/etc is a dir; a file is wanted"),
    ],
)
def test_files_that_cannot_be_shown(place: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        format_image(look(reader()), "x", [place])
    assert str(caught.value) == message


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "image"
    with pytest.raises(UserError, match=rf"^cannot read {path}: No such file or directory$"), open_image(path):
        pass
    path.write_bytes(b"raw")
    with (
        pytest.raises(UserError, match=rf"^{path} is no tar archive, so there is no member 'x' in it$"),
        open_image(path, "x"),
    ):
        pass
    members = [Member("disk.img", ExtentMap(5))]
    with materialise.open_output(path, compress=True) as sink:
        sparse_tar.write(members, NONE, sink)
    with (
        pytest.raises(UserError, match=rf"^{path} has no member 'x' \(hint: there are disk.img\)$"),
        open_image(path, "x"),
    ):
        pass
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=rf"^{path}: not a whole zstd file: "), open_image(path):
        pass


def test_damage_of_the_archive_is_found(tmp_path: Path) -> None:
    path = tmp_path / "image"
    members = [Member("disk.img", DISK)]
    with materialise.open_output(path) as sink:
        sparse_tar.write(members, NONE, sink)
    with path.open("ab") as file:
        file.write(bytes(512))
    findings: list[str] = []
    with open_image(path, findings=findings) as opened:
        assert look(opened).all_findings() == []
    assert findings == [f"the archive has {path.stat().st_size} bytes, not whole records of 10240"]


def test_a_broken_package_database() -> None:
    tree = Tree()
    tree.make_directories("var/lib/dpkg")
    tree.add("var/lib/dpkg/status", file(b"Package: x\nStatus: install ok installed\nInstalled-Size: many\n"))
    with pytest.raises(UserError) as caught:
        format_image(look(ImageReader(ext4_of(tree, ""), NONE)), "x", packages=1)
    assert str(caught.value) == (
        "/var/lib/dpkg/status of volume 'image' is not a package database: "
        "invalid literal for int() with base 10: 'many'"
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (45413826560, "42.3 GiB"), (1 << 60, "1048576.0 TiB")],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


def test_strip_is_to_scale() -> None:
    volumes = [Volume("a", 0, 10, 0, "empty"), Volume("large", 10, 990, 0, "empty")]
    edge, names, _ = strip(volumes).splitlines()
    left, right = edge.strip("+").split("+")
    assert (len(left), len(edge)) == (3, len(names))
    assert len(right) > 90
    assert strip([]) == ""
    many = [Volume(f"a long name {n}", n, 1, 0, "empty") for n in range(20)]
    assert all(volume.name in strip(many) for volume in many)


@settings(deadline=None, max_examples=30)
@given(
    name=st.sampled_from(["disk", "esp", "boot", "root"]),
    at=st.integers(0, 6000),
    noise=st.binary(min_size=1, max_size=64),
)
def test_any_damage_is_answered(name: str, at: int, noise: bytes) -> None:
    image: Image | None = None
    with contextlib.suppress(UserError):
        image = look(reader((name, at, noise)), verify=True)
    if image is not None:
        assert format_image(image, "x", files=1)


@given(st.binary(max_size=3000), st.integers(0, 1 << 40))
def test_random_bytes(data: bytes, size: int) -> None:
    image = ImageReader(ExtentMap(max(size, len(data)), [Extent(0, len(data), data)] if data else []), NONE)
    assert format_image(look(image, verify=True), "x")
