"""LVM in the contract of a disk's layout, held against what LVM's own program reads from the disk.

    vg  data  4c7GVZ-Df82-QEcJ-xXtV-JgRL-IjLE-hK0FgA  4194304  1  RESIZEABLE,READ,WRITE  1620345600
    pv  lvm  data  eu0VQE-HlTi-EyRc-GceP-xZtn-3j6t-iqEwyv  1048576
    lv  lvm/root  25  256  0BQNUA-dzGu-wvW5-mMRh-Ptr6-J6DT-Ff2a9x  ext4

A volume group: name, UUID, bytes of an extent, number of its metadata (it counts changes), status, time of creation in
seconds since 1970. A physical volume: partition, group, UUID, the byte of the partition that extent 0 begins at. A
logical volume, in one piece: PARTITION/VOLUME, first extent, extents, UUID, content as that of a partition.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sysimage.errors import UserError
from sysimage.lvm import metadata
from sysimage.text import is_decimal
from sysimage.volumes import join

MEMBER = "LVM2_member"  # what blkid calls a physical volume
SECTOR = 512
_HEAD = 16 << 20  # bytes of a physical volume that its program is shown: labels and metadata lie at the start
_BORDER = b"\n  ---\n"  # pvck's, before and behind the text
_FORMS = {
    "vg": "vg NAME UUID EXTENT-BYTES SEQNO STATUS CREATED",
    "pv": "pv PARTITION GROUP UUID FIRST-BYTE",
    "lv": "lv PARTITION/VOLUME FIRST-EXTENT EXTENTS UUID CONTENT",
}


@dataclass(frozen=True, slots=True)
class Group:
    """A volume group: extent in bytes, created in seconds since 1970, status as words with commas between them."""

    name: str
    uuid: str
    extent: int
    seqno: int
    status: str
    created: int


@dataclass(frozen=True, slots=True)
class Physical:
    """A physical volume: start is where extent 0 begins, in bytes."""

    name: str
    group: str
    uuid: str
    start: int


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical volume; extents are `first+count`, with commas between the pieces of one that has several."""

    name: str
    extents: str
    uuid: str
    content: str


@dataclass(slots=True)
class Groups:
    """All that a disk has of LVM."""

    groups: list[Group] = field(default_factory=list)
    physical: list[Physical] = field(default_factory=list)
    logical: list[Logical] = field(default_factory=list)

    def take(self, words: Sequence[str], where: str) -> bool:
        """Adds what a line of the table says.

        Returns:
            Whether it is a line about LVM.

        Raises:
            UserError: it is, and says something impossible.
        """
        kind, *rest = words
        if kind not in _FORMS:
            return False
        form = _FORMS[kind]
        if len(words) != len(form.split()):
            raise UserError(f"{where}: this is no line about LVM: {' '.join(words)!r}", repr(form))
        numbers = {"vg": (2, 3, 5), "pv": (3,), "lv": (1, 2)}[kind]
        for index in numbers:
            if not is_decimal(rest[index]):
                raise UserError(f"{where}: {rest[index]!r} is not a number", repr(form))
        if kind == "vg":
            self.groups.append(Group(rest[0], rest[1], int(rest[2]), int(rest[3]), rest[4], int(rest[5])))
        elif kind == "pv":
            self.physical.append(Physical(rest[0], rest[1], rest[2], int(rest[3])))
        else:
            self.logical.append(Logical(rest[0], f"{int(rest[1])}+{int(rest[2])}", rest[3], rest[4]))
        return True


def read(disk: Path, partition: str, offset: int, size: int, content: Callable[[int, int], str], found: Groups) -> None:
    """What pvck reads from a physical volume.

    Args:
        disk: the raw disk image.
        partition: name of the partition.
        offset: where it begins, in bytes.
        size: its bytes.
        content: what lies in a range of the disk.
        found: takes the result.

    Raises:
        UserError: pvck is not content, or the group has other physical volumes too.
    """
    sections: dict[str, Any] = metadata.parse(_dump(disk, partition, offset, size))
    ((name, group),) = ((name, each) for name, each in sections.items() if isinstance(each, dict))
    if len(group["physical_volumes"]) != 1:
        raise UserError(f"volume group {name!r} has {len(group['physical_volumes'])} physical volumes, 1 is expected")
    ((here, physical),) = group["physical_volumes"].items()
    extent, start = group["extent_size"] * SECTOR, physical["pe_start"] * SECTOR
    status, created = ",".join(group["status"]), sections["creation_time"]
    found.groups.append(Group(name, group["id"], extent, group["seqno"], status, created))
    found.physical.append(Physical(partition, name, physical["id"], start))
    for volume, row in group.get("logical_volumes", {}).items():
        pieces = [_piece(row[f"segment{number}"], here) for number in range(1, row["segment_count"] + 1)]
        first, linear, count = pieces[0].partition("+")
        whole = linear and len(pieces) == 1
        inside = content(offset + start + int(first) * extent, int(count) * extent) if whole else "unknown"
        found.logical.append(Logical(join(partition, volume), ",".join(pieces), row["id"], inside))


def _piece(segment: Mapping[str, Any], physical: str) -> str:
    """`first+count` of a segment that is one range of the physical volume, the type of any other."""
    kind: str = segment["type"]
    if kind != "striped" or segment["stripe_count"] != 1 or segment["stripes"][0] != physical:
        return kind
    return f"{segment['stripes'][1]}+{segment['extent_count']}"


def _dump(disk: Path, partition: str, offset: int, size: int) -> bytes:
    """The metadata of a physical volume as text."""
    with tempfile.TemporaryDirectory(prefix="pvck-") as folder:
        head = Path(folder, "pv.img")
        with disk.open("rb") as file:
            head.write_bytes(os.pread(file.fileno(), min(size, _HEAD), offset))
        # No configuration of this machine's, and no locks where only root may write.
        Path(folder, "lvm.conf").write_text(f'global {{ locking_dir = "{folder}/lock" }}\n')
        # Open files that it inherits from Bazel are none of its business, and it complains about them.
        environment = {**os.environ, "LVM_SYSTEM_DIR": folder, "LVM_SUPPRESS_FD_WARNINGS": "1"}
        command = ["pvck", "--dump", "metadata", str(head)]
        done = subprocess.run(command, capture_output=True, check=False, env=environment)
    said = [line.strip() for line in (done.stdout + done.stderr).decode("utf-8", "backslashreplace").splitlines()]
    wrong = [line for line in said if line.startswith("CHECK: ")]
    text = done.stdout.partition(_BORDER)[2].partition(_BORDER)[0]
    if done.returncode or wrong or not text:
        raise UserError(f"pvck is not content with partition {partition!r}: {'; '.join(wrong or said)}")
    return text


_UNITS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "groups",
        "volume group",
        {"uuid": "UUID", "extent": "bytes of an extent", "seqno": "seqno", "status": "status", "created": "created"},
    ),
    ("physical", "physical volume", {"group": "volume group", "uuid": "UUID", "start": "start of extent 0"}),
    ("logical", "volume", {"extents": "place in extents", "uuid": "UUID", "content": "content"}),
)


def differences(expected: Groups, found: Groups) -> Iterator[str]:
    """What a disk has of LVM otherwise than its contract, one difference a line."""
    for attribute, word, units in _UNITS:
        there = {each.name: each for each in getattr(found, attribute)}
        for want in getattr(expected, attribute):
            what = f"{word} {want.name}"
            if want.name not in there:
                yield f"{what} is missing"
            else:
                yield from field_differences(what, want, there.pop(want.name), units)
        yield from (f"{word} {name} is one too many" for name in there)


def field_differences(what: str, expected: object, found: object, units: Mapping[str, str]) -> Iterable[str]:
    """One line for each attribute of `units` that differs, under the name that it has there."""
    for key, unit in units.items():
        want, have = getattr(expected, key), getattr(found, key)
        if want != have:
            yield f"{what}: {unit} is {have}, not {want}"
