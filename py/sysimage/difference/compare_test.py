"""A difference of each kind, planted and found; and what is no difference."""

from collections.abc import Callable

import pytest

from sysimage.difference import Difference, Kind, Side, compare
from sysimage.extents import Sources
from sysimage.tree import Node, NodeType, Tree, directory, file, symlink

NO_SOURCES = Sources({})


def sample() -> Tree:
    tree = Tree()
    tree.add("etc", directory())
    tree.add("etc/group", file(b"root:x:0:\nshadow:x:42:\n"))
    tree.add("etc/passwd", file(b"root:x:0:0::/:/bin/sh\nops:x:7:7::/:/bin/sh\n"))
    tree.add("etc/motd", file(b"one\ntwo\nthree\n", mtime=5))
    tree.add("bin", directory())
    tree.add("bin/a", file(b"\0binary", 0o755))
    tree.link("bin/b", "bin/a")
    tree.add("bin/c", file(b"\0binary", 0o755))
    tree.add("link", symlink("etc/motd"))
    tree.add("null", Node(NodeType.CHARACTER, 0o666, device=(1, 3)))
    return tree


def differences(ours: Tree, theirs: Tree) -> list[Difference]:
    return compare(Side.of(ours, NO_SOURCES), Side.of(theirs, NO_SOURCES))


def test_a_tree_is_like_itself_whatever_the_times_and_the_mode_of_links() -> None:
    theirs = sample()
    theirs.change("etc/motd", mtime=99)
    theirs.change("link", mode=0o755)
    assert differences(sample(), theirs) == []


def link_a_third_name(tree: Tree) -> None:
    tree.remove("bin/c")
    tree.link("bin/c", "bin/a")


PLANTED: list[tuple[Callable[[Tree], object], list[Difference]]] = [
    (
        lambda tree: tree.remove("etc/motd"),
        [Difference("etc/motd", Kind.EXTRA, "file 0644 0:0 (root:root), 14 bytes", "nothing")],
    ),
    (
        lambda tree: tree.add("x", directory(0o700, 7, 42)),
        [Difference("x", Kind.MISSING, "nothing", "directory 0700 7:42 (ops:shadow)")],
    ),
    (
        lambda tree: tree.put("link", file(b"")),
        [Difference("link", Kind.TYPE, "symbolic link to etc/motd", "file 0644 0:0 (root:root), 0 bytes")],
    ),
    (
        lambda tree: tree.change("bin/c", mode=0o4755),
        [Difference("bin/c", Kind.MODE, "0755", "4755")],
    ),
    (
        lambda tree: tree.change("bin/c", gid=42),
        [Difference("bin/c", Kind.OWNER, "0:0 (root:root)", "0:42 (root:shadow)")],
    ),
    (
        lambda tree: tree.change("link", uid=8),
        [Difference("link", Kind.OWNER, "0:0 (root:root)", "8:0 (?:root)")],
    ),
    (
        lambda tree: tree.change("link", target="/etc/motd"),
        [Difference("link", Kind.LINK_TARGET, "etc/motd", "/etc/motd")],
    ),
    (
        link_a_third_name,
        [
            Difference("bin/a", Kind.HARD_LINK, "/bin/b", "/bin/b /bin/c"),
            Difference("bin/b", Kind.HARD_LINK, "/bin/a", "/bin/a /bin/c"),
            Difference("bin/c", Kind.HARD_LINK, "no other name", "/bin/a /bin/b"),
        ],
    ),
    (
        lambda tree: tree.remove("bin/b"),  # what remains of the inode is no second difference
        [Difference("bin/b", Kind.EXTRA, "file 0755 0:0 (root:root), 7 bytes", "nothing")],
    ),
    (
        lambda tree: tree.change("null", device=(1, 5)),
        [Difference("null", Kind.DEVICE, "1:3", "1:5")],
    ),
    (
        lambda tree: tree.change("null", type=NodeType.BLOCK),
        [
            Difference(
                "null",
                Kind.TYPE,
                "character device 1:3 0666 0:0 (root:root)",
                "block device 1:3 0666 0:0 (root:root)",
            )
        ],
    ),
    (
        lambda tree: tree.change("bin/c", xattrs={"user.a": b"\1\2"}),
        [Difference("bin/c", Kind.XATTR, "no user.a", "user.a=0x0102")],
    ),
    (
        lambda tree: tree.set("etc/motd", file(b"one\n2\nthree")),
        [
            Difference(
                "etc/motd",
                Kind.CONTENT,
                "14 bytes, sha256 b6285c57e8797db5...",
                "11 bytes, sha256 ea3448bd6d1358d7...",
                (
                    "@@ -1,3 +1,3 @@",
                    " one",
                    "-2",
                    "-three  (no newline at the end)",
                    "+two",
                    "+three",
                ),
            )
        ],
    ),
    (
        lambda tree: tree.set("bin/c", file(b"\0Binary", 0o755)),
        [
            Difference(
                "bin/c",
                Kind.CONTENT,
                "7 bytes, sha256 268576d50a742ae1...",
                "7 bytes, sha256 fb4989b2e6feb770...",
            )
        ],
    ),
]


@pytest.mark.parametrize(("plant", "expected"), PLANTED)
def test_planted_difference_is_found(plant: Callable[[Tree], object], expected: list[Difference]) -> None:
    theirs = sample()
    plant(theirs)
    assert differences(sample(), theirs) == expected


def test_each_kind_was_planted() -> None:
    assert {difference.kind for _, expected in PLANTED for difference in expected} == set(Kind)


def test_one_number_under_two_names_is_another_owner() -> None:
    ours, theirs = sample(), sample()
    ours.change("bin/c", gid=42)
    theirs.change("bin/c", gid=42)
    theirs.set("etc/group", file(b"root:x:0:\nother:x:42:\n"))
    found = differences(ours, theirs)
    assert [each.kind for each in found] == [Kind.OWNER, Kind.CONTENT]
    assert (found[0].ours, found[0].theirs) == ("0:42 (root:shadow)", "0:42 (root:other)")


def test_a_tree_without_accounts_has_nameless_numbers() -> None:
    tree = Tree()
    assert Side.of(tree, NO_SOURCES).owner(tree[""]) == "0:0 (?:?)"


def test_a_long_diff_is_cut() -> None:
    ours, theirs = sample(), sample()
    ours.set("etc/motd", file(b"".join(b"%d\n" % number for number in range(100))))
    theirs.set("etc/motd", file(b""))
    (found,) = differences(ours, theirs)
    assert len(found.detail) == 41
    assert found.detail[-1] == "... and 61 lines more"


def test_a_directory_comes_before_what_is_in_it() -> None:
    ours, theirs = Tree(), Tree()
    for path in ("a", "a/b", "a-b", "a/b/c"):
        theirs.add(path, directory()) if path != "a-b" else theirs.add(path, file(b""))
    assert [each.path for each in differences(ours, theirs)] == ["a", "a/b", "a/b/c", "a-b"]
