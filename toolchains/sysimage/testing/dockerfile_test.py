"""Dockerfiles built by a container engine, and the trees held against those that we composed of them.

Which layers, which base, the rule says in a file that the environment names.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sysimage import tree as trees
from sysimage.difference import Difference, Kind, Side, Verdict, compare, judge, load, report
from sysimage.dockerfile.config import ImageConfig, load_config
from sysimage.dockerfile.modes import parse_octal
from sysimage.engine.disks import Build
from sysimage.engine.machine import Result, Tools, run
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, Sources
from sysimage.tree import NodeType
from sysimage.vm import testing

SUBJECT = json.loads(Path(os.environ["SUBJECT"]).read_text())
LAYERS: Mapping[str, Any] = {each["name"]: each for each in SUBJECT["layers"]}
REVIEWED = os.environ["REVIEWED"]
OURS, THEIRS = "composed", "built"
LOG_LINES = 25


def a_build(layer: Mapping[str, Any]) -> Build:
    return Build(
        layer["name"],
        Path(layer["dockerfile"]),
        {path: Path(file) for path, file in layer["context"].items()},
        [(pattern, parse_octal(mode)) for pattern, mode in layer["modes"].items()],
        layer["build_args"],
    )


@pytest.fixture(scope="module")
def sources() -> Iterator[Sources]:
    with Sources(SUBJECT["sources"]) as found:
        yield found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, sources: Sources) -> Mapping[str, Result]:
    """What the engine made of all layers."""
    tools = Tools(
        testing.tool(),
        testing.path("ENGINE_KERNEL"),
        testing.path("ENGINE_PROGRAMS"),
        testing.path("ENGINE_INITRD"),
    )
    config = load_config(SUBJECT["base_config"]) if SUBJECT["base_config"] else ImageConfig()
    return run(
        tools,
        trees.load(SUBJECT["base"]),
        config.to_oci(),
        [a_build(layer) for layer in LAYERS.values()],
        sources,
        SUBJECT["epoch"],
        tmp_path_factory.mktemp("machine"),
        testing.log("engine"),
        float(os.environ["SECONDS"]),
    )


def differences(layer: Mapping[str, Any], result: Result, sources: Sources) -> list[Difference]:
    if result.tree is None:
        return []
    ours = trees.load(layer["tree"])
    return compare(Side.of(ours, sources), Side.of(result.tree, sources))


@pytest.fixture(scope="module")
def found(results: Mapping[str, Result], sources: Sources) -> Mapping[str, list[Difference]]:
    """All differences of each layer."""
    return {name: differences(layer, results[name], sources) for name, layer in LAYERS.items()}


@pytest.mark.parametrize("name", LAYERS)
def test_the_engine_builds_it(name: str, results: Mapping[str, Result]) -> None:
    result = results[name]
    if result.status:
        last = "\n".join(result.log.splitlines()[-LOG_LINES:])
        pytest.fail(f"buildah failed on {LAYERS[name]['dockerfile']}:\n{last}", pytrace=False)


@pytest.mark.parametrize("name", LAYERS)
def test_the_trees_are_equal(name: str, found: Mapping[str, list[Difference]]) -> None:
    verdict = judge(found[name], load(REVIEWED))
    if verdict.unexplained:
        text = report(Verdict(verdict.unexplained, ()), REVIEWED, OURS, THEIRS)
        pytest.fail(f"{LAYERS[name]['label']}: {text}", pytrace=False)


PLANTED = [
    (Kind.MODE, {"mode": 0o4711}),
    (Kind.OWNER, {"uid": 4711}),
    (Kind.XATTR, {"xattrs": {"user.planted": b"1"}}),
    (Kind.CONTENT, {"content": ExtentMap.of_bytes(b"planted")}),
]


@pytest.mark.parametrize(("kind", "fields"), PLANTED)
def test_a_planted_difference_is_reported(
    kind: Kind, fields: Mapping[str, Any], results: Mapping[str, Result], sources: Sources
) -> None:
    """A comparison that looks away would pass everything."""
    name, layer = next((name, layer) for name, layer in LAYERS.items() if results[name].tree is not None)
    result = results[name]
    assert result.tree is not None
    path = next(path for path, node in result.tree.walk() if node.type is NodeType.FILE and node.size)
    planted = result.tree.copy()
    planted.change(path, **fields)
    more = {(each.path, each.kind) for each in differences(layer, replace(result, tree=planted), sources)}
    assert (path, kind) in more
    assert (path, kind) not in {(each.path, each.kind) for each in differences(layer, result, sources)}


def test_every_row_explains_a_difference(found: Mapping[str, list[Difference]]) -> None:
    everything = [each for layer in found.values() for each in layer]
    verdict = judge(everything, load(REVIEWED))
    if verdict.stale:
        pytest.fail(report(Verdict((), verdict.stale), REVIEWED, OURS, THEIRS), pytrace=False)


@pytest.mark.parametrize("name", LAYERS)
def test_the_configurations_are_equal(name: str, results: Mapping[str, Result]) -> None:
    if results[name].status == 0:
        assert normal(results[name].config) == normal(load_config(LAYERS[name]["config"]).to_oci())


def normal(config: Mapping[str, Any]) -> dict[str, Any]:
    """Variables have no order: engines differ in where one goes that is set again."""
    return {**config, "Env": sorted(config.get("Env", []))}


def test_the_list_is_well_formed() -> None:
    try:
        load(REVIEWED)
    except UserError as error:
        pytest.fail(str(error), pytrace=False)
