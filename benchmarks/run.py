"""Measures ours beside the peers, in one run; `compare.sh` beside this file starts it in the container."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import comparisons, report, studies
from benchmarks.measure import Comparison, compare, output_of
from benchmarks.workspace import Workspace
from sysimage.errors import UserError

COMPARISONS = ("image", "clean", "change", "base", "ext4", "verity")
STUDIES = ("memory", "capacity", "variants")
EXIT_USER_ERROR = 2


@dataclass(frozen=True, slots=True)
class System:
    """An operating system whose build is measured.

    variants: all of its variants. partition: the one that grows for `capacity`.
    """

    name: str
    variants: Sequence[str]
    partition: str

    @property
    def folder(self) -> str:
        """Its package, from the root."""
        return f"ic-os/{self.name}"

    def outputs(self, *variants: str) -> list[str]:
        """Labels of what variants give out."""
        names = ("disk-img", "update-img", "update-img-test", "container", "direct_boot", "version")
        return [f"//{self.folder}/envs/{variant}:{name}" for variant in variants for name in names]


SYSTEMS = {
    system.name: system
    for system in (
        System("guestos", ("prod", "dev", "dev-malicious", "dev-sev"), "A_root"),
        # Its slots are volumes of a group; what lies behind the partition's last extent is nobody's.
        System("hostos", ("prod", "dev", "dev-sev"), "hostlvm"),
    )
}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="compare.sh", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="rounds of each comparison")
    parser.add_argument(
        "--only", action="append", choices=COMPARISONS + STUDIES, help="one of the measurements; may be repeated"
    )
    parser.add_argument(
        "--system", choices=SYSTEMS, default="guestos", help="what is built; the options below are its, if not given"
    )
    parser.add_argument("--image", help="label of the disk image's archive")
    parser.add_argument("--changed", help="file to change for `change`, from the root")
    parser.add_argument("--one", nargs="+", help="labels of one variant's outputs, for `variants`")
    parser.add_argument("--variants", nargs="+", help="labels of all variants' outputs")
    parser.add_argument("--partition", help="partition that grows for `capacity`")
    parser.add_argument(
        "--work", type=Path, default=Path("/var/tmp/benchmarks"), help="folder for everything; not a tmpfs"
    )
    parser.add_argument("--results", type=Path, help="where the report goes too, as Markdown")
    options = parser.parse_args(words)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    system = SYSTEMS[options.system]
    options.image = options.image or f"//{system.folder}/envs/prod:disk-img"
    options.changed = options.changed or f"{system.folder}/rootfs/etc/hosts"
    options.one = options.one or system.outputs("dev")
    options.variants = options.variants or system.outputs(*system.variants)
    options.partition = options.partition or system.partition
    return options


def versions() -> dict[str, str]:
    """Versions of everything that takes part."""
    commands = {
        "bazel": ["dpkg-query", "--show", "--showformat=${Version}", "bazel-bootstrap"],
        "mkosi": ["mkosi", "--version"],
        "systemd-repart": ["dpkg-query", "--show", "--showformat=${Version}", "systemd-repart"],
        "mmdebstrap": ["mmdebstrap", "--version"],
        "e2fsprogs": ["dpkg-query", "--show", "--showformat=${Version}", "e2fsprogs"],
        "cryptsetup": ["veritysetup", "--version"],
    }
    return {name: output_of(command).strip().splitlines()[0] for name, command in commands.items()}


def measure(options: argparse.Namespace) -> report.Results:
    """All measurements that the options name. Errors: as their parts."""
    work: Path = options.work
    log = work / "log"
    work.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    workspace = Workspace(work / "repository", work / "output", log)
    workspace.copy_from(Path.cwd())
    try:
        return _measure(workspace, work, options, set(options.only or COMPARISONS + STUDIES))
    finally:
        workspace.shut_down()


def _measure(workspace: Workspace, work: Path, options: argparse.Namespace, wanted: set[str]) -> report.Results:
    setting = comparisons.prepare(workspace, work, workspace.log, options.image, options.changed)
    makers: dict[str, Callable[[], Comparison]] = {
        "ext4": lambda: comparisons.ext4(setting),
        "verity": lambda: comparisons.verity(setting),
    }
    if wanted & {"image", "clean", "change", "base"}:
        archive = comparisons.packages(setting)
        mkosi = comparisons.mkosi(setting, archive)
        makers["image"] = lambda: comparisons.whole_image(setting, mkosi)
        makers["clean"] = lambda: comparisons.clean_image(setting, mkosi)
        makers["change"] = lambda: comparisons.changed_file(setting, mkosi)
        makers["base"] = lambda: comparisons.base_layer(setting, archive)
    outcomes = tuple(compare(makers[key](), options.runs) for key in COMPARISONS if key in wanted)
    if wanted & set(STUDIES):
        workspace.build(options.image)
    return report.Results(
        machine=report.machine() | versions(),
        outcomes=outcomes,
        memory=studies.memory(setting) if "memory" in wanted else (),
        variants=studies.variants(workspace, tuple(options.one), tuple(options.variants), options.runs)
        if "variants" in wanted
        else (),
        capacities=studies.capacity(setting, options.partition, options.runs) if "capacity" in wanted else (),
    )


def main() -> int:
    """Measures, prints the report, and leaves it as JSON in the work folder."""
    options = arguments()
    try:
        if os.geteuid() != 0:
            raise UserError("the peers change owners, so this needs root", hint="start it with benchmarks/compare.sh")
        if not shutil.which("mkosi"):
            raise UserError("there is no mkosi here", hint="start it with benchmarks/compare.sh")
        results = measure(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    (options.work / "results.json").write_text(results.to_json(), encoding="utf-8")
    text = report.render(results)
    print(text, end="")
    if options.results:
        options.results.write_text(report.heading(options.system, options.results) + text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
