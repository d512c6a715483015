"""What all programs share, as a user meets it: through a process."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sysimage.errors import UserError
from tools.main import parse_sources, refuse_arguments

PROGRAM = """
import sys
import time
sys.path[:0] = {path!r}
from absl import flags
from sysimage.errors import UserError
from tools.main import run
WHAT = flags.DEFINE_enum("what", "pass", "pass user lines long bug status full missing much wait".split(), "What.")
def main(argv):
    if WHAT.value == "user":
        raise UserError("the egg is cold", hint="boil it")
    if WHAT.value == "lines":
        raise UserError("/a\\nb\\x1b[31m\\udcff is cold")
    if WHAT.value == "long":
        raise UserError("x" * 100_000)
    if WHAT.value == "full":
        raise OSError(28, "No space left on device", "/scratch/file")
    if WHAT.value == "much":
        print("x" * 1_000_000)
    if WHAT.value == "missing":
        raise OSError(2, "No such file or directory", "/scratch/file")
    if WHAT.value == "bug":
        raise ValueError("nobody expected this")
    print(argv[1:], flush=WHAT.value == "wait")
    if WHAT.value == "wait":
        time.sleep(60)
    return 3 if WHAT.value == "status" else None
run(main)
"""


DISK_HINT = "look at the disk that is written to, and at the one of temporary files, which TMPDIR names"


def start(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = folder / "program.py"
    program.write_text(PROGRAM.format(path=sys.path))
    return subprocess.run([sys.executable, program, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "status", "out", "err"),
    [
        ((), 0, "[]\n", ""),
        (("a", "b"), 0, "['a', 'b']\n", ""),
        (("--what=status",), 3, "[]\n", ""),
        (("--what=user",), 2, "", "error: the egg is cold (hint: boil it)\n"),
        (("--what=lines",), 2, "", "error: /a\\nb\\x1b[31m\\udcff is cold\n"),
        (("--what=long",), 2, "", f"error: {'x' * 1000} ... {'x' * 1000}\n"),
        (("--what=full",), 2, "", f"error: /scratch/file: No space left on device (hint: {DISK_HINT})\n"),
        (("--none",), 2, "", "error: Unknown command line flag 'none' (hint: --help lists the flags)\n"),
    ],
)
def test_endings(tmp_path: Path, words: tuple[str, ...], status: int, out: str, err: str) -> None:
    done = start(tmp_path, *words)
    assert (done.returncode, done.stdout, done.stderr) == (status, out, err)


def test_a_bad_value_is_one_line(tmp_path: Path) -> None:
    done = start(tmp_path, "--what=else")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "--what=else" in done.stderr


def test_a_bug_shows_its_traceback(tmp_path: Path) -> None:
    done = start(tmp_path, "--what=bug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "nobody expected this" in done.stderr


def test_an_interruption_is_one_word(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(path=sys.path))
    command = [sys.executable, str(program), "--what=wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_other_faults_keep_their_traceback(tmp_path: Path) -> None:
    done = start(tmp_path, "--what=missing")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_standard_output_that_cannot_be_written(tmp_path: Path) -> None:
    start(tmp_path)
    for what, message in (
        ("pass", "cannot write to standard output: No space left on device"),
        ("much", f"No space left on device (hint: {DISK_HINT})"),
    ):
        words = [sys.executable, str(tmp_path / "program.py"), f"--what={what}"]
        with open("/dev/full", "w") as full:
            done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (2, f"error: {message}\n")


def test_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    start(tmp_path)
    words = [sys.executable, str(tmp_path / "program.py"), "--what=much"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == "error: Broken pipe\n"
        assert running.wait() == 2


def test_help(tmp_path: Path) -> None:
    done = start(tmp_path, "--help")
    assert "--what" in done.stdout


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["k"], "--source 'k' is not of the form KEY=FILE"),
        (["=f"], "--source '=f' is not of the form KEY=FILE"),
        (["k="], "--source 'k=' is not of the form KEY=FILE"),
        (["k=a", "k=b"], "--source 'k' is given twice: a and b"),
    ],
)
def test_bad_sources(pairs: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_sources(pairs)
    assert str(caught.value) == message


def test_sources() -> None:
    assert dict(parse_sources(["a/b=c=d", "k=f", "k=f"]).paths) == {"a/b": Path("c=d"), "k": Path("f")}


def test_arguments() -> None:
    refuse_arguments(["program"])
    with pytest.raises(UserError) as caught:
        refuse_arguments(["program", "more", "words"])
    assert str(caught.value) == "unexpected argument 'more'"
