"""The system: nothing unexpected in it, everything that it mentions there, and its own programs content with it."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sysimage.inspection import Image
from sysimage.properties import System, properties, references, unexcused, unexpected, units
from sysimage.properties.contents import Content
from sysimage.properties.findings import Finding, Row
from sysimage.properties.judges import inside, judge
from sysimage.properties.subject import Subject

# dpkg's own record says this much of every package.
DPKG_MISSING_IS_FINE = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/")


def told(what: str, left: list[str]) -> str:
    return "\n".join([what, *left, "Mend it, or add a row with the reason to a reviewed list of the test."])


def test_nothing_unexpected_is_in_it(
    image: Image, system: System, scanned: Mapping[tuple[str, str], Content], rows: list[Row]
) -> None:
    found = unexpected.unexpected(image, system, scanned, os.uname().nodename)
    left = unexcused(found, rows, unexpected.CHECKS)
    assert not left, told("the image has what no image should have:", left)


def test_what_is_mentioned_exists(system: System, rows: list[Row]) -> None:
    left = unexcused(references.references(system), rows, references.CHECKS)
    assert not left, told("the system mentions what it does not have:", left)


def test_secrets_are_closed(system: System) -> None:
    for path in ("etc/shadow", "etc/gshadow"):
        node = system.tree[path]
        assert (node.mode, node.uid, node.gid) == (0o640, 0, system.groups["shadow"]), path


def test_systemd_understands_its_units(system: System, folder: Path, rows: list[Row]) -> None:
    names = [path for path in units.unit_files(system) if "/" not in path.partition("/system/")[2]]
    assert names
    # Templates are judged by an instance.
    paths = [f"/{path.replace('@.', '@instance.')}" for path in names]
    status, said = inside(folder, "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *paths)
    assert status in (0, 1), said
    found = []
    for line in said.splitlines():
        if re.fullmatch(r"Unit \S+ is masked\.", line):
            continue
        name, _, message = line.partition(": ")
        where = name if name.startswith("/") else f"/{name}"
        found.append(Finding("systemd-verify", where.partition(":")[0], message))
    left = unexcused(found, rows, ("systemd-verify",))
    assert not left, told("systemd-analyze verify says:", left)


def test_udev_understands_its_rules(system: System, folder: Path) -> None:
    if system.files("etc/udev/rules.d", "usr/lib/udev/rules.d"):
        status, said = inside(folder, "udevadm", "verify")
        assert status == 0 and re.search(r"\b[1-9][0-9]* udev rules files have been checked", said), said


def test_sudo_understands_its_rules(system: System, folder: Path) -> None:
    if system.files("etc/sudoers.d") or "etc/sudoers" in system.tree:
        status, said = inside(folder, "visudo", "--check", "--strict")
        assert status == 0 and "/etc/sudoers: parsed OK" in said, said


def test_nftables_understands_its_rules(system: System, folder: Path) -> None:
    if "etc/nftables.conf" in system.tree:
        status, said = inside(folder, "nft", "--check", "--file", "/etc/nftables.conf")
        assert status == 0, said


def test_dpkg_knows_its_packages(about: Subject, image: Image, folder: Path) -> None:
    options = [f"--root={folder}", "--force-not-root"]
    assert judge("dpkg", *options, "--audit") == ""
    listed = [line for line in judge("dpkg", *options, "--list").splitlines() if line.startswith("ii ")]
    names = [line for line in properties(image) if line.startswith("package ")]
    assert len(listed) == len(names) > 0
    done = subprocess.run(["dpkg", *options, "--verify"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    reviewed = about.dpkg_verify.read_text().splitlines()
    changed = [
        line
        for line in done.stdout.splitlines()
        if not (line.startswith("missing") and any(part in line for part in DPKG_MISSING_IS_FINE))
    ]
    expected = [line for line in reviewed if not line.startswith("#")]
    assert changed == expected, "\n".join(["dpkg --verify says:", *changed])
