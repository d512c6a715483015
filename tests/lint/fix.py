"""Formats the sources and mends what linters can mend: bazel run //tests/lint:fix."""

import os
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Runs ruff, buildifier and, by node, prettier (the arguments) on the source tree."""
    ruff, buildifier, node, prettier = (Path(argument).absolute() for argument in sys.argv[1:])
    workspace = os.environ["BUILD_WORKSPACE_DIRECTORY"]
    for program, *arguments in (
        (ruff, "check", "--fix", "."),
        (ruff, "format", "."),
        (buildifier, "-mode=fix", "-lint=fix", "-r", "."),
        (node, prettier, "--write", "--log-level=warn", "**/*.ts"),
    ):
        status = subprocess.run([program, *arguments], cwd=workspace, check=False).returncode
        if status not in (0, 1):  # 1: something is left that only a person can mend, which the tests say
            sys.exit(status)


if __name__ == "__main__":
    main()
