"""The program as the rule calls it: flags in a file, layers on layers, one line for what the user can mend."""

import subprocess
import sys
from pathlib import Path

import pytest

from sysimage import layer, tar_reader
from sysimage.extents import Sources
from sysimage.tree import Tree, file, load, save

PROGRAM = Path(__file__).with_name("rootfs_layer.py")
OUTPUTS = ["--layer_out=layer.tar", "--layer_key=layer", "--tree_out=out.tree", "--config_out=out.json", "--epoch=7"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tree = Tree()
    tree.add("old", file(b"old\n"))
    save(layer.write(tree, tmp_path / "base.tar", "base", Sources({})), tmp_path / "base.tree")
    (tmp_path / "Dockerfile").write_text(
        "FROM base\nARG A\nCOPY x /x\nRUN cat /old /x > /new && echo $A >> /new && rm /old\n"
    )
    (tmp_path / "x.src").write_bytes(b"x\n")
    return tmp_path


def run(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    path = {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, str(PROGRAM), *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=path)


BASE = ["--base_tree=base.tree", "--source=base=base.tar", "--dockerfile=Dockerfile", *OUTPUTS]


def test_a_layer_on_a_base(folder: Path) -> None:
    (folder / "flags").write_text("\n".join([*BASE, "--context=x=x.src", "--mode=x=0755", "--build_arg=A=b=c"]) + "\n")
    done = run(folder, "--flagfile=flags")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    tree = load(folder / "out.tree")
    with Sources({"base": folder / "base.tar", "layer": folder / "layer.tar"}) as sources:
        assert tree.read("new", sources) == b"old\nx\nb=c\n"
    assert [path for path, _ in tree.walk()] == ["", "new", "x"]
    assert tree["x"].mode == 0o755
    assert tree["new"].mtime == 7_000_000_000
    assert [path for path, _ in tar_reader.read(folder / "layer.tar", "layer").walk()] == ["", ".wh.old", "new", "x"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["Dockerfile", "base.tar", "base.tree", "flags", "layer.tar", "out.json", "out.tree", "x.src"]
    )


def test_the_same_twice(folder: Path) -> None:
    flags = [*BASE, "--context=x=x.src", "--build_arg=A=1"]
    results = []
    for _ in range(2):
        assert run(folder, *flags).returncode == 0
        results.append([(folder / name).read_bytes() for name in ("layer.tar", "out.tree", "out.json")])
    assert results[0] == results[1]


BAD = [
    (
        ["--build_arg=A=1"],
        "error: Dockerfile:3: COPY: source 'x' is not in the context (hint: the rule's `context` must list it)\n",
    ),
    (["--context=x=gone"], "error: --context x: cannot read gone: No such file or directory\n"),
    (["--context=x"], "error: --context 'x' is not of the form PATH=FILE\n"),
    (["--context=x=x.src", "--context=x=Dockerfile"], "error: --context 'x' is given twice\n"),
    (["--context=x=x.src", "--mode=x=rwx"], "error: mode 'rwx' is not octal (hint: write it like 0644)\n"),
    (
        ["--context=x=x.src"],
        "error: Dockerfile:4: RUN: variable A is not set "
        "(hint: declare it with ARG or ENV, or write ${A:-} for nothing)\n",
    ),
    (["--dockerfile=gone"], "error: cannot read gone: No such file or directory\n"),
    (["--base_tree=gone"], "error: cannot read gone: No such file or directory\n"),
    (["stray"], "error: what is 'stray'? (hint: everything is a flag)\n"),
]


@pytest.mark.parametrize(("flags", "message"), BAD)
def test_messages(folder: Path, flags: list[str], message: str) -> None:
    done = run(folder, *BASE, *flags)
    assert (done.returncode, done.stderr) == (2, message)
    assert not (folder / "layer.tar").exists()
