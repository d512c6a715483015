"""A root filesystem as a system: which there is, what its packages own, and what its own programs say of it."""

from pathlib import Path
from uuid import UUID

import pytest

from sysimage import ext4, gpt
from sysimage.errors import UserError
from sysimage.ext4 import Ext4Options
from sysimage.extents import ImageReader, Sources
from sysimage.gpt import Layout, Partition
from sysimage.inspection import look
from sysimage.properties import judges, root_system
from sysimage.properties.testing import link, put, sound, system
from sysimage.tree import Tree

KIND = UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


@pytest.mark.parametrize(("trees", "there"), [((Tree(), Tree()), "none"), ((sound(), sound()), "p1, p2")])
def test_an_image_has_one_system(trees: tuple[Tree, ...], there: str) -> None:
    options = Ext4Options(label="root", uuid=KIND, hash_seed=KIND, epoch=0)
    partitions = tuple(
        Partition(number, f"p{number}", number * 20480, 20480, KIND, UUID(int=number)) for number in (1, 2)
    )
    contents = {f"p{number}": ext4.plan(made, options) for number, made in enumerate(trees, 1)}
    image = look(ImageReader(gpt.plan(Layout(UUID(int=9), 63488, partitions), contents), Sources({})))
    with pytest.raises(UserError) as caught:
        root_system(image)
    assert (
        str(caught.value) == f"one volume of the image must hold a root filesystem (with /etc/passwd); there is {there}"
    )


def test_what_packages_own_and_determine() -> None:
    made = sound()
    # A package may name its files by the links of the merged /usr.
    put(made, "var/lib/dpkg/info/old.list", "/.\n/bin\n/bin/cat\n")
    put(made, "var/lib/dpkg/info/old.md5sums", "d1531b1622de54fe3a0187c3344600e9  bin/cat\n")
    put(made, "var/lib/dpkg/info/format", "1\n")
    found = system(made)
    assert found.owners["usr/bin/cat"] == "old" and found.owners["usr/bin/tool"] == "tool"
    assert found.owners["var/lib/dpkg/info/old.md5sums"] == "old" and "var/lib/dpkg/info/format" not in found.owners
    assert not found.foreign & {"usr/bin/cat", "usr/bin/tool", "etc/own.conf", "var/lib/dpkg/info/tool.list"}
    assert {"usr/bin/sh", "etc/passwd", "var/lib/dpkg/status"} <= found.foreign
    put(made, "etc/own.conf", "value=2\n")
    assert "etc/own.conf" in system(made).foreign


def test_a_damaged_package_database() -> None:
    made = sound()
    put(made, "var/lib/dpkg/status", "no field\n")
    with pytest.raises(UserError) as caught:
        _ = system(made).pinned
    assert str(caught.value).startswith("/var/lib/dpkg/status of root is not a package database: ")


def test_files_are_read_through_links_and_missing_ones_are_empty() -> None:
    made = sound()
    link(made, "etc/alias", "hostname")
    link(made, "etc/circle", "circle")
    found = system(made)
    assert found.text("etc/alias") == "example\n"
    assert found.text("etc/gone") == found.text("etc/circle") == ""
    assert found.find("etc/circle") is None
    assert [*found.lines("etc/fstab")] == [(2, "PARTUUID=1 /boot ext4 ro 0 2")]


def test_programs_run_in_a_root_of_their_own(tmp_path: Path) -> None:
    """The judge's machinery, with a static program of the build machine in a root that has nothing else."""
    root = tmp_path / "root"
    for folder in ("dev", "proc", "run", "tmp", "usr/bin"):
        (root / folder).mkdir(parents=True)
    status, said = judges.inside(root, "/usr/bin/nothing")
    # The root has no env, which starts everything: chroot says so, and the folder was really entered.
    assert status == 127 and "/usr/bin/env" in said


def test_a_machine_without_user_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "unshare"
    fake.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted'\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UserError) as caught:
        judges.inside(tmp_path, "true")
    assert str(caught.value) == (
        "unshare: unshare failed: Operation not permitted: this judge needs user namespaces "
        "(hint: allow them for the user of the build)"
    )


def test_a_judge_that_is_not_content() -> None:
    assert judges.judge("sh", "-c", "echo fine") == "fine\n"
    with pytest.raises(AssertionError) as caught:
        judges.judge("sh", "-c", "echo bad; exit 3")
    assert str(caught.value) == "sh is not content:\nbad\n"
