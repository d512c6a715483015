"""Two builds of one graph: the first action whose outputs differ, and in what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sysimage.explanation import explain
from sysimage.reproducibility.build import Build
from sysimage.reproducibility.graph import Action, Graph
from sysimage.reproducibility.record import Entry


@dataclass(frozen=True, slots=True)
class Difference:
    """The first action that was given the same and did not leave the same.

    outputs are the paths that differ; failures what it said where it failed, by the environment's name. later is the
    number of actions after it whose outputs differ too.
    """

    action: Action
    outputs: tuple[str, ...]
    failures: Mapping[str, str]
    later: int


def first_difference(graph: Graph, a: Build, b: Build) -> Difference | None:
    """Compares two execution logs, in the order of the graph."""
    found: Difference | None = None
    later = 0
    entries = [{entry.number: entry for entry in each.record.entries} for each in (a, b)]
    for number, action in enumerate(graph.actions):
        pair = entries[0].get(number), entries[1].get(number)
        failures = {
            build.environment.name: entry.failure
            for build, entry in zip((a, b), pair, strict=True)
            if entry is not None and entry.failure
        }
        outputs = _differing(*pair)
        if not failures and not outputs:
            continue
        if found is None:
            found = Difference(action, tuple(outputs), failures, 0)
        else:
            later += 1
    return found and Difference(found.action, found.outputs, found.failures, later)


def _differing(a: Entry | None, b: Entry | None) -> list[str]:
    if a is None or b is None or a.failure or b.failure:
        return []
    return [path for path in a.outputs if a.outputs[path] != b.outputs[path]]


def describe(a: Path, b: Path, names: tuple[str, str]) -> Iterator[str]:
    """In what two files or directories differ, in sentences. names: what the two sides are called."""
    if not (a.is_dir() and b.is_dir()):
        yield from explain(a, b, names=names)
        return
    paths = {path.relative_to(a) for path in a.rglob("*")}, {path.relative_to(b) for path in b.rglob("*")}
    for path in sorted(paths[0] ^ paths[1]):
        yield f"{path} is only in {names[0] if path in paths[0] else names[1]}"
    for path in sorted(paths[0] & paths[1]):
        if not ((a / path).is_dir() and (b / path).is_dir()):
            yield from (f"{path}: {said}" for said in explain(a / path, b / path, names=names))
