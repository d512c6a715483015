"""The disk: checksum, partitions and volumes against their contract, file systems and hash tree before judges."""

import hashlib
from pathlib import Path

from sysimage.inspection import Image, Volume
from sysimage.properties import layout
from sysimage.properties.judges import judge, raw
from sysimage.properties.subject import Subject


def test_checksum_file(about: Subject) -> None:
    expected, _, name = about.checksum.read_text().strip().partition("  ")
    assert name == about.image.name
    with about.image.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == expected


def test_our_verifiers_find_nothing(image: Image) -> None:
    assert image.all_findings() == []


def test_the_layout_is_that_of_the_contract(about: Subject, image: Image, tmp_path: Path) -> None:
    disk = raw(image.reader, tmp_path)
    assert "No problems found" in judge("sgdisk", "--verify", disk)
    judge("sfdisk", "--verify", disk)
    found = layout.differences(layout.load(about.layout), layout.read_disk(disk))
    assert not found, "\n".join([f"the disk is not the one that {about.layout} describes:", *found])


def test_file_systems_are_judged(image: Image, tmp_path: Path) -> None:
    judged = 0
    for volume in image.volumes:
        if volume.content == "ext4":
            judge("e2fsck", "-fn", raw(image.open(volume), tmp_path))
        elif volume.content.startswith("FAT"):
            judge("fsck.fat", "-n", raw(image.open(volume), tmp_path))
        else:
            # pvck judges volume groups where the layout is read.
            assert volume.content == ("LVM" if image.held(volume.name) else "empty"), volume.name
            continue
        judged += 1
    assert judged


def test_hash_tree_is_judged(about: Subject, image: Image, root: Volume, tmp_path: Path) -> None:
    assert (root.verity is not None) == about.verity, f"the root has {'no' if about.verity else 'a'} hash tree"
    if root.verity is None:
        return
    path = raw(image.open(root), tmp_path)
    offset = f"--hash-offset={root.verity['hash_offset']}"
    judge("veritysetup", "verify", path, path, root.verity["root_hash"], offset)


def test_the_command_line_names_the_root_hash(command_lines: list[str], root: Volume) -> None:
    expected = [f"root_hash={root.verity['root_hash']}"] if root.verity is not None else []
    for line in command_lines:
        assert [word for word in line.split() if word.startswith("root_hash=")] == expected
