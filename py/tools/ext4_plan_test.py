import subprocess
import sys
from pathlib import Path

import pytest

from sysimage import extents
from sysimage import tree as trees
from sysimage.ext4 import inspect, read, verify
from sysimage.extents import ExtentMap, ImageReader, Sources
from tools import ext4_plan

UUID = "11223344-5566-7788-99aa-bbccddeeff00"


def run(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    fixed = ["--epoch=1700000000", "--map_out=map", "--literals_out=literals", "--literals_key=literals"]
    words = [sys.executable, ext4_plan.__file__, *fixed, *flags]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env={"PYTHONPATH": _path()})


def _path() -> str:
    return ":".join(sys.path)


def opened(folder: Path) -> ImageReader:
    sources = Sources({"literals": folder / "literals", "data": folder / "data"})
    return ImageReader(extents.load(folder / "map"), sources)


def test_empty(tmp_path: Path) -> None:
    done = run(tmp_path, f"--uuid={UUID}", f"--hash_seed={UUID}", "--size=104857600", "--label=config", "--journal")
    assert (done.returncode, done.stderr) == (0, "")
    info = inspect(opened(tmp_path))
    assert (info.label, info.size, info.journal_size, info.created) == ("config", 104857600, 4194304, 1700000000)
    tree = read(opened(tmp_path))
    assert [path for path, _ in tree.walk()] == ["", "lost+found"]
    assert tree[""].mtime == 1700000000 * 10**9
    assert verify(opened(tmp_path)) == []


def test_tree_with_labels(tmp_path: Path) -> None:
    tree = trees.Tree()
    tree.add("file", trees.file(ExtentMap.of_slice("data", 3, 5000)))
    trees.save(tree, tmp_path / "tree")
    (tmp_path / "data").write_bytes(bytes(range(250)) * 40)
    (tmp_path / "contexts").write_text("/.* u:r:t\n")
    ids = [f"--uuid={UUID}", f"--hash_seed={UUID}"]
    done = run(tmp_path, *ids, "--tree=tree", "--file_contexts=contexts", "--reserve=100000")
    assert (done.returncode, done.stderr) == (0, "")
    got = read(opened(tmp_path))
    assert got.read("file", opened(tmp_path).sources) == (bytes(range(250)) * 40)[3:5003]
    assert got["file"].xattrs == {"security.selinux": b"u:r:t\0"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([f"--uuid={UUID}", "--hash_seed=x"], "error: --hash_seed 'x' is not a UUID\n"),
        ([f"--uuid={UUID}", f"--hash_seed={UUID}", "more"], "error: unexpected argument 'more'\n"),
        (
            [f"--uuid={UUID}", f"--hash_seed={UUID}", "--size=4096"],
            "error: content is larger than its partition: 40960 bytes are needed, 36864 more than the 4096 there are "
            "(hint: make the partition larger or the content smaller)\n",
        ),
    ],
)
def test_bad_flags(tmp_path: Path, flags: list[str], message: str) -> None:
    done = run(tmp_path, *flags)
    assert (done.returncode, done.stderr) == (2, message)
    assert list(tmp_path.iterdir()) == []
