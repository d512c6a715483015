"""The file tree: its rules, one by one, and against a model of plain paths."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import tree as trees
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, FileSlice, Sources
from sysimage.tree import Node, NodeType, Tree, directory, file, symlink

names = st.text(alphabet=st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)


def sample() -> Tree:
    tree = Tree()
    tree.add("etc", directory(0o750, 1, 2, 3))
    tree.add("etc/passwd", file(b"root\n", 0o600, 4, 5, 6))
    tree.add("etc/link", symlink("passwd"))
    tree.link("hard", "etc/passwd")
    tree.add("null", Node(NodeType.CHARACTER, 0o666, device=(1, 3)))
    return tree


def paths(tree: Tree) -> list[str]:
    return [path for path, _ in tree.walk()]


def test_walk_is_sorted_by_bytes() -> None:
    tree = Tree()
    for name in ("b", "a", "a-", "a.b", "ä", "\udcff", "Z"):
        tree.add(name, directory())
        tree.add(f"{name}/x", file(b""))
    order = sorted(["b", "a", "a-", "a.b", "ä", "\udcff", "Z"], key=trees.encode)
    assert paths(tree) == ["", *(path for name in order for path in (name, f"{name}/x"))]


def test_hard_links_share_an_inode() -> None:
    tree = sample()
    assert tree.number("hard") == tree.number("etc/passwd")
    assert tree.links("hard") == ["etc/passwd", "hard"]
    tree.change("hard", mode=0o640)
    assert tree["etc/passwd"].mode == 0o640
    tree.remove("etc/passwd")
    assert tree.links("hard") == ["hard"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("etc", "/etc exists already"),
        ("none/x", "/none/x cannot be placed: /none does not exist"),
        ("null/x", "/null/x cannot be placed: /null is not a directory"),
        ("etc/..", "'..' in /etc is not a possible name (1 to 255 bytes, no '/', no NUL)"),
        ("etc/a\0", "'a\\x00' in /etc is not a possible name (1 to 255 bytes, no '/', no NUL)"),
        ("ä" * 128, f"'{'ä' * 128}' in / is not a possible name (1 to 255 bytes, no '/', no NUL)"),
    ],
)
def test_places_that_cannot_be(path: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        sample().add(path, file(b""))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("existing", "message"),
    [
        ("none", "/new is a hard link to /none, which does not exist"),
        ("etc", "/new is a hard link to /etc, which is a directory"),
    ],
)
def test_links_that_cannot_be(existing: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        sample().link("new", existing)
    assert str(caught.value) == message


def test_set_keeps_directories_sound() -> None:
    tree = sample()
    with pytest.raises(UserError, match=r"^/etc is a directory that is not empty; it cannot become a file$"):
        tree.set("etc", file(b""))
    with pytest.raises(UserError, match=r"^/hard has several hard links; it cannot become a directory$"):
        tree.set("hard", directory())
    tree.remove("etc/link")
    tree.remove("etc/passwd")
    tree.set("etc", file(b"now a file"))
    tree.set("hard", directory())
    tree.add("hard/x", file(b""))
    assert paths(tree) == ["", "etc", "hard", "hard/x", "null"]


def test_remove_takes_all_below() -> None:
    tree = sample()
    tree.remove("etc")
    assert paths(tree) == ["", "hard", "null"]
    with pytest.raises(UserError, match=r"^the root directory cannot be removed$"):
        tree.remove("")


def test_put_is_what_cp_does() -> None:
    tree = sample()
    tree.put("usr/bin/tool", file(b"tool", mtime=9))
    assert (tree["usr/bin"].mode, tree["usr"].mtime) == (0o755, 9)
    tree.put("etc", directory(0o700))
    assert tree["etc"].mode == 0o700
    assert "etc/passwd" in tree
    tree.put("hard", file(b"new"))
    assert tree.links("etc/passwd") == ["etc/passwd"]
    with pytest.raises(UserError, match=r"^/etc is a dir; a file cannot take its place$"):
        tree.put("etc", file(b""))
    with pytest.raises(UserError, match=r"^/null is a char; a dir cannot take its place$"):
        tree.put("null", directory())
    with pytest.raises(UserError, match=r"^/null/a/b cannot be made: /null is a char$"):
        tree.put("null/a/b/c", file(b""))


def test_rename_moves_all_below() -> None:
    tree = sample()
    tree.rename("etc", "conf")
    assert paths(tree) == ["", "conf", "conf/link", "conf/passwd", "hard", "null"]
    assert tree.links("hard") == ["conf/passwd", "hard"]
    with pytest.raises(UserError, match=r"^/conf cannot be moved into itself \(/conf/x\)$"):
        tree.rename("conf", "conf/x")
    with pytest.raises(UserError, match=r"^/null exists already$"):
        tree.rename("conf", "null")


def test_resolve_follows_links_as_in_a_chroot() -> None:
    tree = sample()
    tree.add("abs", symlink("/etc/../etc/link"))
    tree.add("up", symlink("../../../etc"))
    tree.add("loop", symlink("loop"))
    assert tree.resolve("abs") == "etc/passwd"
    assert tree.resolve("/up/./passwd") == "etc/passwd"
    assert tree.resolve("abs", follow_last=False) == "abs"
    assert tree.resolve("etc/none/x") == "etc/none/x"
    with pytest.raises(UserError, match=r"^/loop goes through too many symbolic links \(at /loop\)$"):
        tree.resolve("loop")


def test_read_follows_links() -> None:
    tree = sample()
    assert tree.read("etc/link", Sources({})) == b"root\n"
    with pytest.raises(UserError, match=r"^/none is missing; a file is wanted$"):
        tree.read("none", Sources({}))
    with pytest.raises(UserError, match=r"^/etc is a dir; a file is wanted$"):
        tree.read("etc", Sources({}))


def test_normalize() -> None:
    assert trees.normalize("/a//b/./c/") == "a/b/c"
    assert trees.normalize("/") == ""
    with pytest.raises(UserError, match=r"^path 'a/../b' contains '\.\.' \(hint: write the path that is meant\)$"):
        trees.normalize("a/../b")


def test_a_copy_is_independent() -> None:
    tree = sample()
    copy = tree.copy()
    copy.remove("etc")
    copy.add("new", file(b""))
    assert paths(tree) == paths(sample())


@given(st.data())
def test_saved_trees_come_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    tree = Tree(directory(0o711, 1, 2, 3))
    directories, files = [""], []
    for _ in range(data.draw(st.integers(0, 12))):
        path = trees.join(data.draw(st.sampled_from(directories)), data.draw(names))
        if path in tree or len(trees.encode(trees.basename(path))) > 255:
            continue
        kind = data.draw(st.sampled_from(["file", "dir", "link", "fifo", "hard"]))
        if kind == "dir":
            tree.add(path, directory(mtime=data.draw(st.integers(-(10**18), 10**18))))
            directories.append(path)
        elif kind == "file":
            content = ExtentMap(20, [Extent(3, 4, FileSlice("s", 5))])
            attributes = {"user.x": data.draw(st.binary(max_size=5))}
            tree.add(path, Node(NodeType.FILE, 0o4755, 70000, 1, 5, attributes, content))
            files.append(path)
        elif kind == "link":
            tree.add(path, symlink(data.draw(names)))
        elif kind == "fifo":
            tree.add(path, Node(NodeType.FIFO, 0o600))
        elif files:
            tree.link(path, data.draw(st.sampled_from(files)))
    saved = tmp_path_factory.mktemp("trees") / "tree"
    trees.save(tree, saved)
    loaded = trees.load(saved)
    assert list(loaded.walk()) == list(tree.walk())
    assert [loaded.links(path) for path in paths(tree)] == [tree.links(path) for path in paths(tree)]


def test_names_of_any_bytes_survive(tmp_path: Path) -> None:
    tree = Tree()
    tree.add(trees.decode(b"\xff\xfe\x01"), symlink(trees.decode(b"\x80")))
    trees.save(tree, tmp_path / "tree")
    assert list(trees.load(tmp_path / "tree").walk()) == list(tree.walk())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "format is None, expected 'tree/1'"),
        ('{"format":"other"}', "format is 'other', expected 'tree/1'"),
        ("[]", "not a tree: 'list' object has no attribute 'get'"),
        ('{"format":"tree/1","sources":[]}\n{"paths":["x"]}', "not a tree: 'type'"),
    ],
)
def test_bad_tree_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tree"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        trees.load(path)
    assert str(caught.value) == f"{path}: {message}"


def test_literal_contents_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^/etc/passwd has literal content; write it to a layer first$"):
        trees.save(sample(), tmp_path / "tree")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uid": "0"}, "bad inode 'a'"),
        ({"mtime": 1.5}, "bad inode 'a'"),
        ({"mode": "-1"}, "bad inode 'a'"),
        ({"mode": "10000"}, "bad inode 'a'"),
        ({"target": 5}, "bad inode 'a'"),
        ({"device": [1, None]}, "bad inode 'a'"),
        ({"size": "4"}, "bad size '4'"),
        ({"extents": [[0, 4.0, 0, 0]]}, "bad extent [0, 4.0, 0, 0]"),
        ({"extents": [[0, 4, -1, 0]]}, "bad extent [0, 4, -1, 0]"),
        ({"extents": [[0, 4, 0, -1]]}, "bad extent [0, 4, 0, -1]"),
        ({"extents": [[0, 4, 1, 0]]}, "bad source 5"),
    ],
)
def test_tree_files_with_wrong_types(tmp_path: Path, change: dict[str, object], message: str) -> None:
    row = {"paths": ["a"], "type": "file", "mode": "0644", "uid": 0, "gid": 0, "mtime": 0, "size": 4, "extents": []}
    path = tmp_path / "tree"
    path.write_text(f'{{"format":"tree/1","sources":["s",5]}}\n{json.dumps(row | change)}\n')
    with pytest.raises(UserError) as caught:
        trees.load(path)
    assert str(caught.value) == f"{path}: not a tree: {message}"


def test_links_follow_every_change() -> None:
    tree = Tree()
    tree.add("d", directory())
    tree.add("d/b", file(b""))
    tree.link("d/a", "d/b")
    assert tree.links("d/b") == tree.links("d/a") == ["d/a", "d/b"]
    tree.link("d/c", "d/a")
    assert tree.links("d/b") == ["d/a", "d/b", "d/c"]
    copied = tree.copy()
    tree.rename("d", "e")
    assert tree.links("e/b") == ["e/a", "e/b", "e/c"]
    tree.remove("e/a")
    assert tree.links("e/b") == ["e/b", "e/c"]
    tree.remove("e/c")
    assert tree.links("e/b") == ["e/b"]
    assert copied.links("d/b") == ["d/a", "d/b", "d/c"]


def test_a_file_of_very_many_names(tmp_path: Path) -> None:
    """Sorting them anew at each would take minutes."""
    tree = Tree()
    tree.add("first", file(b""))
    for number in range(30_000):
        tree.link(f"name {number}", "first")
    trees.save(tree, tmp_path / "tree")
    assert len(trees.load(tmp_path / "tree").links("first")) == 30_001


def test_paths_have_an_end() -> None:
    """All parents are kept, each with its whole path: a long one of short names would take gigabytes."""
    tree = Tree()
    message = f"/{'a/' * 20}... has 40001 characters; a path has at most 16384"
    for make in (tree.make_directories, lambda path: tree.add(path, file(b""))):
        with pytest.raises(UserError) as caught:
            make("a/" * 20_000 + "b")
        assert str(caught.value) == message
    tree.add("link", symlink("a/" * 20_000 + "b"))
    for path in ("a/" * 20_000 + "b", "link"):
        with pytest.raises(UserError) as caught:
            tree.resolve(path)
        assert str(caught.value) == message
