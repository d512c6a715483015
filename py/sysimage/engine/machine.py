"""Starts the engine's machine, and hands out what it built."""

import json
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sysimage import tar_reader
from sysimage.engine import changes, disks
from sysimage.engine.disks import Build
from sysimage.errors import UserError
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan
from sysimage.extents import Sources
from sysimage.materialise import write_raw
from sysimage.tree import Tree
from sysimage.vm.qemu import Disk, Machine, Port, VirtualMachine

_MIB = 1 << 20
_ROOT_SIZE = 4096 * _MIB  # with the engine's storage; what is not used is a hole
_BASE_RESERVE = 16 * _MIB
_MEMORY = 1536  # MiB
_TREE_KEY = "tree of the container"
_POWER_OFF = 60.0  # seconds
# Without what the processor's flaws would ask for: under emulation it doubles the time of each system call.
_COMMAND_LINE = "console=ttyS0 quiet panic=-1 mitigations=off"


@dataclass(frozen=True, slots=True)
class Tools:
    """Unpacked tools: QEMU, the folder that has boot/vmlinuz-*, the engine's programs; and the machine's initrd."""

    qemu: Path
    kernel: Path
    programs: Path
    initrd: Path


@dataclass(frozen=True, slots=True)
class Result:
    """What the engine made of one Dockerfile: the tree and the `config` object of the image; neither if it failed."""

    status: int
    log: str
    tree: Tree | None
    config: Mapping[str, Any]


def run(
    tools: Tools,
    base: Tree,
    config: Mapping[str, Any],
    builds: Sequence[Build],
    sources: Sources,
    epoch: int,
    scratch: Path,
    log: Path | None,
    timeout: float,
) -> dict[str, Result]:
    """Builds Dockerfiles on one base in one machine: name of the build to what came of it.

    Args:
        tools: what the machine is made of.
        base: the tree that FROM stands for.
        config: the `config` object of its image.
        builds: what is to be built.
        sources: has the contents of `base`; gets those of the results.
        epoch: seconds since 1970; the machine's clock starts with its day, since programs note the day (shadow(5)).
        scratch: a folder for disks and results, which stay there as long as the results are read.
        log: where the console's output goes as well.
        timeout: seconds for all builds.

    Raises:
        UserError: something cannot be read, or the engine does not work at all.
        ConsoleError: the machine does not come to an end.
    """
    with Sources({}) as own:
        work = disks.work(builds, config, own)
        _write(work, own, scratch / "work.img")
    _write(base, sources, scratch / "base.img", reserve=_BASE_RESERVE)
    more = [Disk(scratch / "base.img"), Disk(scratch / "work.img", read_only=True)]
    folder = _run(tools, more, epoch, scratch, log, timeout)
    return {build.name: _result(base, build.name, folder / build.name, sources) for build in builds}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the engine made of an image archive.

    images: the identity that each transport gave the image; tree: what a container of it has; runs: exit status and
    output of each command.
    """

    images: tuple[str, ...]
    tree: Tree
    runs: tuple[tuple[int, str], ...]


def load_image(
    tools: Tools,
    archive: Path,
    transports: Sequence[str],
    commands: Sequence[str],
    sources: Sources,
    epoch: int,
    scratch: Path,
    log: Path | None,
    timeout: float,
) -> Loaded:
    """Loads an image archive by each transport, and runs commands in a container of it.

    Args:
        tools: what the machine is made of.
        archive: the image archive.
        transports: as containers-transports(5) names them: `docker-archive`, `oci-archive`.
        commands: what /bin/sh in the container runs.
        sources: gets the contents of the tree.
        epoch: seconds since 1970; the machine's clock starts with its day.
        scratch: a folder for disks and results, which stay there as long as the tree is read.
        log: where the console's output goes as well.
        timeout: seconds for all of it.

    Raises:
        UserError: something cannot be read, or the engine does not take the archive.
        ConsoleError: the machine does not come to an end.
    """
    with Sources({}) as own:
        _write(disks.image_work(archive, transports, commands, own), own, scratch / "work.img")
    folder = _run(tools, [Disk(scratch / "work.img", read_only=True)], epoch, scratch, log, timeout)
    sources.add(_TREE_KEY, folder / "tree.tar")
    runs = []
    for number in range(len(commands)):
        out = folder / f"run-{number}"
        runs.append((int((out / "status").read_text()), (out / "log").read_text("utf-8", "replace")))
    tree = tar_reader.read(folder / "tree.tar", _TREE_KEY)
    return Loaded(tuple((folder / "images").read_text().split()), tree, tuple(runs))


def _run(tools: Tools, more: Sequence[Disk], epoch: int, scratch: Path, log: Path | None, timeout: float) -> Path:
    """Runs the machine with more disks than its root, and unpacks its results into a folder."""
    with Sources({}) as own:
        _write(disks.root(tools.programs, own), own, scratch / "root.img", size=_ROOT_SIZE)
    kernels = [*(tools.kernel / "boot").glob("vmlinuz-*")]
    if len(kernels) != 1:
        raise UserError(f"{tools.kernel}/boot has {len(kernels)} kernels; one is wanted")
    archive = scratch / "results.tar"
    machine = Machine(
        disks=[Disk(scratch / "root.img"), *more],
        kernel=kernels[0],
        initrd=tools.initrd,
        command_line=_COMMAND_LINE,
        memory=_MEMORY,
        cpus=1,  # a second one spends its time waiting for the first, where the host is busy
        ports=[Port("results", archive)],
        extra=["-rtc", f"base={time.strftime('%Y-%m-%dT00:00:00', time.gmtime(epoch))}"],
    )
    with VirtualMachine(machine, tools.qemu, scratch, log) as running:
        end = running.console.expect("^ENGINE (DONE|FAILED: .*)$", timeout)
        if end[1] != "DONE":
            raise UserError(f"the engine's machine gave up: {end[1].removeprefix('FAILED: ')}")
        running.wait(_POWER_OFF)
    with tarfile.open(archive) as tar:
        tar.extractall(scratch / "results", filter="data")
    return scratch / "results"


def _write(tree: Tree, sources: Sources, path: Path, size: int | None = None, reserve: int = 0) -> None:
    options = Ext4Options(UUID(int=1), UUID(int=2), 0, size=size, reserve=reserve)
    write_raw(plan(tree, options), sources, path)


def _result(base: Tree, name: str, folder: Path, sources: Sources) -> Result:
    status, log = int((folder / "status").read_text()), (folder / "log").read_text("utf-8", "replace")
    if status:
        return Result(status, log, None, {})
    image = json.loads((folder / "image.json").read_bytes())
    tree = changes.apply(base, folder / "changes.tar", f"changes of {name}", sources)
    return Result(status, log, tree, image["OCIv1"]["config"])
