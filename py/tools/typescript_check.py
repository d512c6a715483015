"""Checks the types of a program. What is wrong is printed, one line each, and the exit status is 1 then."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from npm import packages, typescript
from tools.main import refuse_arguments, run

_NODE = flags.DEFINE_string("node", None, "Node.js.", required=True)
_COMPILER = flags.DEFINE_string("compiler", None, "Archive of TypeScript's package.", required=True)
_PACKAGE = flags.DEFINE_multi_string("package", [], "PLACE|NAME|VERSION|INTEGRITY|FILE: a package of the lock.")
_SRC = flags.DEFINE_multi_string("src", [], "PATH=FILE: a source, and where imports find it.")
_TSCONFIG = flags.DEFINE_string("tsconfig", None, "PATH of the compiler's options among the sources.")
_LIB = flags.DEFINE_multi_string("lib", [], "What there is at run time: es2022, dom, webworker.")


def main(argv: Sequence[str]) -> int:
    """Checks what the flags describe."""
    refuse_arguments(argv)
    with tempfile.TemporaryDirectory() as work:
        wrong = typescript.check(
            Path(work),
            Path(_NODE.value),
            Path(_COMPILER.value),
            packages.parse(_PACKAGE.value),
            _SRC.value,
            _TSCONFIG.value,
            _LIB.value,
        )
    if wrong:
        print(wrong, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    run(main)
