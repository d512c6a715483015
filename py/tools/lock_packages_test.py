"""The program that refreshes locks, as a user runs it, on a tiny archive in a folder."""

import contextlib
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from sysimage.debian.lock import read_lock
from tools import lock_packages

DATA = Path(lock_packages.__file__).parent.parent / "sysimage/debian/testdata"
SETS = ("--set=system=@minimal", "--set=more:system=packages.more")


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """A source tree with one list, and a mirror beside it."""
    shutil.copytree(DATA / "archive", tmp_path / "mirror/tiny")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "packages.more").write_text("server  # serves\n")
    return tree


def environment_of(tree: Path) -> dict[str, str]:
    """The program's environment, for a tree."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "BUILD_WORKSPACE_DIRECTORY": str(tree),
        "TINY_MIRROR": f"file:{tree.parent}/mirror/tiny",
        "XDG_CACHE_HOME": str(tree.parent / "cache"),
    }


def command_of(*flags: str, sets: tuple[str, ...] = SETS) -> list[str]:
    """The program's command line, by default with an index that may be expired."""
    command = [sys.executable, lock_packages.__file__, "--lock=lock.json", "--suite=tiny:tiny"]
    return [*command, f"--keyring={DATA}/keyring.gpg", *sets, *(flags or ("--allow_expired",))]


def start(
    tree: Path, *flags: str, sets: tuple[str, ...] = SETS, variables: Mapping[str, str] | None = None
) -> "subprocess.Popen[str]":
    """Starts the program on a tree."""
    environment = {**environment_of(tree), **(variables or {})}
    return subprocess.Popen(
        command_of(*flags, sets=sets),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(tree: Path, *flags: str, sets: tuple[str, ...] = SETS, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    with start(tree, *flags, sets=sets, variables=variables) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_refresh(tree: Path) -> None:
    (tree / "lock.json").touch()
    first = run(tree)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == (
        "5 added, 0 removed, 0 changed; 5 packages, 175 B (+175 B)\n"
        "  index tiny tiny: 2026-08-01T10:00:00Z\n"
        "  + apt        3.0              +30 B  system\n"
        "  + base       1                +29 B  system\n"
        "  + editor-a   1.0              +35 B  more\n"
        "  + server     2.0~rc1          +37 B  more\n"
        "  + tiny-libc  1:2.41-1+b1      +44 B  system\n"
        "fetched and checked 175 B\n"
        "wrote lock.json\n"
    )
    lock = read_lock(tree / "lock.json")
    assert [package.name for package in lock.closure("more")] == ["apt", "base", "editor-a", "server", "tiny-libc"]

    again = run(tree)
    assert again.returncode == 0
    assert again.stdout.endswith("lock.json is up to date\n")

    (tree / "packages.more").write_text("server  # serves\nspell  # spells\n")
    more = run(tree)
    assert "  set more: asks +spell\n  + spell  0.9      +32 B  more\n" in more.stdout


def test_check(tree: Path) -> None:
    run(tree)
    good = run(tree, "--check", f"--checked_out={tree}/checked")
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    assert (tree / "checked").read_bytes() == b""
    (tree / "packages.more").write_text("server  # serves\nspell  # spells\n")
    lists = run(tree, "--check")
    assert (lists.returncode, lists.stderr) == (
        1,
        "lock.json is not up to date: packages.more:2: spell is in the list but not in the lock "
        "(hint: refresh the lock)\n",
    )
    command = run(tree, "--check", "--mended_by=bazel run //x:lock")
    assert command.stderr.endswith("not in the lock (hint: refresh the lock: bazel run //x:lock)\n")
    sets = run(tree, "--check", sets=SETS[:1])
    assert (sets.returncode, sets.stderr) == (
        1,
        "lock.json is not up to date: the lock has a set 'more' that is not asked for (hint: refresh the lock)\n",
    )
    base = run(tree, "--check", sets=("--set=system=@minimal", "--set=more=packages.more"))
    assert (base.returncode, base.stderr) == (
        1,
        "lock.json is not up to date: set 'more' has another base in the lock (hint: refresh the lock)\n",
    )


@pytest.mark.parametrize(
    ("flags", "sets", "message"),
    [
        (["--nocheck"], SETS, "InRelease: expired at 2026-08-08 10:00 UTC (hint: "),
        ([], (*SETS, "--set=x"), "error: --set 'x' is not of the form NAME[:BASE]=LIST[,LIST...]\n"),
        ([], (), "error: give at least one --set and one --suite\n"),
        (["--suite=tiny", "--allow_expired"], SETS, "error: --suite 'tiny' is not of the form ARCHIVE:SUITE\n"),
        (["--allow_expired", "word"], SETS, "error: unexpected argument 'word'\n"),
        ([], (*SETS, "--set=x=none"), "/none: No such file or directory\n"),
    ],
)
def test_errors(tree: Path, flags: list[str], sets: tuple[str, ...], message: str) -> None:
    done = run(tree, *flags, sets=sets)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_written_when_a_deb_is_gone(tree: Path) -> None:
    run(tree)
    before = (tree / "lock.json").read_bytes()
    (tree / "packages.more").write_text("server  # serves\nspell  # spells\n")
    (tree.parent / "mirror/tiny/pool/main/s/spell/spell_0.9_all.deb").unlink()
    done = run(tree)
    assert done.returncode == 2
    assert "spell 0.9 (all) is on no mirror of 'tiny' any more" in done.stderr
    assert (tree / "lock.json").read_bytes() == before


def test_killed_at_any_moment(tree: Path) -> None:
    begin = time.monotonic()
    run(tree)
    seconds = time.monotonic() - begin
    old = (tree / "lock.json").read_bytes()
    shutil.rmtree(tree.parent / "cache")
    (tree / "packages.more").write_text("server  # serves\nspell  # spells\n")
    moments = random.Random(6)
    for _ in range(8):
        with start(tree, "--allow_expired") as process:
            time.sleep(moments.uniform(0.3, 1) * seconds)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        now = (tree / "lock.json").read_bytes()
        assert now == old or b"spell" in now
        read_lock(tree / "lock.json")
        (tree / "lock.json").write_bytes(old)
    assert run(tree).returncode == 0
    again = run(tree)
    assert again.stdout.endswith("lock.json is up to date\n")
    assert sorted(file.name for file in tree.iterdir() if file.suffix != ".partial") == ["lock.json", "packages.more"]


def test_no_room_for_temporary_files(tree: Path) -> None:
    run(tree)
    before = (tree / "lock.json").read_bytes()
    small = tree.parent / "small"
    small.mkdir()
    mounted = f"mount -t tmpfs -o size=4k tmpfs '{small}' && exec {shlex.join(command_of())}"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted],
        env={**environment_of(tree), "TMPDIR": str(small)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tree / "lock.json").read_bytes() == before


def test_unknown_package(tree: Path) -> None:
    (tree / "packages.more").write_text("# list\nservers  # serves\n")
    done = run(tree)
    assert done.stderr == "error: packages.more:2: unknown package servers (hint: did you mean server?)\n"


def test_snapshot(tree: Path) -> None:
    (tree.parent / "mirror/20260802T100000Z").symlink_to("tiny")
    mirror = f"file:{tree.parent}/mirror/{{snapshot}}"
    done = run(tree, TINY_MIRROR=mirror)
    assert done.stderr == (
        "error: TINY_MIRROR has {snapshot}, but which is not known (hint: give --snapshot YYYYMMDDTHHMMSSZ)\n"
    )
    assert run(tree, "--allow_expired", "--snapshot=20260802T100000Z", TINY_MIRROR=mirror).returncode == 0


def test_files_of_other_repositories_are_not_looked_for_in_the_source_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", "/home/me/image")
    assert lock_packages.source_path("system/packages") == Path("/home/me/image/system/packages")
    assert lock_packages.source_path("../rules~/scripts/table.toml") == Path("../rules~/scripts/table.toml")
