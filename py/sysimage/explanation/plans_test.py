"""Plans as rules leave them: a map, its literals beside it, and slices of files that are elsewhere."""

from pathlib import Path

import pytest

from sysimage import extents, gpt
from sysimage.explanation import explain
from sysimage.explanation.testing import KIND, MTIME, OTHER_TIME, PARTITION, Change, change, root, volume
from sysimage.extents import ExtentMap
from sysimage.tree import Tree, file


def sliced(*changes: Change) -> Tree:
    """The sample root, with a file whose content lies in a layer."""
    tree = root()
    tree.add("large", file(ExtentMap.of_slice("pkg/layer.tar", 512, 5000), mtime=MTIME))
    for each in changes:
        each(tree)
    return tree


def plan(folder: Path, tree: Tree, name: str = "root") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.map.json"
    extents.save(volume(tree), path, folder / f"{name}.literals", f"pkg/{name}.literals")
    return path


@pytest.mark.parametrize("name", ["root.map.json", "root.literals"])
def test_what_a_plan_describes(tmp_path: Path, name: str) -> None:
    plan(tmp_path / "a", sliced())
    plan(tmp_path / "b", sliced(change("etc/hostname", mtime=OTHER_TIME)))
    if name == "root.map.json":  # only the literals differ
        assert explain(tmp_path / "a" / name, tmp_path / "b" / name) == []
    else:
        assert explain(tmp_path / "a" / name, tmp_path / "b" / name) == [
            "inode 16 /etc/hostname: mtime 2025-08-09T00:00:00Z against 2001-01-01T00:00:00Z"
        ]


def test_slices_of_files_that_are_elsewhere(tmp_path: Path) -> None:
    ours = plan(tmp_path / "a", sliced())
    theirs = plan(tmp_path / "b", sliced(change("large", content=ExtentMap.of_slice("pkg/layer.tar", 9728, 5000))))
    assert explain(ours, theirs) == [
        "slices of other files: 1 extent against 1; extent 1 is bytes 57344-62343 from byte 512 of pkg/layer.tar "
        "against bytes 57344-62343 from byte 9728 of pkg/layer.tar"
    ]


def test_literals_of_the_plans_that_a_plan_is_made_of(tmp_path: Path) -> None:
    paths = []
    for name, changes in (("a", []), ("b", [change("usr/bin/tool", uid=7)])):
        inner = extents.load(plan(tmp_path / name, sliced(*changes)))
        layout = gpt.Layout(KIND, 3 * PARTITION, (gpt.Partition(1, "root", PARTITION, PARTITION, KIND, KIND),))
        disk = gpt.plan(layout, {"root": inner})
        extents.save(disk, tmp_path / name / "disk.map.json", tmp_path / name / "disk.literals", "pkg/disk.literals")
        paths.append(tmp_path / name / "root.literals")
    plans = [path.with_name("disk.map.json") for path in paths]
    assert plans[0].read_bytes() == plans[1].read_bytes()
    assert explain(*paths) == ["inode 19 /usr/bin/tool: uid 0 against 7"]


def test_without_literals_a_map_is_compared_by_its_rows(tmp_path: Path) -> None:
    ours = plan(tmp_path / "a", sliced())
    theirs = plan(tmp_path / "b", sliced(change("large", content=ExtentMap.of_slice("pkg/layer.tar", 9728, 5000))))
    theirs.with_name("root.literals").unlink()
    (sentence,) = explain(ours, theirs)
    assert sentence.startswith("map: ")
    assert sentence.endswith(" against bytes 57344-62343 from byte 9728 of pkg/layer.tar")


def test_a_map_that_is_damaged(tmp_path: Path) -> None:
    ours, theirs = plan(tmp_path / "a", sliced()), plan(tmp_path / "b", sliced())
    theirs.write_bytes(ours.read_bytes()[:-4])
    first, _ = explain(ours, theirs)
    assert first.startswith("cannot be compared as an extent map: theirs: not an extent map: ")


def test_literals_that_are_cut(tmp_path: Path) -> None:
    ours, theirs = plan(tmp_path / "a", sliced()), plan(tmp_path / "b", sliced())
    cut = theirs.with_name("root.literals")
    cut.write_bytes(cut.read_bytes()[:9000])
    # The literals alone begin as the file system does.
    first, second = explain(ours.with_name("root.literals"), cut)
    assert first.startswith("cannot be compared as an ext4 file system: ours: the ext4 file system is cut: ")
    assert second.startswith("content differs first at byte 9000 of ")
