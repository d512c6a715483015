"""Manifest and sizes of a real, small image: what is in them, how changes read, what bsdtar thinks of them."""

import hashlib
import json
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import ext4
from sysimage.errors import UserError
from sysimage.ext4 import Ext4Options
from sysimage.extents import ExtentMap, ImageReader, Sources
from sysimage.inspection import Image, look
from sysimage.properties import contents, manifest, root_system, sizes, unexpected
from sysimage.properties.manifest import Manifest
from sysimage.properties.testing import link, put, sound
from sysimage.tree import Node, NodeType, Tree

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
KIND = UUID(int=1)


def image(made: Tree) -> Image:
    """The tree as the only file system of an image."""
    return look(
        ImageReader(ext4.plan(made, Ext4Options(label="root", uuid=KIND, hash_seed=KIND, epoch=0)), Sources({}))
    )


def made(tree: Tree, *volatile: str) -> Manifest:
    found = image(tree)
    return manifest.make(found, root_system(found), contents.scan(found), volatile)


def changes(plant: Tree) -> list[str]:
    return manifest.differences(made(sound()), made(plant))


def test_a_manifest_has_what_packages_do_not_determine() -> None:
    text = manifest.dump(made(sound(), "image:etc/fstab"))
    lines = text.splitlines()
    assert lines[0] == "#mtree"
    assert lines[1].startswith("# package tool: 5 files as packaged, attributes ")
    digest = hashlib.sha256(b"example\n").hexdigest()
    assert f"./image/etc/hostname size=8 sha256digest={digest}" in lines
    assert "./image/etc/fstab" in lines
    assert "./image/bin type=link mode=0777 link=usr/bin" in lines
    assert not any("usr/bin/tool" in line or "own.conf" in line for line in lines)
    assert manifest.dump(manifest.parse(text, "golden")) == text


def test_bsdtar_reads_it(tmp_path: Path) -> None:
    tree = sound()
    put(tree, "etc/a name #1=[x]\\é", "x", 0o600, 1, 27)
    tree.add("etc/ping", Node(NodeType.FILE, 0o755, xattrs={"security.capability": CAPABILITY}, content=ExtentMap(0)))
    tree.add("etc/null", Node(NodeType.CHARACTER, 0o600, device=(1, 3)))
    tree.link("etc/ping2", "etc/ping")
    path = tmp_path / "manifest.mtree"
    path.write_text(manifest.dump(made(tree)))
    listed = subprocess.run(
        ["bsdtar", "-tvf", path], capture_output=True, text=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert listed.stderr == ""
    rows = {line.split()[-1] if "a name" not in line else "odd": line for line in listed.stdout.splitlines()}
    assert len(listed.stdout.splitlines()) == len(made(tree).entries)
    assert rows["odd"].startswith("-rw-------  0 1      27          1 ") and rows["odd"].endswith(
        "./image/etc/a name #1=[x]\\\\é"
    )
    assert "1,3" in rows["./image/etc/null"]
    assert "# xattr security.capability=cap_net_raw+ep\n./image/etc/ping " in path.read_text()


def test_changes_are_told_with_their_fields() -> None:
    tree = sound()
    tree.change("etc/hostname", mode=0o600, gid=27)
    put(tree, "etc/new", "x")
    tree.remove("etc/sudoers")
    assert [line.partition(" sha256digest")[0] for line in changes(tree)] == [
        "~ ./image/etc/hostname: gid 0 -> 27, mode 0644 -> 0600",
        "+ ./image/etc/new type=file uid=0 gid=0 mode=0644 size=1",
        "- ./image/etc/sudoers type=file uid=0 gid=0 mode=0440 size=77",
    ]


def test_a_changed_content_is_told_with_both_digests() -> None:
    tree = sound()
    put(tree, "etc/hostname", "other\n")
    before, after = (hashlib.sha256(text).hexdigest()[:16] for text in (b"example\n", b"other\n"))
    assert changes(tree) == [f"~ ./image/etc/hostname: sha256digest {before}... -> {after}..., size 8 -> 6"]


def test_a_packaged_file_that_is_changed_appears() -> None:
    tree = sound()
    put(tree, "usr/bin/tool", "\x7fELF changed", 0o755)
    told = changes(tree)
    assert told[0].startswith("+ ./image/usr/bin/tool type=file uid=0 gid=0 mode=0755 size=12 ")
    assert told[1].startswith("~ package tool: 5 files as packaged, attributes ") and len(told) == 2


def test_a_changed_mode_or_link_of_a_packaged_file_changes_its_package() -> None:
    for plant in (lambda tree: tree.change("usr/bin/tool", mode=0o644), lambda tree: link(tree, "usr/bin/t", "cat")):
        tree = sound()
        plant(tree)
        assert len(told := changes(tree)) == 1 and told[0].startswith(
            "~ package tool: 5 files as packaged, attributes "
        )


def test_a_security_update_changes_nothing_but_its_package() -> None:
    """Another content under the same names is not even seen; it is the lock that has it."""
    tree = sound()
    put(tree, "usr/bin/tool", "\x7fELF 2", 0o755)
    put(tree, "var/lib/dpkg/info/tool.md5sums", f"{hashlib.md5(bytes([127]) + b'ELF 2').hexdigest()}  usr/bin/tool\n")
    assert changes(tree) == []


def test_many_changes_are_cut() -> None:
    tree = sound()
    for number in range(50):
        put(tree, f"etc/{number:02}", "x")
    told = changes(tree)
    assert len(told) == 41 and told[-1] == "... and 10 more"


def test_a_volatile_file_must_be_there() -> None:
    with pytest.raises(UserError) as caught:
        made(sound(), "image:etc/gone")
    assert str(caught.value) == "image:etc/gone is named as volatile, and is no file of the image"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "nothing\n",
            "golden does not begin with #mtree (hint: it is written by the update command of its test)",
        ),
        ("#mtree\nword\n", "golden:2: this is no line of a manifest: 'word'"),
        ("#mtree\n./x mode\n", "golden:2: this is no entry, or one that came before: './x mode'"),
        ("#mtree\n./x\n./x\n", "golden:3: this is no entry, or one that came before: './x'"),
    ],
)
def test_bad_manifests(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        manifest.parse(text, "golden")
    assert str(caught.value) == message


def test_private_keys_of_all_volumes_are_found() -> None:
    tree = sound()
    put(tree, "usr/share/x.txt", "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAxyz0123456789\n")
    found = image(tree)
    told = unexpected.unexpected(found, root_system(found), contents.scan(found))
    assert [str(each) for each in told] == [
        "private-key /usr/share/x.txt: has a private key in it ('-----BEGIN RSA PRIVATE KEY-----')"
    ]


# --- Sizes ------------------------------------------------------------------------------------------------------------


def budget(folder: Path, **limits: object) -> sizes.Budget:
    path = folder / "budget.json"
    path.write_text(json.dumps(limits))
    return sizes.load_budget(path)


def test_an_exceeded_budget_is_told_with_its_packages(tmp_path: Path) -> None:
    tree = sound()
    put(tree, "usr/bin/tool", bytes(range(256)) * 8192, 0o755)
    found = image(tree)
    archive = tmp_path / "disk.tar.zst"
    archive.write_bytes(bytes(1 << 19))
    limits = budget(tmp_path, **{"image": 2, "image:etc/hostname": 1, "disk.tar.zst": 1, "growth": {"image": 5}})
    used = sizes.uses(found, limits, {"disk.tar.zst": archive})
    system = root_system(found)
    recorded = {"tool": 1 << 20, "old": 9}
    over = sizes.exceeded(system, limits, used, recorded)
    assert over[0].startswith("image has 2.") and over[0].endswith("more than its budget of 2.00 MiB")
    assert over[1] == "the files of image grew by 100.1 % since their sizes were recorded; 5 % are allowed"
    report = sizes.report(system, used, recorded, "What to do.").splitlines()
    assert report[1].startswith("  image               [##############################] ") and report[1].endswith(
        "EXCEEDED"
    )
    assert report[2] == "  image:etc/hostname  [#.............................]   0.0 %  0.00 MiB of 1.00 MiB"
    assert report[3] == "  disk.tar.zst        [###############...............]  50.0 %  0.50 MiB of 1.00 MiB"
    assert report[6] == f"  tool            2.00 MiB   +1024 KiB  {'#' * 30}"
    assert report[7] == "  (no package)    0.00 MiB         new  #"
    assert report[-3:] == ["gone: old", "", "What to do."]


def test_within_the_budget(tmp_path: Path) -> None:
    found = image(sound())
    system = root_system(found)
    limits = budget(tmp_path, image=1, growth={"image": 5})
    recorded = sizes.parse(sizes.dump(sizes.by_package(system)), "sizes.txt")
    assert sizes.exceeded(system, limits, sizes.uses(found, limits, {}), recorded) == []
    assert sizes.exceeded(system, limits, [], {}) == [
        "the files of image are new since their sizes were recorded; 5 % are allowed"
    ]


def test_a_limit_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        sizes.uses(image(sound()), budget(tmp_path, **{"image:etc/gone": 1}), {"disk.tar.zst": tmp_path})
    assert str(caught.value) == (
        "the budget has a limit for 'image:etc/gone', which is nothing of the image "
        "(hint: a volume (image), VOLUME:PATH, or one of disk.tar.zst)"
    )


def test_growth_of_another_volume(tmp_path: Path) -> None:
    found = image(sound())
    with pytest.raises(UserError) as caught:
        sizes.exceeded(root_system(found), budget(tmp_path, image=1, growth={"esp": 5}), [], {})
    assert str(caught.value) == "the budget limits the growth of 'esp'; packages are on image"


@pytest.mark.parametrize(
    "text", ["{}", '{"image": 0}', '{"image": "1"}', '{"image": true}', '{"growth": {"image": 1}}']
)
def test_bad_budgets(tmp_path: Path, text: str) -> None:
    path = tmp_path / "budget.json"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        sizes.load_budget(path)
    assert str(caught.value) == f"{path} is not a budget (hint: a JSON object of limits in MiB, numbers above 0)"


@pytest.mark.parametrize("text", ["[]", "{", '{"image": 1, "growth": []}'])
def test_what_is_no_budget(tmp_path: Path, text: str) -> None:
    path = tmp_path / "budget.json"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        sizes.load_budget(path)
    assert str(caught.value).startswith(f"{path} is not a budget: ")


def test_bad_sizes() -> None:
    with pytest.raises(UserError) as caught:
        sizes.parse("tool 12\nother\n", "sizes.txt")
    assert str(caught.value) == "sizes.txt:2: this is no package with its size: 'other'"
