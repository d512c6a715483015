"""An image that the tool of SetupOS configured, before those who read it in the field, raw and packed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from configure.testing import CHILD, CONFIG_INI, DEPLOYMENT, image
from tests.interop.edit.judges import check, judge

SSH: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH round {}\n"
ENVIRONMENT: Final = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "TZ": "UTC"}


def configure(folder: Path, *arguments: str) -> None:
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(sys.path), "BUILD_WORKING_DIRECTORY": str(folder)}
    command = [sys.executable, "-m", "configure.configure", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["img", "tar.zst"])
def test_configured_images_are_read_by_others(tmp_path: Path, kind: str) -> None:
    stick = image(tmp_path / f"stick.{kind}")
    for number in range(3):
        (tmp_path / "key").write_text(SSH.format(number) * 10**number)
        keys = ["--ssh_authorized_keys=admin=key"] if number != 1 else ["--remove=ssh_authorized_keys/admin"]
        settings = [f"--set=domain=round{number}.example.org", f"--set=resources.memory={number + 1}"]
        checks = "--skip_checks=" + ("none", "all", "cpu")[number]
        configure(tmp_path, f"--image={stick.name}", "--in_place", *keys, *settings, checks)
        configure(tmp_path, f"--image={stick.name}", "--output=disk.img")
        config, data = check(tmp_path / "disk.img")
        assert (
            judge("mtype", "-i", config, "::config.ini") == f"{CONFIG_INI.decode()}domain=round{number}.example.org\n"
        )
        if number != 1:
            assert judge("mtype", "-i", config, "::ssh_authorized_keys/admin") == SSH.format(number) * 10**number
        else:
            assert "admin" not in judge("mdir", "-b", "-i", config, "::ssh_authorized_keys")
        assert ("skip-checks" in judge("mdir", "-b", "-i", config, "::")) == (number > 0)
        assert judge("mtype", "-i", config, "::setupos.log") == "a log\n"
        deployment = judge("debugfs", "-R", "cat /deployment.json", data)
        assert f'"memory": "{number + 1}"' in deployment
        assert deployment != DEPLOYMENT.decode()
        for name in ("host-os.img.tar.zst", "guest-os.img.tar.zst"):
            assert judge("debugfs", "-R", f"cat /{name}", data) == CHILD.decode() + name


def test_a_packed_image_is_unpacked_by_tar(tmp_path: Path) -> None:
    image(tmp_path / "in.tar.zst")
    configure(tmp_path, "--image=in.tar.zst", "--output=out.tar.zst", "--set=verbose=true")
    assert (
        judge("sha256sum", tmp_path / "out.tar.zst").split()[0]
        == ((tmp_path / "out.tar.zst.sha256").read_text().split()[0])
    )
    judge("zstd", "--decompress", "--quiet", tmp_path / "out.tar.zst")
    judge("tar", "-C", tmp_path, "-xf", tmp_path / "out.tar")
    config, _ = check(tmp_path / "disk.img")
    assert judge("mtype", "-i", config, "::config.ini") == f"{CONFIG_INI.decode()}verbose=true\n"
