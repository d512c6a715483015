"""Builds that are killed: nothing partial stands under a final name, and the next build gives the right bytes."""

import hashlib
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import kill_everything, kill_one, processes
from tests.nested.workspace import Workspace

IMAGE = "//tests/faults/image:disk-img"
MOMENTS = 3
SEED = 6


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace.make(tmp_path_factory.mktemp("kill"))
    yield workspace
    workspace.shut_down()


@pytest.fixture(scope="module")
def outputs(workspace: Workspace) -> dict[str, str]:
    """sha256 of everything that a build of the image leaves, by name; the image is the outer Bazel's."""
    workspace.bazel("build", IMAGE)
    folder = output_folder(workspace)
    image = Path(os.environ["IMAGE"])
    assert digest(folder / image.name) == digest(image)
    return {file.name: digest(file) for file in folder.iterdir() if file.is_file()}


def output_folder(workspace: Workspace) -> Path:
    return workspace.info("bazel-bin") / "tests/faults/image"


def assert_whole(folder: Path, outputs: dict[str, str]) -> None:
    """What stands in the folder is what a whole build leaves, or a part of it: but no part of a file."""
    for file in folder.iterdir() if folder.exists() else ():
        if file.is_file():
            assert file.name in outputs, f"a build leaves no {file.name}"
            assert digest(file) == outputs[file.name], f"{file.name} is not whole"


def assert_right(workspace: Workspace, folder: Path, outputs: dict[str, str]) -> None:
    """The next build on the same output base gives the same bytes, and leaves nothing else."""
    workspace.bazel("build", IMAGE)
    assert {file.name: digest(file) for file in folder.iterdir() if file.is_file()} == outputs


def test_an_installation_of_a_wheel_that_is_killed(workspace: Workspace) -> None:
    with workspace.start("build", IMAGE) as process:
        kill_one(workspace, "pip", "install", "requirement.txt")
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert re.search(r"could not install [a-z-]+==\S+ \(hint: pip must be able to; ", said), said
    assert "\npip said nothing and ended with status 137" in said, said
    # The build that follows, in the fixture `outputs`, is right.


def test_everything_is_killed(workspace: Workspace, outputs: dict[str, str]) -> None:
    moments = random.Random(SEED)
    folder = output_folder(workspace)
    workspace.bazel("clean")
    for _ in range(MOMENTS):
        with workspace.start("build", IMAGE) as process:
            wait_for_an_action(workspace)
            time.sleep(moments.uniform(0, 2))
            kill_everything(workspace)
            process.communicate(timeout=60)
        assert_whole(folder, outputs)
    assert_right(workspace, folder, outputs)


def test_actions_are_killed_and_the_client_is_interrupted(workspace: Workspace, outputs: dict[str, str]) -> None:
    folder = output_folder(workspace)
    workspace.bazel("clean")
    for tool in ("rootfs_layer", "ext4_plan", "materialise"):
        with workspace.start("build", IMAGE) as process:
            kill_one(workspace, f"py/tools/{tool}")
            said, _ = process.communicate(timeout=300)
        assert process.returncode == 1
        assert re.search(rf"ERROR: .* failed: \(Killed\): {tool} failed: ", said), said
        assert_whole(folder, outputs)
    with workspace.start("build", IMAGE) as process:
        wait_for_an_action(workspace)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 8
    assert "ERROR: build interrupted\n" in said
    assert_whole(folder, outputs)
    assert_right(workspace, folder, outputs)


def wait_for_an_action(workspace: Workspace) -> None:
    for _ in range(24_000):
        if any(processes(workspace, "py/tools/", program="linux-sandbox")):
            return
        time.sleep(0.005)
    raise AssertionError("no action has begun")
