"""Checks the types of a program with TypeScript's compiler, in a folder that has nothing but what the caller says."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from npm.packages import Package, copy_sources, lay_out, unpack
from sysimage.errors import UserError

_COMPILER = "lib/tsc.js"  # in its package
# Options for a program without a tsconfig.json: as strict as it gets, for what a bundler puts together.
STRICT = {
    "allowImportingTsExtensions": True,
    "exactOptionalPropertyTypes": True,
    "module": "preserve",
    "moduleDetection": "force",
    "noFallthroughCasesInSwitch": True,
    "noImplicitOverride": True,
    "noUncheckedIndexedAccess": True,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "skipLibCheck": True,
    "strict": True,
    "verbatimModuleSyntax": True,
}


def check(
    work: Path,
    node: Path,
    compiler: Path,
    packages: Sequence[Package],
    sources: Sequence[str],
    tsconfig: str | None,
    libraries: Sequence[str],
) -> str:
    """What the compiler finds wrong: its lines; nothing when all is well.

    Args:
        work: an empty folder, which is used up.
        node: the program that runs it.
        compiler: the archive of its package.
        packages: what may be imported by name.
        sources: `PATH=FILE` words.
        tsconfig: path of the options among the sources; none: STRICT.
        libraries: what there is at run time, `es2022`, `webworker`; only without a tsconfig.

    Raises:
        UserError: no source is TypeScript.
    """
    tool, tree = work / "typescript", work / "tree"
    tree.mkdir()
    unpack(compiler, tool)
    copy_sources(sources, tree)
    lay_out(packages, tree)
    project = tree / (tsconfig or "tsconfig.json")
    if tsconfig is None:
        names = sorted(
            name
            for name, _, _ in (source.partition("=") for source in sources)
            if name.endswith((".ts", ".tsx", ".mts"))
        )
        if not names:
            raise UserError("no source is TypeScript", hint="name .ts files in srcs")
        types = sorted(
            package.name.removeprefix("@types/") for package in packages if package.name.startswith("@types/")
        )
        options = {**STRICT, "lib": list(libraries), "target": libraries[0] if libraries else "es2022", "types": types}
        project.write_text(json.dumps({"compilerOptions": options, "files": names}), encoding="utf-8")
    command = [str(node.absolute()), str(tool / _COMPILER), "--noEmit", "--pretty", "false", "--project", str(project)]
    result = subprocess.run(command, cwd=tree, env={}, check=False, capture_output=True, text=True)
    if result.returncode == 0:
        return ""
    return (result.stdout + result.stderr).strip() or f"the compiler ended with status {result.returncode}"
