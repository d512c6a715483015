"""A system whose root and boot files lie in logical volumes: all that is read of it names them PARTITION/VOLUME."""

import json
from pathlib import Path
from uuid import UUID

from sysimage import ext4, volumes_testing
from sysimage.ext4 import Ext4Options
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.inspection import Image, look
from sysimage.places import EMPTY
from sysimage.properties import contents, load_rows, manifest, properties, root_system, sizes, unexcused, unexpected
from sysimage.properties.testing import put, sound
from sysimage.tree import Tree
from sysimage.volumes_testing import physical_volume, uuid

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAxyz0123456789\n"


def ext4_of(tree: Tree, label: str) -> ExtentMap:
    return ext4.plan(tree, Ext4Options(label=label, uuid=UUID(int=1), hash_seed=UUID(int=2), epoch=0))


def image(boot_text: str = "boot_args_A=x\n") -> Image:
    boot = Tree()
    put(boot, "boot_args", boot_text)
    held = physical_volume({"boot": ext4_of(boot, "boot"), "root": ext4_of(sound(), "root"), "var": EMPTY})
    return look(ImageReader(volumes_testing.disk(held, esp=EMPTY), Sources({})))


def test_properties() -> None:
    assert properties(image())[:8] == [
        "disk 00000000-0000-0000-0000-000000000063 38797312 bytes",
        "partition 1 esp start 2048 size 16384 type 0FC63DAF-8483-4772-8E79-3D69D8477DE4 "
        "guid 00000000-0000-0000-0000-000000000001 empty",
        "partition 2 lvm start 18432 size 55296 type 0FC63DAF-8483-4772-8E79-3D69D8477DE4 "
        'guid 00000000-0000-0000-0000-000000000002 LVM "group"',
        f"volume-group group on lvm uuid {uuid(1)} pv {uuid(2)} extents 26 of 1048576 from 1048576",
        f'volume lvm/boot extent 0 extents 8 uuid {uuid(3)} ext4 "boot"',
        f'volume lvm/root extent 8 extents 8 uuid {uuid(4)} ext4 "root"',
        f"volume lvm/var extent 16 extents 8 uuid {uuid(5)} empty",
        "",
    ]
    assert properties(image())[8:11] == ["# lvm/root", "", "user admin 804:804 /home/admin /bin/sh locked"]


def test_the_manifest_has_files_below_their_volume() -> None:
    found = image()
    made = manifest.make(found, root_system(found), contents.scan(found), ["lvm/boot:boot_args", "lvm/root:etc/fstab"])
    text = manifest.dump(made)
    lines = text.splitlines()
    assert {"./lvm/boot/boot_args", "./lvm/root/etc/fstab"} < set(lines)
    assert any(line.startswith("./lvm/root/etc/hostname size=8 sha256digest=") for line in lines)
    assert manifest.parse(text, "golden") == made


def test_budgets_are_for_volumes_and_files_in_them(tmp_path: Path) -> None:
    found = image()
    path = tmp_path / "budget.json"
    limits = {"lvm": 1, "lvm/root": 1, "lvm/boot:boot_args": 1, "growth": {"lvm/root": 5}}
    path.write_text(json.dumps(limits))
    budget = sizes.load_budget(path)
    used = sizes.uses(found, budget, {})
    assert [(use.what, use.used) for use in used] == [
        ("lvm", found["lvm"].stored),
        ("lvm/root", found["lvm/root"].stored),
        ("lvm/boot:boot_args", 14),
    ]
    system = root_system(found)
    assert sizes.exceeded(system, budget, used, sizes.by_package(system)) == []
    assert sizes.exceeded(system, budget, used, {"tool": 1})[0].startswith("the files of lvm/root grew by ")


def test_findings_and_rows_name_the_volume(tmp_path: Path) -> None:
    found = image(KEY)
    told = unexpected.unexpected(found, root_system(found), contents.scan(found))
    assert [str(each) for each in told] == [
        "private-key lvm/boot:/boot_args: has a private key in it ('-----BEGIN RSA PRIVATE KEY-----')"
    ]
    path = tmp_path / "reviewed.txt"
    for pattern, left in (
        ("lvm/boot:/boot_args", 0),
        ("/boot_args", 2),
        ("boot:/boot_args", 2),
        ("lvm/root:/boot_args", 2),
    ):
        path.write_text(f"private-key {pattern} reason\n")
        assert len(unexcused(told, load_rows([path], unexpected.CHECKS), unexpected.CHECKS)) == left, pattern
