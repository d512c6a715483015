"""The front of the package: two files in, sentences out."""

from collections.abc import Iterator
from pathlib import Path

from sysimage import lvm
from sysimage.errors import UserError
from sysimage.explanation.content import equal
from sysimage.explanation.contents import compare
from sysimage.explanation.findings import Findings, Pair, Place, part
from sysimage.explanation.partitions import matched
from sysimage.explanation.plans import compare_plans, open_plan
from sysimage.extents import ImageReader, open_raw
from sysimage.gpt import read
from sysimage.gpt.reader import Entry
from sysimage.inspection import Volume, open_image
from sysimage.inspection.report import strip

LIMIT = 20  # sentences


def explain(ours: Path, theirs: Path, *, names: tuple[str, str] = ("ours", "theirs"), limit: int = LIMIT) -> list[str]:
    """Where two files differ, the most telling first.

    Cost follows what is stored, not the size of holes. What is compressed is unpacked into a temporary folder. A file
    that is damaged gets a sentence that says so, and is compared by its bytes then. Of an extent map with its literals
    (`x.map.json` beside `x.literals`; either may be given) the image that it describes is compared.

    Args:
        ours: one file.
        theirs: the other, of the same kind if the answer is to tell much.
        names: what the two are called in the answer.
        limit: sentences at most; one more then counts what was left out.

    Returns:
        One sentence a difference, without a full stop; nothing if the files are the same bytes.

    Raises:
        UserError: a file cannot be read.
    """
    findings = Findings(names, limit)
    mine, other = open_raw(ours), open_raw(theirs)
    with mine.sources, other.sources:
        pair = Pair(mine, other)
        if not equal(pair):
            _compare_plans(ours, theirs, findings)
        if not findings.count:
            compare(pair, Place(), findings)
    return findings.sentences()


def _compare_plans(ours: Path, theirs: Path, findings: Findings) -> None:
    """If both are parts of plans: what these describe tells more than their bytes."""
    try:
        mine, other = open_plan(ours), open_plan(theirs)
        if mine is not None and other is not None:
            with mine.known.sources, other.known.sources:
                compare_plans(mine, other, findings, compare)
    except UserError:  # a map or its literals are damaged; told when the files themselves are compared
        return


def picture(ours: Path, theirs: Path) -> str:
    """Our disk to scale, its partitions that differ marked; empty if not both files are disks that can be read.

    A partition that only one side has counts as one that differs, and so is drawn on our side only if we have it.
    The logical volumes of one that differs are drawn below.
    """
    try:
        with open_image(ours) as mine, open_image(theirs) as other:
            return _draw(mine, other)
    except UserError:
        return ""


def _draw(ours: ImageReader, theirs: ImageReader) -> str:
    tables = read(ours), read(theirs)
    marked = set()
    strips: list[str] = []
    for mine, other in matched(*tables):
        if mine is not None and (other is None or not equal(_volumes(ours, theirs, mine, other))):
            marked.add(mine.name)
            if other is not None:
                strips += _draw_groups(_volumes(ours, theirs, mine, other), mine.name)
    ordered = sorted(tables[0].partitions, key=lambda entry: entry.first)
    volumes = [Volume(entry.name, entry.offset, entry.length, 0, "") for entry in ordered]
    legend = "#: differs" if marked else "no partition differs"
    return f"{strip(volumes, marked)}{''.join(strips)}{legend}\n"


def _draw_groups(pair: Pair, name: str) -> Iterator[str]:
    """The logical volumes of a partition that both sides have as a physical volume, those that differ marked."""
    if not lvm.find(pair.ours) or not lvm.find(pair.theirs):
        return
    theirs = {volume.name: volume for volume in lvm.read(pair.theirs).volumes}
    found, marked = [], set()
    for volume in lvm.read(pair.ours).volumes:
        found.append(Volume(volume.name, 0, volume.size, 0, ""))
        other = theirs.get(volume.name)
        if other is None or not equal(Pair(volume.open(pair.ours), other.open(pair.theirs))):
            marked.add(volume.name)
    yield f"\n{name}:\n{strip(found, marked)}"


def _volumes(ours: ImageReader, theirs: ImageReader, mine: Entry, other: Entry) -> Pair:
    return Pair(part(ours, mine.offset, mine.length), part(theirs, other.offset, other.length))
