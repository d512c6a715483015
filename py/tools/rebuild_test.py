"""The auditor's command with a stand-in for Bazel: equal, different and unstable builds, and bad input.

The stand-in takes from the checked-out revision what it is to do; git is the real one.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TARGET = "//image:disk.tar"
HASH = hashlib.sha256(b"content\n").hexdigest()
OTHER = "ab" * 32

# Does what Bazel does, as far as it is asked; what a build makes is in the file `content`.
BAZEL = """#!{python} -S
import hashlib, json, os, sys, time
from pathlib import Path

assert not os.environ.get("PYTHONPATH"), "the caller's modules are not Bazel's"
startup = [word for word in sys.argv[1:] if word.startswith("--nohome_rc") or word.startswith("--output_base=")]
verb, *words = sys.argv[1 + len(startup):]
output_base = startup[-1].partition("=")[2]
assert startup[0] == "--nohome_rc"
execution_root = Path(output_base, "execroot")
target = words[-1] if words else ""
outputs = json.loads(Path("targets.json").read_text())
log = [word.partition("=")[2] for word in words if word.startswith("--execution_log_json_file=")]
if verb in ("build", "cquery"):
    assert {{"--disk_cache=", "--remote_cache=", "--remote_executor="}} < set(words)
if verb == "query" and target not in outputs:
    print(f"ERROR: no such target '{{target}}': not declared", file=sys.stderr)
    sys.exit(7)
if verb == "cquery":
    print("\\n".join(outputs[target]))
if verb == "info":
    print(execution_root)
if verb == "build":
    print("building", *[word for word in words if word == "--stamp"], flush=True)
    if Path("sleeps").exists():
        time.sleep(60)
    if Path("fails").exists():
        print("ERROR: it does not compile", file=sys.stderr)
        sys.exit(1)
    for output in outputs[target]:
        path = execution_root / output
        path.parent.mkdir(parents=True, exist_ok=True)
        content = Path("content").read_bytes()
        if Path("unstable").exists():
            content += Path(output_base).parent.name.encode()
        path.write_bytes(content)
        os.chmod(path, 0o444)
        digest = {{"hash": hashlib.sha256(content).hexdigest()}}
        Path(log[0]).write_text(json.dumps({{
            "mnemonic": "Image", "targetLabel": target, "listedOutputs": [output],
            "actualOutputs": [{{"path": output, "digest": digest}}],
        }}, indent=2))
    os.chmod(execution_root, 0o555)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "bazel").write_text(BAZEL.format(python=sys.executable))
    (programs / "bazel").chmod(0o755)
    (tmp_path / "scratch").mkdir()
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "--quiet")
    (path / "targets.json").write_text(
        '{"//image:disk.tar": ["bazel-out/bin/disk.tar"], "//image:nothing": [],'
        ' "//image:both": ["bazel-out/bin/disk.tar", "bazel-out/bin/disk.tar.sha256"],'
        ' "//image:many": ["bazel-out/bin/a", "bazel-out/bin/b", "bazel-out/bin/b.txt"]}'
    )
    commit(path, content="content\n")
    return path


def git(path: Path, *words: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    command = ["git", *identity, "-C", str(path), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit(path: Path, **files: str) -> str:
    for name, text in files.items():
        (path / name).write_text(text)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", "a change")
    return git(path, "rev-parse", "HEAD")


def program(repository: Path, *arguments: str, path: str = "") -> tuple[list[str], dict[str, str]]:
    programs = f"{repository.parent / 'programs'}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PATH": path or programs,
        "BUILD_WORKSPACE_DIRECTORY": str(repository),
        "BUILD_WORKING_DIRECTORY": str(repository.parent),
    }
    scratch = repository.parent / "scratch"
    command = [sys.executable, "-m", "tools.rebuild", f"--scratch={scratch}", *arguments]
    return command, environment


def rebuild(repository: Path, *arguments: str, path: str = "") -> tuple[int, str, str]:
    command, environment = program(repository, *arguments, path=path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_equal(repository: Path) -> None:
    revision = git(repository, "rev-parse", "HEAD")
    status, text, errors = rebuild(repository, f"--target={TARGET}", f"--published={HASH}", "--option=--stamp")
    assert status == 0, errors
    assert text.splitlines() == [
        "equal: the rebuilt file is the published one, byte for byte",
        "file       disk.tar",
        "target     //image:disk.tar",
        f"revision   {revision}",
        f"sha256     {HASH}",
    ]
    assert errors.splitlines() == [
        f"rebuild: laying out revision {revision[:12]}",
        "rebuild: building //image:disk.tar from nothing, with no cached results",
        "building --stamp",
    ]
    assert list((repository.parent / "scratch").iterdir()) == []


def test_an_older_revision_beside_changed_files(repository: Path) -> None:
    old = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "v1")
    commit(repository, content="newer\n")
    (repository / "content").write_text("not committed\n")
    for revision in ("v1", old, "HEAD~1"):
        status, text, errors = rebuild(
            repository, f"--target={TARGET}", f"--published={HASH}", f"--revision={revision}"
        )
        assert (status, text.splitlines()[3]) == (0, f"revision   {old}"), errors


def test_files_of_hashes_and_images(repository: Path) -> None:
    (repository.parent / "disk.tar.sha256").write_text(f"{HASH}  disk.tar\n")
    (repository.parent / "disk.tar").write_text("content\n")
    for published in ("disk.tar.sha256", "disk.tar"):
        status, _, errors = rebuild(repository, "--target=//image:both", f"--published={published}")
        assert status == 0, errors


def test_different_from_an_image(repository: Path) -> None:
    (repository.parent / "theirs").write_text("contenT\n")
    revision = git(repository, "rev-parse", "HEAD")
    status, text, _ = rebuild(repository, f"--target={TARGET}", "--published=theirs")
    assert status == 1
    assert text.splitlines()[:9] == [
        "DIFFERENT: the rebuilt file is not the published one",
        "file       disk.tar",
        "target     //image:disk.tar",
        f"revision   {revision}",
        f"published  sha256 {hashlib.sha256(b'contenT' + bytes([10])).hexdigest()}",
        f"rebuilt    sha256 {HASH}",
        "",
        "Where they differ, the published against the rebuilt:",
        '  content differs first at byte 6 of 8 (line 1): "T" against "t"',
    ]


def test_different_from_a_hash(repository: Path) -> None:
    status, text, errors = rebuild(repository, f"--target={TARGET}", f"--published={OTHER}")
    assert status == 1
    assert text.splitlines()[7:] == [
        "A second build, in another folder, gave the same bytes as the first: the build is stable here, but it is not",
        "what was published.",
        "What to do: get the published image and give it as --published: then the difference is named. Make sure that",
        "this is the revision, and that these are the options (--option), that the image was published with.",
    ]
    assert errors.count("building\n") == 2


def test_unstable(repository: Path) -> None:
    commit(repository, unstable="")
    status, text, _ = rebuild(repository, f"--target={TARGET}", f"--published={OTHER}")
    assert status == 1
    lines = text.splitlines()[7:]
    assert (
        lines[0] == "A second build, in another folder, gave other bytes than the first: the build is not stable here."
    )
    assert lines[1].startswith(
        "The first action that differs: Image of //image:disk.tar made other outputs from the same inputs: "
        "bazel-out/bin/disk.tar (sha256 "
    )
    assert lines[2] == "Where its outputs differ, the first build against the second:"
    assert lines[3] == '  content differs first at byte 8 of 13 against 51 (line 2): "first" against "secon"'
    assert lines[4:] == ["What to do: tell the maintainers, with this text; nothing can be said of what was published."]


def test_keep(repository: Path) -> None:
    status, _, errors = rebuild(repository, f"--target={TARGET}", f"--published={HASH}", "--keep")
    (kept,) = (repository.parent / "scratch").iterdir()
    assert (status, errors.splitlines()[-1]) == (0, f"rebuild: kept: {kept}")
    assert (kept / "first" / "checkout" / "content").read_text() == "content\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle(repository: Path, number: signal.Signals) -> None:
    commit(repository, sleeps="")
    command, environment = program(repository, f"--target={TARGET}", f"--published={HASH}")
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while process.stderr.readline() != "building\n":
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
    assert list((repository.parent / "scratch").iterdir()) == []


def test_a_build_that_fails(repository: Path) -> None:
    revision = commit(repository, fails="")
    status, text, errors = rebuild(repository, f"--target={TARGET}", f"--published={HASH}")
    assert (status, text, errors.splitlines()[-1]) == (
        2,
        "",
        f"error: revision {revision[:12]} does not build here: bazel ended with status 1 (hint: what it said is above)",
    )
    assert list((repository.parent / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            [f"--target={TARGET}", f"--published={HASH}", "--revision=v9"],
            "there is no revision 'v9' in {repository} (hint: git fetch --tags brings what was published since)",
        ),
        (
            [f"--target={TARGET}", f"--published={HASH}", "--revision=--all"],
            "there is no revision '--all' in {repository} (hint: git fetch --tags brings what was published since)",
        ),
        (
            [f"--target={TARGET}", f"--published={HASH}", "--repository=scratch"],
            "{scratch} is not a git repository (hint: name the checkout with --repository)",
        ),
        (
            [f"--target={TARGET}", f"--published={HASH}", "--repository=none"],
            "{folder}/none is not a git repository (hint: name the checkout with --repository)",
        ),
        (
            [f"--target={TARGET}", f"--published={HASH}", "--scratch=none"],
            "cannot write to {folder}/none: No such file or directory (hint: name a folder with --scratch)",
        ),
        ([f"--target={TARGET}", "--published=none.sha256"], "--published 'none.sha256' is neither a file nor a sha256"),
        (
            ["--target=disk.tar", f"--published={HASH}"],
            "--target 'disk.tar' is not a label (hint: write it in full, as //some/package:image.tar.zst)",
        ),
        (
            ["--target=//image:none", f"--published={HASH}"],
            "revision {revision} has no target //image:none (bazel query: no such target '//image:none': not declared)",
        ),
        (
            ["--target=//image:nothing", f"--published={HASH}"],
            "//image:nothing makes no file, one is compared (hint: give the label of that file)",
        ),
        (
            ["--target=//image:many", f"--published={HASH}"],
            "//image:many makes 3 files (a, b, b.txt), one is compared (hint: give the label of that file)",
        ),
        (
            [f"--target={TARGET}", "--published=other.sha256"],
            "what is published is other.tar; the target makes disk.tar "
            "(hint: give the label of that file as --target, or the bare hash as --published)",
        ),
        ([f"--target={TARGET}", f"--published={HASH}", "word"], "unexpected argument 'word'"),
    ],
)
def test_bad_input(repository: Path, arguments: list[str], message: str) -> None:
    (repository.parent / "other.sha256").write_text(f"{HASH}  other.tar\n")
    status, text, errors = rebuild(repository, *arguments)
    places = {
        "repository": repository,
        "folder": repository.parent,
        "scratch": repository.parent / "scratch",
        "revision": git(repository, "rev-parse", "HEAD")[:12],
    }
    assert (status, text, errors.splitlines()[-1]) == (2, "", f"error: {message.format(**places)}")
    assert list((repository.parent / "scratch").iterdir()) == []


def test_a_dirty_tree(repository: Path) -> None:
    for name in "abcd":
        (repository / name).touch()
    arguments = [f"--target={TARGET}", f"--published={HASH}"]
    assert rebuild(repository, *arguments) == (
        2,
        "",
        "error: the work tree has changes that no revision holds: a, b, c, ... "
        "(hint: commit them, or name a revision with --revision)\n",
    )
    assert rebuild(repository, *arguments, "--revision=HEAD")[0] == 0


def test_no_bazel(repository: Path) -> None:
    programs = repository.parent / "programs"
    (programs / "bazel").unlink()
    git_program = shutil.which("git")
    assert git_program
    (programs / "git").symlink_to(git_program)
    arguments = [f"--target={TARGET}", f"--published={HASH}"]
    message = "error: there is no program 'bazel' (hint: run this in the build environment)\n"
    assert rebuild(repository, *arguments, path=str(programs)) == (2, "", message)
