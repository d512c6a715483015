"""The whole test: two builds, what was seen, what differs, and why."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sysimage.reproducibility import compare, force, record
from sysimage.reproducibility.build import Build, Workshop, build, workshop
from sysimage.reproducibility.cause import causes
from sysimage.reproducibility.compare import Difference
from sysimage.reproducibility.environment import HOSTILE, PLAIN
from sysimage.reproducibility.graph import Graph

_BAZEL = "Bazel's build"


def judge(graph: Graph, leaves: Path, tool: Path, scratch: Path, logs: Path | None, say: Callable[[str], None]) -> bool:
    """Builds a graph twice and compares.

    Args:
        graph: the graph.
        leaves: folder with what it starts from, and with what Bazel made of its targets.
        tool: folder with localedef, locales and libfaketime, unpacked.
        scratch: folder on the machine's disk, for the builds.
        logs: folder that the execution logs are left in, as A.jsonl and B.jsonl; None: nowhere.
        say: takes a line, as soon as it is known.

    Returns:
        Whether all bytes are equal.

    Raises:
        UserError: a variation cannot be put in force.
    """
    with workshop(leaves, tool, scratch) as where:
        a, b = build(graph, (PLAIN, HOSTILE), where)
        if logs:
            for done in (a, b):
                record.save(done.record, logs / f"{done.environment.name}.jsonl")
        rows = force.table((PLAIN, HOSTILE), (a.record.seen, b.record.seen))
        force.check(rows)
        say(force.draw(rows))
        difference = compare.first_difference(graph, a, b)
        if difference:
            _explain(graph, difference, (a, b), where, rows, say)
            return False
        return _as_bazel(graph, a, leaves, say)


def _explain(
    graph: Graph,
    difference: Difference,
    builds: tuple[Build, Build],
    where: Workshop,
    rows: list[force.Row],
    say: Callable[[str], None],
) -> None:
    say(f"not reproducible: {graph.label}")
    say(f"first action that differs: {difference.action.name}{_later(difference.later)}")
    for line in _differences(difference, builds):
        say(f"  {line}")
    for line in _consequences(graph, difference, builds):
        say(f"  {line}")
    if len(difference.failures) == len(builds):
        say("because of: it fails in both environments, and so depends on something that only Bazel's execution has")
        return
    # A build's root has the inputs of all actions, as they were before the first that differs.
    found = causes(graph, difference, PLAIN, HOSTILE, replace(where, leaves=builds[0].root))
    words = {row.variation: f"{row.variation} (A: {row.a}; B: {row.b})" for row in rows}
    for cause in found:
        say(f"because of: {words.get(cause, cause)}")


def _later(count: int) -> str:
    return {0: "", 1: ", and 1 later one"}.get(count, f", and {count} later ones")


def _differences(difference: Difference, builds: tuple[Build, Build]) -> Iterator[str]:
    for name, said in difference.failures.items():
        yield f"in environment {name} it failed: {said}"
    for output in difference.outputs:
        for sentence in compare.describe(builds[0].root / output, builds[1].root / output, ("A", "B")):
            yield f"{output}: {sentence}"


def _consequences(graph: Graph, difference: Difference, builds: tuple[Build, Build]) -> Iterator[str]:
    """What became of the targets, where both builds have come that far."""
    for target in graph.targets:
        a, b = (build.root / target for build in builds)
        if target not in difference.outputs and a.exists() and b.exists():
            for sentence in compare.describe(a, b, ("A", "B")):
                yield f"{target}: {sentence}"


def _as_bazel(graph: Graph, a: Build, leaves: Path, say: Callable[[str], None]) -> bool:
    """Whether Bazel, too, made these bytes: then what was executed here is what it executes."""
    equal = True
    for target in graph.targets:
        ours, theirs = a.root / target, leaves / target
        if record.digest(ours) == record.digest(theirs):
            continue
        if equal:
            say(f"not reproducible: {graph.label}: A and B agree, {_BAZEL} has other bytes")
        equal = False
        for sentence in compare.describe(ours, theirs, ("A", _BAZEL)):
            say(f"  {target}: {sentence}")
    if equal:
        say(f"reproducible: {len(graph.actions)} actions, the same bytes in A, in B, and in {_BAZEL}")
    return equal
