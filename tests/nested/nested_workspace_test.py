"""A nested Bazel builds without a network, and builds what the outer one builds."""

import os
from pathlib import Path

import pytest

from tests.nested.workspace import BuildError, Workspace

IMAGE = "//ic-os/bootloader:efi"


def test_a_nested_build_fetches_from_the_mirror_and_gives_the_same_bytes(tmp_path: Path) -> None:
    workspace = Workspace.make(tmp_path)
    workspace.bazel("build", IMAGE)
    output = workspace.info("bazel-bin") / "ic-os/bootloader/BOOTX64.EFI"
    assert output.read_bytes() == Path(os.environ["BOOTLOADER"]).read_bytes()

    with pytest.raises(BuildError, match=r"status 1 instead of 0: .*//ic-os/bootloader:nothing"):
        workspace.bazel("build", "//ic-os/bootloader:nothing")
    workspace.shut_down()
