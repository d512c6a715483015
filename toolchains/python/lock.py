"""Resolves requirements.in and writes requirements.lock: bazel run //toolchains/python:lock.

The lock pins, for every interpreter that builds may use, the wheels that pip chose and their hashes, and for
each the packages that need it (`# via`), from which the build files' dependencies are made. With arguments it is
made in another folder and for other interpreters: lock FOLDER VERSION...
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = "toolchains/python"
PYTHON_VERSIONS = ("3.11", "3.12", "3.13", "3.14")
# Oldest first: a wheel for an older C library runs on newer ones.
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64")
HEADER = """\
# Locked wheels for CPython {versions} on x86_64.
# Made from requirements.in by: bazel run //{folder}:lock
"""


class LockError(Exception):
    """What a person can mend: one line."""


@dataclass(slots=True)
class Wheel:
    """One pinned package: its version, the hashes of its wheels and who needs it."""

    version: str
    hashes: set[str] = field(default_factory=set)
    via: set[str] = field(default_factory=set)


def normalise(name: str) -> str:
    """The canonical form of a package name (PEP 503, as far as names in use go)."""
    return name.lower().replace("_", "-").replace(".", "-")


def requirement_name(requirement: str) -> str:
    """The package that a dependency names: `typing_extensions>=4.6.0; python_version < "3.15"` is typing-extensions."""
    end = next((i for i, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), len(requirement))
    return normalise(requirement[:end])


def merge_reports(reports: Iterable[Mapping[str, Any]]) -> dict[str, Wheel]:
    """Joins pip's installation reports for several interpreters.

    Raises:
        LockError: two interpreters got different versions of one package.
    """
    wheels: dict[str, Wheel] = {}
    for report in reports:
        names = {normalise(item["metadata"]["name"]) for item in report["install"]}
        for item in report["install"]:
            metadata = item["metadata"]
            name = normalise(metadata["name"])
            wheel = wheels.setdefault(name, Wheel(metadata["version"]))
            if wheel.version != metadata["version"]:
                raise LockError(f"{name}: interpreters differ: {wheel.version} and {metadata['version']}")
            wheel.hashes.add(item["download_info"]["archive_info"]["hashes"]["sha256"])
        for item in report["install"]:
            for requirement in item["metadata"].get("requires_dist", []):
                needed = requirement_name(requirement)
                if "extra ==" not in requirement and needed in names:
                    wheels[needed].via.add(normalise(item["metadata"]["name"]))
    return wheels


def format_lock(wheels: Mapping[str, Wheel], folder: str = FOLDER, versions: Sequence[str] = PYTHON_VERSIONS) -> str:
    """The lock as text, sorted, so that a refresh without news changes nothing."""
    lines = [HEADER.format(versions=", ".join(versions), folder=folder)]
    for name, wheel in sorted(wheels.items()):
        lines.append(f"{name}=={wheel.version} \\\n")
        lines.append(" \\\n".join(f"    --hash=sha256:{digest}" for digest in sorted(wheel.hashes)) + "\n")
        lines += [f"    # via {parent}\n" for parent in sorted(wheel.via)]
    return "".join(lines)


def resolve(requirements: Path, python_version: str, work: Path) -> Any:
    """The report of pip: what it would install for one interpreter."""
    report = work / f"{python_version}.json"
    command = [sys.executable, "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed"]
    command += ["--only-binary=:all:", f"--python-version={python_version}", "--implementation=cp"]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    command += [f"--target={work / 'nowhere'}", f"--report={report}", f"--requirement={requirements}"]
    status = subprocess.run(command, check=False).returncode
    if status:
        raise LockError(
            f"pip could not resolve {requirements} for Python {python_version} (hint: its message is above)"
        )
    return json.loads(report.read_text(encoding="utf-8"))


def replace(path: Path, text: str) -> None:
    """Writes a file of the source tree: whole, and on the disk before it takes its name, or not at all.

    Raises:
        LockError: it cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise LockError(f"cannot write {path}: {error.strerror} (hint: it is as it was)") from error


def main(arguments: Sequence[str]) -> None:
    """Writes the lock beside requirements.in in the source tree.

    Args:
        arguments: the folder, from the root of the workspace, and the versions of Python; nothing: those of all tools.
    """
    name, *versions = arguments or (FOLDER, *PYTHON_VERSIONS)
    folder = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"]) / name
    lock = folder / "requirements.lock"
    before = lock.read_text(encoding="utf-8") if lock.exists() else ""
    with tempfile.TemporaryDirectory() as work:
        reports = [resolve(folder / "requirements.in", version, Path(work)) for version in versions]
    after = format_lock(merge_reports(reports), name, versions)
    replace(lock, after)
    old, new = ({line for line in text.splitlines() if "==" in line} for text in (before, after))
    for line in sorted(old ^ new, key=lambda line: line.split("==")[0]):
        print("+" if line in new else "-", line.removesuffix(" \\"))
    print(f"{lock}: {len(new)} wheels, {'unchanged' if before == after else 'rewritten'}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LockError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
