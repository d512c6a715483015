"""Packages in one tree: whose file wins, what is an error, what the filter keeps out."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysimage import tree as t
from sysimage.deb import Spool
from sysimage.debian.database import Database, Diversion
from sysimage.debian.root import Root
from sysimage.debian.testing import EPOCH, deb_bytes, listing, read, root_of
from sysimage.debian.unpack import PathFilter, unpack
from sysimage.errors import UserError
from sysimage.tree import Tree

MERGED = deb_bytes(
    "base-files", [("usr/bin", t.directory()), ("usr/lib", t.directory()), ("bin", t.symlink("usr/bin"))]
)


def compose(
    folder: Path,
    *packages: bytes,
    database: Database | None = None,
    paths: PathFilter | None = None,
    root: Root | None = None,
) -> tuple[dict[str, str], dict[str, list[str]], Root]:
    with Spool(folder) as spool:
        debs = read(folder, spool, *packages)
        target = Root(root.tree if root else Tree(), spool.sources, EPOCH * t.NANOSECONDS)
        lists = unpack(target, database or Database(), debs, paths or PathFilter())
        return listing(target), lists, target


def file(text: str, mode: int = 0o644) -> t.Node:
    return t.file(text.encode(), mode)


def test_paths_below_links_in_the_root_go_where_those_lead(tmp_path: Path) -> None:
    # "aa" comes before base-files, whose links decide all the same.
    files, lists, root = compose(tmp_path, deb_bytes("aa", [("bin/x", file("x"))]), MERGED)
    assert files == {"bin": "-> usr/bin", "usr/bin/x": "x"}
    assert lists["aa"] == ["/.", "/bin", "/bin/x"]
    assert root.tree["bin"].target == "usr/bin"


def test_one_path_of_two_packages_is_an_error_that_names_both(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        compose(tmp_path, deb_bytes("a", [("usr/bin/x", file("a"))]), deb_bytes("b", [("usr/bin/x", file("b"))]))
    assert (
        error.value.message == "packages a and b both contain /usr/bin/x, and neither Replaces the other nor diverts it"
    )


def test_an_alias_does_not_hide_a_conflict(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="packages a and b both contain /usr/bin/x"):
        compose(tmp_path, MERGED, deb_bytes("a", [("usr/bin/x", file("a"))]), deb_bytes("b", [("bin/x", file("b"))]))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_replaces_wins_in_any_order(tmp_path: Path, order: tuple[int, int]) -> None:
    packages = [deb_bytes("old", [("x", file("old"))]), deb_bytes("new", [("x", file("new"))], Replaces="old (<< 2)")]
    files, lists, _ = compose(tmp_path, *(packages[index] for index in order))
    assert files == {"x": "new"}
    assert lists == {"old": ["/."], "new": ["/.", "/x"]} or lists == {"old": [], "new": ["/x"]}


def test_replaces_of_an_older_version_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="packages old and new both contain /x"):
        compose(
            tmp_path,
            deb_bytes("old", [("x", file("old"))]),
            deb_bytes("new", [("x", file("new"))], Replaces="old (<< 1)"),
        )


def test_a_replaced_file_leaves_the_list_of_an_installed_package(tmp_path: Path) -> None:
    database = Database({"old": {"Package": "old", "Version": "1"}}, {"old": ["/.", "/x"]})
    package = deb_bytes("new", [("x", file("new"))], Replaces="old")
    files, _, _ = compose(tmp_path, package, database=database, root=root_of({"x": "old"}))
    assert files == {"x": "new"}
    assert database.lists == {"old": ["/."]}


def test_a_diversion_moves_other_packages_files_only(tmp_path: Path) -> None:
    database = Database()
    database.divert(Diversion("/bin/x", "/bin/x.old", "mine"))
    files, lists, _ = compose(
        tmp_path,
        deb_bytes("mine", [("bin/x", file("mine"))]),
        deb_bytes("other", [("bin/x", file("other"))]),
        database=database,
    )
    assert files == {"bin/x": "mine", "bin/x.old": "other"}
    assert lists["other"][-1] == "/bin/x"


def test_a_path_is_diverted_once(tmp_path: Path) -> None:
    database = Database()
    database.divert(Diversion("/x", "/y", "a"))
    database.divert(Diversion("/x", "/y", "a"))
    with pytest.raises(UserError, match="/x is diverted to /y by a; b wants it at /z"):
        database.divert(Diversion("/x", "/z", "b"))


def test_directories_and_files_do_not_replace_each_other(tmp_path: Path) -> None:
    directory, regular = deb_bytes("d", [("x", t.directory())]), deb_bytes("f", [("x", file(""))])
    with pytest.raises(UserError) as error:
        compose(tmp_path, directory, regular)
    assert error.value.message == "package f: /x is a directory already; a file cannot take its place"
    with pytest.raises(UserError) as error:
        compose(tmp_path, regular, directory)
    assert error.value.message == "package d: /x is a file already (of package f); a directory cannot take its place"


def test_a_shared_directory_keeps_the_attributes_of_the_first(tmp_path: Path) -> None:
    first = deb_bytes("a", [("d", t.directory(0o2775, 1, 2, 7 * t.NANOSECONDS))])
    _, _, root = compose(tmp_path, first, deb_bytes("b", [("d", t.directory(0o755)), ("d/f", file("f"))]))
    node = root.tree["d"]
    assert (node.mode, node.uid, node.gid, node.mtime) == (0o2775, 1, 2, 7 * t.NANOSECONDS)


def test_hard_links_stay_one_inode(tmp_path: Path) -> None:
    _, _, root = compose(tmp_path, deb_bytes("a", [("x", file("x")), ("y", "x")]))
    assert root.tree.links("x") == ["x", "y"]
    with pytest.raises(UserError, match="package b: /y is a hard link to /none, which it does not contain"):
        compose(tmp_path, deb_bytes("b", [("y", "none")]))


def test_the_filter_keeps_paths_out_of_the_tree_and_in_the_list(tmp_path: Path) -> None:
    package = deb_bytes(
        "a",
        [
            ("doc", t.directory(0o711)),
            ("doc/copyright", file("c")),
            ("doc/changelog", file("l")),
            ("doc/link", "doc/changelog"),
            ("man/x", file("m")),
            ("kept", "man/x"),
        ],
    )
    paths = PathFilter(["/doc/*", "/doc", "/man/*"], ["/doc/copyright"])
    files, lists, root = compose(tmp_path, package, paths=paths)
    # A hard link to something that is left out has its content.
    assert files == {"doc/copyright": "c", "kept": "m"}
    assert root.tree["doc"].mode == 0o711
    assert "/doc/changelog" in lists["a"]


NAMES = st.sampled_from(["a", "b", "c", "d"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    contents=st.dictionaries(st.tuples(NAMES, NAMES, NAMES), st.sampled_from(["one", "two", "three"]), max_size=12),
    order=st.permutations([0, 1, 2]),
)
def test_the_order_of_packages_decides_nothing(
    tmp_path: Path, contents: dict[tuple[str, str, str], str], order: list[int]
) -> None:
    owners = {"/".join(path): owner for path, owner in contents.items()}
    packages = [
        deb_bytes(name, [(path, file(path)) for path, owner in owners.items() if owner == name], compression="")
        for name in ("one", "two", "three")
    ]
    files, lists, _ = compose(tmp_path, *(packages[index] for index in order))
    assert files == {path: path for path in owners}
    for path, owner in owners.items():
        assert [name for name, listed in lists.items() if f"/{path}" in listed] == [owner]


def test_a_conffile_that_an_earlier_layer_made_stays(tmp_path: Path) -> None:
    package = deb_bytes("a", [("etc/a", file("new")), ("usr/a", file("new"))], {"conffiles": "/etc/a\n"})
    files, _, _ = compose(tmp_path, package, root=root_of({"etc/a": "mine", "usr/a": "mine"}))
    assert files == {"etc/a": "mine", "usr/a": "new"}
