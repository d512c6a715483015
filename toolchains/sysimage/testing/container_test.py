"""A container image, loaded and run by a container engine, and held against the tree that it was made of.

Which image, which tree, the rule says in a file that the environment names.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysimage import oci
from sysimage import tree as trees
from sysimage.difference import Side, Verdict, compare, report
from sysimage.engine.machine import Loaded, Tools, load_image
from sysimage.extents import Sources
from sysimage.tree import NodeType, Tree
from sysimage.vm import testing

SUBJECT = json.loads(Path(os.environ["SUBJECT"]).read_text())
ARCHIVE = Path(SUBJECT["archive"])
COMMANDS: dict[str, str] = SUBJECT["commands"]
# The engine's storage makes the root folder itself, and does not look at what layers say of it.
ENGINE_ROOT_MODE = 0o555
TRANSPORTS = ("docker-archive", "oci-archive")


@pytest.fixture(scope="module")
def sources() -> Iterator[Sources]:
    with Sources(SUBJECT["sources"]) as found:
        yield found


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, sources: Sources) -> Loaded:
    """What the engine made of the archive."""
    tools = Tools(
        testing.tool(),
        testing.path("ENGINE_KERNEL"),
        testing.path("ENGINE_PROGRAMS"),
        testing.path("ENGINE_INITRD"),
    )
    return load_image(
        tools,
        ARCHIVE,
        TRANSPORTS,
        [*COMMANDS],
        sources,
        SUBJECT["epoch"],
        tmp_path_factory.mktemp("machine"),
        testing.log("engine"),
        float(os.environ["SECONDS"]),
    )


def test_our_reader_takes_it() -> None:
    assert oci.inspect(ARCHIVE).layers


def test_every_transport_gives_an_image(loaded: Loaded) -> None:
    assert len(loaded.images) == len(TRANSPORTS)
    assert all(re.fullmatch(r"(sha256:)?[0-9a-f]{64}", image) for image in loaded.images)


@pytest.fixture(scope="module")
def ours() -> Tree:
    """What the container must have."""
    tree = trees.load(SUBJECT["tree"])
    tree.change("", mode=ENGINE_ROOT_MODE)
    return tree


def test_the_trees_are_equal(ours: Tree, loaded: Loaded, sources: Sources) -> None:
    differences = compare(Side.of(ours, sources), Side.of(loaded.tree, sources))
    if differences:
        pytest.fail(report(Verdict(tuple(differences), ()), "(none)", "composed", "loaded"), pytrace=False)


def test_a_planted_difference_is_reported(ours: Tree, loaded: Loaded, sources: Sources) -> None:
    """A comparison that looks away would pass everything."""
    planted = loaded.tree.copy()
    path = next(path for path, node in planted.walk() if node.type is NodeType.FILE and node.size)
    planted.change(path, uid=4711)
    assert [each.path for each in compare(Side.of(ours, sources), Side.of(planted, sources))] == [path]


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=COMMANDS)
def test_a_command_in_the_container(number: int, loaded: Loaded) -> None:
    status, said = loaded.runs[number]
    pattern = [*COMMANDS.values()][number]
    assert (status, re.fullmatch(pattern, said.strip()) is not None) == (0, True), said
