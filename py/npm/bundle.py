"""Bundles a program with esbuild, in a folder that has nothing but what the lock and the caller say."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npm.packages import Package, copy_sources, lay_out, unpack
from sysimage.errors import UserError

# esbuild writes here; the name is not in what it writes.
_OUT = "out"
_METAFILE = "metafile.json"
_PROGRAM = "bin/esbuild"  # in the package for one system


@dataclass(frozen=True, slots=True)
class Bundle:
    """What esbuild made: the program, its source map (empty: none), and its metafile."""

    program: bytes
    source_map: bytes
    metafile: dict[str, Any]


def make(
    work: Path,
    esbuild: Path,
    packages: Sequence[Package],
    sources: Sequence[str],
    entry: str,
    out: str,
    options: Sequence[str],
) -> Bundle:
    """Bundles an entry with what it imports.

    Every path that esbuild sees is relative to a folder of its own, so that none of the machine's gets into the bytes.

    Args:
        work: an empty folder, which is used up.
        esbuild: the archive of its package for this system.
        packages: what may be imported by name.
        sources: `PATH=FILE` words: what may be imported by path.
        entry: path of the first file.
        out: base name of the program.
        options: further options of esbuild.

    Raises:
        UserError: esbuild refuses, or imports something from elsewhere.
    """
    tool, tree = work / "esbuild", work / "tree"
    tree.mkdir()
    unpack(esbuild, tool)
    copy_sources(sources, tree)
    lay_out(packages, tree)
    command = [str(tool / _PROGRAM), entry, "--bundle", f"--outfile={_OUT}/{out}", f"--metafile={_METAFILE}"]
    # One line for whoever reads a build's log has no colours, and a warning is as bad as an error there.
    command += ["--log-level=warning", "--color=false", "--preserve-symlinks", "--charset=utf8"]
    command += options
    if not any(option.startswith("--tsconfig") for option in options):
        command.append("--tsconfig-raw={}")
    result = subprocess.run(command, cwd=tree, env={}, check=False, capture_output=True, text=True)
    if result.returncode:
        raise UserError(f"esbuild refuses {entry}: {_first_error(result.stderr)}", hint=_hint(result.stderr))
    source_map = tree / _OUT / (out + ".map")
    return Bundle(
        (tree / _OUT / out).read_bytes(),
        source_map.read_bytes() if source_map.exists() else b"",
        json.loads((tree / _METAFILE).read_text(encoding="utf-8")),
    )


def _first_error(said: str) -> str:
    """Esbuild's first error with its place: `could not resolve "x" (src/a.ts:1:9)`."""
    lines = said.splitlines()
    for number, line in enumerate(lines):
        _, mark, text = line.partition("[ERROR] ")
        if mark:
            place = next((below.strip().rstrip(":") for below in lines[number + 1 :] if below.strip()), "")
            return f"{text} ({place})" if place.count(":") >= 2 else text
    return said.strip() or "it says nothing"


def _hint(said: str) -> str:
    if "Could not resolve" in said:
        return "name the file in srcs, or the package that has it in deps"
    return ""
