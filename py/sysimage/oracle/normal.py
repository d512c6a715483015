"""What two root filesystems must be brought to before they can be compared.

A real install gives accounts the next free numbers, in the order in which packages happen to be configured, and
writes what it keeps in lists in an order that means nothing. Neither is hidden by leaving files out: numbers are
changed to those of the accounts table by the accounts' names, and lists are sorted; all else stays as it was.
"""

from collections.abc import Mapping

from sysimage.debian.accounts import AccountsTable
from sysimage.extents import ExtentMap, Sources
from sysimage.tree import Tree

# Lists without an order, and how many lines one of their records has. Sources: dpkg-divert(1), dpkg-statoverride(1),
# dpkg's doc/triggers.txt; passwd(5) and its like have one account a line, known by its name.
UNORDERED: Mapping[str, int] = {
    "etc/group": 1,
    "etc/gshadow": 1,
    "etc/passwd": 1,
    "etc/shadow": 1,
    "var/lib/dpkg/diversions": 3,
    "var/lib/dpkg/statoverride": 1,
    "var/lib/dpkg/triggers/File": 1,
}


def renumbered(tree: Tree, sources: Sources, table: AccountsTable) -> Tree:
    """A tree whose accounts have the numbers of a table, in /etc/passwd, /etc/group and all inodes.

    An account that the table lacks keeps its number, and so does whatever belongs to nobody.
    """
    passwd, group = _fields(tree, sources, "etc/passwd"), _fields(tree, sources, "etc/group")
    uids = {int(row[2]): table.users[row[0]][0] for row in reversed(passwd) if row[0] in table.users}
    gids = {int(row[2]): table.groups[row[0]] for row in reversed(group) if row[0] in table.groups}
    result = tree.copy()
    for path, node in tree.walk():
        uid, gid = uids.get(node.uid, node.uid), gids.get(node.gid, node.gid)
        if (uid, gid) != (node.uid, node.gid):
            result.change(path, uid=uid, gid=gid)
    for row in passwd:
        row[2:4] = str(uids.get(int(row[2]), row[2])), str(gids.get(int(row[3]), row[3]))
    for row in group:
        row[2] = str(gids.get(int(row[2]), row[2]))
    for path, rows in (("etc/passwd", passwd), ("etc/group", group)):
        if path in tree:
            _write(result, path, "".join(":".join(row) + "\n" for row in rows).encode())
    return result


def _fields(tree: Tree, sources: Sources, path: str) -> list[list[str]]:
    text = tree.read(path, sources).decode("utf-8", "surrogateescape") if path in tree else ""
    return [line.split(":") for line in text.splitlines()]


def sorted_lists(tree: Tree, sources: Sources) -> Tree:
    """A tree whose lists without an order are sorted."""
    result = tree.copy()
    for path, height in UNORDERED.items():
        node = tree.get(path)
        if node is not None and node.content is not None:
            lines = tree.read(path, sources).splitlines(keepends=True)
            records = sorted(b"".join(lines[at : at + height]) for at in range(0, len(lines), height))
            _write(result, path, b"".join(records))
    return result


def _write(tree: Tree, path: str, data: bytes) -> None:
    tree.change(path, content=ExtentMap.of_bytes(data))
