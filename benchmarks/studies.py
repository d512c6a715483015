"""What is not a comparison: the memory of each action, what capacity costs, and what further variants cost."""

import json
import time
from pathlib import Path
from typing import Any

from benchmarks import actions
from benchmarks.actions import Action
from benchmarks.comparisons import Setting
from benchmarks.measure import Times, progress
from benchmarks.report import ActionMemory, Builds, Capacity
from benchmarks.workspace import Workspace

SECTOR = 512  # bytes
_GIB = 1 << 30
_LARGE = {"1 TiB": 1024 * _GIB // SECTOR}  # sectors


def memory(setting: Setting) -> tuple[ActionMemory, ...]:
    """Runs every action of the image once more, alone, and asks the kernel for its peak.

    What is measured is the largest process of each, pages of mapped input files included.
    """
    rows = []
    for action in (each for each in setting.all if each.is_ours):
        with progress(f"memory of {action.name}"):
            usage = actions.run(action, setting.workspace.execution_root, setting.scratch / "memory", setting.log)
        rows.append(ActionMemory(action.name, usage.memory, usage.seconds))
    return tuple(rows)


def resize(layout: dict[str, Any], partition: str, sectors: int) -> dict[str, Any]:
    """A disk layout with one partition of another size; those behind it move, and the disk follows."""
    old = next(each for each in layout["partitions"] if each["name"] == partition)
    more = sectors - old["size"]
    rows = [
        row | {"size": sectors} if row is old else row | {"start": row["start"] + more * (row["start"] > old["start"])}
        for row in layout["partitions"]
    ]
    return layout | {"partitions": rows, "size": layout["size"] + more}


def capacities(layout: dict[str, Any], partition: str) -> dict[str, int]:
    """Sizes of a partition, in sectors, by their names: the one that it has, and a large one."""
    own = next(each["size"] for each in layout["partitions"] if each["name"] == partition)
    return {f"{own * SECTOR / _GIB:g} GiB": own, **_LARGE}


def capacity(setting: Setting, partition: str, rounds: int) -> tuple[Capacity, ...]:
    """The disk image with the same content, a partition of its own size and of 1 TiB.

    The two actions that see the capacity are run: the partition table's plan, and the archive.
    """
    root = setting.workspace.execution_root
    plan, archive = setting.the("GptPlan"), setting.the("ImageArchive")
    layout = json.loads((root / plan.value("--layout")).read_text(encoding="utf-8"))
    sizes = capacities(layout, partition)
    seconds: dict[str, list[float]] = {name: [] for name in sizes}
    folders = {name: setting.scratch / f"capacity-{name.replace(' ', '-')}" for name in sizes}
    disks = {}
    for name, sectors in sizes.items():
        resized = resize(layout, partition, sectors)
        disks[name] = resized["size"] * SECTOR
        folders[name].mkdir(exist_ok=True)
        (folders[name] / "layout.json").write_text(json.dumps(resized), encoding="utf-8")
    for number in range(rounds):
        for name, folder in folders.items():
            with progress(f"capacity, round {number + 1} of {rounds}: {name}"):
                seconds[name].append(_plan_and_write(plan, archive, root, folder, setting.log))
    return tuple(
        Capacity(name, disks[name], Times(tuple(seconds[name])), (folder / archive.outputs[0]).stat().st_size)
        for name, folder in folders.items()
    )


def _plan_and_write(plan: Action, archive: Action, root: Path, folder: Path, log: Path) -> float:
    start = time.monotonic()
    actions.run(plan, root, folder, log, places={plan.value("--layout"): folder / "layout.json"})
    actions.run(archive, root, folder, log, places={path: folder / path for path in plan.outputs})
    return time.monotonic() - start


def variants(
    workspace: Workspace, one: tuple[str, ...], all_of_them: tuple[str, ...], rounds: int
) -> tuple[Builds, ...]:
    """All outputs of one variant, and those of all variants, each from nothing: wall clock and processor time.

    Processor time is that of the actions. It does not grow when somebody else uses the machine.
    """
    rows = []
    for name, targets in (("one variant", one), ("all variants", all_of_them)):
        workspace.build("--nobuild", *targets)  # what is loaded and analysed, and fetched, is not measured
        workspace.build(*targets)
        wall: list[float] = []
        processor: list[float] = []
        actions_run = 0
        for number in range(rounds):
            workspace.remove_outputs()
            with progress(f"variants, round {number + 1} of {rounds}: {name}"):
                before, start = workspace.processor_seconds(), time.monotonic()
                actions_run = workspace.build(*targets)
                wall.append(time.monotonic() - start)
                processor.append(workspace.processor_seconds() - before)
        rows.append(Builds(name, actions_run, Times(tuple(wall)), Times(tuple(processor))))
    return tuple(rows)
