"""Each planted fault is found, and named."""

import os
import subprocess

import pytest

CHANCE = (
    "chance: two runs in the same environment differ, with the clock standing still"
    " (random numbers, process ids, times of files that it makes itself)"
)
FOLDER = "tests/reproducibility"


def reproduce(fault: str) -> tuple[int, list[str]]:
    """Exit status, and what the test says after the table of environments."""
    done = subprocess.run(
        [os.environ["PROGRAM"], f"--graph={FOLDER}/{fault}_reproducibility_graph.json", f"--tool={os.environ['TOOL']}"],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    return done.returncode, lines[next(n for n, line in enumerate(lines) if "reproducible:" in line) :]


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
    assert lines[2].startswith(f"  bazel-out/k8-fastbuild/bin/{FOLDER}/{fault}.out: ")
    said = [line.removeprefix("because of: ").partition(" (A: ")[0] for line in lines if line.startswith("because")]
    assert said == causes


def test_nothing_is_found_where_nothing_is() -> None:
    status, lines = reproduce("none")
    assert status == 0
    assert lines == ["reproducible: 1 actions, the same bytes in A, in B, and in Bazel's build"]


def test_the_first_of_a_chain_is_named() -> None:
    status, lines = reproduce("chain")
    assert status == 1
    assert lines[1] == f"first action that differs: Faulty of //{FOLDER}:mtime, and 2 later ones"
