"""Builds an action graph twice, in environments that have nothing in common, and says whether the bytes are equal.

reproduce --graph=GRAPH.json --tool=FOLDER
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage.reproducibility import graph
from sysimage.reproducibility.judge import judge
from tools.main import refuse_arguments, run

_GRAPH = flags.DEFINE_string(
    "graph", None, "The action graph; what it starts from lies beside it, in NAME.inputs.", required=True
)
_TOOL = flags.DEFINE_string("tool", None, "Folder with localedef, locales and libfaketime, unpacked.", required=True)
_LOGS = flags.DEFINE_string(
    "logs",
    os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR"),
    "Folder that the execution logs go to: by default the outputs of the test, if this is one.",
)

_EXIT_DIFFERENT = 1


def main(argv: Sequence[str]) -> int:
    """Exit status 0: equal; 1: not, with the explanation; 2: this machine cannot vary what must be varied."""
    refuse_arguments(argv)
    path = Path(_GRAPH.value)
    scratch = Path(os.environ.get("TEST_TMPDIR") or tempfile.gettempdir())
    logs = Path(_LOGS.value) if _LOGS.value else None
    equal = judge(graph.load(path), path.with_suffix(".inputs"), Path(_TOOL.value), scratch, logs, _say)
    return 0 if equal else _EXIT_DIFFERENT


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    run(main)
