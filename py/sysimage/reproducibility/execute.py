"""Executes the actions of a graph in an environment."""

import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from sysimage.reproducibility import record, staging
from sysimage.reproducibility.environment import Environment
from sysimage.reproducibility.graph import Action, Graph
from sysimage.reproducibility.record import Entry
from sysimage.reproducibility.support import Support

_SAID = 2000  # bytes at the end of what a failed action said
_NOT_FOUND = 127  # exit status, as shells have it


@dataclass(frozen=True, slots=True)
class Place:
    """Where an environment's build happens: the execution root, and the folder for temporary files."""

    root: Path
    temporary: Path


def variables(
    action_env: Mapping[str, str], environment: Environment, place: Place, support: Support
) -> dict[str, str]:
    """The environment variables that an action sees.

    What an action sets itself for locale, time zone and hash seed is overridden: Bazel would always set them, and
    yet the bytes may not depend on them. Other variables of its own are input, and stay.
    """
    env = dict(environment.variables) | dict(action_env)
    env |= {
        "PYTHONPATH": str(support.hook),
        "PYTHON_CPU_COUNT": str(environment.cpus),
        "REPRODUCIBILITY_ORDER": "reversed" if environment.newest_first else "sorted",
        "TMPDIR": str(place.temporary),
    }
    if environment.locale:
        env |= dict.fromkeys(("LANG", "LANGUAGE", "LC_ALL"), environment.locale) | {"LOCPATH": str(support.locales)}
    if environment.timezone:
        env["TZ"] = environment.timezone
    if environment.hash_seed:
        env["PYTHONHASHSEED"] = environment.hash_seed
    if environment.clock is not None:
        clock = environment.clock
        env |= {
            "LD_PRELOAD": str(support.faketime),
            "FAKETIME": clock if isinstance(clock, str) else f"{clock:+d}s",
            # Waiting is by the kernel's clock, or it would take years. Times of files are the kernel's.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
    return env


def run(graph: Graph, environment: Environment, place: Place, support: Support) -> list[Entry]:
    """Executes all actions, as many at a time as the environment says, each as soon as its inputs are there.

    It stops at the first action that fails; its entry says so. The order of the entries is the graph's.
    """
    digests: dict[str, str] = {}
    entries: dict[int, Entry] = {}
    missing = {output.path for action in graph.actions for output in action.outputs}
    left = list(range(len(graph.actions)))
    running: dict[Future[Entry], int] = {}
    with ThreadPoolExecutor(environment.jobs) as pool:
        while left or running:
            ready = [index for index in left if missing.isdisjoint(graph.actions[index].inputs)]
            for index in ready[: environment.jobs - len(running)]:
                action = graph.actions[index]
                _digest_inputs(action, place, digests)
                left.remove(index)
                running[pool.submit(_execute, index, action, environment, place, support, dict(digests))] = index
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                index = running.pop(future)
                entry = entries[index] = future.result()
                digests |= entry.outputs
                missing.difference_update(entry.outputs)
                if entry.failure:
                    left.clear()
    return [entries[index] for index in sorted(entries)]


def _digest_inputs(action: Action, place: Place, digests: dict[str, str]) -> None:
    for path in (*action.inputs, *action.programs):
        if path not in digests:
            digests[path] = record.digest(place.root / path)


def _execute(
    number: int,
    action: Action,
    environment: Environment,
    place: Place,
    support: Support,
    digests: Mapping[str, str],
) -> Entry:
    for output in action.outputs:
        path = place.root / output.path
        (path if output.directory else path.parent).mkdir(parents=True, exist_ok=True)
    env = variables(action.env, environment, place, support)
    failure = _run(action, env, place.root)
    outputs: dict[str, str] = {}
    for output in action.outputs:
        path = place.root / output.path
        if not failure and not path.exists():
            failure = f"it left no {output.path}"
        elif not failure:
            staging.settle(path, environment)
            outputs[output.path] = record.digest(path)
    inputs = {path: digests[path] for path in (*action.inputs, *action.programs)}
    return Entry(number, action.label, action.mnemonic, action.argv or (), env, inputs, outputs, failure)


def _run(action: Action, env: Mapping[str, str], root: Path) -> str:
    """Does what the action says; what it said if it failed, else ""."""
    if action.argv is None:
        (output,) = action.outputs
        if action.symlink is not None:
            (root / output.path).symlink_to(root / action.symlink)
        else:
            (root / output.path).write_text(action.content or "", encoding="utf-8")
        return ""
    try:
        done = subprocess.run(
            action.argv,
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        return f"it could not be started: {os.strerror(error.errno or 0)}"
    if not done.returncode:
        return ""
    said = done.stdout[-_SAID:].decode("utf-8", "replace").strip()
    return f"exit status {done.returncode}: {said or 'it said nothing'}"
