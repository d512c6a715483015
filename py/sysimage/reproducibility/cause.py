"""Which difference of two environments it is that an action depends on: found by putting each in force alone."""

from collections.abc import Iterator
from dataclasses import replace

from sysimage.reproducibility.build import Workshop, build, remove
from sysimage.reproducibility.compare import Difference
from sysimage.reproducibility.environment import VARIATIONS, Environment
from sysimage.reproducibility.graph import Action, Graph

# Two dates at which the clock is stopped, in local time.
_STOPPED = "2020-01-01 12:00:00"
_STOPPED_LATER = "2037-12-24 01:02:03"

_NAME = "C"

CHANCE = (
    "chance: two runs in the same environment differ, with the clock standing still"
    " (random numbers, process ids, times of files that it makes itself)"
)
TOGETHER = "no single difference of the environments does it; several do together"


def causes(
    graph: Graph, difference: Difference, plain: Environment, hostile: Environment, where: Workshop
) -> list[str]:
    """Names of variations (as in VARIATIONS), each enough for other bytes or a failure; or one of the sentences above.

    Args:
        graph: all actions.
        difference: says which action is executed, again and again.
        plain: the environment that all others are made of.
        hostile: where the values of the variations come from.
        where: where to build; its leaves are an execution root that has the inputs of the action.
    """
    alone = _alone(graph, difference.action)
    # One name for all of them, so that they happen at the same path.
    still = replace(plain, name=_NAME, clock=_STOPPED)
    reference = _outcome(alone, still, where)
    if _outcome(alone, still, where) != reference:
        return [CHANCE]
    found = [
        name for name, environment in _variants(still, hostile) if _outcome(alone, environment, where) != reference
    ]
    return found or [TOGETHER]


def _variants(plain: Environment, hostile: Environment) -> Iterator[tuple[str, Environment]]:
    for name, fields in VARIATIONS.items():
        changed = {field: getattr(hostile, field) for field in fields}
        if "clock" in changed:
            changed["clock"] = _STOPPED_LATER
        yield name, replace(plain, **changed)


def _alone(graph: Graph, action: Action) -> Graph:
    """The graph of one action, which starts from what others have made."""
    programs = {path: graph.programs[path] for path in action.programs}
    leaves = {*action.inputs, *programs, *(leaf for files in programs.values() for leaf in files.values() if leaf)}
    return Graph(graph.label, (action,), tuple(sorted(leaves)), programs, ())


def _outcome(graph: Graph, environment: Environment, where: Workshop) -> object:
    """What an action leaves in an environment; it can be compared."""
    (done,) = build(graph, [environment], where, look=False)
    (entry,) = done.record.entries
    remove(done)
    return bool(entry.failure), dict(entry.outputs)
