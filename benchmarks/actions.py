"""The actions of a build, to be run again by hand: one at a time, on their real inputs.

Bazel says how each is called (`aquery`); what it writes is sent elsewhere, so the build stays as it was.
"""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Usage, execute
from sysimage.errors import UserError


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its command line, its environment, and what it writes (paths in the execution root).

    parameters: files that Bazel makes of arguments which do not fit a command line, by path.
    """

    label: str
    mnemonic: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    outputs: tuple[str, ...]
    parameters: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """What a table calls it."""
        return f"{self.mnemonic} {self.label}"

    @property
    def is_ours(self) -> bool:
        """Whether it runs one of our programs; the rest is Bazel's own (symlink trees, launchers)."""
        return "/py/tools/" in self.arguments[0]

    def values(self, flag: str) -> list[str]:
        """All values of a flag, given as `--flag value` or `--flag=value`, in parameter files too."""
        words = [word for each in self.arguments for word in self.parameters.get(each.lstrip("@"), (each,))]
        found = []
        for index, word in enumerate(words):
            if word == flag:
                found.append(words[index + 1])
            elif word.startswith(flag + "="):
                found.append(word.removeprefix(flag + "="))
        return found

    def value(self, flag: str) -> str:
        """The one value of a flag.

        Raises:
            UserError: it is not given once.
        """
        found = self.values(flag)
        if len(found) != 1:
            raise UserError(f"{self.name} has {len(found)} values of {flag}; the benchmark expects one")
        return found[0]


def parse(text: str) -> list[Action]:
    """The actions with a command line of `bazel aquery --output=jsonproto`. Source: Bazel, analysis_v2.proto."""
    data = json.loads(text)
    fragments = {each["id"]: each for each in data.get("pathFragments", [])}
    paths = {each["id"]: _path(each["pathFragmentId"], fragments) for each in data.get("artifacts", [])}
    labels = {each["id"]: each["label"] for each in data.get("targets", [])}
    return [
        Action(
            label=labels[each["targetId"]],
            mnemonic=each["mnemonic"],
            arguments=tuple(each["arguments"]),
            environment={pair["key"]: pair.get("value", "") for pair in each.get("environmentVariables", [])},
            outputs=tuple(paths[number] for number in each["outputIds"]),
            parameters={file["execPath"]: tuple(file["arguments"]) for file in each.get("paramFiles", [])},
        )
        for each in data.get("actions", [])
        if each.get("arguments")
    ]


def _path(number: int, fragments: Mapping[int, Mapping[str, Any]]) -> str:
    parts: list[str] = []
    while number:
        fragment = fragments[number]
        parts.append(fragment["label"])
        number = fragment.get("parentId", 0)
    return "/".join(reversed(parts))


def find(actions: Iterable[Action], mnemonic: str, output: str = "") -> Action:
    """The one action of a kind, among those that write a path with `output` in it.

    Raises:
        UserError: there is none, or there are several.
    """
    found = [each for each in actions if each.mnemonic == mnemonic and any(output in path for path in each.outputs)]
    if len(found) != 1:
        names = ", ".join(each.label for each in found) or "none"
        raise UserError(f"one action {mnemonic} was expected for {output!r}; there is {names}")
    return found[0]


def redirect(word: str, places: Mapping[str, Path]) -> str:
    """A word of a command line with paths of the execution root replaced by others."""
    for old, new in places.items():
        parts = re.split(rf"(?<![\w./-]){re.escape(old)}(?![\w/-]|\.\w)", word)
        word = str(new).join(parts)
    return word


def _remove(path: Path) -> None:
    """Removes an output of an earlier run: replacing a large file costs more than writing a new one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(
    action: Action,
    execution_root: Path,
    scratch: Path,
    log: Path,
    *,
    places: Mapping[str, Path] | None = None,
    more: Iterable[str] = (),
) -> Usage:
    """Runs an action on what the build left, with its outputs in `scratch`.

    Args:
        action: the action.
        execution_root: where its paths begin.
        scratch: a folder; outputs lie in it under their paths in the execution root.
        log: where its output goes.
        places: paths to be replaced by others besides the outputs.
        more: arguments to add.
    """
    where = {path: scratch / path for path in (*action.outputs, *action.parameters)} | dict(places or {})
    for path in (*action.outputs, *action.parameters):
        (scratch / path).parent.mkdir(parents=True, exist_ok=True)
        _remove(scratch / path)
    for path, lines in action.parameters.items():
        (scratch / path).write_text("".join(redirect(line, where) + "\n" for line in lines), encoding="utf-8")
    words = [redirect(word, where) for word in action.arguments]
    return execute([*words, *more], log, cwd=execution_root, environment=dict(action.environment))
