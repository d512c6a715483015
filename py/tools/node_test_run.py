"""Runs a bundled test file with Node.js's own test runner; a file without tests fails."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tools.main import refuse_arguments, run

_NODE = flags.DEFINE_string("node", None, "Node.js.", required=True)
_PROGRAM = flags.DEFINE_string("program", None, "The test, as one file.", required=True)
# A line of the summary that the `tap` reporter ends with. The file is run without --test: with it a file without tests
# counts as one.
_COUNT = re.compile(r"^# tests (\d+)$", re.MULTILINE)


def main(argv: Sequence[str]) -> int:
    """Runs the test that the flags name."""
    refuse_arguments(argv)
    command = [str(Path(_NODE.value).absolute()), "--enable-source-maps", "--test-reporter=tap", _PROGRAM.value]
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    print(result.stdout, end="")
    count = _COUNT.search(result.stdout)
    if result.returncode == 0 and (count is None or count[1] == "0"):
        print(f"error: {_PROGRAM.value} has no test", file=sys.stderr)
        return 1
    return result.returncode


if __name__ == "__main__":
    run(main)
