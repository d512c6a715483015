"""Trees against trees: what is there, as what, and with which attributes and content."""

from collections.abc import Callable
from dataclasses import dataclass

from sysimage.explanation import words
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.extents import ImageReader, Sources
from sysimage.tree import Node, NodeType, Tree, parent

Compare = Callable[[Pair, Place, Findings], None]


def _no_label(path: str) -> str:
    return words.path(path)


def _no_place(place: Place, path: str, label: str) -> Place:
    del path
    return place.alone(label)


@dataclass(frozen=True, slots=True)
class Side:
    """A tree, and the files that its contents are slices of."""

    tree: Tree
    sources: Sources

    def reader(self, path: str) -> ImageReader:
        """The content of a file."""
        return ImageReader(self.tree[path].data, self.sources)


def compare_trees(
    ours: Side,
    theirs: Side,
    place: Place,
    findings: Findings,
    inner: Compare,
    label: Callable[[str], str] = _no_label,
    locate: Callable[[Place, str, str], Place] = _no_place,
) -> None:
    """Every entry of two trees.

    Args:
        ours: our side.
        theirs: the other.
        place: what holds the trees.
        findings: takes what differs.
        inner: compares contents of files.
        label: what a path is called (`inode 12 /etc/hostname`).
        locate: from the place, a path and its label to the place of that file's bytes.
    """
    for side, other, mine in ((ours, theirs, True), (theirs, ours, False)):
        _missing(side.tree, other.tree, place, findings, mine)
    seen: set[int] = set()
    for path, node in ours.tree.walk():
        other_node = theirs.tree.get(path)
        number = ours.tree.number(path)
        if other_node is None or number in seen:
            continue
        seen.add(number)
        here = place.alone(label(path))
        if node.type is not other_node.type:
            sentence = f"{words.KINDS[node.type]} against {words.KINDS[other_node.type]}"
            findings.add(Rank.CONTENT, "type", here, sentence)
            continue
        _links(ours.tree, theirs.tree, path, here, findings)
        compare_nodes(node, other_node, here, findings)
        if node.content is not None and (node.content, ours.sources) != (other_node.content, theirs.sources):
            inner(Pair(ours.reader(path), theirs.reader(path)), locate(place, path, label(path)), findings)


def compare_nodes(ours: Node, theirs: Node, place: Place, findings: Findings) -> None:
    """Attributes of two inodes of one type; of files not the content."""
    if ours.target != theirs.target:
        sentence = f"target {words.text(ours.target)} against {words.text(theirs.target)}"
        findings.add(Rank.CONTENT, "target", place, sentence)
    rows = [dict(words.attributes(node)) for node in (ours, theirs)]
    for row in rows:
        row.pop("target", None)
    # Long values are cut in words, so equal words need not be equal values.
    for name in sorted(ours.xattrs.keys() & theirs.xattrs.keys()):
        mine, other = ours.xattrs[name], theirs.xattrs[name]
        for row in rows:
            del row[f"xattr {name}"]
        if mine != other:
            findings.add(Rank.ATTRIBUTE, "xattr", place, f"xattr {name} {words.pair(mine, other)}")
    findings.fields(Rank.ATTRIBUTE, "", place, *rows)


def _missing(tree: Tree, other: Tree, place: Place, findings: Findings, mine: bool) -> None:
    """What only one side has; of a folder that is missing whole, one sentence."""
    below: dict[str, int] = {}
    for path, _ in tree.walk():
        if path in other:
            continue
        top = path
        while parent(top) not in other:
            top = parent(top)
        below[top] = below.get(top, -1) + 1
    for path, number in below.items():
        kind = words.KINDS[tree[path].type]
        more = f", with {number} more below," if number else ""
        findings.only(Rank.CONTENT, "missing", place.alone(words.path(path)), mine, f"{kind}{more}")


def _links(ours: Tree, theirs: Tree, path: str, place: Place, findings: Findings) -> None:
    if ours[path].type is NodeType.DIRECTORY:
        return
    lists = [[each for each in tree.links(path) if each in ours and each in theirs] for tree in (ours, theirs)]
    if lists[0] != lists[1]:
        mine, other = (", ".join(words.path(each) for each in paths) for paths in lists)
        findings.add(Rank.LAYOUT, "links", place, f"one inode under {mine} against {other}")
