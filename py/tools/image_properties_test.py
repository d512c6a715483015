"""The program behind the update and report commands, as a user meets it: through a process, on a real image file."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import ext4, gpt, materialise
from sysimage.ext4 import Ext4Options
from sysimage.extents import Sources
from sysimage.gpt import Layout, Partition
from sysimage.properties.testing import sound

KIND = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
CALL = "import sys; sys.path[:0] = {path!r}; from tools import image_properties as x; x.run(x.main)"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = ext4.plan(sound(), Ext4Options(label="root", uuid=KIND, hash_seed=KIND, epoch=0))
    layout = Layout(UUID(int=1), 24576, (Partition(1, "root", 2048, 20480, KIND, UUID(int=2)),))
    path = tmp_path_factory.mktemp("image") / "disk.img"
    materialise.write_raw(gpt.plan(layout, {"root": root}), Sources({}), path)
    return path


@pytest.fixture
def subject(image: Path, tmp_path: Path) -> Path:
    """What the rule would write; the goldens lie in a workspace."""
    (tmp_path / "budget.json").write_text('{"root": 1, "disk.img": 16}')
    (tmp_path / "sizes.txt").write_text("tool 4\nold 1\n")
    about = {
        "artifacts": {"disk.img": str(image)},
        "image": str(image),
        "login": "none",
        "password": "",
        "reviewed": [],
        "update": "bazel run //:update",
        "verity": False,
        "volatile": ["root:etc/hostname"],
        "golden": "properties.txt",
        "manifest": "manifest.mtree",
        **dict.fromkeys(("checksum", "dpkg_verify", "layout"), "unused"),
        "budget": str(tmp_path / "budget.json"),
        "sizes": "sizes.txt",
    }
    path = tmp_path / "subject.json"
    path.write_text(json.dumps(about))
    return path


def run(folder: Path, *arguments: str | Path, workspace: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"BUILD_WORKSPACE_DIRECTORY": workspace} if workspace else {}
    command = [sys.executable, "-c", CALL.format(path=sys.path), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_update_writes_all_goldens_and_writes_the_same_again(subject: Path, tmp_path: Path) -> None:
    names = ("properties.txt", "manifest.mtree", "sizes.txt")
    done = run(tmp_path, f"--subject={subject}", "--update", workspace=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "".join(f"wrote {name}\n" for name in names), "")
    written = {name: (tmp_path / name).read_text() for name in names}
    assert "user root 0:0 /root /bin/sh locked" in written["properties.txt"]
    assert "\n./root/etc/hostname\n" in written["manifest.mtree"]
    assert [line.split()[0] for line in written["sizes.txt"].splitlines()] == ["-", "tool"]
    assert run(tmp_path, f"--subject={subject}", "--update", workspace=str(tmp_path)).returncode == 0
    assert {name: (tmp_path / name).read_text() for name in names} == written


def test_size_report_draws_the_budget(subject: Path, tmp_path: Path) -> None:
    done = run(tmp_path, f"--subject={subject}", "--size_report")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "of the budget" and lines[1].startswith("  root      [##") and lines[-1] == "gone: old"


def test_image_prints_its_properties(image: Path, tmp_path: Path) -> None:
    done = run(tmp_path, f"--image={image}")
    assert done.returncode == 0
    assert done.stdout.startswith("disk 00000000-0000-0000-0000-000000000001 12582912 bytes\npartition 1 root ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "exactly one of --image and --subject must be given"),
        (["--image=x", "--subject=y"], "exactly one of --image and --subject must be given"),
        (["--subject={subject}"], "--subject needs one of --update and --size_report"),
        (["--subject={subject}", "--update", "--size_report"], "--subject needs one of --update and --size_report"),
        (
            ["--subject={subject}", "--update"],
            "--update writes into the workspace, which is not known (hint: start it by bazel run)",
        ),
        (
            ["--subject={folder}/budget.json", "--update"],
            "{folder}/budget.json is not the subject of an image test: 'artifacts' "
            "(hint: the rule image_test writes it)",
        ),
        (["--subject={folder}/gone", "--update"], "cannot read {folder}/gone: No such file or directory"),
    ],
)
def test_bad_use(subject: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    places = {"subject": subject, "folder": tmp_path}
    done = run(tmp_path, *(argument.format(**places) for argument in arguments))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message.format(**places)}\n")
