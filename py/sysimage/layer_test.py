"""Layers: a difference applied to its base gives the new tree; whiteouts; what engines would trip over."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysimage import layer, tar, tar_reader
from sysimage.errors import UserError
from sysimage.extents import Extent, FileSlice, Sources
from sysimage.tree import Node, NodeType, Tree, directory, file, load, save, symlink


def base_tree() -> Tree:
    tree = Tree()
    tree.add("etc", directory(0o755, mtime=1))
    tree.add("etc/passwd", file(b"root:x:0:0\n", mtime=1))
    tree.add("etc/one", file(b"shared", mtime=1))
    tree.link("etc/two", "etc/one")
    tree.add("var", directory(0o2775, 0, 50, 1))
    tree.add("var/log", directory(0o755, mtime=1))
    tree.add("var/log/a", file(b"a"))
    tree.add("var/log/b", file(b"b"))
    tree.add("bin", symlink("usr/bin"))
    return tree


def entries(path: Path) -> list[str]:
    with Sources({"k": path}) as sources:
        view = sources.view(Extent(0, path.stat().st_size, FileSlice("k", 0)))
        try:
            return [
                ("=" if member.node is None else "") + member.path for member in tar_reader.members(view, "k", "layer")
            ]
        finally:
            view.release()


def applied(base: Tree, path: Path, key: str) -> Tree:
    data = memoryview(path.read_bytes())
    return layer.apply(base, tar_reader.members(data, key, "layer"), "layer")


def image(tree: Tree) -> list[object]:
    return [(name, node, tree.links(name)) for name, node in tree.walk()]


def test_a_whole_tree(tmp_path: Path) -> None:
    result = layer.write(base_tree(), tmp_path / "l.tar", "l", Sources({}))
    assert image(result) == image(tar_reader.read(tmp_path / "l.tar", "l"))
    save(result, tmp_path / "tree")
    assert image(load(tmp_path / "tree")) == image(result)
    # The root has no entry unless it differs from what every engine makes.
    assert entries(tmp_path / "l.tar")[0] == "bin"


def test_a_compressed_layer_is_the_same_archive(tmp_path: Path) -> None:
    plain = layer.write(base_tree(), tmp_path / "l.tar", "l", Sources({}))
    result = layer.write(base_tree(), tmp_path / "l.tar.zst", "l", Sources({}))
    with Sources({"l": tmp_path / "l.tar.zst"}) as sources:
        content = sources.view(Extent(0, sources.size("zstd:l"), FileSlice("zstd:l", 0)))
        assert content == (tmp_path / "l.tar").read_bytes()
        assert [name for name, _ in result.walk()] == [name for name, _ in plain.walk()]
        assert result.read("etc/passwd", sources) == b"root:x:0:0\n"
        content.release()
    save(result, tmp_path / "tree")
    assert image(load(tmp_path / "tree")) == image(result)


def test_same_input_same_bytes(tmp_path: Path) -> None:
    layer.write(base_tree(), tmp_path / "1.tar", "l", Sources({}))
    layer.write(base_tree(), tmp_path / "2.tar", "l", Sources({}))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def test_nothing_changed_is_an_empty_archive(tmp_path: Path) -> None:
    layer.write(base_tree(), tmp_path / "l.tar", "l", Sources({}), base_tree())
    assert (tmp_path / "l.tar").read_bytes() == tar.END


CHANGES = [
    ("add", lambda t: t.add("var/log/c", file(b"c")), ["var", "var/log", "var/log/c"]),
    ("mode", lambda t: t.change("etc/passwd", mode=0o600), ["etc", "etc/passwd"]),
    ("xattr", lambda t: t.change("etc", xattrs={"user.x": b"1"}), ["etc"]),
    ("remove", lambda t: t.remove("var/log/a"), ["var", "var/log", "var/log/.wh.a"]),
    ("remove directory", lambda t: t.remove("var/log"), ["var", "var/.wh.log"]),
    (
        "new link",
        lambda t: t.link("var/three", "etc/one"),
        ["etc", "etc/one", "=etc/two", "var", "=var/three"],
    ),
    ("lost link", lambda t: t.remove("etc/two"), ["etc", "etc/.wh.two", "etc/one"]),
    ("root", lambda t: t.change("", mode=0o700), [""]),
]


@pytest.mark.parametrize(("name", "change", "expected"), CHANGES, ids=[each[0] for each in CHANGES])
def test_difference(tmp_path: Path, name: str, change: object, expected: list[str]) -> None:
    base = layer.write(base_tree(), tmp_path / "base.tar", "base", Sources({}))
    tree = base.copy()
    assert callable(change)
    change(tree)
    with Sources({"base": tmp_path / "base.tar"}) as sources:
        result = layer.write(tree, tmp_path / "l.tar", "l", sources, base)
    assert entries(tmp_path / "l.tar") == expected
    assert image(applied(base, tmp_path / "l.tar", "l")) == image(result)


def test_replaced_directory_is_opaque(tmp_path: Path) -> None:
    base, tree = base_tree(), base_tree()
    tree.remove("var/log")
    tree.add("var/log", directory())
    tree.add("var/log/new", file(b"n"))
    result = layer.write(tree, tmp_path / "l.tar", "l", Sources({}), base)
    assert entries(tmp_path / "l.tar") == ["var", "var/log", "var/log/.wh..wh..opq", "var/log/new"]
    assert image(applied(base, tmp_path / "l.tar", "l")) == image(result)


def test_kinds_swap(tmp_path: Path) -> None:
    base, tree = base_tree(), base_tree()
    tree.remove("var/log")
    tree.add("var/log", file(b"now a file"))
    tree.remove("etc/passwd")
    tree.add("etc/passwd", directory())
    tree.add("etc/passwd/x", symlink("y"))
    result = layer.write(tree, tmp_path / "l.tar", "l", Sources({}), base)
    assert image(applied(base, tmp_path / "l.tar", "l")) == image(result)


def test_reserved_name(tmp_path: Path) -> None:
    tree = Tree()
    tree.add(".wh.x", file(b""))
    with pytest.raises(UserError) as caught:
        layer.write(tree, tmp_path / "l.tar", "l", Sources({}))
    assert str(caught.value) == ("/.wh.x has a name that layers reserve (.wh.*) (hint: rename or remove it)")
    assert not (tmp_path / "l.tar").exists()


def test_hard_link_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="layer: /a is a hard link to /b, which does not come before it"):
        layer.apply(Tree(), [tar_reader.Member("a", None, "b")], "layer")


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
NODES = st.one_of(
    st.binary(max_size=5).map(file),
    st.integers(0, 0o7777).map(directory),
    st.just(symlink("x")),
    st.just(Node(NodeType.FIFO, 0o600)),
)


def random_tree(actions: list[tuple[str, Node | None, str]]) -> Tree:
    tree = Tree()
    for path, node, other in actions:
        try:
            if node is None:
                tree.link(path, other)
            else:
                tree.put(path, node)
        except UserError:
            continue  # a path that is taken: not what is tested here
    return tree


ACTIONS = st.lists(st.tuples(PATHS, st.one_of(st.none(), NODES), PATHS), max_size=12)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(old=ACTIONS, new=ACTIONS)
def test_difference_applied_gives_the_new_tree(
    tmp_path: Path, old: list[tuple[str, Node | None, str]], new: list[tuple[str, Node | None, str]]
) -> None:
    base = layer.write(random_tree(old), tmp_path / "base.tar", "base", Sources({}))
    result = layer.write(random_tree(new), tmp_path / "l.tar", "l", Sources({}), base)
    assert image(applied(base, tmp_path / "l.tar", "l")) == image(result)
