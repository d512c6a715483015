"""Numbers by names, lists without an order; and nothing else is changed."""

from sysimage.debian.accounts import parse_accounts
from sysimage.difference import Difference, Kind, Side, compare
from sysimage.extents import Sources
from sysimage.oracle.normal import renumbered, sorted_lists
from sysimage.tree import Tree, directory, file

NO_SOURCES = Sources({})
TABLE = parse_accounts("g root 0\ng bus 903\ng ssh 909\ng none 65534\nu root 0\nu bus 903\nu sshd 910:none\n", "table")


def installed() -> Tree:
    """As a real install leaves it: numbers in the order of configuration."""
    tree = Tree()
    tree.add("etc", directory())
    tree.add(
        "etc/passwd", file(b"root:x:0:0::/:/bin/sh\nbus:x:909:909::/:/no\nsshd:x:990:65534::/:/no\nx:x:5:5::/:/no\n")
    )
    tree.add("etc/group", file(b"root:x:0:\nnone:x:65534:\nbus:x:909:sshd\nssh:x:903:\nx:x:5:\n", 0o640, gid=903))
    tree.add("agent", file(b"", 0o2755, 0, 903))
    tree.add("socket", directory(0o750, 909, 909))
    tree.link("agent2", "agent")
    tree.add("strange", file(b"", 0o644, 5, 77))
    return tree


def test_numbers_are_those_of_the_table_by_name() -> None:
    tree = renumbered(installed(), NO_SOURCES, TABLE)
    assert tree.read("etc/passwd", NO_SOURCES).decode().splitlines() == [
        "root:x:0:0::/:/bin/sh",
        "bus:x:903:903::/:/no",
        "sshd:x:910:65534::/:/no",
        "x:x:5:5::/:/no",
    ]
    assert tree.read("etc/group", NO_SOURCES).decode().splitlines() == [
        "root:x:0:",
        "none:x:65534:",
        "bus:x:903:sshd",
        "ssh:x:909:",
        "x:x:5:",
    ]
    owners = {path: (node.uid, node.gid) for path, node in tree.walk() if path}
    assert owners == {
        "agent": (0, 909),
        "agent2": (0, 909),
        "etc": (0, 0),
        "etc/group": (0, 909),
        "etc/passwd": (0, 0),
        "socket": (903, 903),
        "strange": (5, 77),
    }
    assert tree.links("agent") == ["agent", "agent2"]


def test_an_owner_that_is_wrong_stays_wrong() -> None:
    ours, theirs = renumbered(installed(), NO_SOURCES, TABLE), installed()
    theirs.change("socket", gid=903)  # ssh's before, and after it is numbered anew
    found = compare(Side.of(ours, NO_SOURCES), Side.of(renumbered(theirs, NO_SOURCES, TABLE), NO_SOURCES))
    assert found == [Difference("socket", Kind.OWNER, "903:903 (bus:bus)", "903:909 (bus:ssh)")]


def test_a_tree_without_accounts_stays_as_it_is() -> None:
    tree = Tree()
    tree.add("x", file(b"", 0o644, 909, 909))
    assert renumbered(tree, NO_SOURCES, TABLE)["x"] == tree["x"]


def test_lists_without_an_order_are_sorted_record_by_record() -> None:
    tree = installed()
    tree.make_directories("var/lib/dpkg")
    tree.add("var/lib/dpkg/diversions", file(b"/b\n/b.d\none\n/a\n/a.d\ntwo\n"))
    tree.add("var/lib/dpkg/other", file(b"b\na\n"))
    result = sorted_lists(tree, NO_SOURCES)
    assert result.read("var/lib/dpkg/diversions", NO_SOURCES) == b"/a\n/a.d\ntwo\n/b\n/b.d\none\n"
    assert result.read("etc/group", NO_SOURCES).startswith(b"bus:x:909:sshd\nnone:")
    assert result.read("var/lib/dpkg/other", NO_SOURCES) == b"b\na\n"
    assert result["etc/group"].mode == 0o640
