"""Each planted fault is found, and named."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

CHANCE = (
    "chance: two runs in the same environment differ, with the clock standing still"
    " (random numbers, process ids, times of files that it makes itself)"
)
FOLDER = "tests/reproducibility"
BIN = f"bazel-out/k8-fastbuild/bin/{FOLDER}"
TOOL = Path(os.environ["TOOL"])
FAKETIME = Path("usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


def run(graph: Path, tool: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [os.environ["PROGRAM"], f"--graph={graph}", f"--tool={tool}", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done


def graph_of(fault: str) -> Path:
    return Path(FOLDER, f"{fault}_reproducibility_graph.json")


def reproduce(fault: str) -> tuple[int, list[str]]:
    """Exit status, and what the test says after the table of environments."""
    done = run(graph_of(fault), TOOL)
    return done.returncode, verdict(done.stdout)


def verdict(said: str) -> list[str]:
    lines = said.splitlines()
    return lines[next(n for n, line in enumerate(lines) if "reproducible: " in line) :]


@pytest.mark.parametrize(
    ("fault", "causes"),
    [
        ("mtime", ["times of inputs"]),
        ("own-mtime", [CHANCE]),
        ("mode", ["modes of inputs"]),
        ("uid", ["user"]),
        ("user-name", ["user", "environment variables"]),
        ("umask", ["umask", "setgid and ACL on scratch directories"]),
        ("acl", ["setgid and ACL on scratch directories"]),
        ("directory-order", ["directory read order"]),
        # The disk has an order of its own, which is not that in which files come to be.
        ("native-order", ["file system of the scratch directory"]),
        ("locale-sort", ["locale"]),
        ("encoding", ["locale"]),
        ("time-zone", ["time zone"]),
        ("clock", ["clock"]),
        ("host-name", ["host name"]),
        ("compressor", ["CPU count"]),
        ("block-size", ["file system of the scratch directory"]),
        ("hash-seed", ["Python hash seed"]),
        ("path", ["output path and its length"]),
        ("path-length", ["output path and its length"]),
        ("environment", ["environment variables"]),
        ("random", [CHANCE]),
    ],
)
def test_fault_is_named(fault: str, causes: list[str]) -> None:
    status, lines = reproduce(fault)
    assert status == 1
    assert lines[0] == f"not reproducible: //{FOLDER}:{fault}"
    assert lines[1] == f"first action that differs: Faulty of //{FOLDER}:{fault}"
    assert lines[2].startswith(f"  {BIN}/{fault}.out: ")
    said = [line.removeprefix("because of: ").partition(" (A: ")[0] for line in lines if line.startswith("because")]
    assert said == causes


def test_sound_actions_of_all_kinds() -> None:
    status, lines = reproduce("sound")
    assert status == 0
    assert lines == ["reproducible: 4 actions, the same bytes in A, in B, and in Bazel's build"]


def test_the_first_of_a_chain_is_named(tmp_path: Path) -> None:
    done = run(graph_of("chain"), TOOL, f"--logs={tmp_path}")
    lines = verdict(done.stdout)
    assert done.returncode == 1
    assert lines[1] == f"first action that differs: Faulty of //{FOLDER}:mtime, and 2 later ones"
    a, b = ([json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()] for name in "AB")
    assert [row["seen"]["uid"] for row in (a[0], b[0])] == [1000, 0]
    assert [row["label"] for row in a[1:]] == [f"//{FOLDER}:{name}" for name in ("mtime", "second", "chain")]
    assert a[1]["inputs"] == b[1]["inputs"]
    assert a[1]["outputs"].keys() == b[1]["outputs"].keys() == {f"{BIN}/mtime.out"}
    assert [row["outputs"] for row in a[1:]] != [row["outputs"] for row in b[1:]]


def test_an_action_that_fails() -> None:
    status, lines = reproduce("fails")
    assert status == 1
    assert lines[1] == f"first action that differs: Faulty of //{FOLDER}:fails"
    assert lines[2] == "  in environment B it failed: exit status 1: Traceback (most recent call last):"
    assert lines[-3].startswith("UnicodeEncodeError: ")
    assert lines[-1] == "because of: locale (A: UTF-8, sorts I Z a i z ä; B: ISO-8859-9, sorts a ä I i Z z)"


def test_an_action_that_cannot_be_executed_here() -> None:
    status, lines = reproduce("fails-here")
    assert status == 1
    assert lines[1:] == [
        f"first action that differs: Faulty of //{FOLDER}:fails-here",
        "  in environment A it failed: exit status 1: not here",
        "  in environment B it failed: exit status 1: not here",
        "because of: it fails in both environments, and so depends on something that only Bazel's execution has",
    ]


def test_place_in_an_image() -> None:
    status, lines = reproduce("image")
    assert status == 1
    assert lines[1] == f"first action that differs: Faulty of //{FOLDER}:host-name, and 4 later ones"
    content = "content differs first at byte 0 of 7 against 15"
    values = '"builder" against "hostile"'
    assert lines[2] == f"  {BIN}/host-name.out: {content} (line 1): {values}"
    assert lines[3] == (
        f"  {BIN}/image.tar.zst: disk.img root (partition 1, ext4) inode 13 /etc/built-by: {content}"
        f" (line 1, byte 45056 of the partition, byte 1093632 of the disk): {values}"
    )
    assert lines[4].startswith(f"  {BIN}/image.tar.zst.sha256: ")
    assert lines[5:] == ["because of: host name (A: builder; B: hostile.example)"]


def test_bazel_has_other_bytes(tmp_path: Path) -> None:
    graph = tmp_path / "graph.json"
    shutil.copyfile(graph_of("sound"), graph)
    inputs = graph_of("sound").with_suffix(".inputs").absolute()
    shutil.copytree(inputs, graph.with_suffix(".inputs"), copy_function=os.symlink)
    target = graph.with_suffix(".inputs") / BIN / "sound.out"
    before = target.read_text()
    target.unlink()
    target.write_text(before.replace("reads", "heeds"))
    done = run(graph, TOOL)
    assert done.returncode == 1
    lines = verdict(done.stdout)
    assert lines[0] == f"not reproducible: //{FOLDER}:sound: A and B agree, Bazel's build has other bytes"
    assert lines[1].startswith(f"  {BIN}/sound.out: content differs first at byte ")
    assert len(lines) == 2


def test_what_cannot_be_varied_is_no_success(tmp_path: Path) -> None:
    """A library that the loader does not take: it says so, and the program runs with the machine's own clock."""
    tool = tmp_path / "tool"
    shutil.copytree(TOOL.absolute(), tool, copy_function=os.symlink)
    (tool / FAKETIME).unlink()
    (tool / FAKETIME).write_bytes(b"no library")
    done = run(graph_of("sound"), tool)
    assert done.returncode == 2
    assert done.stdout == ""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert done.stderr == (
        f"error: the environments do not differ in clock: a program sees {today} in both"
        " (hint: this machine cannot vary it; the container can: gitlab-ci/container/container-run.sh)\n"
    )


def test_arguments() -> None:
    done = subprocess.run([os.environ["PROGRAM"], "--graph=x"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: flag --tool=None: Flag --tool must have a value other than None. (hint: --help lists the flags)\n"
    )


def test_another_tool(tmp_path: Path) -> None:
    done = run(graph_of("sound"), tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {tmp_path} has no usr/share/i18n/charmaps/ISO-8859-9.gz"
        " (hint: what is wanted is the folder of //toolchains/reproducibility/tools:environments)\n"
    )
