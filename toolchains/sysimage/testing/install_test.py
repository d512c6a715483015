"""The packages of an image installed for real, and the tree held against the one that was composed.

Which packages, which tree, the rule says in a file that the environment names.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from sysimage import tar_reader
from sysimage import tree as trees
from sysimage.debian.accounts import load_accounts
from sysimage.difference import Side, compare, judge, load, report
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.oracle.normal import renumbered, sorted_lists
from sysimage.oracle.real_install import install

SUBJECT = json.loads(Path(os.environ["SUBJECT"]).read_text())
REVIEWED = os.environ["REVIEWED"]
INSTALLED = "installed"


def paths(name: str) -> list[Path]:
    return [Path(each) for each in SUBJECT[name]]


def keep_log(log: Path) -> None:
    """What dpkg and the scripts said stays among the test's outputs."""
    folder = os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR")
    if folder and log.exists():
        shutil.copyfile(log, Path(folder) / "install.log")


def test_a_real_install_gives_the_same_tree(tmp_path: Path) -> None:
    try:
        reviewed = load(REVIEWED)
        accounts = load_accounts(SUBJECT["accounts"])
        composed = trees.load(SUBJECT["tree"])
        try:
            tar = install(paths("debs"), SUBJECT["essential"], paths("fakeroot"), tmp_path, SUBJECT["epoch"])
        finally:
            keep_log(tmp_path / "log")
        with Sources({**SUBJECT["sources"], INSTALLED: tar}) as sources:
            installed = renumbered(tar_reader.read(tar, INSTALLED), sources, accounts)
            ours, theirs = (Side.of(sorted_lists(tree, sources), sources) for tree in (composed, installed))
            verdict = judge(compare(ours, theirs), reviewed)
    except UserError as error:
        pytest.fail(str(error), pytrace=False)
    if not verdict.good:
        pytest.fail(report(verdict, REVIEWED, "composed", INSTALLED), pytrace=False)
