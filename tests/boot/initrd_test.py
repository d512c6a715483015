"""The initrd alone: a kernel, the initrd, and a small root made by our own writers.

What the command line lacks or has wrong is named in one sentence, and the kernel panics: each sentence is tested.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import gpt
from sysimage.extents import ExtentMap, Sources
from sysimage.materialise import write_raw
from sysimage.tree import Tree
from tests.boot.initrd_machine import (
    IDENTITY,
    NEW,
    SECONDS,
    SHOWN,
    keeping,
    protect,
    root_tree,
    start,
    stops,
)

GUID = UUID("7c0a626e-e5ea-e543-b5c5-300eb8304db7")
OTHER_GUID = UUID("a78bc3a8-376c-054a-96e7-3904b915d0c5")
LAST_GUID = UUID(int=7)
TYPE = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


@dataclass(frozen=True, slots=True)
class Root:
    """A disk whose partition 3 has a verity root, and the words that open it."""

    disk: Path
    words: tuple[str, ...]

    def line(self, *others: str, without: str = "") -> str:
        kept = [word for word in self.words if not without or not word.startswith(without)]
        return " ".join([f"root=PARTUUID={GUID}", *kept, *others])


def make_disk(target: Path, content: ExtentMap, last: ExtentMap | gpt.Empty = gpt.EMPTY) -> Path:
    """Three partitions; the numbers in a table need not follow the order on the disk."""
    partitions = (
        gpt.Partition(1, "other", 2048, 2048, TYPE, OTHER_GUID),
        gpt.Partition(3, "root", 8192, 16384, TYPE, GUID),
        gpt.Partition(2, "last", 4096, 2048, TYPE, LAST_GUID),
    )
    layout = gpt.Layout(UUID(int=8), 32768, partitions)
    contents: dict[str, ExtentMap | gpt.Empty] = {"other": gpt.EMPTY, "last": last, "root": content}
    write_raw(gpt.plan(layout, contents), Sources({}), target)
    return target


def make_root(target: Path, content: Tree, last: ExtentMap | gpt.Empty = gpt.EMPTY) -> Root:
    image, words = protect(content)
    return Root(make_disk(target, image, last), words)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    return make_root(tmp_path_factory.mktemp("root") / "disk.img", root_tree())


@pytest.mark.parametrize("name", [f"root=PARTUUID={GUID}", f"root=PARTUUID={str(GUID).upper()}", "root=/dev/vda3"])
def test_opens_the_root_and_starts_the_system(name: str, root: Root, tmp_path: Path) -> None:
    line = " ".join([name, *root.words])
    with start([root.disk], line, tmp_path, "starts") as machine:
        machine.console.expect("^SYSTEM STARTED with", SECONDS)
        machine.wait(SECONDS)


WRONG_LINES = {
    "the kernel command line has no root=": ("root=",),
    "the kernel command line has no root_hash=, and nothing is started that cannot be verified": ("root_hash=",),
    "root_hash= is not hexadecimal: xyz": ("root_hash=xyz",),
    "root_hash= has 62 digits, 64 are expected": (f"root_hash={'ab' * 31}",),
    "verity.data_blocks= must be a number; it is '1x'": ("verity.data_blocks=1x",),
    "verity.hash_start= must be a number; it is ''": ("verity.hash_start=",),
    "verity.salt= must be hexadecimal, or -; it is 'q'": ("verity.salt=q",),
    "rootwait= must be a number of seconds; it is 'x'": ("rootwait=x",),
    "root= is not a GUID: PARTUUID=7c0a626e": ("root=PARTUUID=7c0a626e",),
    "root= must be PARTUUID=... or /dev/...; it is 'LABEL=root'": ("root=LABEL=root",),
    "the root partition /dev/vdz9 did not appear within 1 seconds": ("root=/dev/vdz9", "rootwait=1"),
    "the root filesystem has no /sbin/gone": ("init=/sbin/gone",),
    "machine_id= must be PARTUUID=...:PATH or /dev/...:PATH; it is 'machine-id'": ("machine_id=machine-id",),
}


@pytest.mark.parametrize("sentence", WRONG_LINES)
def test_what_is_wrong_is_told(sentence: str, root: Root, tmp_path: Path) -> None:
    name = re.sub(r"\W+", "-", WRONG_LINES[sentence][0])
    assert stops([root.disk], root.line(*WRONG_LINES[sentence]), tmp_path, name) == sentence


def test_root_partition_that_is_nowhere(root: Root, tmp_path: Path) -> None:
    other = make_disk(tmp_path / "other.img", ExtentMap(4096))
    missing = UUID(int=99)
    said = stops([other], root.line(f"root=PARTUUID={missing}", "rootwait=1"), tmp_path, "nowhere")
    assert said == f"the root partition PARTUUID={missing} did not appear within 1 seconds"


def test_two_disks_with_one_identity(root: Root, tmp_path: Path) -> None:
    """A stick and a disk may carry the same GUIDs; which one is meant cannot be known."""
    said = stops([root.disk, root.disk], root.line(), tmp_path, "twins")
    assert said == f"several partitions carry PARTUUID={GUID}: vda3 vdb3"


def test_hash_that_does_not_fit(root: Root, tmp_path: Path) -> None:
    with start([root.disk], root.line(f"root_hash={'0' * 64}"), tmp_path, "wrong-hash") as machine:
        machine.console.fatal = None
        machine.console.expect(r"verity: \S+: metadata block \d+ is corrupted", SECONDS)
        machine.console.expect("Kernel panic - not syncing: dm-verity device corrupted", SECONDS)


KEPT = f"machine_id=PARTUUID={LAST_GUID}:state/machine-id"


def test_identity_that_is_kept(tmp_path: Path) -> None:
    root = make_root(tmp_path / "disk.img", root_tree(), keeping(f"{IDENTITY}\n".encode()))
    with start([root.disk], root.line(KEPT, SHOWN), tmp_path, "identity-kept") as machine:
        machine.console.expect(f"^IDENTITY {IDENTITY}, {IDENTITY}$", SECONDS)
        assert re.search(NEW, machine.console.text) is None


CANNOT_BE_MOUNTED = "the partition cannot be mounted"
NOT_AN_IDENTITY = "not an identity, which has 32 hexadecimal digits"


@pytest.mark.parametrize(
    ("name", "partition", "warning"),
    [
        ("missing", keeping(None), None),
        ("malformed", keeping(IDENTITY.upper().encode()), NOT_AN_IDENTITY),
        ("long", keeping(IDENTITY.encode() * 2), NOT_AN_IDENTITY),
        ("no-filesystem", gpt.EMPTY, CANNOT_BE_MOUNTED),
    ],
)
def test_identity_that_is_made(
    name: str, partition: ExtentMap | gpt.Empty, warning: str | None, tmp_path: Path
) -> None:
    """Whatever is wrong with the old one, the system starts, with a new one."""
    root = make_root(tmp_path / "disk.img", root_tree(), partition)
    with start([root.disk], root.line(KEPT, SHOWN), tmp_path, f"identity-{name}") as machine:
        if warning:
            machine.console.expect(f"initrd: {re.escape(KEPT)}: {warning}\n", SECONDS)
        new = machine.console.expect(NEW, SECONDS)[1]
        machine.console.expect(f"^IDENTITY {new}, {new}$", SECONDS)
        assert new != IDENTITY


def test_root_without_a_place_for_the_identity(tmp_path: Path) -> None:
    content = root_tree()
    content.remove("etc/machine-id")
    root = make_root(tmp_path / "disk.img", content, keeping(None))
    said = stops([root.disk], root.line(KEPT), tmp_path, "identity-nowhere")
    assert said == "the root filesystem has no /etc/machine-id"
