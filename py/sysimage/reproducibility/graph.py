"""The action graph of a target, as `action_graph` (toolchains/reproducibility) writes it.

Paths are relative to the execution root, the folder that every action starts in.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysimage.errors import UserError


@dataclass(frozen=True, slots=True)
class Output:
    """What an action leaves: a file, or a directory with whatever is in it."""

    path: str
    directory: bool


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a build.

    Exactly one of argv, content and symlink is given: a command line, the text of a file to write, or the input that
    the output is a link to.
    """

    label: str
    mnemonic: str
    env: Mapping[str, str]
    inputs: tuple[str, ...]
    programs: tuple[str, ...]
    outputs: tuple[Output, ...]
    argv: tuple[str, ...] | None = None
    content: str | None = None
    symlink: str | None = None

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.mnemonic} of {self.label}"


@dataclass(frozen=True, slots=True)
class Graph:
    """The actions behind a target, each after those that make its inputs.

    leaves are the files that no action here makes. programs maps an executable to its runfiles: path under
    `EXECUTABLE.runfiles/` to leaf. targets are the files asked for.
    """

    label: str
    actions: tuple[Action, ...]
    leaves: tuple[str, ...]
    programs: Mapping[str, Mapping[str, str]]
    targets: tuple[str, ...]


def load(path: Path | str) -> Graph:
    """Reads a graph.

    Raises:
        UserError: the file cannot be read, is no graph, or its actions go in a circle.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        actions = [_action(row) for row in data["actions"]]
        ordered, circle = _in_order(actions)
        graph = Graph(data["label"], ordered, tuple(data["leaves"]), data["programs"], tuple(data["targets"]))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not an action graph: {error}") from error
    if circle:
        raise UserError(f"{path}: the actions wait for each other: {', '.join(action.name for action in circle)}")
    return graph


def _action(row: Mapping[str, Any]) -> Action:
    argv = row.get("argv")
    return Action(
        label=row["label"],
        mnemonic=row["mnemonic"],
        env=row["env"],
        inputs=tuple(row["inputs"]),
        programs=tuple(row["programs"]),
        outputs=tuple(Output(each["path"], each["directory"]) for each in row["outputs"]),
        argv=None if argv is None else tuple(argv),
        content=row.get("content"),
        symlink=row.get("symlink"),
    )


def _in_order(actions: list[Action]) -> tuple[tuple[Action, ...], list[Action]]:
    """Each action after those that make its inputs; and those for which there is no such order."""
    missing = {output.path for action in actions for output in action.outputs}
    ordered: list[Action] = []
    left = actions
    while left:
        ready = [action for action in left if missing.isdisjoint(action.inputs)]
        if not ready:
            break
        ordered += ready
        missing.difference_update(output.path for action in ready for output in action.outputs)
        left = [action for action in left if action not in ready]
    return tuple(ordered), left
