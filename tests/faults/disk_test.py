"""A disk that is full: the message names the cause, and the next build, with room again, is right."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disk import Disk, DiskWorkspace
from tests.faults.fetching import Packages, fetch, message, target
from tests.nested.workspace import Workspace

IMAGE = "//tests/faults/image:disk-img"
MIB = 1 << 20
# More than fetched files and outputs together.
SIZE = 800 * MIB
NO_SPACE = "No space left on device"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with Disk(tmp_path_factory.mktemp("disk"), SIZE) as disk:
        yield disk


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, disk: Disk) -> Iterator[DiskWorkspace]:
    workspace = DiskWorkspace.on(disk, Workspace.make(tmp_path_factory.mktemp("workspace")))
    yield workspace
    disk.empty()
    workspace.shut_down()


def test_no_room_for_a_package(workspace: DiskWorkspace, disk: Disk) -> None:
    packages = Packages(workspace)
    small, large = packages.take(), packages.take(minimum=2 * MIB)
    fetch(workspace, small)
    disk.leave(MIB)
    result = fetch(workspace, large, status=1)
    assert message(large, packages.snapshot, workspace.environment["DEBIAN_MIRROR"]) in result.stderr
    assert f"/{large.path} failed: class java.io.IOException {NO_SPACE}\n" in result.stderr

    disk.empty()
    fetch(workspace, large)
    archive = workspace.info("output_base") / "external"
    (file,) = workspace.bazel("cquery", "--output=files", target(large)).stdout.split()
    found = subprocess.run(
        [*disk.enter(archive), "sha256sum", archive.parent / file], check=True, capture_output=True, text=True
    ).stdout
    assert found.split()[0] == large.sha256


def test_no_room_for_an_output(workspace: DiskWorkspace, disk: Disk) -> None:
    workspace.bazel("build", "--nobuild", IMAGE)
    disk.leave(60 * MIB)
    result = workspace.bazel("build", IMAGE, status=1)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert NO_SPACE in errors[0], result.stderr
    assert "Traceback" not in result.stderr

    # Not one byte, for Bazel's own files either.
    disk.leave(0)
    result = workspace.bazel("build", IMAGE, status=1)
    assert NO_SPACE in result.stderr

    disk.empty()
    workspace.bazel("build", IMAGE)
    folder = workspace.info("bazel-bin") / "tests/faults/image"
    reference = Path(os.environ["IMAGE"])
    subprocess.run([*disk.enter(workspace.root), "cmp", folder / reference.name, reference.resolve()], check=True)
    left = subprocess.run([*disk.enter(folder), "ls"], check=True, capture_output=True, text=True).stdout
    assert ".partial" not in left
