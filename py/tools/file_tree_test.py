"""Composing trees: what is kept, what is taken, what is refused."""

from pathlib import Path

import pytest
from absl import flags
from absl.testing import flagsaver

from sysimage import tree as trees
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, Sources
from sysimage.tree import Tree
from tools import file_tree

MTIME = 1_700_000_000


@pytest.fixture(autouse=True)
def parsed_flags() -> None:
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()


def other_tree(folder: Path) -> Path:
    tree = Tree()
    content = ExtentMap.of_slice("layer", 0, 4)
    tree.make_directories("boot")
    tree.add("boot/vmlinuz-6.12", trees.file(content))
    tree.add("boot/config-6.12", trees.file(content))
    tree.add("vmlinuz", trees.symlink("boot/vmlinuz-6.12"))
    tree.make_directories("etc", mode=0o700)
    tree.add("etc/a", trees.file(content, mode=0o600))
    tree.link("etc/b", "etc/a")
    path = folder / "other.tree"
    trees.save(tree, path)
    return path


def test_pick_takes_the_one_match_and_follows_links(tmp_path: Path) -> None:
    other = other_tree(tmp_path)
    with flagsaver.flagsaver(pick=[f"kernel:boot/vmlinuz-*={other}", f"again:vmlinuz={other}"]):
        tree = file_tree.compose(Sources({}))
    assert [path for path, _ in tree.walk()] == ["", "again", "kernel"]
    assert tree["again"].content == tree["kernel"].content == ExtentMap.of_slice("layer", 0, 4)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("kernel={}", "--pick 'kernel={}' is not of the form DEST:PATTERN=TREE"),
        ("k:boot/*={}", "pattern 'boot/*' must match one path; it matches /boot/config-6.12, /boot/vmlinuz-6.12"),
        ("k:boot/initrd*={}", "pattern 'boot/initrd*' must match one path; it matches nothing"),
    ],
)
def test_bad_picks(tmp_path: Path, word: str, message: str) -> None:
    other = other_tree(tmp_path)
    with flagsaver.flagsaver(pick=[word.format(other)]), pytest.raises(UserError) as caught:
        file_tree.compose(Sources({}))
    assert str(caught.value) == message.format(other)


def test_overlay_keeps_directories_of_the_base_and_hard_links_of_the_overlay(tmp_path: Path) -> None:
    other = other_tree(tmp_path)
    base = Tree()
    base.make_directories("etc", mode=0o755)
    trees.save(base, tmp_path / "base.tree")
    with flagsaver.flagsaver(base=str(tmp_path / "base.tree"), overlay=[str(other)], remove=["etc"]):
        assert file_tree.compose(Sources({}))["etc"].mode == 0o700
    with flagsaver.flagsaver(base=str(tmp_path / "base.tree"), overlay=[str(other)]):
        tree = file_tree.compose(Sources({}))
    assert tree["etc"].mode == 0o755
    assert tree.links("etc/a") == ["etc/a", "etc/b"]


def test_remove_must_match() -> None:
    with flagsaver.flagsaver(remove=["boot/*"]), pytest.raises(UserError) as caught:
        file_tree.compose(Sources({}))
    assert str(caught.value) == "nothing matches 'boot/*', which is to be removed"


def test_files_and_directories(tmp_path: Path) -> None:
    (tmp_path / "initrd").write_bytes(b"12345")
    words = flagsaver.flagsaver(file=["a/initrd.img=0600=k=1"], directory=["empty:1777"], epoch=MTIME)
    with words:
        tree = file_tree.compose(Sources({"k=1": tmp_path / "initrd"}))
    node = tree["a/initrd.img"]
    assert (node.mode, node.size, node.mtime) == (0o600, 5, MTIME * trees.NANOSECONDS)
    assert tree["empty"].mode == 0o1777
    assert tree[""].mtime == MTIME * trees.NANOSECONDS


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a", "--file 'a' is not of the form PATH=MODE=KEY"),
        ("a=0800=k", "mode '0800' of /a is not octal, 0 to 7777"),
        ("a=17777=k", "mode '17777' of /a is not octal, 0 to 7777"),
        ("a=644=nokey", "no file is given for source 'nokey' (hint: add --source nokey=FILE)"),
        ("../a=644=k", "path '../a' contains '..' (hint: write the path that is meant)"),
    ],
)
def test_bad_files(tmp_path: Path, word: str, message: str) -> None:
    (tmp_path / "k").write_bytes(b"")
    with flagsaver.flagsaver(file=[word]), pytest.raises(UserError) as caught:
        file_tree.compose(Sources({"k": tmp_path / "k"}))
    assert str(caught.value) == message
