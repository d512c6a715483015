"""Execution roots: where the inputs of a graph lie, as an environment has them."""

import os
import shutil
from pathlib import Path

from sysimage.reproducibility.environment import Environment
from sysimage.reproducibility.graph import Graph

# Bazel gives everything that an action made the mode 0555.
_OUTPUT_MODE = 0o500
_EXECUTABLE = 0o700
_PLAIN = 0o600
_NOT_EXECUTABLE = 0o066


def stage(graph: Graph, leaves: Path, root: Path, environment: Environment) -> None:
    """Lays out the files that a graph starts from, and the programs that it runs.

    Args:
        graph: the graph.
        leaves: folder with its leaves.
        root: the execution root, which is made.
        environment: says in which order, and with which times and modes.
    """
    # The inputs come to be in the order in which some file systems list them.
    for leaf in sorted(graph.leaves, reverse=environment.newest_first):
        _copy(leaves / leaf, root / leaf, environment)
    for program, runfiles in graph.programs.items():
        for runfile in sorted(runfiles, reverse=environment.newest_first):
            path = root / f"{program}.runfiles" / runfile
            path.parent.mkdir(parents=True, exist_ok=True)
            leaf = runfiles[runfile]
            if leaf is None:
                path.touch()
            else:
                path.symlink_to(root / leaf)


def _copy(source: Path, target: Path, environment: Environment) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
        settle(target, environment)
        return
    shutil.copyfile(source, target)
    mode = (
        _EXECUTABLE | environment.input_mode
        if os.access(source, os.X_OK)
        else _PLAIN | (environment.input_mode & _NOT_EXECUTABLE)
    )
    target.chmod(mode)
    os.utime(target, (environment.input_time, environment.input_time))


def settle(path: Path, environment: Environment) -> None:
    """Turns what an action left, or an input that is a directory, into what later actions see.

    Bazel gives outputs a mode of its own; so does this, another in each environment. Directories are made anew, so
    that their order is the environment's and not that in which the action wrote.
    """
    if path.is_symlink():
        return
    if path.is_dir():
        entries = sorted(os.listdir(path), reverse=environment.newest_first)
        former = path.with_name(path.name + ".former")
        path.chmod(0o700)
        path.rename(former)
        path.mkdir()
        for entry in entries:
            (former / entry).rename(path / entry)
            settle(path / entry, environment)
        former.rmdir()
        path.chmod(_EXECUTABLE | environment.input_mode)
    else:
        path.chmod(_OUTPUT_MODE | environment.input_mode)
    os.utime(path, (environment.input_time, environment.input_time))
