"""FAT before foreign judges: dosfstools checks ours, mtools and blkid read it, and we read what they wrote."""

import datetime
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysimage import fat
from sysimage.extents import Extent, ExtentMap, Sources, open_raw
from sysimage.fat import FatReader, FatType, Options
from sysimage.fat.names import fold
from sysimage.materialise import write_raw
from sysimage.tree import Tree, directory, file, join

MIB = 1 << 20
NONE = Sources({})
TIME = int(datetime.datetime(2025, 8, 9, 12, 34, 56, tzinfo=datetime.UTC).timestamp()) * 1_000_000_000


def judge(*command: str | Path) -> str:
    """What a foreign tool says; it must be content."""
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "TZ": "UTC", "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "0"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


def write(path: Path, tree: Tree, options: Options) -> Path:
    path.unlink(missing_ok=True)
    write_raw(fat.plan(tree, options), NONE, path)
    return path


def fsck(image: Path) -> None:
    """fsck.fat says its version and how full the file system is, and nothing else."""
    lines = judge("fsck.fat", "-n", image).splitlines()
    assert len(lines) == 2, lines
    assert re.fullmatch(rf"{re.escape(str(image))}: \d+ files, \d+/\d+ clusters", lines[1]), lines


def sample() -> Tree:
    tree = Tree(directory(mtime=TIME))
    for path in ("EFI", "EFI/BOOT", "grub", "many", "deep"):
        tree.add(path, directory(mtime=TIME))
    tree.add("EFI/BOOT/BOOTX64.EFI", file(b"MZ" * 100_000, mtime=TIME))
    tree.add("grub/grub.cfg", file(b"set timeout=0\n", mtime=TIME))
    tree.add("grub/grubenv", file(b"# GRUB Environment Block\n".ljust(1024, b"#"), mtime=TIME))
    for number in range(700):
        tree.add(f"many/file number {number}.data", file(b"%d" % number, mtime=TIME))
    path = "deep"
    for level in range(20):
        path = join(path, f"level {level}")
        tree.add(path, directory(mtime=TIME))
    tree.add(join(path, "bottom"), file(b"found", mtime=TIME))
    tree.add("x" * 255, file(b"longest", mtime=TIME))
    tree.add("Ünïcode ☃", file(b"snow", mtime=TIME))
    tree.add("empty", file(b"", mtime=TIME))
    tree.add("a+b, [c]=d;e", file(b"signs", mtime=TIME))
    tree.add("sparse", file(ExtentMap(5 * MIB, [Extent(3 * MIB, 4, b"here")]), mtime=TIME))
    return tree


VOLUMES = {
    "compact FAT16": Options(type=FatType.FAT16, label="COMPACT"),
    "compact FAT32": Options(type=FatType.FAT32, label="COMPACT 32", volume_id=0xFFFFFFFF, reserve=MIB),
    "100 MiB FAT16": Options(100 * MIB, label="ESP", volume_id=0x1C0FFEE1, hidden_sectors=2048),
    "100 MiB FAT32": Options(100 * MIB, FatType.FAT32, label="ESP", volume_id=0x1C0FFEE1, hidden_sectors=2048),
    "large clusters": Options(700 * MIB, FatType.FAT16, 32768),
    "odd size": Options(77_777 * 512, FatType.FAT16, label="ODD"),
    "1 TiB": Options(1 << 40, label="HUGE"),
}


@pytest.mark.parametrize("name", VOLUMES)
def test_dosfstools_finds_nothing(tmp_path: Path, name: str) -> None:
    for tree in (sample(), Tree()):
        fsck(write(tmp_path / "fat.img", tree, VOLUMES[name]))


@pytest.mark.parametrize("name", [name for name in VOLUMES if name != "1 TiB"])
def test_mtools_reads_everything(tmp_path: Path, name: str) -> None:
    tree = sample()
    image = write(tmp_path / "fat.img", tree, VOLUMES[name])
    (tmp_path / "out").mkdir()
    judge("mcopy", "-s", "-m", "-i", image, "::*", tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix(): path for path in (tmp_path / "out").rglob("*")}
    assert sorted(found) == sorted(path for path, _ in tree.walk() if path)
    for path, node in tree.walk():
        if node.content is not None:
            assert found[path].read_bytes() == tree.read(path, NONE), path
            assert found[path].stat().st_mtime == TIME // 1_000_000_000, path
    label = VOLUMES[name].label
    assert (f"Volume in drive : is {label}" if label else "has no label") in judge("mdir", "-i", image, "::")


@pytest.mark.parametrize("name", VOLUMES)
def test_blkid_knows_it(tmp_path: Path, name: str) -> None:
    options = VOLUMES[name]
    image = write(tmp_path / "fat.img", Tree(), options)
    said = judge("blkid", "-p", "-o", "export", image).replace("\\ ", " ")
    found = dict(line.split("=", 1) for line in said.splitlines())
    number = f"{options.volume_id:08X}"
    # blkid takes the id 0 for none.
    assert found.get("UUID", "0000-0000") == f"{number[:4]}-{number[4:]}"
    assert (found["TYPE"], found.get("LABEL", ""), found["USAGE"]) == ("vfat", options.label, "filesystem")
    assert found["VERSION"] == FatReader(open_raw(image)).boot.type.name


names = st.text(
    st.characters(
        codec="utf-8", exclude_characters='"*/:<>?\\|\x7f', exclude_categories=["Cc", "Cs"], max_codepoint=0xFFFF
    ),
    min_size=1,
    max_size=20,
).filter(lambda name: name == name.rstrip(". "))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(names, max_size=10, unique_by=fold), max_size=5), st.sampled_from(list(FatType)[1:]), st.data()
)
def test_dosfstools_finds_nothing_in_any_tree(
    tmp_path: Path, levels: list[list[str]], kind: FatType, data: st.DataObject
) -> None:
    tree = Tree()
    parents = [""]
    for level in levels:
        above = data.draw(st.sampled_from(parents))
        for name in level:
            if any(fold(name) == fold(other) for other in tree.children(above)):
                continue
            if data.draw(st.booleans()):
                tree.add(join(above, name), directory())
                parents.append(join(above, name))
            else:
                tree.add(join(above, name), file(data.draw(st.binary(max_size=3000))))
    fsck(write(tmp_path / "fat.img", tree, Options(type=kind)))


@pytest.mark.parametrize("bits", ["12", "16", "32"])
def test_we_read_what_others_write(tmp_path: Path, bits: str) -> None:
    image = tmp_path / "fat.img"
    size = {"12": "2048", "16": "20480", "32": "65536"}[bits]
    judge("mkfs.fat", "-C", "-F", bits, "-s", "1", "-n", "THEIRS", "-i", "12345678", image, size)
    content = {f"some file {n}": b"%d" % n * n * 10 for n in range(60)} | {"lower.txt": b"l", "UPPER.TXT": b"u"}
    for path, data in content.items():
        (tmp_path / path).write_bytes(data)
    judge("mmd", "-i", image, "::Sub Directory", "::sub2")
    judge("mcopy", "-i", image, *(tmp_path / path for path in content), "::Sub Directory")
    judge("mdel", "-i", image, *(f"::Sub Directory/some file {n}" for n in range(0, 60, 2)))
    judge("mcopy", "-i", image, tmp_path / "some file 59", "::")
    expected = {f"Sub Directory/{path}": data for path, data in content.items()} | {
        "some file 59": content["some file 59"]
    }
    for number in range(0, 60, 2):
        del expected[f"Sub Directory/some file {number}"]
    reader = open_raw(image)
    tree = FatReader(reader).tree()
    assert {path: tree.read(path, reader.sources) for path, node in tree.walk() if node.content is not None} == expected
    found = fat.inspect(reader)
    assert (found["type"], found["label"], found["volume_id"]) == (f"FAT{bits}", "THEIRS", "12345678")
    assert fat.verify(reader) == []


def test_we_find_what_dosfstools_finds(tmp_path: Path) -> None:
    image = write(tmp_path / "fat.img", sample(), VOLUMES["100 MiB FAT32"])
    boot = FatReader(open_raw(image)).boot
    with image.open("r+b") as raw:
        raw.seek(boot.fat_start + 4 * 200)
        raw.write(b"\xff\xff\xff\x0f")
    assert fat.verify(open_raw(image))
    result = subprocess.run(["fsck.fat", "-n", image], capture_output=True, check=False)
    assert result.returncode == 1
