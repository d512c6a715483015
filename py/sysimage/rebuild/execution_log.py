"""Bazel's execution logs: what ran, from which inputs, and which action of two builds parted first.

Source: Bazel's src/main/protobuf/spawn.proto, message SpawnExec; `--execution_log_json_file` writes one JSON
object a spawn, one behind the other. Digests are sha256.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysimage.errors import UserError

_SHOWN = 12  # digits of a digest


@dataclass(frozen=True, slots=True)
class Spawn:
    """One action that ran.

    inputs and outputs: path in the execution root to sha256 in hex, or to where a link points. key: the
    outputs that the action declares, which tell it from all others.
    """

    label: str
    mnemonic: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """What kind of action of which target."""
        return f"{self.mnemonic} of {self.label}" if self.label else self.mnemonic


@dataclass(frozen=True, slots=True)
class Cause:
    """An action of two builds that differs, though nothing that other logged actions made for it does.

    outputs: those that differ, paths in the execution root.
    """

    spawn: Spawn
    why: str
    outputs: tuple[str, ...] = ()


def read(path: Path) -> Iterator[Spawn]:
    """The spawns of a log, in its order.

    Raises:
        UserError: it cannot be read, or is not such a log.
    """
    number = 0
    try:
        for text in _objects(path):
            number += 1
            yield _spawn(json.loads(text))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: entry {number} is not one of an execution log: {error!r}") from error


def _objects(path: Path) -> Iterator[str]:
    """The JSON objects: only where one ends does a line begin with a brace that closes."""
    lines: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("}"):
                yield "".join([*lines, "}"])
                lines = [line[1:]]
            else:
                lines.append(line)
    if "".join(lines).strip():
        yield "".join(lines)  # cut off: says so when it is parsed


def _spawn(data: Mapping[str, Any]) -> Spawn:
    return Spawn(
        data.get("targetLabel", ""),
        data["mnemonic"],
        tuple(data.get("commandArgs", ())),
        {each["name"]: each["value"] for each in data.get("environmentVariables", ())},
        _files(data.get("inputs", ())),
        _files(data.get("actualOutputs", ())),
        tuple(data["listedOutputs"]),
    )


def _files(rows: Any) -> dict[str, str]:
    return {row["path"]: row.get("symlinkTargetPath") or row.get("digest", {}).get("hash", "") for row in rows}


def causes(ours: Path, theirs: Path) -> list[Cause]:
    """The actions in which two builds of the same targets part, in the order of our log.

    An action that differs only because its inputs do, and those because another action made them so, is not one.

    Raises:
        UserError: as `read`.
    """
    others = {spawn.key: spawn for spawn in read(theirs)}
    mine = list(read(ours))
    made = {path for spawn in mine for path in (*spawn.outputs, *spawn.key)}
    found = []
    for spawn in mine:
        other = others.pop(spawn.key, None)
        if other is None:
            found.append(Cause(spawn, "ran in the first build only"))
            continue
        cause = _compare(spawn, other, made)
        if cause is not None:
            found.append(cause)
    return found + [Cause(spawn, "ran in the second build only") for spawn in others.values()]


def _compare(ours: Spawn, theirs: Spawn, made: set[str]) -> Cause | None:
    inputs = _changed(ours.inputs, theirs.inputs)
    # A folder that an action made is an input file by file.
    if any(path in made or any(folder in made for folder in _parents(path)) for path in inputs):
        return None
    outputs = tuple(_changed(ours.outputs, theirs.outputs))
    if ours.command != theirs.command:
        at = next(
            (i for i, (a, b) in enumerate(zip(ours.command, theirs.command, strict=False)) if a != b),
            min(len(ours.command), len(theirs.command)),
        )
        words = [repr(each.command[at]) if at < len(each.command) else "nothing" for each in (ours, theirs)]
        return Cause(ours, f"had another command line: word {at + 1} is {words[0]} against {words[1]}", outputs)
    if ours.environment != theirs.environment:
        name = _changed(ours.environment, theirs.environment)[0]
        values = [repr(each.environment[name]) if name in each.environment else "not set" for each in (ours, theirs)]
        return Cause(ours, f"had another environment: {name} is {values[0]} against {values[1]}", outputs)
    if inputs:
        digests = _digests(inputs[0], ours.inputs, theirs.inputs)
        return Cause(ours, f"had another input, which no action made: {inputs[0]} ({digests})", outputs)
    if outputs:
        digests = _digests(outputs[0], ours.outputs, theirs.outputs)
        return Cause(ours, f"made other outputs from the same inputs: {outputs[0]} ({digests})", outputs)
    return None


def _changed(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    return [name for name in dict.fromkeys((*ours, *theirs)) if ours.get(name) != theirs.get(name)]


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _digests(path: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    shown = [each.get(path, "missing")[:_SHOWN] for each in (ours, theirs)]
    return f"sha256 {shown[0]}... against {shown[1]}..."
