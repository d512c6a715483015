"""One graph, two environments: two builds from nothing, one beside the other."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sysimage import namespaces
from sysimage.errors import UserError
from sysimage.reproducibility import execute, record, staging
from sysimage.reproducibility.environment import Environment
from sysimage.reproducibility.execute import Place
from sysimage.reproducibility.graph import Graph
from sysimage.reproducibility.record import Record
from sysimage.reproducibility.support import Support, prepare

_PROBE = Path(__file__).with_name("probe.py")
_PROBED = "probed"  # folder in the execution root
_PROBED_FILES = 16
# What the probe runs with, as an action would that sets nothing else.
_PATH = "/usr/local/bin:/usr/bin:/bin"
_EXIT_USER_ERROR = 2


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where builds happen.

    leaves: the folder with what a graph starts from. folder: each build has a folder in it, by its environment's name.
    """

    leaves: Path
    support: Support
    folder: Path


@dataclass(frozen=True, slots=True)
class Build:
    """What came of a build: its record, its execution root, and the folder that holds all of it."""

    environment: Environment
    record: Record
    root: Path
    base: Path


@contextmanager
def workshop(leaves: Path, tool: Path, scratch: Path) -> Iterator[Workshop]:
    """A place for builds, which is gone afterwards. This process moves into namespaces of its own.

    Raises:
        UserError: the machine does not allow it.
    """
    namespaces.isolate(os.getuid(), os.getgid())
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name).absolute()
        try:
            yield Workshop(leaves.absolute(), prepare(tool, folder / "support"), folder)
        finally:
            for base in folder.iterdir():
                _remove(base)


def _remove(base: Path) -> None:
    if base.is_mount():
        namespaces.unmount(base)
    shutil.rmtree(base)


def remove(done: Build) -> None:
    """Takes away all files of a build."""
    _remove(done.base)


def build(graph: Graph, environments: Sequence[Environment], where: Workshop, look: bool = True) -> list[Build]:
    """Builds a graph in each environment, all at the same time.

    Args:
        graph: what to build.
        environments: in what.
        where: the place for it.
        look: whether a program looks around there first.

    Raises:
        UserError: an environment cannot be put in force.
    """
    children = []
    for environment in environments:
        base = where.folder / environment.name
        base.mkdir()
        if environment.memory:
            namespaces.mount_memory(base)
        children.append((_fork(graph, environment, where, base, look), environment, base))
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, _, _ in children]
    for status, (_, environment, base) in zip(statuses, children, strict=True):
        if status == _EXIT_USER_ERROR:
            raise UserError(f"environment {environment.name}: {(base / 'error').read_text(encoding='utf-8')}")
        if status:
            raise RuntimeError(f"the build in environment {environment.name} broke, with status {status}")
    return [
        Build(environment, record.load(base / "log"), base / environment.folder, base)
        for _, environment, base in children
    ]


def _fork(graph: Graph, environment: Environment, where: Workshop, base: Path, look: bool) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        record.save(_build(graph, environment, where, base, look), base / "log")
        status = 0
    except UserError as error:
        (base / "error").write_text(str(error), encoding="utf-8")
        status = _EXIT_USER_ERROR
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _build(graph: Graph, environment: Environment, where: Workshop, base: Path, look: bool) -> Record:
    namespaces.isolate(environment.uid, environment.gid, environment.host_name)
    namespaces.show_processors(environment.cpus, base / "online")
    place = Place(base / environment.folder, base / "tmp")
    os.umask(environment.umask)
    for folder in (place.root, place.temporary):
        folder.mkdir(parents=True)
        if environment.inherited:
            namespaces.let_inherit(folder, environment.uid)
    staging.stage(graph, where.leaves, place.root, environment)
    seen = _probe(environment, place, where) if look else {}
    return Record(environment.name, seen, tuple(execute.run(graph, environment, place, where.support)))


def _probe(environment: Environment, place: Place, where: Workshop) -> dict[str, object]:
    """What a program sees, that runs as actions do."""
    folder = place.root / _PROBED
    folder.mkdir()
    for number in range(_PROBED_FILES):
        (folder / f"file{number:02}").touch()
    staging.settle(folder, environment)
    declared = {"LC_ALL": "C.UTF-8", "PATH": _PATH, "PYTHONHASHSEED": "0", "TZ": "UTC"}
    done = subprocess.run(
        [sys.executable, str(_PROBE), _PROBED],
        cwd=place.root,
        env=execute.variables(declared, environment, place, where.support),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"a program that looks around does not run there: {done.stderr.decode('utf-8', 'replace')}")
    seen: dict[str, object] = json.loads(done.stdout)
    return seen
