"""In the root: arguments, exit status, signals, terminal, and what is to be seen there.

The root is made of this container's own folders, but bubblewrap and all else is real.
"""

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.container.machine import PRINT_ARGUMENTS, Machine, arguments_of

MIRROR = {"DEBIAN_MIRROR": "http://mirror.test/debian"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.add_root_maker()
    result = machine.run("true", **MIRROR)
    assert result.returncode == 0, result.stderr
    return machine


def test_arguments_arrive_as_they_were(machine: Machine) -> None:
    arguments = ["a b", "", "*", "$HOME", "it's", 'say "so"', "new\nline", "--help", "back\\slash"]
    assert arguments_of(machine.run(*PRINT_ARGUMENTS, *arguments).stdout) == arguments


@pytest.mark.parametrize("status", [0, 1, 2, 42, 127])
def test_exit_status(machine: Machine, status: int) -> None:
    assert machine.run("sh", "-c", f"exit {status}").returncode == status


def test_a_command_that_is_not_there(machine: Machine) -> None:
    assert machine.run("no-such-command").returncode == 127


def test_standard_streams(machine: Machine) -> None:
    result = machine.run("sh", "-c", "cat; echo error >&2", stdin="in\n")
    assert (result.stdout, result.stderr) == ("in\n", "error\n")


def test_the_repository_is_at_ic_and_can_be_written(machine: Machine) -> None:
    result = machine.run("sh", "-c", "pwd && touch /ic/made")
    assert (result.returncode, result.stdout) == (0, "/ic\n")
    assert (machine.repository / "made").stat().st_uid == os.getuid()


def test_a_folder_of_the_repository_stays_the_working_folder(machine: Machine) -> None:
    folder = machine.repository / "gitlab-ci"
    result = subprocess.run(
        [machine.script, "pwd"], env=machine.environment(), cwd=folder, capture_output=True, text=True, check=True
    )
    assert result.stdout == "/ic/gitlab-ci\n"


def test_caches_lie_outside_and_at_the_same_place_inside(machine: Machine) -> None:
    before = sorted(machine.repository.rglob("*"))
    rc = machine.run("cat", "/etc/bazel.bazelrc").stdout
    (outputs,) = machine.cache.glob("bazel/*")
    assert f"startup --output_user_root={outputs}\n" in rc
    assert machine.run("sh", "-c", f"touch '{outputs}/x' '{machine.cache}/repository/y' ~/z").returncode == 0
    assert (outputs / "x").exists()
    assert (machine.cache / "repository" / "y").exists()
    assert (machine.cache / "home" / "z").exists()
    assert sorted(machine.repository.rglob("*")) == before


def test_a_bazel_server_is_not_kept_when_what_it_sees_changes(machine: Machine) -> None:
    def option() -> str:
        rc = machine.run("cat", "/etc/bazel.bazelrc").stdout
        return next(
            line for line in rc.splitlines() if line.startswith("startup --host_jvm_args=-Dcontainer.definition=")
        )

    first = option()
    assert option() == first
    npmrc = machine.home / ".npmrc"
    npmrc.write_text("registry=http://npm.test\n")
    second = option()
    assert second != first
    npmrc.write_text("registry=http://other.test\n")  # the same file: a server sees the change
    assert option() == second
    (machine.home / "new").write_text("")
    (machine.home / "new").replace(npmrc)
    assert option() not in (first, second)


def test_shared_files_are_seen_and_stay_as_they_are(machine: Machine) -> None:
    folder = machine.folder / "down loads"
    folder.mkdir()
    (folder / "image").write_text("content")
    (folder / "link").symlink_to("image")
    rc = machine.run("cat", "/etc/bazel.bazelrc").stdout
    script = 'cat "$@" /etc/bazel.bazelrc; touch "$1" 2> /dev/null && echo "written to"'
    result = machine.run(
        "--share",
        str(folder / "image"),
        "--share",
        str(folder / "link"),
        "sh",
        "-c",
        script,
        "sh",
        *map(str, folder.iterdir()),
    )
    # The same settings as without: a Bazel server that runs already goes on.
    assert result.stdout == f"contentcontent{rc}"


def test_a_shared_file_that_is_not_there(machine: Machine) -> None:
    result = machine.run("--share", "none", "true")
    assert (result.returncode, result.stderr) == (
        2,
        "container-run: --share none: there is no such file (hint: name one that exists)\n",
    )


def test_two_checkouts_do_not_share_a_bazel_server(machine: Machine) -> None:
    other = machine.folder / "other checkout"
    machine.repository.rename(other)
    machine.repository = other
    machine.run("true")
    assert len(list(machine.cache.glob("bazel/*"))) == 2
    assert machine.run("--prune").returncode == 0
    (left,) = machine.cache.glob("bazel/*")
    assert (left / "repository").read_text() == f"{other}\n"


def test_the_environment_is_a_fixed_one(machine: Machine) -> None:
    result = machine.run("env", SECRET="s", PIP_INDEX_URL="http://pip.test")
    names = {line.partition("=")[0] for line in result.stdout.splitlines()}
    assert "PIP_INDEX_URL" in names
    assert names <= {"HOME", "LANG", "PATH", "PIP_INDEX_URL", "PWD", "TERM", "USER", "_", "SHLVL", "OLDPWD"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_command(machine: Machine, number: signal.Signals) -> None:
    code = "import signal, sys, time; [signal.signal(n, lambda n, f: sys.exit(60 + n)) for n in (1, 2, 15)]"
    process = subprocess.Popen(
        [machine.script, "python3", "-c", f"{code}; print('ready', flush=True); time.sleep(60)"],
        env=machine.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(timeout=20) == 60 + number


def test_death_by_signal_is_seen_outside(machine: Machine) -> None:
    assert machine.run("sh", "-c", "kill -KILL $$").returncode == -signal.SIGKILL


def test_a_process_left_behind_lives_on(machine: Machine) -> None:
    """As a Bazel server does, which the next start then finds."""
    mark = machine.cache / "home" / "mark"
    machine.run("sh", "-c", "(sleep 1; touch ~/mark) > /dev/null 2>&1 < /dev/null &")
    for _ in range(100):
        if mark.exists():
            return
        time.sleep(0.1)
    raise AssertionError("it did not outlive the command")


def test_terminal_and_interrupt(machine: Machine) -> None:
    code = "import os, sys, time; print('tty', os.isatty(0), os.isatty(1), flush=True); time.sleep(60)"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(machine.script, [str(machine.script), "python3", "-c", code], machine.environment())
    seen = b""
    while b"tty" not in seen:
        seen += os.read(terminal, 1000)
    assert b"tty True True" in seen
    os.write(terminal, b"\x03")
    try:
        while data := os.read(terminal, 1000):
            seen += data
    except OSError:  # how Linux says that the other side is gone
        pass
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert b"KeyboardInterrupt" in seen
    assert os.waitstatus_to_exitcode(status) == -signal.SIGINT
